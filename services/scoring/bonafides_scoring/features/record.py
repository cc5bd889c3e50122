"""What the marked days of the last 180 come to, over all wallets of a subject: each day counts once.

Acts that speak for the borrower are cheap, so their number is capped by time: of those within `APART_DAYS` of each
other one counts, and the first of the window proves nothing.

    day    0    3        35      50        80
          act  act      act     act       act      counted: 0, 35, 80, that is three; less the first: 2
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bonafides_scoring.features.catalogue import APART_DAYS, RECORD_DAYS
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
    """Repayments, top-ups and averted troubles are acts apart from each other; the others are distinct days."""

    repaid: int = 0
    topped_up: int = 0
    averted: int = 0
    borrowed: int = 0
    looped: int = 0
    flashed: int = 0

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
        counted, repaid, topped_up, averted = cls(), [], [], []
        for day, found in marks.items():
            if found & CARED:
                if found & REPAID:
                    repaid.append(day)
                if found & TOPPED_UP:
                    topped_up.append(day)
                if all(abs(day - other) > TROUBLE_DAYS for other in liquidated):
                    averted.append(day)
            if found & BORROWED:
                counted.borrowed += 1
                counted.looped += int(found & _LOOPED == _LOOPED)
            if found & FLASHED:
                counted.flashed += 1
        counted.repaid, counted.topped_up, counted.averted = _proven(repaid), _proven(topped_up), _proven(averted)
        return counted


def _proven(days: list[int]) -> int:
    """The most of these days that lie `APART_DAYS` and more from each other, less the first."""
    counted, newest = 0, None
    for day in sorted(days):
        if newest is None or day - newest >= APART_DAYS:
            counted, newest = counted + 1, day
    return max(0, counted - 1)
