"""Training from decoded files: the bundle loads, the numbers are honest, bad input is refused by name."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
import xgboost
from bonafides.errors import InvalidInput
from bonafides.event_files import EVENTS_FILE, MARKET_FILE, read_blocks, read_events, read_market_points
from bonafides.types import EventType, ModelClass
from bonafides_scoring.evaluation.measure import auc
from bonafides_scoring.features.schema import FEATURES
from bonafides_scoring.model import CARD_FILE, MANIFEST_FILE, load_bundle
from bonafides_scoring.training.calibrate import calibrate
from bonafides_scoring.training.commands import train_command
from bonafides_scoring.training.fit import FitPlan, fit_booster, fit_platt, margins_of
from bonafides_scoring.training.panels.build import build_panel
from bonafides_scoring.training.panels.panel import HORIZON_DAYS, Panel
from bonafides_scoring.training.split import ORIGINS, split_panel
from bonafides_scoring.training.train import REFERENCE, Trained, TrainingPlan, train, train_on
from bonafides_scoring.wallet_state import SECONDS_PER_DAY
from typer.testing import CliRunner

from tests.support.scoring_core_market import toy_market, write_market

pytestmark = pytest.mark.integration

DAYS = 365
PLAN = TrainingPlan("toy", ModelClass.SYNTHETIC, "A toy market of the tests", step_days=7, warm_up_days=30)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), *toy_market(3, 400, DAYS))


def panel_of(folder: Path) -> Panel:
    return build_panel(
        read_events(folder),
        read_market_points(folder),
        list(read_blocks(folder)),
        REFERENCE.position(),
        step_days=7,
        warm_up_days=30,
    )


@pytest.fixture(scope="module")
def panel(market: Path) -> Panel:
    return panel_of(market)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="module")
def trained(market: Path, model_dir: Path) -> Trained:
    return train(market, model_dir, PLAN, progress=lambda *_: None)


def test_train__toy_market__bundle_loads_and_names_its_data(trained: Trained, panel: Panel) -> None:
    manifest = trained.bundle.manifest

    assert manifest.training.data_digest == panel.digest.hex()
    assert manifest.evaluation.rows == trained.unseen.rows
    assert manifest.model_class is ModelClass.SYNTHETIC
    horizon = HORIZON_DAYS * SECONDS_PER_DAY
    windows = manifest.training.calibration
    assert all(window.trained_until + horizon <= window.first_cutoff for window in windows)
    assert windows[-1].trained_until == manifest.training.last_cutoff
    assert windows[-1].last_cutoff + horizon <= manifest.evaluation.first_cutoff


def test_train__twice__gives_the_same_model_id(market: Path, trained: Trained, tmp_path: Path) -> None:
    again = train(market, tmp_path, PLAN, progress=lambda *_: None)

    assert again.bundle.id == trained.bundle.id


def test_train__model_card__says_synthetic_and_the_measured_numbers(trained: Trained, model_dir: Path) -> None:
    card = (model_dir / CARD_FILE).read_text()

    assert "(SYNTHETIC)" in card
    assert f"{trained.unseen.auc.value:.3f}" in card
    assert f"{trained.unseen.auc_health_factor_alone.value:.3f}" in card
    assert all(f"{window.mean_pd:.2%} |" in card for window in trained.bundle.manifest.training.calibration)


def test_evaluate__auc__equals_the_one_of_scikit_learn(panel: Panel) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores = -panel.column("price_buffer_bps").astype(np.float64)

    assert auc(scores, panel.labels) == pytest.approx(metrics.roc_auc_score(panel.labels, scores), abs=1e-12)


def test_split_panel__parts__share_no_time_and_the_test_no_wallet(panel: Panel) -> None:
    split = split_panel(panel)
    horizon = HORIZON_DAYS * SECONDS_PER_DAY

    assert all(origin.train.cutoffs.max() + horizon <= origin.window.cutoffs.min() for origin in split.origins)
    assert split.origins[-1].window.cutoffs.max() + horizon <= split.test.cutoffs.min()
    learned_from = {wallet for part in split.origins for wallet in (*part.train.wallets, *part.window.wallets)}
    assert not set(split.test.wallets) & (set(split.train.wallets) | learned_from)


def test_split_panel__origins__go_on_to_all_of_training_and_their_windows_share_no_row(panel: Panel) -> None:
    split = split_panel(panel)

    lengths = [len(origin.train) for origin in split.origins]
    assert (len(lengths), lengths) == (ORIGINS, sorted(set(lengths)))
    assert split.origins[-1].train.digest == split.train.digest
    for one, next_one in pairwise(split.origins):
        assert one.window.cutoffs.max() < next_one.window.cutoffs.min()


def test_split_panel__window_without_a_row__is_refused(panel: Panel) -> None:
    split = split_panel(panel)
    of_second = split.origins[1].window.cutoffs

    with pytest.raises(InvalidInput, match="one has no row"):
        split_panel(panel.where((panel.cutoffs < of_second.min()) | (panel.cutoffs > of_second.max())))


def test_calibrate__windows_of_any_weather__together_get_their_own_outcome_rate(panel: Panel) -> None:
    origins = split_panel(panel).origins
    boosters = [fit_booster(origin.train, FitPlan(trees=40)) for origin in origins]

    windows = calibrate(boosters, origins).windows

    # The intercept's equation at the maximum; Newton stops at steps below 1e-12.
    expected = sum(window.mean_pd * window.rows for window in windows)
    assert expected == pytest.approx(sum(window.positives for window in windows), rel=1e-9)


def test_calibrate__last_window_calm__does_not_set_the_level_alone(panel: Panel) -> None:
    *others, last = split_panel(panel).origins
    calm = replace(last, window=replace(last.window, labels=np.zeros_like(last.window.labels)))
    origins = [*others, calm]
    boosters = [fit_booster(origin.train, FitPlan(trees=40)) for origin in origins]

    found = calibrate(boosters, origins).windows[-1]

    assert (found.positives, found.mean_pd > 0.01) == (0, True)


def test_split_panel__labels_shuffled__nothing_ranks_later_rows_better_than_a_coin(panel: Panel) -> None:
    split = split_panel(panel)
    rounds = range(12)

    # Without the constraints, which would tilt even noise towards sense.
    learned = [_auc_of_noise(split.train, split.test, seed) for seed in rounds]
    booster = fit_booster(split.train, FitPlan(trees=60))
    measured = [
        auc(margins_of(booster, split.test), np.random.default_rng(seed).permutation(split.test.labels))
        for seed in rounds
    ]

    # One round strays by .13, as 51 positives are of some 40 wallets; twelve by .04. A leak would give .8 and more.
    assert np.mean(learned) == pytest.approx(0.5, abs=0.12)
    assert np.mean(measured) == pytest.approx(0.5, abs=0.06)


def _auc_of_noise(train: Panel, test: Panel, seed: int) -> float:
    labels = np.random.default_rng(seed).permutation(train.labels)
    noise = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "eta": 0.05, "nthread": 1, "seed": 1},
        xgboost.DMatrix(train.features, label=labels),
        num_boost_round=60,
    )
    return auc(margins_of(noise, test), test.labels)


def test_build_panel__events_after_the_last_horizon__change_nothing(market: Path, panel: Panel) -> None:
    events, points, blocks = list(read_events(market)), list(read_market_points(market)), list(read_blocks(market))
    cut = max(panel.cutoffs) + HORIZON_DAYS * SECONDS_PER_DAY
    kept = [event for event in events if event.position.block.timestamp < cut]
    assert len(kept) < len(events)

    again = build_panel(kept, points, blocks, REFERENCE.position(), step_days=7, warm_up_days=30)

    assert again.digest == panel.digest


def test_build_panel__liquidation_at_the_cutoffs_own_block__is_known_and_no_label(market: Path) -> None:
    events, points, blocks = list(read_events(market)), list(read_market_points(market)), list(read_blocks(market))
    liquidation = next(event for event in events if event.type is EventType.LIQUIDATED)
    only = [event for event in events if event.wallet == liquidation.wallet and event.order <= liquidation.order]
    points = [point for point in points if point.order <= liquidation.order]  # from then on prices stand still
    midnight = (liquidation.position.block.timestamp // SECONDS_PER_DAY + 1) * SECONDS_PER_DAY
    until = [block for block in blocks if block.timestamp <= midnight + (HORIZON_DAYS + 1) * SECONDS_PER_DAY]
    warm_up = (midnight - blocks[0].timestamp // SECONDS_PER_DAY * SECONDS_PER_DAY) // SECONDS_PER_DAY

    after = build_panel(only, points, until, REFERENCE.position(), step_days=400, warm_up_days=warm_up)
    before = build_panel(only, points, until, REFERENCE.position(), step_days=400, warm_up_days=warm_up - 1)

    days = [spec.name for spec in FEATURES].index("liquidation_days")
    assert (after.features[0, days], after.labels[0]) == (1, 0)
    assert (before.features[0, days], before.labels[0]) == (0, 1)


def test_fit_platt__model_that_ranks_backwards__is_refused(panel: Panel) -> None:
    with pytest.raises(InvalidInput, match="backwards"):
        fit_platt(panel.column("price_buffer_bps").astype(np.float64) / 1_000, panel.labels)


def test_train_on__one_class_only__is_refused(panel: Panel, tmp_path: Path) -> None:
    calm = replace(panel, labels=np.zeros_like(panel.labels))

    with pytest.raises(InvalidInput, match=r"training rows hold 0 with the outcome"):
        train_on(calm, tmp_path, PLAN, progress=lambda *_: None)


def test_train__missing_column__is_refused_with_the_file(market: Path, tmp_path: Path) -> None:
    for name in (EVENTS_FILE, MARKET_FILE, "blocks.parquet"):
        (tmp_path / name).write_bytes((market / name).read_bytes())
    pq.write_table(pq.read_table(market / EVENTS_FILE).drop_columns(["amount"]), tmp_path / EVENTS_FILE)

    with pytest.raises(InvalidInput, match=EVENTS_FILE):
        train(tmp_path, tmp_path / "model", PLAN, progress=lambda *_: None)


def test_train__no_files__is_refused_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"blocks\.parquet"):
        train(tmp_path, tmp_path / "model", PLAN, progress=lambda *_: None)


def test_train__too_short_a_time__is_refused(tmp_path: Path) -> None:
    short = write_market(tmp_path, *toy_market(3, 5, 40))

    with pytest.raises(InvalidInput, match="leave no cut-off"):
        train(short, tmp_path / "model", PLAN, progress=lambda *_: None)


def test_train_command__model_there_already__is_refused_until_told(market: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(train_command)
    arguments = ["--events", str(market), "--out", str(tmp_path), "--name", "toy", "--warm-up-days", "30"]

    first = CliRunner().invoke(app, arguments)
    second = CliRunner().invoke(app, arguments)
    third = CliRunner().invoke(app, [*arguments, "--replace"])

    assert first.exit_code == 0, first.output
    assert "AUC, health factor alone" in first.output
    assert isinstance(second.exception, InvalidInput)
    assert third.exit_code == 0
    assert json.loads((tmp_path / MANIFEST_FILE).read_text())["name"] == "toy"
    assert load_bundle(tmp_path).manifest.name == "toy"
