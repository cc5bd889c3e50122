"""Points from margins, with numbers a reader can check."""

import math
from dataclasses import replace

import pytest
from bonafides.errors import InvariantViolation
from bonafides_scoring.scorecard import (
    ScorecardScale,
    pd_bps,
    points_from_margin,
    points_of_contribution,
    probability,
    round_half_up,
)
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.unit

SCALE = ScorecardScale(base_points=600, base_odds=30, pdo=40, floor=300, ceiling=850, horizon_days=30)


def test_points_from_margin__odds_double__adds_exactly_pdo() -> None:
    at_30_to_1, at_60_to_1 = points_from_margin(-math.log(30), SCALE), points_from_margin(-math.log(60), SCALE)

    assert (at_30_to_1.rounded, at_60_to_1.rounded) == (600, 640)


def test_points_from_margin__beyond_the_scale__shows_the_clip_by_itself() -> None:
    certain, hopeless = points_from_margin(-12.0, SCALE), points_from_margin(6.0, SCALE)

    assert (certain.score, certain.rounded, certain.clip) == (850, 1_096, -246)
    assert (hopeless.score, hopeless.rounded, hopeless.clip) == (300, 57, 243)


def test_points_from_margin__calibrated__uses_the_calibrated_log_odds() -> None:
    calibrated = replace(SCALE, slope=2.0, intercept=-1.0)

    assert points_from_margin(0.5, calibrated) == points_from_margin(0.0, SCALE)


def test_points_from_margin__not_a_number__stops() -> None:
    for margin in (math.nan, math.inf):
        with pytest.raises(InvariantViolation):
            points_from_margin(margin, SCALE)


@given(st.floats(-20, 20), st.floats(-5, 5))
def test_points__margin_in_two_parts__are_additive(margin: float, part: float) -> None:
    whole = points_from_margin(margin + part, SCALE).unclipped
    # 1e-9 points: float64 rounding of numbers below 2,000
    assert whole == pytest.approx(
        points_from_margin(margin, SCALE).unclipped + points_of_contribution(part, SCALE), abs=1e-9
    )


@given(st.floats(-800, 800))
def test_pd_bps__any_margin__is_never_certain(margin: float) -> None:
    assert 1 <= pd_bps(margin, SCALE) <= 9_999
    assert 0 <= probability(margin, SCALE) <= 1


def test_pd_bps__thirty_to_one__is_323() -> None:
    assert pd_bps(-math.log(30), SCALE) == 323  # 1/31


def test_round_half_up__halves__go_up() -> None:
    assert [round_half_up(value) for value in (0.5, 1.5, -0.5, -1.5, 2.4)] == [1, 2, 0, -1, 2]
