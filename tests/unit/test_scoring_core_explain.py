"""Points that add up, and reasons that never name what helped."""

import math

import pytest
from bonafides.types import AdverseReason
from bonafides_scoring.explain import base_points_of, explain, largest_remainder
from bonafides_scoring.features.schema import FAMILIES, FEATURES, REASON_OF_FAMILY, Family
from bonafides_scoring.prediction import Prediction, family_sums
from bonafides_scoring.scorecard import ScorecardScale, points_of_contribution
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.unit

SCALE = ScorecardScale(600, 30, 40, 300, 850, 30, slope=0.9, intercept=-0.2)
BASE = -3.25
WORST = tuple(float(spec.worst) for spec in FEATURES)
BEST = tuple(float(spec.best) for spec in FEATURES)

shares = st.lists(st.floats(-3, 3), min_size=len(FAMILIES), max_size=len(FAMILIES))


def prediction(families: list[float]) -> Prediction:
    return Prediction(BASE + sum(families), tuple(families))


@given(shares)
def test_explain__any_contributions__points_add_up_to_the_score(families: list[float]) -> None:
    found = explain(prediction(families), WORST, base_margin=BASE, scale=SCALE)

    assert found.base_points + sum(line.points for line in found.families) + found.clip == found.score
    assert 300 <= found.score <= 850
    assert found.base_points == base_points_of(BASE, SCALE)


@given(shares)
def test_explain__any_contributions__each_line_is_near_its_exact_value(families: list[float]) -> None:
    found = explain(prediction(families), WORST, base_margin=BASE, scale=SCALE)

    for line in found.families:
        # one point of largest-remainder rounding, and one more where base and score round apart
        assert abs(line.points - points_of_contribution(line.contribution, SCALE)) < 2


@given(shares, st.booleans())
def test_explain__any_contributions__reasons_are_few_costly_and_true(families: list[float], is_reference: bool) -> None:
    found = explain(prediction(families), WORST, base_margin=BASE, scale=SCALE, is_reference_position=is_reference)

    by_reason = {REASON_OF_FAMILY[line.family]: line for line in found.families}
    assert len(found.reasons) <= 4
    assert len(set(found.reasons)) == len(found.reasons)
    assert all(by_reason[reason].points <= -3 and by_reason[reason].contribution > 0 for reason in found.reasons)
    assert [by_reason[reason].points for reason in found.reasons] == sorted(
        by_reason[reason].points for reason in found.reasons
    )


def test_explain__family_at_its_best__is_never_a_reason() -> None:
    found = explain(prediction([0.5] * len(FAMILIES)), BEST, base_margin=BASE, scale=SCALE)

    assert found.reasons == ()


@pytest.mark.parametrize(("days", "reasons"), [(89.0, (AdverseReason.UNUSUAL_PATTERN,)), (90.0, ())])
def test_explain__funds_of_three_months__are_no_unusual_pattern(
    days: float, reasons: tuple[AdverseReason, ...]
) -> None:
    families = [1.0 if family is Family.INTEGRITY else 0.0 for family in FAMILIES]
    values = tuple(days if spec.name == "days_funded" else spec.best for spec in FEATURES)

    assert explain(prediction(families), values, base_margin=BASE, scale=SCALE).reasons == reasons


def test_explain__reference_position__blames_nobody_for_it() -> None:
    families = [2.0 if family in (Family.LEVERAGE, Family.TENURE) else 0.0 for family in FAMILIES]

    found = explain(prediction(families), WORST, base_margin=BASE, scale=SCALE, is_reference_position=True)

    assert found.reasons == (AdverseReason.SHORT_HISTORY,)


def test_largest_remainder__thirds__give_the_missing_point_to_the_largest() -> None:
    assert largest_remainder([1.3, 2.6, -0.9], 3) == (1, 3, -1)
    assert largest_remainder([0.5, 0.5, 0.0], 1) == (1, 0, 0)  # a tie: the first; nothing for what did nothing
    assert largest_remainder([0.0, 0.0], 1) == (1, 0)
    assert largest_remainder([1.0, 2.0], 2) == (1, 1)  # one too many: from the smallest remainder, last first


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=15), st.integers(-1, 1))
def test_largest_remainder__any_values__sum_to_the_total(values: list[float], off: int) -> None:
    total = math.floor(sum(values) + 0.5) + off

    assert sum(largest_remainder(values, total)) == total


def test_family_sums__one_share_per_feature__lands_in_its_family() -> None:
    sums = dict(zip(FAMILIES, family_sums([1.0] * len(FEATURES)), strict=True))

    assert sums == {family: float(sum(spec.family is family for spec in FEATURES)) for family in Family}
