"""Training on a small made-up panel: honest splits, a bundle that loads, the same bytes again, bad input by name."""

import hashlib
import json
import socket
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from bonafides.errors import InvalidInput, Unavailable
from bonafides.types import ModelClass
from bonafides_scoring.evaluation.ranking import auc
from bonafides_scoring.features.schema import PLACE_OF
from bonafides_scoring.model import BOOSTER_FILE, MANIFEST_FILE, load_bundle
from bonafides_scoring.training.calibrate import calibrate
from bonafides_scoring.training.commands import train_command
from bonafides_scoring.training.dask_engine import DaskEngine
from bonafides_scoring.training.fit import FitPlan, Reals, fit_booster, fit_platt, margins_of
from bonafides_scoring.training.learners import LocalEngine
from bonafides_scoring.training.panels.files import PanelHeader, write_panel
from bonafides_scoring.training.panels.panel import Ints, Panel
from bonafides_scoring.training.predictions import (
    PREDICTIONS_FILE,
    Contender,
    TestPart,
    read_predictions,
    write_predictions,
)
from bonafides_scoring.training.split import at_horizon, split_panel
from bonafides_scoring.training.train import Trained, TrainingPlan, train_on
from bonafides_scoring.training.tune import Grid
from bonafides_scoring.training.work import WorkFolder
from bonafides_scoring.wallet_state import SECONDS_PER_DAY
from typer.testing import CliRunner

from tests.support.scoring_train_panel import made_up_panel

pytestmark = pytest.mark.integration

HORIZON_S = 30 * SECONDS_PER_DAY
SMALL_GRID = Grid((FitPlan(depth=1), FitPlan(depth=2, learning_rate=0.1)), (20.0, 40.0))
PLAN = TrainingPlan("toy", ModelClass.SYNTHETIC, "A toy panel of the tests", grid=SMALL_GRID)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return made_up_panel(seed=3, wallets=250, days=900, step_days=14)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def trained(panel: Panel, folder: Path) -> Trained:
    return train(panel, folder / "model", folder / "work")


def train(panel: Panel, out: Path, work: Path, threads: int = 1) -> Trained:
    return train_on(panel, out, PLAN, work=work, engine=LocalEngine(threads), progress=lambda *_: None)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_train__made_up_panel__bundle_loads_and_tells_how_it_came_about(trained: Trained, panel: Panel) -> None:
    record = trained.bundle.manifest.training

    assert record.data_digest == panel.digest.hex()
    assert record.tuning is not None
    assert (record.tuning.candidates, record.engine) == (4, "local")
    assert {stratum.name: stratum.rows for stratum in record.strata}["returning"] > 0
    assert sum(stratum.rows for stratum in record.strata) == record.rows
    assert [challenger.name for challenger in record.challengers] == [
        "scorecard",
        "logistic_regression",
        "health_factor",
        "one_line_rule",
    ]


def test_train__windows__follow_one_another_with_a_horizon_between(trained: Trained) -> None:
    manifest = trained.bundle.manifest
    record = manifest.training
    assert record.tuning is not None

    assert all(window.trained_until + HORIZON_S <= window.first_cutoff for window in record.tuning.windows)
    assert all(window.trained_until + HORIZON_S <= window.first_cutoff for window in record.calibration)
    assert record.tuning.windows[-1].last_cutoff + HORIZON_S <= record.calibration[0].first_cutoff
    assert record.calibration[-1].last_cutoff + HORIZON_S <= manifest.evaluation.first_cutoff
    assert record.calibration[-1].trained_until == record.last_cutoff


def test_train__again_with_other_threads_and_no_work_folder__gives_the_same_model(
    panel: Panel, trained: Trained, folder: Path, tmp_path: Path
) -> None:
    again = train(panel, tmp_path / "model", tmp_path / "work", threads=2)

    assert sha256_of(tmp_path / "model" / BOOSTER_FILE) == sha256_of(folder / "model" / BOOSTER_FILE)
    assert again.bundle.id == trained.bundle.id


