"""The harness of the benchmarks: what it compares, and what it refuses to call a result."""

import io
import json
import math
from pathlib import Path

import pytest
from bonafides.errors import InvalidInput, InvariantViolation
from rich.console import Console

from benchmarks import harness
from benchmarks.harness import (
    Baseline,
    Better,
    Goal,
    Result,
    check_goals,
    check_same,
    goal_table,
    interleaved,
    load_goals,
    median_ratio,
)

pytestmark = pytest.mark.unit

SPEED = Result("decode.speed", 250.0, "logs/s", Better.HIGHER, 5, "note")
MEMORY = Result("peak", 301.0, "MB", Better.LOWER, 1, "note")
GOALS = {"decode.speed": Goal(200.0, Better.HIGHER), "peak": Goal(300.0, Better.LOWER)}


def _printed(results: list[Result]) -> str:
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(goal_table("ingest", results, GOALS))
    return console.export_text()


def test_median_ratio__one_round_ten_times_slower__is_the_middle_of_the_rounds() -> None:
    baseline = [10.0, 12.0, 11.0, 100.0, 9.0]
    ours = [0.1, 0.1, 0.1, 0.1, 0.1]  # ratios 100, 120, 110, 1000, 90

    assert median_ratio(baseline, ours) == pytest.approx(110)


def test_median_ratio__slow_moment_that_hits_both_sides__changes_nothing() -> None:
    assert median_ratio([10.0, 40.0, 10.0], [1.0, 4.0, 1.0]) == pytest.approx(10)


@pytest.mark.parametrize(("baseline", "ours"), [([1.0], [1.0, 2.0]), ([], [])])
def test_median_ratio__rounds_without_their_pair__are_refused(baseline: list[float], ours: list[float]) -> None:
    with pytest.raises(InvalidInput, match="compared in pairs"):
        median_ratio(baseline, ours)


def test_interleaved__three_sides__takes_turns_and_another_begins_each_round() -> None:
    calls: list[tuple[str, int]] = []
    sides = {name: lambda given, name=name: calls.append((name, given)) for name in ("a", "b", "c")}

    seconds = interleaved(sides, [1, 2])

    assert calls == [("a", 1), ("b", 1), ("c", 1), ("b", 2), ("c", 2), ("a", 2)]
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 2, "b": 2, "c": 2}


def test_check_same__another_answer__names_its_place() -> None:
    with pytest.raises(InvariantViolation, match="answer 1 differs: ours 2, the baseline's 3"):
        check_same("eth_abi", [1, 2], [1, 3])


def test_check_same__fewer_answers__is_no_agreement() -> None:
    with pytest.raises(InvariantViolation, match="2 answers of ours, 1 of the baseline"):
        check_same("eth_abi", [1, 2], [1])


def test_result__ratio_of_four_runs__is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least 5"):
        Result("decode.vs_other", 3.0, "ratio", Better.HIGHER, 4, "", Baseline("other", "1.0", 10.0))


@pytest.mark.parametrize(
    ("goal", "value", "is_met"),
    [
        (Goal(200.0, Better.HIGHER), 200.0, True),
        (Goal(200.0, Better.HIGHER), 199.9, False),
        (Goal(300.0, Better.LOWER), 300.0, True),
        (Goal(300.0, Better.LOWER), 300.1, False),
        (Goal(200.0, Better.HIGHER), math.nan, False),
        (Goal(300.0, Better.LOWER), math.nan, False),
    ],
)
def test_goal__at_its_bound_and_beyond__is_met_on_its_good_side_alone(goal: Goal, value: float, is_met: bool) -> None:
    assert goal.is_met(value) is is_met


def test_load_goals__the_committed_file__bounds_every_id_of_bench_ingest() -> None:
    goals = load_goals()

    assert goals["decode.vs_process_log"] == Goal(100.0, Better.HIGHER)
    assert goals["backfill.peak_rss_mb"] == Goal(300.0, Better.LOWER)
    assert {name.partition(".")[0] for name in goals} >= {"decode", "simulator", "backfill"}


@pytest.mark.parametrize(
    "entry", ['"x" = 3', '"x" = {}', '"x" = { at_least = 1, at_most = 2 }', '"x" = { at_least = "1" }']
)
def test_load_goals__entry_that_is_not_one_bound__is_refused(tmp_path: Path, entry: str) -> None:
    file = tmp_path / "goals.toml"
    file.write_text(entry)

    with pytest.raises(InvalidInput, match="x needs one of at_least, at_most and no_goal"):
        load_goals(file)


@pytest.mark.parametrize(
    ("results", "why"),
    [
        ([SPEED, SPEED], "twice"),
        ([Result("other", 1.0, "", Better.HIGHER, 1, "")], "no goal"),
        ([Result("peak", 1.0, "", Better.HIGHER, 1, "")], "higher is better"),
    ],
)
def test_check_goals__results_that_do_not_fit_them__are_refused(results: list[Result], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        check_goals(results, GOALS)


def test_goal_table__one_met_and_one_missed__says_so() -> None:
    met, missed = (next(line for line in _printed([SPEED, MEMORY]).splitlines() if name in line) for name in GOALS)

    assert "≥ 200" in met
    assert "met" in met
    assert "≤ 300" in missed
    assert "missed" in missed


def test_report__written_file__has_the_shape_of_all_benchmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RESULTS_FOLDER", tmp_path)
    monkeypatch.setattr(harness, "commit", lambda: "0" * 40)
    ratio = Result("decode.vs_eth_abi", 31.0, "ratio", Better.HIGHER, 5, "why", Baseline("eth_abi", "6.0.0", 29_000.0))

    harness.report("ingest", [ratio])

    document = json.loads((tmp_path / "ingest.json").read_text("utf-8"))
    assert set(document) == {"machine", "commit", "results"}
    assert document["results"] == [
        {
            "id": "decode.vs_eth_abi",
            "value": 31.0,
            "unit": "ratio",
            "better": "higher",
            "runs": 5,
            "note": "why",
            "baseline": {"name": "eth_abi", "version": "6.0.0", "value": 29_000.0},
        }
    ]


def test_report__other_part_measured_later__keeps_the_first_with_the_commit_it_is_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "RESULTS_FOLDER", tmp_path)
    commits = iter(["a" * 40, "a" * 40, "b" * 40, "b" * 40])
    monkeypatch.setattr(harness, "commit", lambda: next(commits))
    first = Result("decode.vs_eth_abi", 31.0, "ratio", Better.HIGHER, 5, "why", Baseline("eth_abi", "6.0.0", 29_000.0))
    second = Result("decode.logs_per_s", 900_000.0, "logs/s", Better.HIGHER, 5, "fast")

    harness.report("ingest", [first])
    harness.report("ingest", [second])

    document = json.loads((tmp_path / "ingest.json").read_text("utf-8"))
    told = {row["id"]: row["note"] for row in document["results"]}
    assert told == {"decode.vs_eth_abi": f"why; measured at commit {'a' * 40}", "decode.logs_per_s": "fast"}
    assert document["commit"] == "b" * 40
