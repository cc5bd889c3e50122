"""`bonafides scoring evaluate` on a small made-up panel: the page, the JSON, the card, and bad input by name."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from bonafides.errors import InvalidInput, MissingTool
from bonafides.types import ModelClass
from bonafides_scoring.evaluation.card import model_card
from bonafides_scoring.evaluation.commands import evaluate_command
from bonafides_scoring.evaluation.markup import day
from bonafides_scoring.evaluation.report import FORMAT, NotMeasured, Partition, Report, Transfer
from bonafides_scoring.evaluation.run import Inputs, read_report, run_evaluation
from bonafides_scoring.evaluation.transfer import transfer_of
from bonafides_scoring.model import CARD_FILE, SHIPPED_MODELS, BundleRefused, load_bundle
from bonafides_scoring.training.fit import FitPlan
from bonafides_scoring.training.panels.files import PanelHeader, write_panel
from bonafides_scoring.training.panels.panel import Panel
from bonafides_scoring.training.predictions import HEADER_KEY, PREDICTIONS_FILE
from bonafides_scoring.training.split import held_out_rows, split_panel
from bonafides_scoring.training.train import TrainingPlan, train_on
from bonafides_scoring.training.tune import Grid
from bonafides_scoring.wallet_state import SECONDS_PER_DAY
from typer.testing import CliRunner

from tests.support.scoring_train_panel import made_up_panel

pytestmark = pytest.mark.integration

PLAN = TrainingPlan("toy", ModelClass.SYNTHETIC, "A toy panel of the tests", grid=Grid((FitPlan(depth=1),), (30.0,)))
HEADER = PanelHeader(source="made up", source_digest="", step_days=14, warm_up_days=0)
ATTACK = {
    "format": "bonafides/manipulation-cost/1",
    "model": "toy",
    "seed": 7,
    "budget_usd": 500.0,
    "most_days": 90,
    "points_wanted": 50,
    "strategies_tried": 420,
    "usd_for_points": 41.75,
    "days_for_points": 12,
    "conclusion": "50 points cost 41.75 USD.",
    "limits": ["One market."],
    "trials": [],
}
SHOWN_WITHOUT_THE_REPORT = {"95", "3", "2", "1", "4", "90", "365", "1k", "10k", "100k", "20", "600", "0"}
"""Percentiles, protocol versions and the bounds of rules: typed in the code, since they are no measurement."""


@pytest.fixture(scope="module")
def panel() -> Panel:
    return made_up_panel(seed=3, wallets=250, days=900, step_days=14)


@pytest.fixture(scope="module")
def folder(panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its panel, predictions and an attack."""
    found = tmp_path_factory.mktemp("evaluation")
    train_on(panel, found / "model", PLAN, work=found / "work", progress=lambda *_: None)
    write_panel(found / "panel.parquet", panel, HEADER)
    attack = ATTACK | {"model_id": load_bundle(found / "model").id.hex()}
    (found / "attack.json").write_text(json.dumps(attack))
    return found


def inputs(folder: Path) -> Inputs:
    predictions = folder / "work" / PREDICTIONS_FILE
    return Inputs(folder / "model", folder / "panel.parquet", predictions, attack=folder / "attack.json")


def evaluate(given: Inputs) -> Report:
    return run_evaluation(given, seed=1, draws=100, progress=lambda *_: None)


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BONAFIDES_DATA", raising=False)
        return evaluate(inputs(folder))


def invoke(folder: Path, out: Path, *more: str) -> str:
    app = typer.Typer()
    app.command()(evaluate_command)
    given = ["--model", str(folder / "model"), "--panel", str(folder / "panel.parquet"), "--out", str(out)]
    result = CliRunner().invoke(app, [*given, "--draws", "100", *more])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_run_evaluation__own_panel__measures_the_test_parts_alone(report: Report, panel: Panel) -> None:
    split = split_panel(panel)

    assert report.subject.is_own_panel
    assert [part.counts.rows for part in report.parts] == [len(split.test), len(split.test_known_wallets)]
    assert [one.name for one in report.parts[0].standings] == [
        "model",
        "scorecard",
        "logistic_regression",
        "health_factor",
        "one_line_rule",
    ]
    assert len(report.parts[0].lifts) == 4


