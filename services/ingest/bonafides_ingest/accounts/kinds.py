"""What the code at an address says about it. Pure."""

from bonafides.types import AccountKind

_DELEGATION = bytes.fromhex("ef0100")


def kind_of_code(code: bytes) -> AccountKind:
    """Externally owned without code; delegated where the code is an EIP-7702 designator; else a contract.

    A delegated account is still one key's: the designator says whose code runs when it is called.
    """
    if not code:
        return AccountKind.EXTERNALLY_OWNED
    if len(code) == 23 and code.startswith(_DELEGATION):
        return AccountKind.DELEGATED
    return AccountKind.CONTRACT
