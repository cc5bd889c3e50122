"""Draws the market's people: which habits each kind has, and how much they differ within a kind.

The kinds overlap on purpose: at the same health factor stand a careful borrower in a bad week and a sleeper.
"""

import random
from dataclasses import dataclass, replace

from bonafides_lab.market.habits import NEVER, WITH_COMPANION, Borrower, Habits, Kind
from bonafides_lab.market.reserves import DAI, STABLE_RESERVES, USDC, VOLATILE_RESERVES, WBTC, WETH
from bonafides_lab.market.wallets import borrower_role, companion_role, wallet_of


def make_borrower(seed: int, index: int, kind: Kind, *, days: int) -> Borrower:
    """Borrower number `index` of a market of `days` days. The same arguments give the same borrower."""
    rng = random.Random(f"habits/{seed}/{index}")  # noqa: S311  repeatable, not secret
    companion = wallet_of(seed, companion_role(index)) if kind in WITH_COMPANION else None
    return Borrower(index, wallet_of(seed, borrower_role(index)), kind, _habits(kind, rng, days), companion)


def _habits(kind: Kind, rng: random.Random, days: int) -> Habits:
    match kind:
        case Kind.CAREFUL:
            habits = _careful(rng, days)
        case Kind.HELPED | Kind.MOVER | Kind.DELEGATOR | Kind.ATOKEN_REPAYER:
            habits = replace(_careful(rng, days), closes=0.0)  # their one special thing needs an open position
        case Kind.STEADY_REPAYER:
            habits = _steady(rng, days)
        case Kind.REPAID_ALL | Kind.LEAVER:
            habits = replace(_steady(rng, days), closes=0.0, returns_after_days=NEVER)
        case Kind.LOOPER:
            habits = _looper(rng, days)
        case Kind.GAMBLER:
            habits = _gambler(rng, days)
        case Kind.STABLE_FARMER:
            habits = _stable_farmer(rng, days)
        case Kind.DORMANT:
            habits = _dormant(rng, days)
        case Kind.NEWCOMER:
            habits = _newcomer(rng, days)
        case Kind.LENDER:
            habits = _lender(rng, days)
    return habits


def _wealth(rng: random.Random, median_usd: float, spread: float = 0.9) -> float:
    """Log-normal, as balances on real markets roughly are."""
    return median_usd * rng.lognormvariate(0, spread)


def _volatile_mix(rng: random.Random) -> tuple[tuple[int, float], ...]:
    if rng.random() < 0.6:
        return ((rng.choices(VOLATILE_RESERVES, (0.7, 0.3))[0], 1.0),)
    share = rng.uniform(0.3, 0.8)
    return ((WETH, share), (WBTC, 1 - share))


def _part_stable_mix(rng: random.Random) -> tuple[tuple[int, float], ...]:
    share = rng.uniform(0.2, 0.6)
    return ((rng.choice(VOLATILE_RESERVES), 1 - share), (rng.choice(STABLE_RESERVES), share))


def _stable_debt(rng: random.Random) -> int:
    return rng.choices(STABLE_RESERVES, (0.7, 0.3))[0]


@dataclass(frozen=True, slots=True)
class _Care:
    """How much a borrower cares, 0..1, and what follows from it. The same trait shows in small repayments long before
    it decides a bad week, which is why a history says more than a health factor."""

    level: float

    @property
    def attention(self) -> float:
        return 0.015 + 0.9 * self.level

    @property
    def discipline(self) -> float:
        return 0.05 + 0.94 * self.level

    def repays_every_days(self, rng: random.Random) -> int:
        return max(7, round((10 + 110 * (1 - self.level)) * rng.uniform(0.7, 1.3)))

    def spare_cash_usd(self, wealth_usd: float) -> float:
        return wealth_usd * (0.02 + 0.4 * self.level)


def _care(rng: random.Random, mean: float, weight: float = 4.0) -> _Care:
    """A beta-distributed level; the smaller the weight, the more people of one kind differ."""
    return _Care(rng.betavariate(weight * mean, weight * (1 - mean)))


def _split_care(rng: random.Random, diligent_share: float) -> _Care:
    """People of one kind who look alike from outside and are of two sorts."""
    return _Care(rng.uniform(0.85, 1.0) if rng.random() < diligent_share else rng.uniform(0.03, 0.35))


def _ordinary(rng: random.Random, days: int, care: _Care, wealth_usd: float) -> Habits:
    """A borrower of no special temper, whom each kind changes in its own way."""
    rescue_below = rng.uniform(1.15, 1.4)
    return Habits(
        joins_on_day=int(rng.uniform(0, 0.7 * days)),
        episode_day=NEVER,
        wealth_usd=wealth_usd,
        collateral=_volatile_mix(rng) if rng.random() < 0.6 else _part_stable_mix(rng),
        debt_reserve=_stable_debt(rng),
        target_use=rng.uniform(0.4, 0.8),
        attention=care.attention,
        rescue_below=rescue_below,
        rescue_to=rescue_below + rng.uniform(0.15, 0.5),
        discipline=care.discipline,
        doubles_down=0.0,
        binges=0.0,
        rescues_by_repaying=rng.uniform(0.3, 0.9),
        spare_cash_usd=care.spare_cash_usd(wealth_usd),
        income_usd_per_day=rng.uniform(5, 60),
        spends=rng.uniform(0.3, 0.9),
        repays_every_days=care.repays_every_days(rng),
        repay_share=rng.uniform(0.05, 0.2),
        appetite=0.05,
        withdraws=0.01,
        closes=0.004,
        returns_after_days=rng.randint(10, 90),
        loops=False,
    )