def test_run_evaluation__own_panel_less_one_row__measures_no_row_of_training(
    folder: Path, panel: Panel, tmp_path: Path
) -> None:
    rest = panel.where(np.arange(len(panel)) > 0)
    write_panel(tmp_path / "rest.parquet", rest, HEADER)

    found = evaluate(Inputs(folder / "model", tmp_path / "rest.parquet"))

    horizon_s = found.making.scale.horizon_days * SECONDS_PER_DAY
    from_then = rest.where(rest.cutoffs >= found.making.training.calibration[-1].last_cutoff + horizon_s)
    held_out = held_out_rows(from_then)
    assert not found.subject.is_own_panel
    assert [part.counts.rows for part in found.parts] == [held_out.sum(), (~held_out).sum()]
    assert "held out" in found.parts[0].words
    assert min(part.first_cutoff for part in found.parts) >= split_panel(panel).train.cutoffs.max() + horizon_s


def test_run_evaluation__panel_of_earlier_days__is_refused_with_the_day_from_which_rows_count(
    folder: Path, report: Report, tmp_path: Path
) -> None:
    write_panel(tmp_path / "early.parquet", made_up_panel(seed=9, wallets=60, days=400, step_days=14), HEADER)
    last = report.making.training.calibration[-1].last_cutoff

    with pytest.raises(InvalidInput, match=f"expected some from {day(last + 30 * SECONDS_PER_DAY)} on"):
        evaluate(Inputs(folder / "model", tmp_path / "early.parquet"))


def test_run_evaluation__partitions__each_hold_every_row_once(report: Report) -> None:
    rows = report.parts[0].counts.rows

    found = [one for one in report.partitions if isinstance(one, Partition)]
    assert {one.name for one in found} >= {"date", "decile", "stratum", "file", "wallet size"}
    assert all(sum(part.counts.rows for part in one.slices) == rows for one in found)


def test_run_evaluation__no_market_and_no_real_data__says_so(report: Report) -> None:
    missing = [one.not_measured for one in report.partitions if isinstance(one, NotMeasured)]

    assert missing == ["crash and calm days: no market was given (--events, a folder with market.parquet)"]
    assert isinstance(report.transfer, NotMeasured)
    assert "BONAFIDES_DATA is not set" in report.transfer.not_measured


def test_run_evaluation__twice__gives_the_same_report(report: Report, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BONAFIDES_DATA", raising=False)

        assert evaluate(inputs(folder)) == report


def test_run_evaluation__another_panel__measures_its_later_rows_and_no_drift(folder: Path, tmp_path: Path) -> None:
    other = made_up_panel(seed=9, wallets=60, days=2_000, step_days=14)
    later = other.where(other.cutoffs >= other.cutoffs.min() + 1_000 * SECONDS_PER_DAY)
    write_panel(tmp_path / "other.parquet", later, HEADER)

    found = evaluate(Inputs(folder / "model", tmp_path / "other.parquet"))

    assert not found.subject.is_own_panel
    assert sum(part.counts.rows for part in found.parts) == len(later)
    assert isinstance(found.drift, NotMeasured)
    assert found.parts[0].lifts == ()


def test_run_evaluation__rows_with_one_outcome__is_refused(folder: Path, tmp_path: Path) -> None:
    calm = made_up_panel(seed=9, wallets=20, days=900, step_days=14)
    calm = replace(calm, labels=calm.labels * 0)
    write_panel(tmp_path / "calm.parquet", calm, HEADER)

    with pytest.raises(InvalidInput, match="one outcome"):
        evaluate(Inputs(folder / "model", tmp_path / "calm.parquet"))


def test_run_evaluation__panel_of_another_schema__is_refused(folder: Path, tmp_path: Path) -> None:
    strange = replace(HEADER, feature_schema_hash="ab" * 32)
    write_panel(tmp_path / "strange.parquet", made_up_panel(1, 10, 100), strange)

    with pytest.raises(InvalidInput, match="feature schema"):
        evaluate(Inputs(folder / "model", tmp_path / "strange.parquet"))


def test_run_evaluation__predictions_beside_another_model__are_refused(folder: Path, tmp_path: Path) -> None:
    table = pq.read_table(folder / "work" / PREDICTIONS_FILE)
    metadata = {key: value.replace(b'"toy"', b'"other"') for key, value in table.schema.metadata.items()}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "predictions.parquet")

    with pytest.raises(InvalidInput, match="beside model other, not toy"):
        evaluate(replace(inputs(folder), predictions=tmp_path / "predictions.parquet"))


