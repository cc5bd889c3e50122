"""The logs bloom of a block header: 2048 bits that say "surely not" or "maybe" (Yellow Paper, section 4.3.1)."""

from bonafides.hashing import keccak

BLOOM_BYTES = 256


def bloom_may_hold(bloom: bytes, value: bytes) -> bool:
    """Whether a log with this address or topic may be in the block; False is certain."""
    digest = keccak(value)
    for start in (0, 2, 4):
        bit = int.from_bytes(digest[start : start + 2]) & 2047
        if not bloom[BLOOM_BYTES - 1 - bit // 8] >> (bit % 8) & 1:
            return False
    return True
