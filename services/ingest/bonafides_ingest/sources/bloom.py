"""The logs bloom of a block header: 2048 bits that say "surely not" or "maybe" (Yellow Paper, section 4.3.1).

It is held as one number: a header is asked about many values, and bytes would become a number each time.
"""

from collections.abc import Iterable
from functools import lru_cache

from bonafides.hashing import keccak

BLOOM_BYTES = 256
FULL_BLOOM = (1 << 8 * BLOOM_BYTES) - 1
"""Of chains that fill no blooms: it says nothing."""


def bloom_may_hold(bloom: int, value: bytes) -> bool:
    """Whether a log with this address or topic may be in the block; False is certain."""
    bits = bits_of(value)
    return bloom & bits == bits


def bloom_of(values: Iterable[bytes]) -> int:
    """The bloom of logs with these addresses and topics."""
    bits = 0
    for value in values:
        bits |= bits_of(value)
    return bits


@lru_cache(maxsize=1 << 14)  # addresses and topics come again in every block
def bits_of(value: bytes) -> int:
    """What a log with this address or topic sets in its block's bloom."""
    digest = keccak(value)
    return sum(1 << bit for bit in {int.from_bytes(digest[start : start + 2]) & 2047 for start in (0, 2, 4)})


@lru_cache(maxsize=64)  # the same contracts are asked for, window after window
def bits_of_each(values: frozenset[bytes]) -> tuple[tuple[bytes, int], ...]:
    """Each value with its `bits_of`."""
    return tuple((value, bits_of(value)) for value in values)