def test_run_evaluation__predictions_of_a_training_on_another_panel__are_refused(folder: Path, tmp_path: Path) -> None:
    table = pq.read_table(folder / "work" / PREDICTIONS_FILE)
    header = json.loads(table.schema.metadata[HEADER_KEY]) | {"panel_digest": "ab" * 32}
    pq.write_table(table.replace_schema_metadata({HEADER_KEY: json.dumps(header)}), tmp_path / "predictions.parquet")

    with pytest.raises(InvalidInput, match="of a training on panel abababab"):
        evaluate(replace(inputs(folder), predictions=tmp_path / "predictions.parquet"))


@pytest.mark.parametrize("case", ["missing", "twice", "label"])
def test_run_evaluation__predictions_of_other_rows__are_refused(folder: Path, tmp_path: Path, case: str) -> None:
    table = pq.read_table(folder / "work" / PREDICTIONS_FILE)
    if case == "missing":
        changed, reason = table.slice(1), "nothing for row"
    elif case == "twice":
        changed, reason = pa.concat_tables([table, table.slice(0, 1)]), "the same wallet, cut-off and stratum as row 0"
    else:
        labels = pa.array([1 - label for label in table["label"].to_pylist()], pa.int8())
        changed, reason = table.set_column(table.column_names.index("label"), "label", labels), "another label"
    pq.write_table(changed, tmp_path / "predictions.parquet")

    with pytest.raises(InvalidInput, match=reason):
        evaluate(replace(inputs(folder), predictions=tmp_path / "predictions.parquet"))


def test_run_evaluation__no_model__is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="manifest"):
        evaluate(replace(inputs(folder), model=tmp_path))


def test_run_evaluation__attack_of_another_shape__is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "attack.json").write_text('{"format": "bonafides/manipulation-cost/1"}')

    with pytest.raises(InvalidInput, match=r"attack\.json is no attack of .*: model"):
        evaluate(replace(inputs(folder), attack=tmp_path / "attack.json"))


def test_run_evaluation__attack_on_another_model__is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "attack.json").write_text(json.dumps(ATTACK | {"model": "other", "model_id": "ab" * 32}))

    with pytest.raises(InvalidInput, match="attack on model other, not toy"):
        evaluate(replace(inputs(folder), attack=tmp_path / "attack.json"))


def test_run_evaluation__attack_on_another_model_of_the_same_name__is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "attack.json").write_text(json.dumps(ATTACK | {"model_id": "ab" * 32}))

    with pytest.raises(InvalidInput, match=f"attack on model toy with id {'ab' * 32}, not "):
        evaluate(replace(inputs(folder), attack=tmp_path / "attack.json"))


def test_evaluate_command__all_files__writes_a_page_that_needs_nothing_else(folder: Path, tmp_path: Path) -> None:
    predictions, attack = folder / "work" / PREDICTIONS_FILE, folder / "attack.json"

    output = invoke(folder, tmp_path, "--predictions", str(predictions), "--attack", str(attack))

    page = (tmp_path / "report.html").read_text()
    assert "synthetic" in output
    assert page.count("<svg") >= 8
    assert page.count("<table>") >= page.count("<figure>") - 3
    assert not re.search(r"<script|<link|<img|src=|@import|url\((?!#)", page)
    assert "SYNTHETIC" in page
    assert "50 points cost 41.75 USD and 12 days" in page
    assert read_report(tmp_path / "report.json").subject.model == "toy"


def test_evaluate_command__library_missing__says_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bonafides_scoring.evaluation.commands.find_spec", lambda name: None)

    with pytest.raises(MissingTool, match=r"fairlearn is not installed: pip install 'bonafides\[training\]'"):
        invoke(folder, tmp_path)


def test_read_report__key_missing__is_refused_with_its_place(tmp_path: Path, report: Report) -> None:
    found = json.loads(report.model_dump_json())
    del found["parts"][0]["counts"]["rows"]
    (tmp_path / "report.json").write_text(json.dumps(found))

    with pytest.raises(InvalidInput, match=r"report\.json: parts\.0\.counts\.rows"):
        read_report(tmp_path / "report.json")


