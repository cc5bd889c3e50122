"""What an attacker can do: tricks, where the position ends, and the strategy they make. Plain values, in integers."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from bonafides_lab.attack.records import Record

ALL_BPS = 10_000
RESTORE_WITHIN_BPS = 25
"""Closer to its level a balance is left alone on the last day: a quarter of a per cent is no other position."""


class Trick(StrEnum):
    """One kind of act that leaves everything as it was, and the two honest ones that do not."""

    WASH = "wash"
    """Borrow more and repay it in the same block, in two transactions."""
    HELD_WASH = "held_wash"
    """Borrow more, repay it some days later."""
    REPAY_AND_REOPEN = "repay_and_reopen"
    """Repay everything with own cash, owe it again some days later: loans that look paid back."""
    DUST = "small_repayments"
    """Repay a little, again and again, from dust on; what that took off the debt is borrowed again on the last day."""
    TOP_UP = "top_up_and_take_out"
    """Add collateral and take it out again."""
    ONE_TRANSACTION = "same_transaction"
    """Borrow and repay inside one transaction, by a contract with credit delegation."""
    FLASH_LOAN = "flash_loan"
    """Repay everything with a flash loan and borrow it again, in one transaction."""
    PAY_DOWN = "pay_down"
    """Honest: the debt stays smaller."""
    ADD_COLLATERAL = "add_collateral"
    """Honest, or window dressing: the collateral stays, at least until the score is read."""


HONEST = frozenset({Trick.PAY_DOWN, Trick.ADD_COLLATERAL})
HELD = frozenset({Trick.HELD_WASH, Trick.REPAY_AND_REOPEN, Trick.TOP_UP})
"""Tricks that may stay away from home for days."""
OF_ALL = frozenset({Trick.REPAY_AND_REOPEN, Trick.FLASH_LOAN})
"""Tricks that move the whole debt, so that their share says nothing."""

NEEDS_DEBT = frozenset({Trick.DUST, Trick.FLASH_LOAN, Trick.PAY_DOWN})
"""Tricks that do nothing where nothing is owed."""


@dataclass(frozen=True, slots=True)
class Move:
    """One trick, repeated. Days count from the campaign's first."""

    trick: Trick
    first_day: int
    times: int
    every_days: int
    hold_days: int
    """Days between forth and back; 0 is the same block."""
    share_bps: int
    """Of the twin's debt, or of his collateral for those that move collateral."""
    in_reverse: bool = False
    """Repay, or take out, before it is borrowed or supplied again: needs cash for a moment, or no cash at all."""
    by_companion: bool = False
    """A second wallet pays."""

    @property
    def last_day(self) -> int:
        """The last day on which it acts."""
        return self.first_day + (self.times - 1) * self.every_days + self.hold_days

    @property
    def words(self) -> str:
        """What it does, for people."""
        held = f"{_days(self.hold_days)} later" if self.hold_days else "in the same block"
        share = f"{self.share_bps / 100:g} %"
        payer = " with a second wallet's money" if self.by_companion else ""
        match self.trick:
            case Trick.WASH | Trick.HELD_WASH if self.in_reverse:
                what = f"repay {share} of the debt{payer} and borrow it again {held}"
            case Trick.WASH | Trick.HELD_WASH:
                what = f"borrow {share} more and repay it{payer} {held}"
            case Trick.REPAY_AND_REOPEN:
                what = f"repay everything{payer} and borrow it again {held}"
            case Trick.DUST:
                what = f"repay {share} of the debt{payer}"
            case Trick.TOP_UP if self.in_reverse:
                what = f"take out {share} of the collateral and put it back{payer} {held}"
            case Trick.TOP_UP:
                what = f"add {share} of collateral{payer} and take it out {held}"
            case Trick.ONE_TRANSACTION:
                what = f"borrow {share} more and repay it inside one transaction"
            case Trick.FLASH_LOAN:
                what = "repay everything with a flash loan and borrow it again, in one transaction"
            case Trick.PAY_DOWN:
                what = f"repay {share} of the debt{payer} for good"
            case Trick.ADD_COLLATERAL:
                what = f"add {share} of collateral{payer} and leave it"
            case _:
                assert_never(self.trick)
        often = "" if self.times == 1 else f", {self.times} times, every {_every(self.every_days)}"
        return f"from day {self.first_day}: {what}{often}"


class Home(StrEnum):
    """Where the position is in the end."""

    STAY = "stay"
    HIDE = "hide"
    """On a fresh wallet; the old one with its record is left behind, empty."""
    SPLIT = "split"
    """Spread over the old wallet and fresh ones, in equal parts."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """All that one attacker does."""

    record: Record
    days: int
    """From the campaign's first day to the as-of block."""
    moves: tuple[Move, ...]
    home: Home = Home.STAY
    wallets: int = 1
    """Wallets that hold the position in the end: 1 unless split."""
    move_day: int = 0
    """When the position moves to its home."""
    seed_bps: int = 0
    """Of a hidden position: the share that the fresh wallet opens with own cash on day 0, to have a record when the
    rest comes. 0: it opens nothing before."""

    @property
    def does_something(self) -> bool:
        """Whether it differs from doing nothing at all."""
        return bool(self.moves) or self.home is not Home.STAY

    @property
    def family(self) -> str:
        """Where the position goes if it moves, else its trick; `mixed` with several, `wait` without any."""
        if self.home is not Home.STAY:
            return self.home.value
        tricks = {move.trick for move in self.moves}
        return "mixed" if len(tricks) > 1 else next((trick.value for trick in tricks), "wait")

    @property
    def words(self) -> tuple[str, ...]:
        """What the attacker does, in order."""
        told = [(move.first_day, move.words) for move in self.moves]
        if self.home is Home.HIDE:
            if self.seed_bps:
                told.append((0, f"from day 0: open {self.seed_bps / 100:g} % of the position on a fresh wallet"))
            told.append((self.move_day, f"on day {self.move_day}: move the position to a fresh wallet"))
        elif self.home is Home.SPLIT:
            told.append((self.move_day, f"on day {self.move_day}: split the position over {self.wallets} wallets"))
        quiet = self.days - max([self.last_day, *([self.move_day] if self.home is not Home.STAY else [])])
        if self.borrows_back:
            last = self.days - 1
            told.append((last, f"on day {last}: borrow again what the small repayments took off the debt"))
            told.append((self.days, "wait 1 day, then ask for the score"))
        else:
            told.append((self.days, f"wait {_days(quiet)}, then ask for the score"))
        return tuple(text for _, text in sorted(told, key=lambda item: item[0]))

    @property
    def borrows_back(self) -> bool:
        """Whether repayments without a way back of their own leave the debt so much smaller that the last day restores
        it."""
        dust = sum(move.share_bps * move.times for move in self.moves if move.trick is Trick.DUST)
        return dust > RESTORE_WITHIN_BPS

    @property
    def last_day(self) -> int:
        """The last day of a trick; 0 without any."""
        return max((min(move.last_day, self.days - 1) for move in self.moves), default=0)


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _every(count: int) -> str:
    return "day" if count == 1 else _days(count)
