"""New price paths from an old one: a stationary bootstrap of whole days, in which a crash is never cut.

A day is taken with all its assets, so that they fall together as they did. Blocks have random lengths (Politis and
Romano, *The Stationary Bootstrap*, 1994); the unit of a block is a day, or a whole crash:

```
 days     1 2 3 [4 5 6 7] 8 9 …     4–7: a crash
 units    1 2 3 [   4   ] 5 6 …     each unit is equally likely to begin a block and to be passed in one
```

So a crash is as frequent as it was, as long as it was and as deep.
"""

import itertools
import random
from collections.abc import Iterator, Sequence

from bonafides.errors import InvalidInput

from bonafides_lab.market.price_files import DailySeries
from bonafides_lab.market.prices import PricePath, price_row
from bonafides_lab.market.reserves import RESERVES, STABLE_RESERVES, VOLATILE_RESERVES, WETH

CRASH_FALL = 0.15
"""A crash: WETH closes this much lower …"""
CRASH_WITHIN_DAYS = 4
"""… than at most so many days before."""
MEAN_BLOCK_UNITS = 20
"""Three weeks: long enough for the weeks of high volatility that follow a shock."""
FEWEST_DAYS = 60
"""Below that, a path would be the same few weeks over and over."""


def bootstrapped_path(series: DailySeries, seed: int, days: int) -> PricePath:
    """A path of `days` days that starts at the reserves' start prices.

    Volatile assets take a day's return, stablecoins its distance from the peg: summed returns of other days would let
    a stablecoin wander off.

    Raises:
        InvalidInput: fewer than 1 day asked for, or a series of fewer than `FEWEST_DAYS`.
    """
    if days < 1:
        raise InvalidInput(f"a price path needs at least one day, asked for {days}")
    if len(series) < FEWEST_DAYS:
        raise InvalidInput(
            f"a bootstrap needs {FEWEST_DAYS} days that all assets have, the price file has {len(series)}"
        )
    rng = random.Random(f"bootstrap/{seed}")  # noqa: S311  repeatable, not secret
    units = crash_units([row[WETH] for row in series.closes])
    usd = [spec.start_price_usd for spec in RESERVES]
    rows = [price_row(usd)]
    for day in itertools.islice(_drawn_days(units, rng), days - 1):
        before, after = series.closes[day - 1], series.closes[day]
        for reserve in VOLATILE_RESERVES:
            usd[reserve] *= after[reserve] / before[reserve]
        for reserve in STABLE_RESERVES:
            usd[reserve] = after[reserve]
        rows.append(price_row(usd))
    return PricePath(tuple(rows))


def real_path(series: DailySeries, days: int) -> PricePath:
    """The first `days` days of the series as they were.

    Raises:
        InvalidInput: more days than there are; the bootstrap makes longer paths.
    """
    if not 1 <= days <= len(series):
        raise InvalidInput(
            f"the price file has {len(series)} days that all assets have, asked for {days}: "
            "ask for fewer, or for a bootstrap"
        )
    return PricePath(tuple(price_row(closes) for closes in series.closes[:days]))


def crash_units(closes: Sequence[float]) -> list[range]:
    """The days 1 … len - 1 in order, each in one unit: alone, or with the crash that it belongs to.

    A day stands for the move from the day before to it.
    """
    goes_on = [False] * len(closes)  # [day]: the crash of the day before goes on
    for end, length in itertools.product(range(len(closes)), range(1, CRASH_WITHIN_DAYS + 1)):
        start = end - length
        if start >= 0 and closes[end] <= closes[start] * (1 - CRASH_FALL):
            for day in range(start + 2, end + 1):
                goes_on[day] = True
    units: list[range] = []
    for day in range(1, len(closes)):
        if goes_on[day]:
            units[-1] = range(units[-1].start, day + 1)
        else:
            units.append(range(day, day + 1))
    return units


def _drawn_days(units: Sequence[range], rng: random.Random) -> Iterator[int]:
    """Days without end; behind the last unit comes the first."""
    place = rng.randrange(len(units))
    while True:
        yield from units[place]
        ends = rng.random() < 1 / MEAN_BLOCK_UNITS
        place = rng.randrange(len(units)) if ends else (place + 1) % len(units)
