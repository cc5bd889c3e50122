"""Draws the market's people: which habits each kind has, and how much they differ within a kind.

The kinds overlap on purpose: at the same health factor stand a careful borrower in a bad week and a sleeper.
"""

import random
from dataclasses import replace

from bonafides.errors import InvariantViolation

from bonafides_lab.market.habits import NEVER, WITH_COMPANION, Borrower, Habits, Kind
from bonafides_lab.market.ordinary import care_of, ordinary, split_care, stable_debt, volatile_mix, wealth
from bonafides_lab.market.reserves import DAI, STABLE_RESERVES, USDC, VOLATILE_RESERVES
from bonafides_lab.market.schemers import make_runner, make_sybil, make_washer
from bonafides_lab.market.tempers import make_fader, make_panicker, make_returner
from bonafides_lab.market.wallets import borrower_role, companion_role, wallet_of


def make_borrower(seed: int, index: int, kind: Kind, *, days: int) -> Borrower:
    """Borrower number `index` of a market of `days` days. The same arguments give the same borrower."""
    rng = random.Random(f"habits/{seed}/{index}")  # noqa: S311  repeatable, not secret
    companion = wallet_of(seed, companion_role(index)) if kind in WITH_COMPANION else None
    habits, later, changes_on_day = _life(kind, rng, days)
    address = wallet_of(seed, borrower_role(index))
    return Borrower(index, address, kind, habits, companion, later=later, changes_on_day=changes_on_day)


def _life(kind: Kind, rng: random.Random, days: int) -> tuple[Habits, Habits | None, int]:
    """The first habits, and for some the later ones with the day of the change."""
    match kind:
        case Kind.WASHER:
            return make_washer(rng, days)
        case Kind.SYBIL:
            return make_sybil(rng, days)
        case Kind.RUNNER:
            return make_runner(rng, days)
        case _:
            return _habits(kind, rng, days), None, NEVER


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
        case Kind.RETURNER:
            habits = make_returner(rng, days)
        case Kind.PANICKER:
            habits = make_panicker(rng, days)
        case Kind.FADER:
            habits = make_fader(rng, days)
        case Kind.WASHER | Kind.SYBIL | Kind.RUNNER:
            raise InvariantViolation(f"a {kind} has two lives, expected a kind with one")
    return habits


def _careful(rng: random.Random, days: int) -> Habits:
    """Not the one who owes little, but the one who watches."""
    rescue_below = rng.uniform(1.15, 1.35)
    return replace(
        ordinary(rng, days, care_of(rng, 0.93, weight=20.0), wealth(rng, 20_000)),
        episode_day=int(rng.uniform(0.75, 0.93) * days),
        target_use=rng.uniform(0.45, 0.86),
        rescue_below=rescue_below,
        rescue_to=rescue_below + rng.uniform(0.07, 0.25),
        spends=rng.uniform(0.2, 0.6),
        appetite=0.15,
    )


def _steady(rng: random.Random, days: int) -> Habits:
    return replace(
        ordinary(rng, days, split_care(rng, 0.6), wealth(rng, 12_000)),
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
        ordinary(rng, days, split_care(rng, 0.65), wealth(rng, 30_000)),
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
        ordinary(rng, days, care_of(rng, 0.25), wealth(rng, 7_000, 1.1)),
        joins_on_day=int(rng.uniform(0, 0.85 * days)),
        collateral=((rng.choice(STABLE_RESERVES), 1.0),) if sells_short else volatile_mix(rng),
        debt_reserve=rng.choice(VOLATILE_RESERVES) if sells_short else stable_debt(rng),
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
        ordinary(rng, days, care_of(rng, 0.7), wealth(rng, 50_000)),
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
        ordinary(rng, days, care_of(rng, 0.05), wealth(rng, 9_000)),
        joins_on_day=int(rng.uniform(0, 0.8 * days)),
        target_use=rng.uniform(0.45, 0.88),
        rescue_to=1.9,
        returns_after_days=NEVER,
    )


def _newcomer(rng: random.Random, days: int) -> Habits:
    return replace(
        ordinary(rng, days, split_care(rng, 0.5), wealth(rng, 3_000)),
        joins_on_day=int(rng.uniform(0.8, 0.97) * days),
        target_use=rng.uniform(0.3, 0.95),
        doubles_down=rng.betavariate(1, 9),
        binges=rng.uniform(0.0, 0.04),
        appetite=rng.uniform(0.05, 0.4),
    )


def _lender(rng: random.Random, days: int) -> Habits:
    return replace(
        ordinary(rng, days, care_of(rng, 0.5), wealth(rng, 40_000)),
        joins_on_day=int(rng.uniform(0, 0.5 * days)),
        episode_day=int(rng.uniform(0.2, 0.5) * days),
        collateral=((rng.choice(STABLE_RESERVES), 1.0),) if rng.random() < 0.6 else volatile_mix(rng),
        target_use=0.0,
        attention=rng.uniform(0.04, 0.1),
        repays_every_days=NEVER,
        appetite=0.3,
        withdraws=0.2,
        closes=0.0,
        returns_after_days=NEVER,
    )
