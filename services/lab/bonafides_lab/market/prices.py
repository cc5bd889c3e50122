"""Seeded daily price paths: correlated, with jumps and crashes; stablecoins stay near a dollar."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from bonafides.errors import InvalidInput

from bonafides_lab.market.deployment import PRICE_UNIT
from bonafides_lab.market.reserves import DAI, RESERVES, USDC, WBTC, WETH

DAYS_PER_YEAR = 365


@dataclass(frozen=True, slots=True)
class Crash:
    """A fall of the whole market over `CRASH_DAYS` days, beginning at a fixed place in the path."""

    at: float
    """Share of the path that has passed, in [0, 1)."""
    fall: float
    """How much of its price WETH loses in all, in (0, 1); WBTC's log loss is four fifths of that."""


@dataclass(frozen=True, slots=True)
class PriceModel:
    """Geometric Brownian motion with jumps and, where asked for, storms; per day.

    The volatilities are near the realised ones of 2020 to 2024: about 75 % a year for ether, 55 % for bitcoin, with a
    correlation of daily returns of .8.
    """

    daily_drift: float = 0.0002
    weth_daily_volatility: float = 0.032
    wbtc_daily_volatility: float = 0.026
    correlation: float = 0.8
    season_volatility: float = 0.003
    """Spread of the drift itself, per day: good and bad seasons, in which watching one's position pays."""
    season_half_life_days: float = 25.0
    crashes_per_year: float = 4.0
    crash_fall_low: float = 0.1
    crash_fall_high: float = 0.35
    rebound: float = 0.5
    """Share of a crash that comes back over the `REBOUND_DAYS` after it."""
    stable_pull: float = 0.35
    stable_noise: float = 0.0006
    depegs_per_year: float = 0.4
    depeg_low: float = 0.01
    depeg_high: float = 0.05
    level_half_life_days: float = math.inf
    """Time in which half of the way back to the start prices is gone, leaving all else aside; endless: none of it."""
    storms: float = 0.0
    """Spread of the logarithm of the volatility itself: quiet and wild weeks, and days of many standard deviations."""
    storm_half_life_days: float = 8.0
    scheduled: tuple[Crash, ...] = ()


@dataclass(frozen=True, slots=True)
class PricePath:
    """Prices per day and reserve."""

    days: tuple[tuple[int, ...], ...]
    """One row per day; in it one price per reserve of `RESERVES`: USD with 8 decimals, above 0."""

    def __len__(self) -> int:
        return len(self.days)

    def recent_fall(self, day: int) -> float:
        """How far ether closes on `day` below its highest close of the last days, as a share of that; 0 at a high."""
        highest = max(row[WETH] for row in self.days[max(0, day - NEWS_DAYS) : day + 1])
        return 1 - self.days[day][WETH] / highest


NEWS_DAYS = 4
"""A fall over so many days is news; one over months is not."""
CRASH_DAYS = 4
"""A crash takes days, not one block: who watches can still act."""
REBOUND_DAYS = 10
WBTC_SHARE_OF_CRASH = 0.8


def price_path(seed: int, days: int, model: PriceModel | None = None) -> PricePath:
    """The path of `days` days for this seed, starting at the reserves' start prices.

    Raises:
        InvalidInput: `days` is below 1.
    """
    if days < 1:
        raise InvalidInput(f"a price path needs at least one day, asked for {days}")
    model = model or PriceModel()
    rng = random.Random(f"prices/{seed}")  # noqa: S311  a simulation must be repeatable, not secret
    scheduled = {int(crash.at * days): crash.fall for crash in model.scheduled}
    log_price = {WETH: 0.0, WBTC: 0.0}
    off_peg = {USDC: 0.0, DAI: 0.0}
    moves_to_come: dict[int, float] = {}
    season, season_decay = 0.0, 0.5 ** (1 / model.season_half_life_days)
    season_shock = model.season_volatility * math.sqrt(1 - season_decay**2)
    back = 1 - 0.5 ** (1 / model.level_half_life_days)
    # Dice of their own, so that a model without storms gives the paths that it always gave.
    storm_rng = random.Random(f"storms/{seed}")  # noqa: S311
    storm, storm_decay = 0.0, 0.5 ** (1 / model.storm_half_life_days)
    storm_shock = model.storms * math.sqrt(1 - storm_decay**2)
    rows = []
    for day in range(days):
        if day > 0:
            storm = storm * storm_decay + storm_rng.gauss(0, storm_shock)
            wild = math.exp(storm - model.storms**2)  # its mean square is 1: the volatilities stay those asked for
            season = season * season_decay + rng.gauss(0, season_shock)
            drift = model.daily_drift + season
            common, own = rng.gauss(0, 1), rng.gauss(0, 1)
            bitcoin = model.correlation * common + math.sqrt(1 - model.correlation**2) * own
            log_price[WETH] += _step(wild * model.weth_daily_volatility, drift, common) - back * log_price[WETH]
            log_price[WBTC] += _step(wild * model.wbtc_daily_volatility, drift, bitcoin) - back * log_price[WBTC]
            fall = _fall_that_begins(rng, model, scheduled.get(day, 0.0))
            if fall > 0:
                _spread(moves_to_come, day, math.log(1 - fall), CRASH_DAYS)
                _spread(moves_to_come, day + CRASH_DAYS, -math.log(1 - fall) * model.rebound, REBOUND_DAYS)
            log_price[WETH] += moves_to_come.get(day, 0.0)
            log_price[WBTC] += WBTC_SHARE_OF_CRASH * moves_to_come.get(day, 0.0)
            for asset in off_peg:
                off_peg[asset] += -model.stable_pull * off_peg[asset] + rng.gauss(0, model.stable_noise)
                if rng.random() < model.depegs_per_year / DAYS_PER_YEAR:
                    off_peg[asset] -= rng.uniform(model.depeg_low, model.depeg_high)
        moves = {asset: math.exp(value) for asset, value in log_price.items()}
        moves |= {asset: 1 + gap for asset, gap in off_peg.items()}
        rows.append(price_row([spec.start_price_usd * moves[asset] for asset, spec in enumerate(RESERVES)]))
    return PricePath(tuple(rows))


def price_row(usd: Sequence[float]) -> tuple[int, ...]:
    """A day's prices as feeds post them: 8 decimals, at least the smallest that is not 0."""
    return tuple(max(1, round(price * PRICE_UNIT)) for price in usd)


def _step(volatility: float, drift: float, shock: float) -> float:
    return drift - volatility**2 / 2 + volatility * shock


def _spread(moves: dict[int, float], first_day: int, log_move: float, days: int) -> None:
    for day in range(first_day, first_day + days):
        moves[day] = moves.get(day, 0.0) + log_move / days


def _fall_that_begins(rng: random.Random, model: PriceModel, scheduled_fall: float) -> float:
    """Always draws the same count of numbers, so that a scheduled crash does not shift the rest of the path."""
    happens = rng.random() < model.crashes_per_year / DAYS_PER_YEAR
    fall = rng.uniform(model.crash_fall_low, model.crash_fall_high)
    return scheduled_fall or (fall if happens else 0.0)
