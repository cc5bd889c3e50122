"""The real data itself: the reference's counts and one-line rules come out, and the shipped numbers are the report's.

Reads the folder that BONAFIDES_DATA names; without it, skips loudly.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bonafides_scoring.backtest.candidates import CANDIDATES, CHOSEN, DECLARED
from bonafides_scoring.backtest.histories import HORIZON, pick_task
from bonafides_scoring.backtest.pack import FIRST_TESTED
from bonafides_scoring.backtest.predict import Status, predict
from bonafides_scoring.backtest.price_book import PriceBook
from bonafides_scoring.backtest.shipped import NAME, load_reliquidation
from bonafides_scoring.backtest.tables import Rows, read_events, read_labels, read_prices
from bonafides_scoring.model import shipped_model

pytestmark = pytest.mark.integration

REPORT = Path(__file__).parents[2] / "docs" / "backtest" / "report.json"


@pytest.fixture(scope="module")
def folder() -> Path:
    told = os.environ.get("BONAFIDES_DATA")
    if not told:
        pytest.skip("BONAFIDES_DATA is not set: NOTHING was checked against real liquidations")
    return Path(told)


def test_labels__aave__are_what_the_events_say_and_count_as_published(folder: Path) -> None:
    labels = read_labels(folder / "labels_aave_H30.csv")
    histories = pick_task(read_events(folder / "events.parquet"), labels)

    tested = labels.where(labels.cutoffs >= FIRST_TESTED)

    assert (len(tested), int(tested.labels.sum()), len(set(tested.wallets))) == (12_428, 561, 1_475)
    assert histories.members(labels).all()
    for wallet, cutoff, label in zip(labels.wallets, labels.cutoffs, labels.labels, strict=True):
        times = histories.by_wallet[wallet].times
        assert bool(((times >= cutoff) & (times < cutoff + HORIZON)).any()) == bool(label)


def test_predict__first_tested_cut_off__later_outcomes_do_not_matter(folder: Path) -> None:
    labels = read_labels(folder / "labels_aave_H30.csv")
    histories = pick_task(read_events(folder / "events.parquet"), labels)
    prices = PriceBook.of(read_prices(folder / "prices_daily.parquet"))
    asked = labels.where(labels.cutoffs == FIRST_TESTED)
    turned = Rows(
        labels.wallets,
        labels.cutoffs,
        np.where(labels.cutoffs + HORIZON > FIRST_TESTED, 1 - labels.labels, labels.labels),
    )

    found = predict(histories, prices, labels, asked)

    assert {answer.status for answer in found} == {Status.OK}
    assert found == predict(histories, prices, turned, replace(asked, labels=1 - asked.labels))


def test_report__committed__agrees_with_the_published_one_line_rules_and_the_shipped_model() -> None:
    report = json.loads(REPORT.read_text("utf-8"))["aave"]
    rows = {row["name"]: row for row in report["table"]}

    assert round(rows["recency"]["within"]["value"], 3) == 0.789
    assert (round(rows["recency"]["pooled"], 3), round(rows["recency"]["precision_recall"], 3)) == (0.779, 0.211)
    assert round(rows["refitted recency"]["pooled"], 3) == 0.703
    assert abs(rows["refitted recency"]["brier"]["value"] - 0.0465) < 1e-4
    assert round(rows["training prevalence"]["brier"]["value"], 4) == 0.0708
    manifest, _ = load_reliquidation(shipped_model(NAME))
    assert manifest.measured["within_date_auc"]["value"] == rows[CHOSEN]["within"]["value"]


def test_report__goals__show_what_was_declared_beside_the_headline() -> None:
    rows = {row["name"]: row for row in json.loads(REPORT.read_text("utf-8"))["aave"]["table"]}
    goals = REPORT.with_suffix(".html").read_text("utf-8").split("</table>")[0]

    declared, headline = rows[DECLARED.name], rows[CHOSEN]

    assert round(declared["within"]["value"], 4) == 0.8008  # as in the first tested run
    for number in ("within", "lift"):
        assert f"{headline[number]['value']:.4f}" in goals
        assert f"{declared[number]['value']:.4f}" in goals


def test_report__headline__is_the_best_of_the_declared_on_the_inner_origins_and_what_predict_trains() -> None:
    report = json.loads(REPORT.read_text("utf-8"))["aave"]

    assert max(report["inner"], key=lambda row: float(row["mean_lift"]))["name"] == report["headline"] == CHOSEN
    assert max(report["inner_dates"]) < "2021-06-19"  # a window that starts then would reach into the tested dates
    assert next(candidate for candidate in CANDIDATES if candidate.name == CHOSEN).plan.trees is None
