"""Base records: how each attacker and his twin came to the score that the attacker wants to lift."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bonafides_lab.market.prices import Crash, PriceModel

POSITION_USD = 10_000.0
"""Collateral of each at the start, in WETH; the debt is USDC. Small beside the pool, so that no rate moves."""
HISTORY_DAYS = 120
"""Days before the first campaign may begin."""
CRASH_DAY = 30
CRASH_FALL = 0.25
CALM = PriceModel(
    daily_drift=0.0,
    weth_daily_volatility=0.004,
    wbtc_daily_volatility=0.004,
    season_volatility=0.0,
    crashes_per_year=0.0,
    depegs_per_year=0.0,
    rebound=0.0,
)
"""Quiet but for the one crash: a storm in the campaign would liquidate some attackers, and measure luck."""


class Record(StrEnum):
    """Names of the base records."""

    LIQUIDATED = "liquidated"
    UNTRIED = "untried"
    RISKY = "risky"
    DEBT_FREE = "debt_free"


class BaseVerb(StrEnum):
    """What a base record is made of; liquidators do the rest."""

    SUPPLY = "supply"
    """WETH of `POSITION_USD`."""
    BORROW_TO = "borrow_to"
    """Until the health factor is `health_factor`."""
    REPAY_ALL = "repay_all"


@dataclass(frozen=True, slots=True)
class BaseAct:
    """One act of a base record."""

    day: int
    verb: BaseVerb
    health_factor: float = 0.0


@dataclass(frozen=True, slots=True)
class BaseRecord:
    """A history that everyone of this record has, to the day."""

    words: str
    acts: tuple[BaseAct, ...]


RECORDS: Mapping[Record, BaseRecord] = {
    Record.LIQUIDATED: BaseRecord(
        "Liquidated in a crash; came back with new money a month later, owes, and has not lifted a finger since.",
        (
            BaseAct(5, BaseVerb.SUPPLY),
            BaseAct(5, BaseVerb.BORROW_TO, 1.12),
            BaseAct(60, BaseVerb.SUPPLY),
            BaseAct(60, BaseVerb.BORROW_TO, 1.5),
        ),
    ),
    Record.UNTRIED: BaseRecord(
        "Opened a loan a few days before the campaigns begin; nothing before, nothing since.",
        (BaseAct(HISTORY_DAYS - 5, BaseVerb.SUPPLY), BaseAct(HISTORY_DAYS - 5, BaseVerb.BORROW_TO, 1.5)),
    ),
    Record.RISKY: BaseRecord(
        "Owes close to the limit for two months; never liquidated, never repaid.",
        (BaseAct(50, BaseVerb.SUPPLY), BaseAct(50, BaseVerb.BORROW_TO, 1.25)),
    ),
    Record.DEBT_FREE: BaseRecord(
        "Liquidated in a crash, repaid the rest, owes nothing: scored at the reference position.",
        (
            BaseAct(5, BaseVerb.SUPPLY),
            BaseAct(5, BaseVerb.BORROW_TO, 1.12),
            BaseAct(60, BaseVerb.REPAY_ALL),
        ),
    ),
}


def calm_prices_with_one_crash(days: int) -> PriceModel:
    """The price model of a stage of `days` days: the crash begins on `CRASH_DAY`."""
    # Half a day later than the share says, so that no rounding of it falls on the day before.
    return replace(CALM, scheduled=(Crash((CRASH_DAY + 0.5) / days, CRASH_FALL),))