def test_fit_booster__one_thread_and_two__give_the_same_bytes(panel: Panel) -> None:
    plan = FitPlan(trees=60, depth=4)

    digests = {hashlib.sha256(fit_booster(panel, plan, threads).save_raw("ubj")).digest() for threads in (1, 2, 2)}

    assert len(digests) == 1
    assert hashlib.sha256(fit_booster(panel, replace(plan, seed=1)).save_raw("ubj")).digest() not in digests


def test_train__stopped_after_the_fits__goes_on_from_what_is_kept(
    panel: Panel, trained: Trained, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("bonafides_scoring.training.learners.fit_booster", refuse)

    again = train_on(panel, folder / "again", PLAN, work=folder / "work", progress=lambda *_: None)

    assert again.bundle.id == trained.bundle.id


def test_work_folder__file_half_written__is_as_if_it_were_not_there(tmp_path: Path, panel: Panel) -> None:
    work = WorkFolder(tmp_path)
    work.keep_margins(b"a", np.ones((3, 2)))
    work.keep_booster(b"a", fit_booster(panel, FitPlan(trees=2)))
    assert (work.margins(b"a", (3, 2)) is None, work.margins(b"b", (3, 2)) is None) == (False, True)
    for kept in (tmp_path / "fits").iterdir():
        kept.write_bytes(kept.read_bytes()[:20])

    assert (work.margins(b"a", (3, 2)), work.booster(b"a")) == (None, None)


def test_split_panel__parts__share_no_wallet_with_the_test_and_no_labels_window_crosses(panel: Panel) -> None:
    split = split_panel(panel)

    for origin in (*split.tuning, *split.origins):
        assert origin.train.cutoffs.max() + HORIZON_S <= origin.window.cutoffs.min()
        assert origin.window.cutoffs.max() + HORIZON_S <= split.test.cutoffs.min()
        assert not set(split.test.wallets) & {*origin.train.wallets, *origin.window.wallets}
    first_asked = split.origins[0].window.cutoffs.min()
    assert all(origin.window.cutoffs.max() + HORIZON_S <= first_asked for origin in split.tuning)
    assert not set(split.test.wallets) & set(split.test_known_wallets.wallets)
    assert set(split.test_known_wallets.wallets) & set(split.train.wallets)


def test_split_panel__rows_whose_label_crosses_a_boundary__are_in_no_part_before_it(panel: Panel) -> None:
    split = split_panel(panel)
    last = split.origins[-1]

    crossing = (panel.cutoffs < last.window.cutoffs.min()) & (panel.cutoffs + HORIZON_S > last.window.cutoffs.min())

    assert crossing.any()
    assert not (last.train_rows & crossing).any()


def test_split_panel__windows__share_no_row_and_training_grows(panel: Panel) -> None:
    split = split_panel(panel)

    for origins in (split.tuning, split.origins):
        for one, next_one in pairwise(origins):
            assert one.window.cutoffs.max() < next_one.window.cutoffs.min()
            assert len(one.train) < len(next_one.train)


def test_split_panel__window_without_a_row__is_refused(panel: Panel) -> None:
    of_second = split_panel(panel).origins[1].window.cutoffs

    with pytest.raises(InvalidInput, match="one has no row"):
        split_panel(panel.where((panel.cutoffs < of_second.min()) | (panel.cutoffs > of_second.max())))


def test_split_panel__labels_shuffled__nothing_ranks_later_rows_better_than_a_coin(panel: Panel) -> None:
    split = split_panel(replace(panel, labels=np.random.default_rng(5).permutation(panel.labels)))

    found = auc(margins_of(fit_booster(split.train, FitPlan(trees=60)), split.test), split.test.labels)

    # Some 150 positives of 50 wallets: a coin's AUC strays by .05; the unshuffled labels give .8 and more.
    assert 0.4 < found < 0.6


def test_at_horizon__ninety_days__takes_its_labels_and_leaves_out_what_is_not_known(panel: Panel) -> None:
    long = at_horizon(panel, 90)

    assert len(long) == int((panel.labels_90d >= 0).sum()) < len(panel)
    assert long.labels.mean() > panel.labels.mean()
    assert all(
        origin.train.cutoffs.max() + 3 * HORIZON_S <= origin.window.cutoffs.min()
        for origin in split_panel(long, 90).origins
    )


def test_calibrate__windows_of_any_weather__together_get_their_own_outcome_rate(panel: Panel) -> None:
    origins = split_panel(panel).origins
    margins = [margins_of(fit_booster(origin.train, FitPlan(trees=20)), origin.window) for origin in origins]

    windows = calibrate(margins, origins).windows

    # The intercept's equation at the maximum; Newton stops at steps below 1e-12.
    expected = sum(window.mean_pd * window.rows for window in windows)
    assert expected == pytest.approx(sum(window.positives for window in windows), rel=1e-9)


def test_fit_platt__model_that_ranks_backwards__is_refused(panel: Panel) -> None:
    with pytest.raises(InvalidInput, match="backwards"):
        fit_platt(panel.column("health_factor_bps").astype(np.float64) / 10_000, panel.labels)


def test_predictions__of_a_training__hold_each_test_row_once_and_read_back(
    trained: Trained, folder: Path, panel: Panel
) -> None:
    found = read_predictions(folder / "work" / PREDICTIONS_FILE)

    split = split_panel(panel)
    unseen = found.parts == TestPart.UNSEEN_WALLETS.value
    assert (int(unseen.sum()), len(found)) == (len(split.test), len(split.test) + len(split.test_known_wallets))
    assert found.wallets[: len(split.test)] == split.test.wallets
    assert {name: pd.tolist() for name, pd in found.pds.items()} == {
        name: pd.tolist() for name, pd in trained.predictions.pds.items()
    }
    scale = trained.bundle.scale
    log_odds = scale.slope * found.margins + scale.intercept
    assert found.pds[Contender.MODEL] == pytest.approx(1 / (1 + np.exp(-log_odds)), rel=1e-12)


def test_predictions__challengers__know_something_and_the_model_more_than_the_health_factor(trained: Trained) -> None:
    found = trained.predictions

    ranks = {name: auc(pd, found.labels) for name, pd in found.pds.items()}

    assert min(ranks.values()) > 0.6
    assert ranks[Contender.MODEL] > ranks[Contender.HEALTH_FACTOR] + 0.02
    assert "log1p(health_factor_bps" in found.header.settings["health_factor"]


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [("label", pa.int8(), "row 0: label 7 is unknown"), ("pd_scorecard", pa.float64(), "row 0: pd_scorecard is no")],
)
def test_read_predictions__value_that_cannot_be__is_refused_with_the_row(
    trained: Trained, tmp_path: Path, column: str, values: pa.DataType, reason: str
) -> None:
    path = tmp_path / PREDICTIONS_FILE
    write_predictions(path, trained.predictions)
    table = pq.read_table(path)
    wrong = pa.array([7] * len(table), values)
    pq.write_table(table.set_column(table.column_names.index(column), column, wrong), path)

    with pytest.raises(InvalidInput, match=reason):
        read_predictions(path)


