"""Draws the market's people: which habits each kind has, and how much they differ within a kind.

The kinds overlap on purpose: at the same health factor stand a careful borrower in a bad week and a sleeper.
"""

import random
from dataclasses import replace

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
        case Kind.CAREFUL | Kind.HELPED | Kind.MOVER | Kind.DELEGATOR:
            habits = _careful(rng, days)
        case Kind.STEADY_REPAYER | Kind.ATOKEN_REPAYER:
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


def _careful(rng: random.Random, days: int) -> Habits:
    rescue_below = rng.uniform(1.35, 1.8)
    return Habits(
        joins_on_day=int(rng.uniform(0, 0.7 * days)),
        episode_day=int(rng.uniform(0.75, 0.93) * days),
        wealth_usd=_wealth(rng, 20_000),
        collateral=_volatile_mix(rng) if rng.random() < 0.6 else _part_stable_mix(rng),
        debt_reserve=_stable_debt(rng),
        target_use=rng.uniform(0.3, 0.62),
        attention=rng.betavariate(5, 6),
        rescue_below=rescue_below,
        rescue_to=rescue_below + rng.uniform(0.2, 0.6),
        discipline=rng.betavariate(9, 2),
        doubles_down=0.0,
        rescues_by_repaying=rng.uniform(0.3, 0.9),
        spare_cash_usd=_wealth(rng, 6_000),
        income_usd_per_day=rng.uniform(10, 80),
        spends=rng.uniform(0.2, 0.6),
        repays_every_days=rng.randint(20, 60),
        repay_share=rng.uniform(0.05, 0.2),
        appetite=0.05,
        withdraws=0.015,
        closes=0.003,
        returns_after_days=rng.randint(20, 120),
        loops=False,
    )


def _steady(rng: random.Random, days: int) -> Habits:
    return Habits(
        joins_on_day=int(rng.uniform(0, 0.5 * days)),
        episode_day=int(rng.uniform(0.7, 0.95) * days),
        wealth_usd=_wealth(rng, 12_000),
        collateral=_part_stable_mix(rng) if rng.random() < 0.5 else _volatile_mix(rng),
        debt_reserve=_stable_debt(rng),
        target_use=rng.uniform(0.45, 0.8),
        attention=rng.betavariate(4, 8),
        rescue_below=rng.uniform(1.15, 1.4),
        rescue_to=rng.uniform(1.45, 1.8),
        discipline=rng.betavariate(6, 3),
        doubles_down=0.0,
        rescues_by_repaying=0.9,
        spare_cash_usd=_wealth(rng, 3_000),
        income_usd_per_day=rng.uniform(20, 90),
        spends=rng.uniform(0.5, 0.9),
        repays_every_days=rng.randint(10, 30),
        repay_share=rng.uniform(0.08, 0.25),
        appetite=0.04,
        withdraws=0.005,
        closes=0.006,
        returns_after_days=rng.randint(10, 60),
        loops=False,
    )


def _looper(rng: random.Random, days: int) -> Habits:
    rescue_below = rng.uniform(1.08, 1.25)
    return Habits(
        joins_on_day=int(rng.uniform(0, 0.8 * days)),
        episode_day=NEVER,
        wealth_usd=_wealth(rng, 30_000),
        collateral=((rng.choices(VOLATILE_RESERVES, (0.8, 0.2))[0], 1.0),),
        debt_reserve=_stable_debt(rng),
        target_use=rng.uniform(0.72, 0.93),
        attention=rng.betavariate(5, 4),
        rescue_below=rescue_below,
        rescue_to=rescue_below + rng.uniform(0.1, 0.3),
        discipline=rng.betavariate(4, 2),
        doubles_down=0.02,
        rescues_by_repaying=0.7,
        spare_cash_usd=_wealth(rng, 2_500),
        income_usd_per_day=rng.uniform(5, 40),
        spends=0.05,
        repays_every_days=rng.randint(40, 120),
        repay_share=rng.uniform(0.05, 0.15),
        appetite=rng.uniform(0.15, 0.4),
        withdraws=0.01,
        closes=0.004,
        returns_after_days=rng.randint(10, 50),
        loops=True,
    )


def _gambler(rng: random.Random, days: int) -> Habits:
    sells_short = rng.random() < 0.15
    return Habits(
        joins_on_day=int(rng.uniform(0, 0.85 * days)),
        episode_day=NEVER,
        wealth_usd=_wealth(rng, 7_000, 1.1),
        collateral=((rng.choice(STABLE_RESERVES), 1.0),) if sells_short else _volatile_mix(rng),
        debt_reserve=rng.choice(VOLATILE_RESERVES) if sells_short else _stable_debt(rng),
        target_use=rng.uniform(0.82, 0.98),
        attention=rng.betavariate(3, 7),
        rescue_below=rng.uniform(1.02, 1.12),
        rescue_to=rng.uniform(1.15, 1.25),
        discipline=rng.betavariate(2, 6),
        doubles_down=rng.betavariate(2, 5),
        rescues_by_repaying=0.3,
        spare_cash_usd=_wealth(rng, 400),
        income_usd_per_day=rng.uniform(0, 15),
        spends=rng.uniform(0.8, 1.0),
        repays_every_days=rng.randint(90, 240),
        repay_share=rng.uniform(0.02, 0.1),
        appetite=rng.uniform(0.3, 0.7),
        withdraws=0.05,
        closes=0.002,
        returns_after_days=rng.randint(3, 20),
        loops=rng.random() < 0.3,
    )