def test_model_card__every_number_of_it__is_in_the_report(report: Report) -> None:
    assert unknown_numbers(model_card(report), report) == []


def test_model_card__number_typed_by_hand__is_found(report: Report) -> None:
    assert unknown_numbers(model_card(report) + "\nAUC 0.98765\n", report) == ["0.98765"]


def test_train__bundle__card_is_that_of_the_report_beside_it(folder: Path) -> None:
    shipped = read_report(folder / "model" / "report.json")

    assert (folder / "model" / CARD_FILE).read_text() == model_card(shipped)


def test_shipped_models__report_beside_the_card__the_card_is_written_from_it() -> None:
    reports = [path for path in SHIPPED_MODELS.glob("*/report.json") if FORMAT in path.read_text()[:99]]
    for path in reports:
        shipped = read_report(path)
        assert (path.parent / CARD_FILE).read_text() == model_card(shipped)
        assert unknown_numbers(model_card(shipped), shipped) == []


def test_transfer_of__real_aave_rows__is_measured_with_recency_as_its_yardstick(folder: Path, panel: Panel) -> None:
    data = os.environ.get("BONAFIDES_DATA")
    if not data:
        pytest.skip("BONAFIDES_DATA is not set: the real rows are not on this machine")
    bundle = load_bundle(folder / "model")

    found = transfer_of(Path(data), bundle.booster, split_panel(panel).train, seed=1, draws=100)

    assert isinstance(found, Transfer)
    assert (found.counts.rows, found.counts.positives) == (18_641, 2_102)
    recency = found.standings[0].within_date_auc
    assert recency is not None
    assert 0.7 < recency.low < recency.high < 0.8  # .789 is that of the later half; over all dates it is .752


def unknown_numbers(card: str, report: Report) -> list[str]:
    """Numbers of a card that no number of its report gives in any of the card's forms."""
    known = {form for value in numbers_of(json.loads(report.model_dump_json())) for form in forms_of(value)}
    known |= set(re.findall(r"\d{4}-\d{2}", report.model_dump_json()))  # months are names of slices
    lines = [line for line in card.splitlines() if not line.startswith(("| `", "model_name"))]  # the catalogue
    words = " ".join(lines).replace("Aave V3", "").replace("bps", "").replace("-train", "")
    tokens = re.findall(r"\d{4}-\d{2}(?:-\d{2})?|-?\d[\d,]*(?:\.\d+)?[%k]?", words)
    tokens = [token.rstrip(",") for token in tokens]
    return [token for token in tokens if token not in known and token.lstrip("-") not in SHOWN_WITHOUT_THE_REPORT]


def numbers_of(value: object) -> Iterator[float]:
    """All numbers of a report, those inside its texts, and the outcome rates of its counts."""
    match value:
        case bool() | None:
            return
        case int() | float():
            yield float(value)
        case str():
            if value.startswith(("0x", "-0x")):
                yield float.fromhex(value)
            elif not re.fullmatch("[0-9a-f]{64}", value):
                yield from (float(found.replace(",", "")) for found in re.findall(r"-?\d[\d,]*\d(?:\.\d+)?|\d", value))
        case dict():
            if "rows" in value and "positives" in value:
                yield value["positives"] / value["rows"]
            for one in value.values():
                yield from numbers_of(one)
            if "calibration" in value:
                rows = sum(one["rows"] for one in value["calibration"])
                positives = sum(one["positives"] for one in value["calibration"])
                yield from (float(rows), float(positives), positives / rows, float(len(value["calibration"])))
        case list():
            yield float(len(value))
            for one in value:
                yield from numbers_of(one)


def forms_of(value: float) -> Iterator[str]:
    """How the card may show a number."""
    yield from (f"{value:,.0f}", f"{value:.0f}", f"{value}", f"{value / 10_000:.2f}")
    yield from (f"{value:.{digits}f}" for digits in (1, 2, 3, 4))
    yield from (f"{value:.0%}", f"{value:.1%}", f"{value:.2%}")
    if 1e9 < value < 4e9:
        yield day(int(value))
        yield day(int(value))[:7]
