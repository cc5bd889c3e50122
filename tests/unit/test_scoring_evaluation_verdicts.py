"""Judgements of a report follow its numbers."""

from pathlib import Path

import pytest
from bonafides_scoring.evaluation.report import Part, Report
from bonafides_scoring.evaluation.run import read_report
from bonafides_scoring.evaluation.verdicts import verdicts
from bonafides_scoring.manifest import Interval

pytestmark = pytest.mark.unit

SHIPPED = Path(__file__).parents[2] / "services/scoring/bonafides_scoring/models/synthetic-2/report.json"


def report_with(level: Interval | None, auc_lift: Interval | None) -> Report:
    """The shipped report with one part, one level and one challenger's lift of these."""
    report = read_report(SHIPPED)
    part = report.parts[0]
    model = part.standings[0].model_copy(update={"level": level})
    lift = part.lifts[0].model_copy(update={"auc": auc_lift})
    changed: Part = part.model_copy(update={"standings": (model, *part.standings[1:]), "lifts": (lift,)})
    return report.model_copy(update={"parts": (changed,)})


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(1.1, 1.9, "too low"), (0.5, 0.9, "too high"), (0.9, 1.1, "right within its interval")],
)
def test_verdicts__level__is_judged_by_its_interval(low: float, high: float, words: str) -> None:
    (line,) = verdicts(report_with(Interval(value=(low + high) / 2, low=low, high=high), None))

    assert words in line


@pytest.mark.parametrize(
    ("value", "high", "words"),
    [(-0.02, -0.01, "**Ranked better"), (-0.02, 0.01, "within what chance gives"), (0.02, 0.03, None)],
)
def test_verdicts__a_challenger_ranks_better__is_named(value: float, high: float, words: str | None) -> None:
    lines = verdicts(report_with(None, Interval(value=value, low=value - 0.01, high=high)))

    assert [words in line for line in lines if words is not None] == ([True] if words else [])
    assert len(lines) == (words is not None)


def test_verdicts__nothing_measured__says_nothing() -> None:
    assert verdicts(report_with(None, None)) == []
