"""What a model says about one feature vector. No xgboost here: a replay makes the same without it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bonafides_scoring.features.schema import FAMILIES, FEATURES

Values = tuple[float, ...]
"""One feature vector: float32 values in schema order."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one vector."""

    margin: float
    """Log-odds of the outcome before calibration; a float32."""
    families: tuple[float, ...]
    """Exact Shapley contributions in log-odds, summed per family in float64, in the order of `FAMILIES`."""


def family_sums(shares: Sequence[float]) -> tuple[float, ...]:
    """Sum contributions per family: float64, one after another in schema order, so that anyone gets the same bits."""
    sums = dict.fromkeys(FAMILIES, 0.0)
    for spec, share in zip(FEATURES, shares, strict=True):
        sums[spec.family] += share
    return tuple(sums[family] for family in FAMILIES)
