"""Whether a borrower is told the same reasons when the inputs are off by a little."""

import numpy as np
import xgboost

from bonafides_scoring.evaluation.report import Steadiness
from bonafides_scoring.explain import explain
from bonafides_scoring.features.schema import FEATURES
from bonafides_scoring.model import predict_rows
from bonafides_scoring.scorecard import ScorecardScale
from bonafides_scoring.training.panels.panel import Panel, Stratum

JITTER_SHARE = 0.01
MOST_ROWS = 2_000
"""Drawn from the rows measured: enough for a share to within a point."""


def steadiness_of(
    booster: xgboost.Booster, scale: ScorecardScale, base_margin: float, rows: Panel, seed: int
) -> Steadiness:
    """Every input of a row times its own 1 ± up to `JITTER_SHARE`, uniform, kept within its bounds, not rounded."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(len(rows), min(MOST_ROWS, len(rows)), replace=False))
    values = rows.features[places]
    lowest, highest = (np.array(bounds, dtype=np.float64) for bounds in zip(*_BOUNDS, strict=True))
    moved = np.clip(values * rng.uniform(1 - JITTER_SHARE, 1 + JITTER_SHARE, values.shape), lowest, highest)
    told = []
    for inputs in (values, moved.astype(np.float32)):
        vectors = [tuple(float(value) for value in row) for row in inputs]
        told.append(
            [
                explain(
                    prediction,
                    vector,
                    base_margin=base_margin,
                    scale=scale,
                    is_reference_position=rows.strata[place] == Stratum.RETURNING.value,
                )
                for prediction, vector, place in zip(predict_rows(booster, vectors), vectors, places, strict=True)
            ]
        )
    pairs = list(zip(*told, strict=True))
    gaps = np.array([abs(one.score - other.score) for one, other in pairs], dtype=np.float64)
    return Steadiness(
        rows=len(places),
        jitter_share=JITTER_SHARE,
        same_first_reason=float(np.mean([one.reasons[:1] == other.reasons[:1] for one, other in pairs])),
        same_reason_set=float(np.mean([set(one.reasons) == set(other.reasons) for one, other in pairs])),
        points_moved_median=float(np.median(gaps)),
        points_moved_p95=float(np.percentile(gaps, 95)),
        seed=seed,
    )


_BOUNDS = [(spec.lowest, spec.highest) for spec in FEATURES]
