"""The four marginals of a sample of liquidations. Pure.

(a) and (d) depend on how long one looks, so they are taken in windows of equal length, one after another from the first
liquidation, and what is left at the end is left out:

```
 first liquidation ├── window ──┤├── window ──┤├── left ──► end of the sample
```
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from bonafides.errors import InvalidInput

from bonafides_lab.market.marginals.bounds import Measure
from bonafides_lab.market.marginals.sample import Integers, LiquidationSample, Numbers

HORIZON_DAYS = 30
WORST_DAYS = 5
MOST_WORST_DAYS = 20
LAST_COUNT = 10
"""Borrowers with so many liquidations and more are one bar."""
SIZE_EDGES_LOG10 = tuple(step / 2 for step in range(-4, 17))
"""Half decades from a cent to a hundred million dollars; what lies beyond is in the outermost."""


@dataclass(frozen=True, slots=True)
class Marginals:
    """The numbers that are compared, and the curves that are drawn. Aggregates only: nothing about one borrower."""

    liquidations: int
    liquidated_borrowers: int
    window_days: int
    windows: int
    unpriced: int
    """Liquidations whose size is not known: left out of (b) alone."""
    values: Mapping[Measure, float]
    counts_share: tuple[float, ...]
    """Share of liquidated borrowers with 1, 2 … `LAST_COUNT` and more liquidations in a window."""
    size_share: tuple[float, ...]
    """Share of liquidations between the edges of `SIZE_EDGES_LOG10`."""
    reliquidated_share: tuple[float, ...]
    """Share liquidated again within 1, 2 … `HORIZON_DAYS` days."""
    worst_days_share: tuple[float, ...]
    """Share of a window's liquidations on its 1, 2 … `MOST_WORST_DAYS` worst days."""


def measure(sample: LiquidationSample, window_days: int) -> Marginals:
    """The marginals in windows of `window_days`; a shorter sample is one window of its own length.

    Raises:
        InvalidInput: a window shorter than the horizon, or no liquidation that is seen for a whole horizon after it.
    """
    if window_days < HORIZON_DAYS:
        raise InvalidInput(f"a window has {HORIZON_DAYS} days or more, asked for {window_days}")
    window_days = min(window_days, sample.span_days)
    windows = max(1, sample.span_days // window_days)
    window = (sample.days - sample.days.min()) // window_days
    inside = window < windows
    per_borrower = _counts_of_pairs(sample.borrowers[inside], window[inside])
    worst = [_worst_days(sample.days[window == number]) for number in range(windows) if (window == number).any()]
    worst_share = np.mean(worst, axis=0)
    again = _reliquidated(sample)
    sizes = sample.usd[np.isfinite(sample.usd)]
    p10, median, p90, p99 = np.quantile(sizes, [0.1, 0.5, 0.9, 0.99]) if len(sizes) else [np.nan] * 4
    values = {
        Measure.PER_BORROWER_MEAN: float(per_borrower.mean()),
        Measure.PER_BORROWER_ONCE: float((per_borrower == 1).mean()),
        Measure.PER_BORROWER_P90: float(np.quantile(per_borrower, 0.9)),
        Measure.SIZE_P10: float(p10),
        Measure.SIZE_MEDIAN: float(median),
        Measure.SIZE_P90: float(p90),
        Measure.SIZE_P99: float(p99),
        Measure.RELIQUIDATED: float(again[-1]),
        Measure.FIVE_WORST_DAYS: float(worst_share[WORST_DAYS - 1]),
    }
    return Marginals(
        liquidations=len(sample.timestamps),
        liquidated_borrowers=len(np.unique(sample.borrowers)),
        window_days=window_days,
        windows=windows,
        unpriced=len(sample.usd) - len(sizes),
        values=values,
        counts_share=_shares(np.bincount(np.minimum(per_borrower, LAST_COUNT), minlength=LAST_COUNT + 1)[1:]),
        size_share=_size_shares(sizes),
        reliquidated_share=tuple(float(share) for share in again),
        worst_days_share=tuple(float(share) for share in worst_share),
    )


def _counts_of_pairs(first: Integers, second: Integers) -> Integers:
    """How often each pair that occurs does."""
    _, counts = np.unique(np.stack([first, second]), axis=1, return_counts=True)
    return counts.astype(np.int64)


def _worst_days(days: Integers) -> Numbers:
    """Share of the liquidations on the k worst days, k from 1."""
    _, counts = np.unique(days, return_counts=True)
    worst = np.sort(counts)[::-1][:MOST_WORST_DAYS]
    padded = np.zeros(MOST_WORST_DAYS)
    padded[: len(worst)] = worst
    return np.cumsum(padded) / len(days)


def _reliquidated(sample: LiquidationSample) -> Numbers:
    """Of all days on which a borrower was liquidated, the share with another such day within 1, 2 … days.

    Several liquidations on one day are one. A day too near the end to see the whole horizon is left out.
    """
    pairs = np.unique(np.stack([sample.borrowers, sample.days]), axis=1)  # sorted by borrower, then day
    borrowers, days = pairs
    to_next = np.full(len(days), np.iinfo(np.int64).max)
    follows = borrowers[1:] == borrowers[:-1]
    to_next[:-1][follows] = (days[1:] - days[:-1])[follows]
    seen = days + HORIZON_DAYS <= sample.ends_at // 86_400
    if not seen.any():
        raise InvalidInput(f"no liquidation is seen for {HORIZON_DAYS} days after it: the sample is too short")
    return np.array([(to_next[seen] <= within).mean() for within in range(1, HORIZON_DAYS + 1)])


def _size_shares(usd: Numbers) -> tuple[float, ...]:
    edges = np.array(SIZE_EDGES_LOG10)
    logs = np.clip(np.log10(np.maximum(usd, 1e-300)), edges[0], np.nextafter(edges[-1], 0))
    return _shares(np.histogram(logs, edges)[0].astype(np.int64))


def _shares(counts: Integers) -> tuple[float, ...]:
    total = counts.sum()
    return tuple(float(count / total) if total else 0.0 for count in counts)
