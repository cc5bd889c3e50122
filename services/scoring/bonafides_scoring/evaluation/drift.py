"""Population and characteristic stability: how far the rows measured lie from those that the model learned from."""

import numpy as np

from bonafides_scoring.evaluation.probabilities import BINS
from bonafides_scoring.evaluation.ranking import Reals
from bonafides_scoring.evaluation.report import Drift, FeatureDrift
from bonafides_scoring.features.schema import FEATURES
from bonafides_scoring.training.panels.panel import Panel

SMALLEST_SHARE = 1e-4
"""An empty bin counts as one row in ten thousand: the logarithm of nothing would be infinite."""


def drift_of(training: Panel, training_scores: Reals, measured: Panel, measured_scores: Reals) -> Drift:
    """Stability of the score and of every feature."""
    return Drift(
        score_stability_index=stability_index(training_scores, measured_scores),
        bins=BINS,
        features=tuple(
            FeatureDrift(
                name=spec.name,
                stability_index=stability_index(ours, theirs),
                absent_training=float((ours == spec.absent).mean()),
                absent_measured=float((theirs == spec.absent).mean()),
            )
            for spec in FEATURES
            for ours, theirs in [
                (training.column(spec.name).astype(np.float64), measured.column(spec.name).astype(np.float64))
            ]
        ),
    )


def stability_index(expected: Reals, found: Reals, bins: int = BINS) -> float:
    """Σ (found − expected) · ln(found / expected) over bins cut at quantiles of `expected`.

    Customary reading: below .10 stable, above .25 act. Equal quantiles are one edge, so a feature of few values has
    fewer bins. A bin holds what is above its lower edge up to its upper one. Each quantile's own value is a bin of its
    own: else a fall from a value that most rows hold, the highest above all, would stay in one bin and be unseen.
    """
    quantiles = np.quantile(expected, np.linspace(0, 1, bins + 1)[1:-1])
    edges = np.unique(np.concatenate([quantiles, np.nextafter(quantiles, -np.inf)]))
    shares = []
    for values in (expected, found):
        counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
        shares.append(np.maximum(counts / len(values), SMALLEST_SHARE))
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
