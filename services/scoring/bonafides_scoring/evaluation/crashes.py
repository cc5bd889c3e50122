"""Calm and crash days, told apart by prices alone: no outcome is looked at.

A cut-off is a crash one when, within the horizon after it, the price of the main volatile asset falls `CRASH_FALL` or
more below its price at the cut-off. The main volatile asset is, of those whose highest price is a quarter or more above
the lowest, the one with the most price points in the file, ties to the lowest address.
"""

from bisect import bisect_left
from collections.abc import Iterable

import numpy as np
from bonafides.errors import InvalidInput
from bonafides.events import MarketPoint
from bonafides.types import MarketPointKind

from bonafides_scoring.evaluation.slices import Groups
from bonafides_scoring.training.panels.panel import HORIZON_DAYS, Panel
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

CRASH_FALL = 0.20
"""A fifth within a month: what takes a health factor of 1.25 to the line."""
RULE = (
    f"crash: within {HORIZON_DAYS} days after the cut-off the price of the main volatile asset (the one with the most "
    f"price points) falls {CRASH_FALL:.0%} or more below its price at the cut-off; from market.parquet, no outcome used"
)


def by_weather(panel: Panel, points: Iterable[MarketPoint]) -> Groups:
    """Crash and calm rows.

    Raises:
        InvalidInput: no price that moves in the file, or none before a cut-off.
    """
    times, prices = _main_prices(points)
    cutoffs, place_of_row = np.unique(panel.cutoffs, return_inverse=True)
    is_crash = np.array([is_crash_cutoff(cutoff, times, prices) for cutoff in cutoffs.tolist()])
    return Groups("weather", RULE, ("calm", "crash"), is_crash[place_of_row].astype(np.int64))


def is_crash_cutoff(cutoff: int, times: list[int], prices: list[int]) -> bool:
    """Whether the month after `cutoff` holds the fall. `times` ascend; a price at the cut-off itself lies in it."""
    first = bisect_left(times, cutoff)
    if first == 0:
        raise InvalidInput(f"market.parquet has no price before the cut-off {cutoff}: give the market of this panel")
    later = prices[first : bisect_left(times, cutoff + HORIZON_DAYS * SECONDS_PER_DAY)]
    return bool(later) and min(later) <= (1 - CRASH_FALL) * prices[first - 1]


def _main_prices(points: Iterable[MarketPoint]) -> tuple[list[int], list[int]]:
    found: dict[bytes, list[tuple[int, int]]] = {}
    for point in points:
        if point.kind is MarketPointKind.PRICE and point.values[0] > 0:
            found.setdefault(point.asset, []).append((point.position.block.timestamp, point.values[0]))
    volatile = {asset: rows for asset, rows in found.items() if _is_volatile([price for _, price in rows])}
    if not volatile:
        raise InvalidInput("market.parquet holds no price that moves: crash days cannot be told from calm ones")
    main = min(volatile, key=lambda asset: (-len(volatile[asset]), asset))
    rows = sorted(volatile[main])
    return [time for time, _ in rows], [price for _, price in rows]


def _is_volatile(prices: list[int]) -> bool:
    """Whether the highest price is a quarter or more above the lowest: no dollar peg."""
    return max(prices) * 4 >= min(prices) * 5
