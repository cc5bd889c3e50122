"""Bytes in JSON: 0x and lower-case hexadecimal digits, one form only."""

import re

from bonafides.errors import InvalidInput

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")


def parse_hex(text: str, length: int | None = None) -> bytes:
    """Read bytes from their one JSON form.

    Raises:
        InvalidInput: no 0x, upper case, an odd number of digits, or not `length` bytes. The text is not repeated.
    """
    if not _HEX.fullmatch(text):
        raise InvalidInput("expected 0x and an even number of lower-case hexadecimal digits")
    raw = bytes.fromhex(text[2:])
    if length is not None and len(raw) != length:
        raise InvalidInput(f"expected {length} bytes, saw {len(raw)}")
    return raw


def format_hex(raw: bytes) -> str:
    """Lower-case `0x` form."""
    return "0x" + raw.hex()
