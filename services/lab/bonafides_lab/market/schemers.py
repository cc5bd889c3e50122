"""People who borrow for the record: washers, the many wallets of one person, and those who run with the money.

What they buy is a long list of loans repaid; what it hides is that some of them mean to use it up.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

from bonafides_lab.market.habits import NEVER, Borrower, Habits, Kind
from bonafides_lab.market.ordinary import care_of, ordinary, split_care, wealth
from bonafides_lab.market.wallets import borrower_role, wallet_of

type Life = tuple[Habits, Habits | None, int]
"""The first habits; the later ones, if any, and the day of the change."""

SMALLEST_CLUSTER, LARGEST_CLUSTER = 3, 12
WASHERS_WHO_RUN, CLUSTERS_THAT_RUN = 0.35, 0.4


def make_washer(rng: random.Random, days: int) -> Life:
    """Borrows and repays every few days; then borrows in earnest, and of some nothing is seen again."""
    earnest = replace(
        ordinary(rng, days, split_care(rng, 0.4), wealth(rng, 6_000)),
        joins_on_day=int(rng.uniform(0, 0.7 * days)),
        target_use=rng.uniform(0.5, 0.95),
        appetite=rng.uniform(0.2, 0.6),
    )
    washing = _washing(earnest, rng)
    changes_on_day = earnest.joins_on_day + rng.randint(40, 240)
    later = replace(earnest, runs_away=True) if rng.random() < WASHERS_WHO_RUN else earnest
    return washing, later, changes_on_day


def make_runner(rng: random.Random, days: int) -> Life:
    """Ordinary to look at, until the day on which all is borrowed that can be, and the position is left alone."""
    before = replace(
        ordinary(rng, days, care_of(rng, 0.6), wealth(rng, 6_000)),
        target_use=rng.uniform(0.3, 0.7),
        repays_every_days=rng.randint(7, 40),
        spends=1.0,
    )
    return before, replace(before, runs_away=True, attention=1.0), before.joins_on_day + rng.randint(30, 300)


def make_sybil(rng: random.Random, days: int) -> Life:
    """One wallet of somebody who has many; the others are copies of it (`make_cluster`)."""
    habits = replace(
        ordinary(rng, days, split_care(rng, 0.5), wealth(rng, 4_000)),
        joins_on_day=int(rng.uniform(0, 0.6 * days)),
        episode_day=NEVER,
        target_use=rng.uniform(0.3, 0.95),
        payer_helps=rng.uniform(0.2, 0.9),
        appetite=rng.uniform(0.1, 0.5),
    )
    changes_on_day = habits.joins_on_day + rng.randint(60, 300)
    runs = rng.random() < CLUSTERS_THAT_RUN
    later = replace(habits, runs_away=True, attention=1.0) if runs else None
    if rng.random() < 0.5:
        return _washing(habits, rng), later or habits, changes_on_day
    return habits, later, changes_on_day if runs else NEVER


def make_cluster(seed: int, indices: Sequence[int], days: int) -> list[Borrower]:
    """The wallets of one person: alike, opened within days of each other, paid for by the first."""
    rng = random.Random(f"cluster/{seed}/{indices[0]}")  # noqa: S311  repeatable, not secret
    habits, later, changes_on_day = make_sybil(rng, days)
    first = wallet_of(seed, borrower_role(indices[0]))
    moves_supply = rng.random() < 0.4
    gathers = rng.random() < 0.3
    cluster: list[Borrower] = []
    for place, index in enumerate(indices):
        joins_on_day = min(days - 1, habits.joins_on_day + place * rng.randint(0, 3))
        size = rng.uniform(0.7, 1.3)
        change = changes_on_day if changes_on_day == NEVER else changes_on_day + rng.randint(0, 3)
        cluster.append(
            Borrower(
                index,
                wallet_of(seed, borrower_role(index)),
                Kind.SYBIL,
                _copy(habits, joins_on_day, size, change if gathers else NEVER),
                payer=None if place == 0 else first,
                payer_moves_supply=moves_supply,
                later=None if later is None else _copy(later, joins_on_day, size, change if gathers else NEVER),
                changes_on_day=change,
            )
        )
    return cluster


def _copy(habits: Habits, joins_on_day: int, size: float, episode_day: int) -> Habits:
    return replace(
        habits, joins_on_day=joins_on_day, wealth_usd=habits.wealth_usd * size, episode_day=max(0, episode_day - 5)
    )


def _washing(habits: Habits, rng: random.Random) -> Habits:
    """The same person while he washes: small loans that last a day or no time at all."""
    return replace(
        habits,
        target_use=rng.uniform(0.1, 0.6),
        attention=rng.uniform(0.5, 1.0),
        appetite=rng.uniform(0.6, 1.0),
        closes=rng.uniform(0.3, 1.0),
        returns_after_days=rng.randint(1, 6),
        instant_wash=rng.choice((0.0, 0.3, 1.0)),
        binges=0.0,
    )
