"""From exact Shapley contributions to points that add up to the shown score, and the reasons that held it back.

    base + family points + clip = shown score, in whole points, for every wallet

`base` is what the average training row gets, the same number for everyone. Real points are floored and the points that
are then missing go to the largest remainders, so no line is more than one point from its exact value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bonafides.types import AdverseReason

from bonafides_scoring.features.schema import FAMILIES, FEATURES, REASON_OF_FAMILY, Family
from bonafides_scoring.prediction import Prediction, Values
from bonafides_scoring.scorecard import (
    ScaledPoints,
    ScorecardScale,
    points_from_margin,
    points_of_contribution,
)

MOST_REASONS = 4
SMALLEST_REASON_POINTS = 3
"""A family that cost less is noise to a reader."""
REFERENCE_FAMILIES = frozenset(
    {
        Family.LEVERAGE,
        Family.SAFETY_MARGIN,
        Family.COLLATERAL_QUALITY,
        Family.DIVERSIFICATION,
        Family.RECENT_BORROWING,
        Family.COLLATERAL_OUTFLOW,
        Family.DEBT_SIZE,
        Family.RECENT_CHANGE,
    }
)
"""Families that a reference position fills: they count, but they are not this wallet's doing."""

ENOUGH = {"days_funded": 90}
"""From here on a value is no reason: funds of three months are not fresh, whatever a model makes of older ones."""


@dataclass(frozen=True, slots=True)
class FamilyPoints:
    """One line of the explanation."""

    family: Family
    contribution: float
    """Log-odds of the outcome; above 0 it raised the risk."""
    points: int
    """Above 0 it helped."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score taken apart. `base_points` + all family points + `clip` = `score`."""

    base_points: int
    families: tuple[FamilyPoints, ...]
    """In the order of `FAMILIES`."""
    clip: int
    """What keeps the score inside 300..850; mostly 0."""
    score: int
    reasons: tuple[AdverseReason, ...]
    """At most four, the most costly first."""


def explain(
    prediction: Prediction,
    values: Values,
    *,
    base_margin: float,
    scale: ScorecardScale,
    is_reference_position: bool = False,
) -> Explanation:
    """Explain one prediction in points."""
    scaled = points_from_margin(prediction.margin, scale)
    base_points = base_points_of(base_margin, scale)
    points = family_points(prediction.families, scaled, base_points, scale)
    families = tuple(
        FamilyPoints(family, contribution, count)
        for family, contribution, count in zip(FAMILIES, prediction.families, points, strict=True)
    )
    return Explanation(
        base_points, families, scaled.clip, scaled.score, _reasons(families, values, is_reference_position)
    )


def base_points_of(base_margin: float, scale: ScorecardScale) -> int:
    """Points of the average training row, the start of every explanation."""
    return points_from_margin(base_margin, scale).rounded


def family_points(
    contributions: Sequence[float], scaled: ScaledPoints, base_points: int, scale: ScorecardScale
) -> tuple[int, ...]:
    """Whole points per family that add up to the rounded score less the base, by largest remainder.

    Ties go to the family that stands first. A family that contributed exactly nothing gets no point.
    """
    exact = [points_of_contribution(contribution, scale) for contribution in contributions]
    return largest_remainder(exact, scaled.rounded - base_points)


def largest_remainder(exact: Sequence[float], total: int) -> tuple[int, ...]:
    """Integers near `exact` that sum to `total`; entries that are exactly 0 stay so unless all are."""
    rounded = [math.floor(value) for value in exact]
    places = [place for place, value in enumerate(exact) if value != 0.0] or list(range(len(exact)))
    by_remainder = sorted(places, key=lambda place: (rounded[place] - exact[place], place))
    missing = total - sum(rounded)
    step = 1 if missing > 0 else -1
    order = by_remainder if missing > 0 else by_remainder[::-1]
    for turn in range(abs(missing)):
        rounded[order[turn % len(order)]] += step
    return tuple(rounded)


def _reasons(
    families: Sequence[FamilyPoints], values: Values, is_reference_position: bool
) -> tuple[AdverseReason, ...]:
    costly = [
        line
        for line in families
        if line.points <= -SMALLEST_REASON_POINTS
        and line.contribution > 0
        and not (is_reference_position and line.family in REFERENCE_FAMILIES)
        and not _is_at_best(line.family, values)
    ]
    costly.sort(key=lambda line: (line.points, FAMILIES.index(line.family)))
    return tuple(REASON_OF_FAMILY[line.family] for line in costly[:MOST_REASONS])


def _is_at_best(family: Family, values: Values) -> bool:
    """Whether nothing in this family could be better, or what could is good enough: then it is no reason, whatever its
    neighbours did."""
    return all(
        value == spec.best or value >= ENOUGH.get(spec.name, math.inf)
        for spec, value in zip(FEATURES, values, strict=True)
        if spec.family is family
    )
