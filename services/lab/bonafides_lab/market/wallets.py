"""Keys of the market's people, all derived from one seed, so that a demo can sign as any of them."""

from functools import lru_cache

from bonafides.hashing import keccak
from bonafides.types import Address
from coincurve import PublicKey

_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def private_key(seed: int, role: str) -> bytes:
    """The secp256k1 key of one role of the market, for example `borrower/7`. Worthless outside development chains."""
    digest = keccak(b"bonafides synthetic market wallet", seed.to_bytes(8), role.encode())
    return (int.from_bytes(digest) % (_CURVE_ORDER - 1) + 1).to_bytes(32)


@lru_cache(maxsize=65_536)
def wallet_of(seed: int, role: str) -> Address:
    """The address of that role."""
    public = PublicKey.from_secret(private_key(seed, role)).format(compressed=False)
    return Address(keccak(public[1:])[12:])


def borrower_role(index: int) -> str:
    """The role name of borrower number `index`, from 0."""
    return f"borrower/{index}"


def companion_role(index: int) -> str:
    """The role name of the second wallet that acts beside borrower `index`: a helper, a delegate, a new home."""
    return f"companion/{index}"
