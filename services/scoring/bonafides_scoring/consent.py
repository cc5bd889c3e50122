"""Who may read a score (DESIGN 13). Pure."""

from enum import StrEnum
from typing import assert_never

from bonafides.errors import InvalidInput


class ConsentMode(StrEnum):
    """How reads are allowed."""

    REQUIRED = "required"
    """By a grant of the borrower only. Grants cannot be given yet, so that nobody may read."""
    OPEN = "open"
    """By anybody: for public data. Every answer says so."""


class ConsentMissing(InvalidInput):
    """The borrower has not allowed this read."""


def require_consent(mode: ConsentMode) -> None:
    """Let a read pass, or raise ConsentMissing; the same for every wallet, known or not, so that it tells nothing."""
    match mode:
        case ConsentMode.OPEN:
            return
        case ConsentMode.REQUIRED:
            raise ConsentMissing(
                "this service shows a score only with its borrower's grant (consent mode: required), and there is no "
                "grant for this read"
            )
        case _:
            assert_never(mode)
