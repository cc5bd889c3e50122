"""What people add to their kind: panic, alarm, fading attention, a second debt, and coming back after weeks."""

import random
from dataclasses import replace

from bonafides_lab.market.habits import NEVER, Borrower, Habits, Kind
from bonafides_lab.market.ordinary import care_of, ordinary, split_care, wealth
from bonafides_lab.market.reserves import STABLE_RESERVES, VOLATILE_RESERVES

WEALTH_MEDIAN, WEALTH_SPREAD = 9.5, 1.9
"""How much richer people are than their kind's typical one: most liquidations are small, and few make most of the money
(on Aave V2 in 2021 a tenth were above 130,000 dollars, a tenth below 400)."""
POOREST_USD = 200.0
PANICS, FADES, OWES_TWO, WAKES, INSISTS = 0.12, 0.25, 0.3, 0.5, 0.06
"""Shares of ordinary people with each trait."""
_EVEN_TEMPERED = frozenset({Kind.LENDER, Kind.WASHER, Kind.SYBIL, Kind.RUNNER})


def with_temper(borrower: Borrower, rng: random.Random) -> Borrower:
    """The borrower with traits that no kind decides. They last, as all habits do."""
    if borrower.kind in _EVEN_TEMPERED:
        return borrower
    habits = borrower.habits
    alarm = rng.uniform(0.0, 0.5) * min(1.0, 0.2 + habits.attention)
    panics = rng.random() < PANICS
    panics_at_fall = rng.uniform(0.1, 0.3)
    fades = rng.random() < FADES
    half_life_days = rng.uniform(60, 500)
    owes_two = rng.random() < OWES_TWO
    debts = STABLE_RESERVES if rng.random() < 0.8 else VOLATILE_RESERVES
    other = rng.choice([reserve for reserve in debts if reserve != habits.debt_reserve])
    wakes = rng.random() < WAKES
    habits = replace(
        habits,
        wakes=rng.uniform(0.7, 1.0) if wakes else rng.uniform(0.0, 0.2),
        alarm=alarm,
        panics_at_fall=panics_at_fall if panics else habits.panics_at_fall,
        attention_half_life_days=half_life_days if fades else habits.attention_half_life_days,
        other_debt_reserve=other if owes_two else None,
    )
    if rng.random() < INSISTS:
        habits = _insistent(habits, rng)
    return replace(borrower, habits=habits)


def _insistent(habits: Habits, rng: random.Random) -> Habits:
    """Owes close to the limit again a few days after each liquidation, and learns nothing from it."""
    return replace(
        habits,
        target_use=rng.uniform(0.85, 0.96),
        attention=rng.uniform(0.2, 0.6),
        rescue_below=1.04,
        rescue_to=1.1,
        discipline=rng.uniform(0.0, 0.3),
        appetite=rng.uniform(0.5, 0.9),
        repays_every_days=NEVER,
        closes=0.0,
        panics_at_fall=1.0,
        wakes=0.0,
    )


def richer(borrower: Borrower, rng: random.Random) -> Borrower:
    """The same person with more money, or less: all sums of his grow alike, his habits stay."""
    factor = max(WEALTH_MEDIAN * rng.lognormvariate(0, WEALTH_SPREAD), POOREST_USD / borrower.habits.wealth_usd)
    later = None if borrower.later is None else _scaled(borrower.later, factor)
    return replace(borrower, habits=_scaled(borrower.habits, factor), later=later)


def _scaled(habits: Habits, factor: float) -> Habits:
    return replace(
        habits,
        wealth_usd=habits.wealth_usd * factor,
        spare_cash_usd=habits.spare_cash_usd * factor,
        income_usd_per_day=habits.income_usd_per_day * factor,
    )


def make_returner(rng: random.Random, days: int) -> Habits:
    """Careful or careless, but without debt for weeks at a time."""
    return replace(
        ordinary(rng, days, split_care(rng, 0.6), wealth(rng, 12_000)),
        joins_on_day=int(rng.uniform(0, 0.5 * days)),
        target_use=rng.uniform(0.4, 0.92),
        closes=rng.uniform(0.02, 0.08),
        returns_after_days=rng.randint(8, 75),
        appetite=rng.uniform(0.15, 0.5),
        doubles_down=rng.betavariate(1, 9),
    )


def make_panicker(rng: random.Random, days: int) -> Habits:
    """Sells out in a fall, and stays away for a while."""
    return replace(
        ordinary(rng, days, care_of(rng, 0.6), wealth(rng, 10_000)),
        target_use=rng.uniform(0.4, 0.9),
        alarm=rng.uniform(0.2, 0.8),
        panics_at_fall=rng.uniform(0.08, 0.25),
        returns_after_days=rng.randint(5, 60),
        appetite=rng.uniform(0.1, 0.4),
    )


def make_fader(rng: random.Random, days: int) -> Habits:
    """Looks every day in the first weeks, and has all but forgotten a year later."""
    return replace(
        ordinary(rng, days, care_of(rng, 0.8, weight=10.0), wealth(rng, 14_000)),
        joins_on_day=int(rng.uniform(0, 0.6 * days)),
        target_use=rng.uniform(0.5, 0.92),
        attention_half_life_days=rng.uniform(30, 200),
        closes=0.0,
        returns_after_days=NEVER,
    )
