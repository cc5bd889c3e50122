"""The catalogue of features: complete, the same on its page, and never about the market."""

from pathlib import Path

import pytest
from bonafides.types import AdverseReason
from bonafides_scoring.features.document import catalogue_markdown, row_of
from bonafides_scoring.features.schema import FAMILIES, FEATURES, Direction, FeatureSpec

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_features_page__made_again__is_the_committed_one() -> None:
    assert PAGE.read_text("utf-8") == catalogue_markdown(), "bonafides scoring features --markdown > docs/features.md"


@pytest.mark.parametrize("spec", FEATURES, ids=lambda spec: spec.name)
def test_feature__each__says_all_that_the_catalogue_asks_for(spec: FeatureSpec) -> None:
    assert all(row_of(spec))
    assert spec.unit in {"bps", "days", "count", "USD"}
    assert spec.definition[0].isupper()
    assert spec.definition.endswith(".")
    assert spec.lowest < spec.highest < 2**24  # float32 holds every value
    assert spec.absent in (spec.best, spec.worst)
    assert isinstance(spec.reason, AdverseReason)


def test_catalogue__families__are_few_enough_to_explain_and_each_has_a_feature() -> None:
    assert 8 <= len(FAMILIES) <= 15
    assert [family for family in FAMILIES if not any(spec.family is family for spec in FEATURES)] == []
    assert [spec.family for spec in FEATURES] == sorted(
        [spec.family for spec in FEATURES], key=FAMILIES.index
    )  # one family stands together


def test_catalogue__what_is_best_where_it_never_happened__is_bad_when_it_does() -> None:
    for spec in FEATURES:
        if spec.absent == spec.best and spec.direction is Direction.RISK_FALLS:
            assert spec.name == "days_since_liquidation"
