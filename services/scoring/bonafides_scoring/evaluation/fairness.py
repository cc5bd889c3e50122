"""Who is approved, and who is wrongly refused, over proxies: wallets carry no protected attribute."""

import numpy as np

from bonafides_scoring.evaluation.probabilities import calibration_error
from bonafides_scoring.evaluation.ranking import Ints, Reals, auc
from bonafides_scoring.evaluation.report import FEWEST, Fairness, FairnessGroup, NotMeasured
from bonafides_scoring.evaluation.slices import Groups

CUTOFF_POINTS = 600
"""The scale's base: odds of 30:1."""


def fairness_of(
    groups: Groups | NotMeasured, points: Ints, labels: Ints, probabilities: Reals
) -> Fairness | NotMeasured:
    """Rates per group at the cut-off, by fairlearn's MetricFrame. A prediction of 1 is a refusal."""
    if isinstance(groups, NotMeasured):
        return groups
    from fairlearn.metrics import MetricFrame, count, false_negative_rate, false_positive_rate, selection_rate

    refused = (points < CUTOFF_POINTS).astype(np.int64)
    frame = MetricFrame(
        metrics={
            "rows": count,
            "refused": selection_rate,
            "false_positive": false_positive_rate,
            "false_negative": false_negative_rate,
        },
        y_true=labels,
        y_pred=refused,
        sensitive_features=groups.codes,
    ).by_group
    approved = {int(code): 1 - float(share) for code, share in frame["refused"].items()}
    best = max(approved.values())
    found = []
    for code, share in approved.items():
        mask = groups.codes == code
        own, positives = labels[mask], int(labels[mask].sum())
        is_enough = min(positives, len(own) - positives) >= FEWEST
        found.append(
            FairnessGroup(
                name=groups.names[code],
                rows=int(frame["rows"][code]),
                positives=positives,
                approval_rate=share,
                approval_ratio=share / best if best > 0 else None,
                refused_though_good=float(frame["false_positive"][code]) if len(own) > positives else None,
                approved_though_bad=float(frame["false_negative"][code]) if positives else None,
                calibration_error=calibration_error(probabilities[mask], own),
                auc=auc(probabilities[mask], own) if is_enough else None,
            )
        )
    ratios = [one.approval_ratio for one in found if one.approval_ratio is not None]
    return Fairness(
        attribute=groups.name,
        rule=groups.rule,
        cutoff_points=CUTOFF_POINTS,
        lowest_approval_ratio=min(ratios) if ratios else None,
        groups=tuple(found),
    )
