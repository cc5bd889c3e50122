"""Who may read what is said of a wallet (DESIGN 13). Pure."""

from enum import StrEnum
from typing import assert_never

from bonafides.errors import InvalidInput


class ConsentMode(StrEnum):
    """How reads are allowed."""

    REQUIRED = "required"
    """With the subject's consent only. Nobody can give it yet, so that nobody may read."""
    OPEN = "open"
    """By anybody: for public data and development. Every answer says so."""


class ConsentMissing(InvalidInput):
    """The subject has not allowed this read."""


def require_consent(mode: ConsentMode, refusal: str) -> None:
    """Let a read pass, or raise ConsentMissing with `refusal` as its text.

    A refusal is the same for every wallet, known or not, so that it tells nothing.
    """
    match mode:
        case ConsentMode.OPEN:
            return
        case ConsentMode.REQUIRED:
            raise ConsentMissing(refusal)
        case _:
            assert_never(mode)
