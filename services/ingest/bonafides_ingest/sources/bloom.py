"""The logs bloom of a block header: 2048 bits that say "surely not" or "maybe" (Yellow Paper, section 4.3.1)."""

from collections.abc import Iterable
from functools import lru_cache

from bonafides.hashing import keccak

BLOOM_BYTES = 256


def bloom_may_hold(bloom: bytes, value: bytes) -> bool:
    """Whether a log with this address or topic may be in the block; False is certain."""
    bits = _bits(value)
    return int.from_bytes(bloom) & bits == bits


def bloom_of(values: Iterable[bytes]) -> bytes:
    """The bloom of logs with these addresses and topics."""
    bits = 0
    for value in values:
        bits |= _bits(value)
    return bits.to_bytes(BLOOM_BYTES)


@lru_cache(maxsize=1 << 14)  # addresses and topics come again in every block
def _bits(value: bytes) -> int:
    digest = keccak(value)
    return sum(1 << bit for bit in {int.from_bytes(digest[start : start + 2]) & 2047 for start in (0, 2, 4)})
