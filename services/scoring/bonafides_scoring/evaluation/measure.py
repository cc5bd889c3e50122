"""What the manifest says of a model: measured on rows it never saw, beside the health factor alone."""

import numpy as np
from bonafides.errors import InvalidInput

from bonafides_scoring.evaluation.probabilities import calibration_error, squared_errors
from bonafides_scoring.evaluation.ranking import Ranking, Reals, auc
from bonafides_scoring.evaluation.resampling import Draws, Sample, resample
from bonafides_scoring.manifest import Evaluation, Interval
from bonafides_scoring.training.fit import fit_logistic
from bonafides_scoring.training.panels.panel import Panel

__all__ = ["auc", "evaluate"]


def evaluate(test: Panel, log_odds: Reals, training_base_rate: float, seed: int) -> Evaluation:
    """Everything the manifest says about `test`, for these calibrated log-odds."""
    labels = test.labels
    pd = 1 / (1 + np.exp(-log_odds))
    squared = squared_errors(pd, labels)
    model = Ranking.of(log_odds, labels)
    simple = Ranking.of(-test.column("health_factor_bps").astype(np.float64), labels)

    def numbers(weights: Reals) -> Reals:
        ours, theirs = (one.auc(one.tally(weights)) for one in (model, simple))
        return np.array([ours, theirs, ours - theirs, weights @ squared / weights.sum()])

    sample = resample(numbers, Draws.of(test.wallets, seed))
    return Evaluation(
        rows=len(test),
        wallets=len(set(test.wallets)),
        positives=int(labels.sum()),
        base_rate=float(labels.mean()),
        first_cutoff=int(test.cutoffs.min()),
        last_cutoff=int(test.cutoffs.max()),
        auc=_known(sample, 0),
        auc_health_factor_alone=_known(sample, 1),
        auc_lift=_known(sample, 2),
        auc_price_buffer_alone=auc(-test.column("price_buffer_bps").astype(np.float64), labels),
        brier=_known(sample, 3),
        brier_base_rate=float(((training_base_rate - labels) ** 2).mean()),
        calibration_slope=fit_logistic(log_odds, labels).slope,
        mean_pd=float(pd.mean()),
        expected_calibration_error=calibration_error(pd, labels),
    )


def _known(sample: Sample, place: int) -> Interval:
    """The interval, over the draws that hold both classes.

    Raises:
        InvalidInput: there is none, since the rows hold one class only.
    """
    found = sample.interval(place, most_empty=1.0)
    if found is None:
        raise InvalidInput("the rows measured hold one class only: nothing can be ranked")
    return found
