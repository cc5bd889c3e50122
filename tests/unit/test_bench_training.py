"""bench-training: copies of a market, and numbers taken from committed reports."""

from pathlib import Path

import pytest
from bonafides.errors import InvalidInput
from bonafides.event_files import read_events

from benchmarks.harness import Better, check_goals, load_goals
from benchmarks.model_results import real_results, synthetic_results
from benchmarks.panels import multiply_market
from benchmarks.training import main
from tests.support.scoring_core_market import toy_market, write_market

pytestmark = pytest.mark.unit


def test_multiply_market__three_copies__are_the_same_events_of_other_wallets(tmp_path: Path) -> None:
    events, points, blocks = toy_market(3, 10, 60)
    market = write_market(tmp_path / "market", events, points, blocks)

    copies = multiply_market(market, tmp_path / "many", wanted=len(events) * 3 - 1)

    found = list(read_events(tmp_path / "many"))
    assert (copies, len(found)) == (3, len(events) * 3)
    assert len({event.wallet for event in found}) == 3 * len({event.wallet for event in events})
    assert sum(event.amount for event in found) == 3 * sum(event.amount for event in events)


def test_model_results__without_real_data__say_that_they_are_of_the_committed_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BONAFIDES_DATA", raising=False)

    results = [*real_results(tmp_path), *synthetic_results()]

    check_goals(results, load_goals())
    assert all("committed report" in result.note for result in results if result.id.startswith("real."))
    assert all("SYNTHETIC" in result.note for result in results if result.id.startswith("synthetic."))


def test_goals__number_without_one__is_told_and_never_missed() -> None:
    goal = load_goals()["synthetic.auc_oot"]

    assert (goal.text, goal.better, goal.is_met(0.1)) == ("none", Better.HIGHER, True)


def test_bench_training__part_that_is_none__is_refused() -> None:
    with pytest.raises(InvalidInput, match="there is no part folds"):
        main(parts=["folds"])
