"""Kinds of borrowers, and the habits that make each of them himself.

Habits persist. They, and not the health factor of the day alone, decide who is liquidated in the next month; none of
them is written to any log.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from bonafides.types import Address

NEVER = 10**6
"""A day that no market reaches."""


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
    WASHER = "washer"
    """Borrows and repays in a circle, to buy a record; some use it up in the end."""
    SYBIL = "sybil"
    """One of the many wallets of one person, paid for by the first of them."""
    RETURNER = "returner"
    """Repays all, stays away for weeks, and comes back."""
    RUNNER = "runner"
    """Takes out all that the collateral gives, one day, and is never seen again."""
    PANICKER = "panicker"
    """Sells out when prices fall, however safe the position."""
    FADER = "fader"
    """Watches closely at first, and less each month."""


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
    alarm: float = 0.0
    """What a falling market adds to the chance of looking."""
    panics_at_fall: float = 1.0
    """Fall of the market within days (a share of the price) at which everything is sold; 1 is never."""
    wakes: float = 0.0
    """Chance that a liquidation of one's own is noticed the same day, and ends in getting out."""
    attention_half_life_days: float = math.inf
    """Days after which half of the attention is gone."""
    other_debt_reserve: int | None = None
    """A second asset to borrow: a new loan is taken in the one of the two that less is owed in."""
    instant_wash: float = 0.0
    """Chance of borrowing and repaying in one go, which leaves nothing but a record."""
    runs_away: bool = False
    """Borrows what the collateral gives at the first look, and never looks again."""
    payer_helps: float = 0.0
    """Chance that a repayment comes from the wallet that paid for this one."""


@dataclass(frozen=True, slots=True)
class Borrower:
    """One of the market's people."""

    index: int
    address: Address
    kind: Kind
    habits: Habits
    companion: Address | None = None
    payer: Address | None = None
    """The wallet that supplies for this one: another borrower, of the same person."""
    payer_moves_supply: bool = False
    """The payer supplies for itself and passes the aTokens on, instead of supplying on behalf of this wallet."""
    later: Habits | None = None
    """The habits that the borrower takes on …"""
    changes_on_day: int = NEVER
    """… on this day."""
