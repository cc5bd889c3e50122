"""How right probabilities are: squared and log error, level, slope, and the curve of what was said and what came."""

from dataclasses import dataclass

import numpy as np

from bonafides_scoring.evaluation.ranking import Ints, Reals

SMALLEST_PROBABILITY = 1e-6
"""A probability of 0 that comes true would cost infinity; nothing here says less than one in a million."""
BINS = 10
_NEWTON_ROUNDS = 50
_FEWEST_ROUNDS_FROM_NEAR = 4
"""Newton's steps square the gap: from the fit to all rows to that of a draw four are plenty."""


@dataclass(frozen=True, slots=True)
class Line:
    """Calibrated log-odds = slope · log-odds + intercept."""

    slope: float
    """1 is perfect; above 1 the safe are safer and the risky riskier than told, below 1 the other way round."""
    intercept: float


@dataclass(frozen=True, slots=True)
class CurveBin:
    """Rows of neighbouring probabilities."""

    rows: int
    positives: int
    mean_probability: float
    outcome_rate: float


def log_odds_of(probabilities: Reals) -> Reals:
    """Log-odds, with probabilities kept away from 0 and 1."""
    p = clipped(probabilities)
    return np.asarray(np.log(p / (1 - p)))


def clipped(probabilities: Reals) -> Reals:
    """Within [`SMALLEST_PROBABILITY`, 1 − `SMALLEST_PROBABILITY`]."""
    return np.clip(probabilities, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)


def squared_errors(probabilities: Reals, labels: Ints) -> Reals:
    """One per row; their mean is the Brier score."""
    return np.asarray((probabilities - labels) ** 2)


def log_errors(probabilities: Reals, labels: Ints) -> Reals:
    """One per row, in nats; their mean is the log loss."""
    p = clipped(probabilities)
    return np.asarray(-np.where(labels == 1, np.log(p), np.log(1 - p)))


def recalibration(log_odds: Reals, labels: Ints, weights: Reals | None = None, near: Line | None = None) -> Line | None:
    """The weighted maximum-likelihood line through the log-odds, by Newton's method; `near` is a place to start from.

    None when there is none: one class is empty, or the two are perfectly apart.
    """
    w = np.ones(len(labels)) if weights is None else weights
    bad, good = log_odds[(w > 0) & (labels == 1)], log_odds[(w > 0) & (labels == 0)]
    if not (len(bad) and len(good)) or bad.min() > good.max() or good.min() > bad.max():
        return None
    slope, intercept = (near.slope, near.intercept) if near else (0.0, 0.0)
    for _ in range(_FEWEST_ROUNDS_FROM_NEAR if near else _NEWTON_ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(slope * log_odds + intercept, -35, 35)))
        curvature, gap = w * p * (1 - p), w * (labels - p)
        weighted = curvature * log_odds
        a, b, c = float(weighted @ log_odds), float(weighted.sum()), float(curvature.sum())
        u, v = float(gap @ log_odds), float(gap.sum())
        determinant = a * c - b * b
        if not determinant > 1e-12 * max(a * c, 1e-300):
            return None
        slope, intercept = slope + (c * u - b * v) / determinant, intercept + (a * v - b * u) / determinant
        if abs(slope) > 1e3 or abs(intercept) > 1e3:
            return None
        if abs(c * u - b * v) + abs(a * v - b * u) < 1e-12 * determinant:
            break
    return Line(slope, intercept)


def calibration_curve(probabilities: Reals, labels: Ints, bins: int = BINS) -> tuple[CurveBin, ...]:
    """Bins of equal count, from the lowest probability to the highest."""
    parts = np.array_split(np.argsort(probabilities, kind="stable"), bins)
    return tuple(
        CurveBin(len(part), int(labels[part].sum()), float(probabilities[part].mean()), float(labels[part].mean()))
        for part in parts
        if len(part)
    )


def calibration_error(probabilities: Reals, labels: Ints, bins: int = BINS) -> float:
    """Expected calibration error: mean gap between forecast and outcome over bins of equal count."""
    curve = calibration_curve(probabilities, labels, bins)
    return sum(one.rows * abs(one.mean_probability - one.outcome_rate) for one in curve) / len(labels)
