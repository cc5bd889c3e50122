"""What the marked days of the last 180 come to, over all wallets of a subject: each day counts once."""

from collections.abc import Sequence
from dataclasses import dataclass

from bonafides_scoring.features.catalogue import RECORD_DAYS
from bonafides_scoring.wallet_state import (
    BORROWED,
    CARED,
    FLASHED,
    LIQUIDATED,
    REPAID,
    SECONDS_PER_DAY,
    SUPPLIED,
    TOPPED_UP,
    WalletState,
)

TROUBLE_DAYS = 7
"""A repayment so near a liquidation was made because of it, or did not avert it."""
_LOOPED = BORROWED | SUPPLIED


@dataclass(slots=True)
class RecordDays:
    """Counts of distinct days."""

    repaid: int = 0
    topped_up: int = 0
    averted: int = 0
    borrowed: int = 0
    looped: int = 0
    flashed: int = 0
    since_care: int = RECORD_DAYS
    """Days since the newest repayment or top-up that counts."""

    @classmethod
    def of(cls, states: Sequence[WalletState], now: int) -> "RecordDays":
        """Those of the 180 days that end with the day of `now`."""
        today = now // SECONDS_PER_DAY
        marks: dict[int, int] = {}
        for state in states:
            for tally in state.days:
                if tally.day > today - RECORD_DAYS:
                    marks[tally.day] = marks.get(tally.day, 0) | tally.marks
        liquidated = [day for day, found in marks.items() if found & LIQUIDATED]
        counted = cls()
        for day, found in marks.items():
            if found & CARED:
                counted.repaid += int(found & REPAID > 0)
                counted.topped_up += int(found & TOPPED_UP > 0)
                counted.averted += int(all(abs(day - other) > TROUBLE_DAYS for other in liquidated))
                counted.since_care = min(counted.since_care, today - day)
            if found & BORROWED:
                counted.borrowed += 1
                counted.looped += int(found & _LOOPED == _LOOPED)
            if found & FLASHED:
                counted.flashed += 1
        return counted
