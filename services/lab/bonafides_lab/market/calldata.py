"""Calldata of functions whose arguments are all one word wide, encoded ahead of the call.

web3.py encodes a call in about a millisecond, more than the EVM needs to run it; this takes a microsecond.
Functions with tuples or arrays go through eth_abi in `artifacts`.
"""

from bonafides.hashing import keccak
from bonafides.types import Address

MAX_UINT256 = 2**256 - 1
"""Aave reads it as "all of it" in repay and withdraw, and ERC-20 as an allowance without end."""


class Method:
    """One contract function, named by its canonical signature, for example `supply(address,uint256,address,uint16)`."""

    __slots__ = ("selector", "signature")

    def __init__(self, signature: str) -> None:
        self.signature = signature
        self.selector = keccak(signature.encode())[:4]

    def __call__(self, *arguments: int | Address) -> bytes:
        """Selector and arguments. Integers must be non-negative; addresses are 20 bytes."""
        return self.selector + b"".join(
            argument.to_bytes(32) if isinstance(argument, int) else argument.rjust(32, b"\0") for argument in arguments
        )


def words(returned: bytes) -> list[int]:
    """The 32-byte words of what a call returned, as unsigned integers."""
    return [int.from_bytes(returned[start : start + 32]) for start in range(0, len(returned), 32)]


def word_as_address(word: int) -> Address:
    """The address in the low 20 bytes of a word."""
    return Address(word.to_bytes(32)[12:])


def create_address(deployer: Address, nonce: int) -> Address:
    """Where the contract lands that `deployer` creates with its nonce `nonce`: keccak(rlp([deployer, nonce]))[12:]."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8)
    rlp_nonce = number if len(number) == 1 and number[0] < 0x80 else bytes([0x80 + len(number)]) + number
    payload = b"\x94" + deployer + rlp_nonce
    return Address(keccak(bytes([0xC0 + len(payload)]), payload)[12:])
