"""The evaluation that is committed is of the model that ships."""

from pathlib import Path

import pytest
from bonafides_scoring.evaluation.card import model_card
from bonafides_scoring.evaluation.page import render_page
from bonafides_scoring.evaluation.report import NotMeasured
from bonafides_scoring.evaluation.run import read_report

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs/evaluation"
SHIPPED = ROOT / "services/scoring/bonafides_scoring/models/synthetic-2"
AGAIN = "make train; lab attack; scoring evaluate --attack (README)"


def test_committed_evaluation__of_the_shipped_model__has_its_making_and_measures() -> None:
    committed, shipped = read_report(COMMITTED / "report.json"), read_report(SHIPPED / "report.json")

    assert committed.making == shipped.making, AGAIN
    assert [part.counts for part in committed.parts] == [part.counts for part in shipped.parts], AGAIN
    for one, other in zip(committed.parts, shipped.parts, strict=True):
        assert [(standing.name, standing.auc and standing.auc.value) for standing in one.standings] == [
            (standing.name, standing.auc and standing.auc.value) for standing in other.standings
        ], AGAIN
    assert not isinstance(committed.manipulation, NotMeasured), AGAIN


def test_committed_evaluation__rendered_again__is_the_committed_page_and_card() -> None:
    report = read_report(COMMITTED / "report.json")

    assert (COMMITTED / "MODEL_CARD.md").read_text("utf-8") == model_card(report)
    assert (COMMITTED / "report.html").read_text("utf-8") == render_page(report)
