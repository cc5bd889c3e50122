"""Measures a model on rows it never saw, beside the health factor alone, with intervals over wallets.

Rows of one wallet are alike, so whole wallets are drawn again and again, and both models are measured on the same
draws: the interval of their difference is paired.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bonafides_scoring.manifest import Evaluation, Interval
from bonafides_scoring.training.fit import Reals, fit_logistic
from bonafides_scoring.training.panels.panel import Ints, Panel

DRAWS = 1_000
_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A score per row with its ties settled once, so that the AUC of many weightings is cheap."""

    places: Ints
    """Place of each row's score among the distinct scores, ascending."""
    count: int

    @classmethod
    def of(cls, scores: Reals) -> "Ranking":
        """Higher means riskier."""
        distinct, places = np.unique(scores, return_inverse=True)
        return cls(places.astype(np.int64), len(distinct))

    def auc(self, labels: Ints, weights: Reals) -> float:
        """Weighted chance that a row with the outcome stands above one without it; ties count half."""
        positive = np.bincount(self.places, weights * labels, self.count)
        negative = np.bincount(self.places, weights * (1 - labels), self.count)
        below = np.concatenate([[0.0], np.cumsum(negative)[:-1]])
        pairs = positive.sum() * negative.sum()
        return float((positive * (below + negative / 2)).sum() / pairs) if pairs else float("nan")


def auc(scores: Reals, labels: Ints) -> float:
    """Area under the ROC curve; higher scores mean riskier."""
    return Ranking.of(scores).auc(labels, np.ones(len(labels)))


def evaluate(test: Panel, log_odds: Reals, training_base_rate: float, seed: int) -> Evaluation:
    """Everything the manifest says about `test`, for these calibrated log-odds."""
    labels = test.labels
    pd = 1 / (1 + np.exp(-log_odds))
    squared = (pd - labels) ** 2
    model, simple = Ranking.of(log_odds), Ranking.of(-test.column("health_factor_bps").astype(np.float64))
    one = np.ones(len(labels))
    draws = []
    for weights in _wallet_draws(test, seed):
        ours, theirs = model.auc(labels, weights), simple.auc(labels, weights)
        draws.append((ours, theirs, ours - theirs, float((squared * weights).sum() / weights.sum())))
    drawn = np.array(draws)
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    ours, theirs = model.auc(labels, one), simple.auc(labels, one)
    return Evaluation(
        rows=len(test),
        wallets=len(set(test.wallets)),
        positives=int(labels.sum()),
        base_rate=float(labels.mean()),
        first_cutoff=int(test.cutoffs.min()),
        last_cutoff=int(test.cutoffs.max()),
        auc=_interval(ours, drawn[:, 0]),
        auc_health_factor_alone=_interval(theirs, drawn[:, 1]),
        auc_lift=_interval(ours - theirs, drawn[:, 2]),
        auc_price_buffer_alone=auc(-test.column("price_buffer_bps").astype(np.float64), labels),
        brier=_interval(float(squared.mean()), drawn[:, 3]),
        brier_base_rate=float(((training_base_rate - labels) ** 2).mean()),
        calibration_slope=fit_logistic(log_odds, labels).slope,
        mean_pd=float(pd.mean()),
        expected_calibration_error=calibration_error(pd, labels),
    )


def calibration_error(pd: Reals, labels: Ints, bins: int = 10) -> float:
    """Mean gap between forecast and outcome over bins of equal count."""
    parts = np.array_split(np.argsort(pd, kind="stable"), bins)
    gaps = [len(part) * abs(float(pd[part].mean() - labels[part].mean())) for part in parts if len(part)]
    return sum(gaps) / len(labels)


def _wallet_draws(test: Panel, seed: int) -> list[Reals]:
    """Row weights of each draw: how often the row's wallet was drawn."""
    _, wallet_of_row = np.unique(np.array([wallet.hex() for wallet in test.wallets]), return_inverse=True)
    count = int(wallet_of_row.max()) + 1
    rng = np.random.default_rng(seed)
    every = np.full(count, 1 / count)
    return [rng.multinomial(count, every)[wallet_of_row].astype(np.float64) for _ in range(DRAWS)]


def _interval(value: float, drawn: npt.NDArray[np.float64]) -> Interval:
    low, high = np.percentile(drawn, _PERCENTILES)
    return Interval(value=value, low=float(low), high=float(high))
