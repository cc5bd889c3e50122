"""Kinds of borrowers, and the habits that make each of them himself.

Habits persist. They, and not the health factor of the day alone, decide who is liquidated in the next month; none of
them is written to any log.
"""

from dataclasses import dataclass
from enum import StrEnum

from bonafides.types import Address


class Kind(StrEnum):
    """Kinds of borrowers. The later ones do one thing that the others never do."""

    CAREFUL = "careful"
    STEADY_REPAYER = "steady_repayer"
    LOOPER = "looper"
    GAMBLER = "gambler"
    STABLE_FARMER = "stable_farmer"
    DORMANT = "dormant"
    NEWCOMER = "newcomer"
    REPAID_ALL = "repaid_all"
    LENDER = "lender"
    HELPED = "helped"
    """Somebody else repays for it."""
    DELEGATOR = "delegator"
    """Lets another wallet borrow on its credit."""
    MOVER = "mover"
    """Moves aTokens to a second wallet."""
    ATOKEN_REPAYER = "atoken_repayer"
    LEAVER = "leaver"
    """Repays everything and withdraws everything."""


WITH_COMPANION = frozenset({Kind.HELPED, Kind.DELEGATOR, Kind.MOVER})


@dataclass(frozen=True, slots=True)
class Habits:
    """How one borrower behaves, for good. Chances are per look unless said otherwise."""

    joins_on_day: int
    episode_day: int
    """From when on the kinds that do one special thing do it, at the first look."""
    wealth_usd: float
    """What is supplied at the start."""
    collateral: tuple[tuple[int, float], ...]
    """(reserve, share); the shares add up to 1."""
    debt_reserve: int
    target_use: float
    """The share of the borrowing capacity that the borrower likes to owe."""
    attention: float
    """Chance per day of looking at the position at all."""
    rescue_below: float
    """Health factor below which a look turns into worry."""
    rescue_to: float
    discipline: float
    """Chance that worry turns into a repayment or a top-up."""
    doubles_down: float
    """Chance that worry turns into more debt instead."""
    binges: float
    """Chance of borrowing to the limit out of the blue, whatever the health factor says."""
    rescues_by_repaying: float
    """Share of rescues that repay rather than top up collateral."""
    spare_cash_usd: float
    income_usd_per_day: float
    spends: float
    """Share of borrowed money that is gone at once; the rest is there for a rescue."""
    repays_every_days: int
    repay_share: float
    appetite: float
    """Chance of borrowing up to `target_use` again when below it."""
    withdraws: float
    """Chance of taking out collateral that is not needed."""
    closes: float
    """Chance of repaying everything."""
    returns_after_days: int
    """Days after which one who repaid everything borrows again."""
    loops: bool
    """Borrowed money becomes collateral again."""


@dataclass(frozen=True, slots=True)
class Borrower:
    """One of the market's people."""

    index: int
    address: Address
    kind: Kind
    habits: Habits
    companion: Address | None = None


NEVER = 10**6
"""A day that no market reaches."""