def _stable_farmer(rng: random.Random, days: int) -> Habits:
    supplied, owed = (USDC, DAI) if rng.random() < 0.6 else (DAI, USDC)
    return Habits(
        joins_on_day=int(rng.uniform(0, 0.7 * days)),
        episode_day=NEVER,
        wealth_usd=_wealth(rng, 50_000),
        collateral=((supplied, 1.0),),
        debt_reserve=owed,
        target_use=rng.uniform(0.8, 0.95),
        attention=rng.betavariate(4, 5),
        rescue_below=rng.uniform(1.03, 1.06),
        rescue_to=rng.uniform(1.08, 1.12),
        discipline=rng.betavariate(7, 2),
        doubles_down=0.0,
        rescues_by_repaying=0.8,
        spare_cash_usd=_wealth(rng, 5_000),
        income_usd_per_day=rng.uniform(5, 40),
        spends=0.05,
        repays_every_days=rng.randint(25, 70),
        repay_share=rng.uniform(0.05, 0.3),
        appetite=0.2,
        withdraws=0.03,
        closes=0.006,
        returns_after_days=rng.randint(5, 30),
        loops=rng.random() < 0.7,
    )


def _dormant(rng: random.Random, days: int) -> Habits:
    return Habits(
        joins_on_day=int(rng.uniform(0, 0.5 * days)),
        episode_day=NEVER,
        wealth_usd=_wealth(rng, 9_000),
        collateral=_volatile_mix(rng) if rng.random() < 0.7 else _part_stable_mix(rng),
        debt_reserve=_stable_debt(rng),
        target_use=rng.uniform(0.3, 0.9),
        attention=rng.uniform(0.002, 0.02),
        rescue_below=rng.uniform(1.1, 1.5),
        rescue_to=1.7,
        discipline=rng.uniform(0.2, 0.9),
        doubles_down=0.0,
        rescues_by_repaying=0.5,
        spare_cash_usd=_wealth(rng, 2_000),
        income_usd_per_day=rng.uniform(0, 40),
        spends=0.8,
        repays_every_days=rng.randint(60, 200),
        repay_share=rng.uniform(0.1, 0.5),
        appetite=0.05,
        withdraws=0.02,
        closes=0.02,
        returns_after_days=NEVER,
        loops=False,
    )


def _newcomer(rng: random.Random, days: int) -> Habits:
    return Habits(
        joins_on_day=int(rng.uniform(0.8, 0.97) * days),
        episode_day=NEVER,
        wealth_usd=_wealth(rng, 3_000),
        collateral=_volatile_mix(rng) if rng.random() < 0.7 else _part_stable_mix(rng),
        debt_reserve=_stable_debt(rng),
        target_use=rng.uniform(0.3, 0.95),
        attention=rng.betavariate(2, 4),
        rescue_below=rng.uniform(1.05, 1.4),
        rescue_to=rng.uniform(1.45, 1.7),
        discipline=rng.betavariate(2, 2),
        doubles_down=rng.betavariate(1, 9),
        rescues_by_repaying=0.6,
        spare_cash_usd=_wealth(rng, 800),
        income_usd_per_day=rng.uniform(0, 40),
        spends=rng.uniform(0.4, 1.0),
        repays_every_days=rng.randint(8, 60),
        repay_share=rng.uniform(0.05, 0.3),
        appetite=rng.uniform(0.05, 0.4),
        withdraws=0.02,
        closes=0.004,
        returns_after_days=rng.randint(10, 60),
        loops=False,
    )


def _lender(rng: random.Random, days: int) -> Habits:
    return Habits(
        joins_on_day=int(rng.uniform(0, 0.5 * days)),
        episode_day=int(rng.uniform(0.2, 0.5) * days),
        wealth_usd=_wealth(rng, 40_000),
        collateral=((rng.choice(STABLE_RESERVES), 1.0),) if rng.random() < 0.6 else _volatile_mix(rng),
        debt_reserve=USDC,
        target_use=0.0,
        attention=rng.uniform(0.04, 0.1),
        rescue_below=0.0,
        rescue_to=0.0,
        discipline=0.0,
        doubles_down=0.0,
        rescues_by_repaying=0.0,
        spare_cash_usd=_wealth(rng, 5_000),
        income_usd_per_day=rng.uniform(10, 100),
        spends=0.0,
        repays_every_days=NEVER,
        repay_share=0.0,
        appetite=0.3,
        withdraws=0.2,
        closes=0.0,
        returns_after_days=NEVER,
        loops=False,
    )