def test_read_predictions__column_missing__is_refused_by_name(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / PREDICTIONS_FILE
    write_predictions(path, trained.predictions)
    pq.write_table(pq.read_table(path).drop_columns(["stratum"]), path)

    with pytest.raises(InvalidInput, match="no column stratum"):
        read_predictions(path)


def test_train__one_class_only__is_refused(panel: Panel, tmp_path: Path) -> None:
    calm = replace(panel, labels=np.zeros_like(panel.labels))

    with pytest.raises(InvalidInput, match=r"hold 0 with the outcome, expected at least 20"):
        train(calm, tmp_path / "model", tmp_path / "work")


def test_train__too_short_a_time__is_refused(tmp_path: Path) -> None:
    short = made_up_panel(seed=3, wallets=50, days=100)

    with pytest.raises(InvalidInput, match="too short a time"):
        train(short, tmp_path / "model", tmp_path / "work")


def test_train__features_that_say_nothing__is_refused(panel: Panel, tmp_path: Path) -> None:
    blank = replace(panel, features=np.zeros_like(panel.features))

    with pytest.raises(InvalidInput):
        train(blank, tmp_path / "model", tmp_path / "work")


def test_dask_engine__two_workers__measures_as_the_local_engine_within_noise(panel: Panel) -> None:
    split, plan = split_panel(panel), FitPlan(trees=40)
    local = margins_of(fit_booster(split.train, plan), split.test)

    with DaskEngine(workers=2) as engine:
        booster = engine.fit(split.train, plan)

    # Merged quantiles move thresholds a little. The AUC's standard error on these rows is about .02.
    spread = margins_of(booster, split.test)
    assert auc(spread, split.test.labels) == pytest.approx(auc(local, split.test.labels), abs=0.01)
    assert mean_log_loss(spread, split.test.labels) == pytest.approx(mean_log_loss(local, split.test.labels), abs=0.01)
    worse = split.test.features.copy()
    worse[:, PLACE_OF["health_factor_bps"]] *= 0.5
    assert (margins_of(booster, replace(split.test, features=worse)) >= spread).all()


def test_dask_engine__no_scheduler_there__is_said(unused_tcp_port_address: str) -> None:
    with pytest.raises(Unavailable, match="no Dask scheduler answers"):
        DaskEngine(scheduler=unused_tcp_port_address)


@pytest.fixture
def unused_tcp_port_address(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("bonafides_scoring.training.dask_engine.CONNECT_TIMEOUT_S", 1)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{found.getsockname()[1]}"


def test_dask_engine__extra_not_installed__says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(InvalidInput, match=r"bonafides\[dask\]"):
        DaskEngine()


def mean_log_loss(margins: Reals, labels: Ints) -> float:
    return float(np.logaddexp(0, np.where(labels == 1, -margins, margins)).mean())


@pytest.fixture
def app() -> typer.Typer:
    found = typer.Typer()
    found.command()(train_command)
    return found


def test_train_command__panel_and_ninety_days__makes_a_model_and_refuses_to_overwrite_it(
    panel: Panel, tmp_path: Path, app: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bonafides_scoring.training.train.default_grid", lambda: SMALL_GRID)
    path, out = tmp_path / "panel.parquet", tmp_path / "toy"
    write_panel(path, panel, PanelHeader("A toy", "00" * 32, 7, 30))
    arguments = ["--panel", str(path), "--out", str(out), "--horizon", "90"]

    first = CliRunner().invoke(app, arguments)
    second = CliRunner().invoke(app, arguments)

    assert first.exit_code == 0, first.output
    assert "AUC (Brier), scorecard" in first.output
    assert isinstance(second.exception, InvalidInput)
    manifest = json.loads((out / MANIFEST_FILE).read_text())
    assert (manifest["name"], manifest["training"]["embargo_days"]) == ("toy", 90)
    assert load_bundle(out).scale.horizon_days == 90


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "one of --panel and --events"),
        (["--panel", "a", "--events", "b"], "one of --panel and --events"),
        (["--panel", "nowhere.parquet"], r"nowhere\.parquet cannot be read"),
        (["--panel", "a", "--scheduler", "tcp://127.0.0.1:1"], "--scheduler goes with --engine dask"),
    ],
)
def test_train_command__arguments_that_cannot_be__are_refused(
    app: typer.Typer, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    done = CliRunner().invoke(app, ["--out", str(tmp_path / "model"), *arguments])

    assert isinstance(done.exception, InvalidInput)
    with pytest.raises(InvalidInput, match=reason):
        raise done.exception
