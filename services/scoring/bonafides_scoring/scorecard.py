"""From a model margin to points: 600 points at odds of 30:1, 40 points double the odds, shown within 300..850.

    calibrated log-odds = slope · margin + intercept           (Platt, folded in)
    points              = offset − factor · calibrated log-odds
    factor = pdo / ln 2        offset = base_points − factor · ln(base_odds)

Odds are good:bad, log-odds are those of the outcome, hence the minus. All of it is affine, so points stay additive over
the contributions that make up a margin. Points come from the margin in float64, never from a rounded probability.
"""

import math
from dataclasses import dataclass

from bonafides.errors import InvariantViolation


@dataclass(frozen=True, slots=True)
class ScorecardScale:
    """The scale, and the calibration folded into it."""

    base_points: int
    base_odds: int
    pdo: int
    """Points that double the odds."""
    floor: int
    ceiling: int
    horizon_days: int
    slope: float = 1.0
    """Platt's slope, above 0."""
    intercept: float = 0.0
    """Platt's intercept, log-odds."""

    @property
    def factor(self) -> float:
        """Points per unit of log-odds."""
        return self.pdo / math.log(2)

    @property
    def offset(self) -> float:
        """Points at even odds."""
        return self.base_points - self.factor * math.log(self.base_odds)


@dataclass(frozen=True, slots=True)
class ScaledPoints:
    """Points of one margin."""

    unclipped: float
    rounded: int
    """Nearest integer of `unclipped`, halves up; not clipped."""
    clip: int
    """What is added to come into the scale's bounds; 0 inside them."""

    @property
    def score(self) -> int:
        """The shown score."""
        return self.rounded + self.clip


def points_from_margin(margin: float, scale: ScorecardScale) -> ScaledPoints:
    """Map a model margin (log-odds of the outcome) to scorecard points.

    Points double the good:bad odds every `scale.pdo` points (Siddiqi, *Credit Risk Scorecards*, on scaling).
    Returned unclipped, with the clip to [scale.floor, scale.ceiling] as its own term, so that explanations add up.

    Raises:
        InvariantViolation: the margin is not a finite number.
    """
    if not math.isfinite(margin):
        raise InvariantViolation(f"a margin must be a finite number, saw {margin}")
    unclipped = scale.offset - scale.factor * (scale.slope * margin + scale.intercept)
    rounded = round_half_up(unclipped)
    clip = max(scale.floor, min(scale.ceiling, rounded)) - rounded
    return ScaledPoints(unclipped, rounded, clip)


def points_of_contribution(contribution: float, scale: ScorecardScale) -> float:
    """Points of one share of the margin; positive where it helped."""
    return -scale.factor * scale.slope * contribution


def probability(margin: float, scale: ScorecardScale) -> float:
    """Calibrated probability of the outcome within the horizon, in (0, 1)."""
    log_odds = scale.slope * margin + scale.intercept
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1 + odds)


def pd_bps(margin: float, scale: ScorecardScale) -> int:
    """`probability` in basis points, within 1..9999: nothing is certain."""
    return max(1, min(9_999, round_half_up(probability(margin, scale) * 10_000)))


def round_half_up(value: float) -> int:
    """Nearest integer; halves go up."""
    return math.floor(value + 0.5)
