"""The benchmark's number out of a manipulation report."""

import pytest
from bonafides_lab.attack.report import AttackReport, Attempt, CostParts, CostPrices, OutcomeKind

from benchmarks.harness import Better
from benchmarks.manipulation import ID, result_of

pytestmark = pytest.mark.unit


def attempt(kind: OutcomeKind, usd: float) -> Attempt:
    return Attempt(
        strategy=0,
        round=0,
        record="risky",
        family="small_repayments",
        kind=kind,
        actions=("repay",),
        score=560,
        control_score=500,
        gain=60,
        pd_bps=100,
        control_pd_bps=200,
        usd=usd,
        cost=CostParts(interest=0.0, gas=usd, capital=0.0),
        days=30,
        transactions=2,
        cash_usd=0.0,
        is_linked_gain=False,
    )


def report(empty: Attempt | None, parked: Attempt | None = None) -> AttackReport:
    return AttackReport(
        model="synthetic-0",
        model_id="00",
        seed=1,
        budget_usd=300.0,
        most_days=90,
        points_wanted=50,
        strategies_tried=9,
        rounds=1,
        stopped_because="it was enough",
        successes=dict.fromkeys(OutcomeKind, 0),
        usd_for_points=None if empty is None else empty.usd,
        days_for_points=None if empty is None else empty.days,
        cheapest={OutcomeKind.EMPTY: empty, OutcomeKind.PARKED: parked, OutcomeKind.CHANGED: None},
        quickest_empty=empty,
        cheapest_empty_without_gas=empty,
        best_empty_gain=empty,
        families=(),
        controls=(),
        prices=CostPrices(gas_gwei=2.0, ether_usd=3_000.0, capital_bps_per_year=500),
        trials=(),
        conclusion="It was tried.",
        limits=(),
    )


def test_result__a_success__is_its_cost_and_more_is_better() -> None:
    result = result_of(report(attempt(OutcomeKind.EMPTY, 41.0), attempt(OutcomeKind.PARKED, 6.0)))

    assert (result.id, result.value, result.unit, result.better) == (ID, 41.0, "USD", Better.HIGHER)
    assert "Not counted" in result.note


def test_result__no_success__is_the_budget_and_called_a_lower_bound() -> None:
    result = result_of(report(None))

    assert result.value == 300.0
    assert "lower bound" in result.note
    assert "$300" in result.note
