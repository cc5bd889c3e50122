"""Keccak-256 and what Ethereum builds on it. One place, so that one backend is chosen and measured.

`hashlib.sha3_256` is not Keccak: its padding differs.
"""

import hashlib

import sha3

from bonafides.types import Address, Digest


def keccak(*parts: bytes) -> Digest:
    """Keccak-256 of the parts, one after another."""
    state = sha3.keccak_256()
    for part in parts:
        state.update(part)
    return Digest(state.digest())


def sha256(*parts: bytes) -> Digest:
    """SHA-256 of the parts, one after another."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return Digest(state.digest())


def checksum_address(address: Address) -> str:
    """Mixed-case form of an address (EIP-55)."""
    lower = address.hex()
    nibbles = keccak(lower.encode()).hex()
    return "0x" + "".join(
        char.upper() if int(nibble, 16) >= 8 else char for char, nibble in zip(lower, nibbles[:40], strict=True)
    )
