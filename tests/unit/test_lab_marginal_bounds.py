"""The bounds of the marginals: each measure has one, and both kinds of comparison include their ends."""

import math

import pytest
from bonafides_lab.market.marginals.bounds import BOUNDS, Bound, Comparison, Measure

pytestmark = pytest.mark.unit


def test_bounds__every_measure__has_one_around_equality() -> None:
    assert set(BOUNDS) == set(Measure)
    assert all(bound.holds(3.0, 3.0) and bound.reason for bound in BOUNDS.values())


def test_bound__ratio_at_its_end__is_inside_and_beyond_is_not() -> None:
    bound = Bound(Comparison.RATIO, 0.5, 2.0, "test")

    assert bound.holds(4.0, 2.0)
    assert not bound.holds(4.1, 2.0)
    assert not bound.holds(0.9, 2.0)


def test_bound__difference_at_its_end__is_inside_and_beyond_is_not() -> None:
    bound = Bound(Comparison.DIFFERENCE, -0.25, 0.25, "test")

    assert bound.holds(0.5, 0.25)
    assert not bound.holds(0.51, 0.25)


def test_bound__nothing_to_compare_with__is_outside() -> None:
    bound = Bound(Comparison.RATIO, 0.5, 2.0, "test")

    assert not bound.holds(1.0, 0.0)
    assert not bound.holds(1.0, math.nan)
