"""Where Maker's CdpManager keeps a cdp."""

from bonafides.hashing import keccak
from bonafides.types import Address


def urn_of(manager: Address, cdp: int) -> Address:
    """The urn of a cdp, 1 ≤ cdp < 2**64.

    The manager creates one UrnHandler a cdp and no other contract, and counts cdps from 1, as nonces of contracts do
    (EIP-161): so the cdp is the nonce of the CREATE. No event tells the urn's address.
    """
    nonce = cdp.to_bytes(max(-(-cdp.bit_length() // 8), 1))
    if cdp >= 0x80:
        nonce = bytes([0x80 + len(nonce)]) + nonce
    listed = b"\x94" + manager + nonce  # RLP of [20 bytes, number]: always shorter than 56 bytes
    return Address(keccak(bytes([0xC0 + len(listed)]) + listed)[12:])