def _careful(rng: random.Random, days: int) -> Habits:
    """Not the one who owes little, but the one who watches."""
    rescue_below = rng.uniform(1.15, 1.35)
    return replace(
        _ordinary(rng, days, _care(rng, 0.93, weight=20.0), _wealth(rng, 20_000)),
        episode_day=int(rng.uniform(0.75, 0.93) * days),
        target_use=rng.uniform(0.45, 0.86),
        rescue_below=rescue_below,
        rescue_to=rescue_below + rng.uniform(0.07, 0.25),
        spends=rng.uniform(0.2, 0.6),
        appetite=0.15,
    )


def _steady(rng: random.Random, days: int) -> Habits:
    return replace(
        _ordinary(rng, days, _split_care(rng, 0.6), _wealth(rng, 12_000)),
        joins_on_day=int(rng.uniform(0, 0.5 * days)),
        episode_day=int(rng.uniform(0.7, 0.95) * days),
        target_use=rng.uniform(0.45, 0.88),
        repay_share=rng.uniform(0.05, 0.15),
        appetite=0.2,
        rescues_by_repaying=0.9,
        income_usd_per_day=rng.uniform(20, 90),
    )


def _looper(rng: random.Random, days: int) -> Habits:
    """High leverage on purpose. Some watch it every day and never fall; the others do."""
    rescue_below = rng.uniform(1.1, 1.28)
    return replace(
        _ordinary(rng, days, _split_care(rng, 0.65), _wealth(rng, 30_000)),
        collateral=((rng.choices(VOLATILE_RESERVES, (0.8, 0.2))[0], 1.0),),
        target_use=rng.uniform(0.7, 0.93),
        rescue_below=rescue_below,
        rescue_to=rescue_below + rng.uniform(0.1, 0.25),
        doubles_down=0.02,
        rescues_by_repaying=0.7,
        spends=0.05,
        appetite=rng.uniform(0.1, 0.3),
        loops=True,
    )


def _gambler(rng: random.Random, days: int) -> Habits:
    sells_short = rng.random() < 0.15
    rescue_below = rng.uniform(1.02, 1.12)
    return replace(
        _ordinary(rng, days, _care(rng, 0.25), _wealth(rng, 7_000, 1.1)),
        joins_on_day=int(rng.uniform(0, 0.85 * days)),
        collateral=((rng.choice(STABLE_RESERVES), 1.0),) if sells_short else _volatile_mix(rng),
        debt_reserve=rng.choice(VOLATILE_RESERVES) if sells_short else _stable_debt(rng),
        target_use=rng.uniform(0.3, 0.8),
        rescue_below=rescue_below,
        rescue_to=rescue_below + 0.1,
        doubles_down=rng.betavariate(2, 5),
        binges=rng.uniform(0.03, 0.2),
        spends=rng.uniform(0.8, 1.0),
        income_usd_per_day=rng.uniform(0, 15),
        appetite=rng.uniform(0.1, 0.4),
        repay_share=rng.uniform(0.1, 0.5),
        withdraws=0.05,
        closes=0.02,
        returns_after_days=rng.randint(3, 20),
        loops=rng.random() < 0.3,
    )


def _stable_farmer(rng: random.Random, days: int) -> Habits:
    """Stablecoins against stablecoins: a thin health factor that hardly moves."""
    supplied, owed = (USDC, DAI) if rng.random() < 0.6 else (DAI, USDC)
    rescue_below = rng.uniform(1.03, 1.06)
    return replace(
        _ordinary(rng, days, _care(rng, 0.7), _wealth(rng, 50_000)),
        collateral=((supplied, 1.0),),
        debt_reserve=owed,
        target_use=rng.uniform(0.8, 0.97),
        rescue_below=rescue_below,
        rescue_to=rescue_below + rng.uniform(0.03, 0.06),
        spends=0.05,
        appetite=0.2,
        withdraws=0.03,
        loops=rng.random() < 0.7,
    )


def _dormant(rng: random.Random, days: int) -> Habits:
    """Borrows once and forgets: nothing wrong with the health factor until there is."""
    return replace(
        _ordinary(rng, days, _care(rng, 0.05), _wealth(rng, 9_000)),
        joins_on_day=int(rng.uniform(0, 0.8 * days)),
        target_use=rng.uniform(0.45, 0.88),
        rescue_to=1.9,
        returns_after_days=NEVER,
    )


def _newcomer(rng: random.Random, days: int) -> Habits:
    return replace(
        _ordinary(rng, days, _split_care(rng, 0.5), _wealth(rng, 3_000)),
        joins_on_day=int(rng.uniform(0.8, 0.97) * days),
        target_use=rng.uniform(0.3, 0.95),
        doubles_down=rng.betavariate(1, 9),
        binges=rng.uniform(0.0, 0.04),
        appetite=rng.uniform(0.05, 0.4),
    )


def _lender(rng: random.Random, days: int) -> Habits:
    return replace(
        _ordinary(rng, days, _care(rng, 0.5), _wealth(rng, 40_000)),
        joins_on_day=int(rng.uniform(0, 0.5 * days)),
        episode_day=int(rng.uniform(0.2, 0.5) * days),
        collateral=((rng.choice(STABLE_RESERVES), 1.0),) if rng.random() < 0.6 else _volatile_mix(rng),
        target_use=0.0,
        attention=rng.uniform(0.04, 0.1),
        repays_every_days=NEVER,
        appetite=0.3,
        withdraws=0.2,
        closes=0.0,
        returns_after_days=NEVER,
    )
