"""Measures of ranking and of probabilities, with intervals drawn over wallets; comparisons use the same draws.

"Within" compares only wallets of one cut-off date, and counts every such pair once: knowing when the market falls wins
nothing there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bonafides_scoring.backtest.price_book import Reals
from bonafides_scoring.backtest.tables import Ints

DRAWS = 1_000
SEED = 20210719
_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % wallet-bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one model said about the tested rows."""

    name: str
    ranking: Reals
    """Higher means riskier."""
    probabilities: Reals | None
    """None for a bare ranking."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One row of the table."""

    name: str
    within: Interval
    lift: Interval
    """Within-date AUC minus that of plain recency, paired."""
    pooled: float
    precision_recall: float
    brier: Interval | None
    gain: Interval | None
    """Brier of refitted recency minus this one's, paired: above 0 is better."""
    mean_probability: float | None


class Pairs:
    """Counts concordant pairs under many weightings; ties are settled once."""

    def __init__(self, scores: Reals, labels: Ints, dates: Ints) -> None:
        self._labels = labels
        found = np.unique(dates, return_inverse=True)[1]
        order = np.lexsort((scores, found))
        new = np.ones(len(scores), dtype=bool)
        new[1:] = (np.diff(scores[order]) != 0) | (np.diff(found[order]) != 0)
        self._place = np.empty(len(scores), dtype=np.int64)
        self._place[order] = np.cumsum(new) - 1
        self._count = int(new.sum())
        self._date = found[order][new]
        self._dates = int(found.max()) + 1

    def auc(self, weights: Reals) -> float:
        """Share of the pairs of a date, over all dates, whose riskier one stands higher; ties count half."""
        positive = np.bincount(self._place, weights * self._labels, self._count)
        negative = np.bincount(self._place, weights * (1 - self._labels), self._count)
        of_date = np.bincount(self._date, negative, self._dates)
        before = np.concatenate([[0.0], np.cumsum(of_date)[:-1]])[self._date]
        below = np.cumsum(negative) - negative - before
        pairs = float((np.bincount(self._date, positive, self._dates) * of_date).sum())
        return float((positive * (below + negative / 2)).sum() / pairs) if pairs else float("nan")


def within_auc(scores: Reals, labels: Ints, dates: Ints) -> float:
    """Pair-weighted AUC inside the dates; NaN without a pair."""
    return Pairs(scores, labels, dates).auc(np.ones(len(labels)))


def pooled_auc(scores: Reals, labels: Ints) -> float:
    """AUC over all rows."""
    return within_auc(scores, labels, np.zeros(len(labels), dtype=np.int64))


def average_precision(scores: Reals, labels: Ints) -> float:
    """Area under precision and recall, by steps; rows of equal score enter together."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision, recall = hits[last] / (last + 1), hits[last] / max(int(labels.sum()), 1)
    return float((np.diff(np.concatenate([[0.0], recall])) * precision).sum())


def measure(
    forecasts: Sequence[Forecast], recency: Forecast, refitted: Forecast, labels: Ints, dates: Ints, wallets: Ints
) -> tuple[Measured, ...]:
    """All forecasts beside plain and refitted recency, on the same wallet draws."""
    assert refitted.probabilities is not None  # noqa: S101 - narrows the type; the caller builds it with some
    weights = _draws(wallets)
    baseline = Pairs(recency.ranking, labels, dates)
    base_value, base_drawn = baseline.auc(np.ones(len(labels))), np.array([baseline.auc(row) for row in weights])
    simple = (refitted.probabilities - labels) ** 2
    simple_drawn = _means(simple, weights)
    found = []
    for forecast in forecasts:
        pairs = Pairs(forecast.ranking, labels, dates)
        value, drawn = pairs.auc(np.ones(len(labels))), np.array([pairs.auc(row) for row in weights])
        brier, gain, mean = None, None, None
        if forecast.probabilities is not None:
            squared = (forecast.probabilities - labels) ** 2
            squared_drawn = _means(squared, weights)
            brier = _interval(float(squared.mean()), squared_drawn)
            gain = _interval(float((simple - squared).mean()), simple_drawn - squared_drawn)
            mean = float(forecast.probabilities.mean())
        found.append(
            Measured(
                forecast.name,
                _interval(value, drawn),
                _interval(value - base_value, drawn - base_drawn),
                pooled_auc(forecast.ranking, labels),
                average_precision(forecast.ranking, labels),
                brier,
                gain,
                mean,
            )
        )
    return tuple(found)


def _draws(wallets: Ints) -> Reals:
    """How often each row's wallet was drawn, one row per draw."""
    count = int(wallets.max()) + 1
    rng = np.random.default_rng(SEED)
    drawn: Reals = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS)[:, wallets].astype(np.float64)
    return drawn


def _means(values: Reals, weights: Reals) -> Reals:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # a product that is shared out rounds differently with other threads
        found: Reals = weights @ values / weights.sum(axis=1)
    return found


def _interval(value: float, drawn: Reals) -> Interval:
    low, high = np.nanpercentile(drawn, _PERCENTILES)
    return Interval(value, float(low), float(high))
