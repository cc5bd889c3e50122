"""Panels of a toy market that training starts from: kept, and honest about the time; bad input is refused by name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from bonafides.errors import InvalidInput
from bonafides.event_files import EVENTS_FILE, MARKET_FILE, read_blocks, read_events, read_market_points
from bonafides.types import EventType
from bonafides_scoring.evaluation.measure import auc
from bonafides_scoring.features.schema import FEATURES
from bonafides_scoring.training.panel_source import PANEL_FILE, panel_of_events
from bonafides_scoring.training.panels.build import build_panel
from bonafides_scoring.training.panels.panel import HORIZON_DAYS, Panel
from bonafides_scoring.training.panels.plan import PanelPlan
from bonafides_scoring.training.train import REFERENCE
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

from tests.support.scoring_core_market import toy_market, write_market

pytestmark = pytest.mark.integration

DAYS = 365


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


def test_evaluate__auc__equals_the_one_of_scikit_learn(panel: Panel) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores = -panel.column("price_buffer_bps").astype(np.float64)

    assert auc(scores, panel.labels) == pytest.approx(metrics.roc_auc_score(panel.labels, scores), abs=1e-12)


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


def test_panel_of_events__asked_again__reads_the_one_it_kept(market: Path, panel: Panel, tmp_path: Path) -> None:
    plan = PanelPlan("A toy market of the tests", step_days=7, warm_up_days=30)
    first = panel_of_events(market, tmp_path, plan, workers=1, progress=lambda *_: None)
    written = (tmp_path / PANEL_FILE).stat().st_mtime_ns

    again = panel_of_events(market, tmp_path, plan, workers=1, progress=lambda *_: None)
    other = panel_of_events(market, tmp_path, replace(plan, step_days=14), workers=1, progress=lambda *_: None)

    assert (first.digest, again.digest) == (panel.digest, panel.digest)
    assert len(other) < len(panel)
    assert (tmp_path / PANEL_FILE).stat().st_mtime_ns > written


def test_panel_of_events__missing_column__is_refused_with_the_file(market: Path, tmp_path: Path) -> None:
    for name in (EVENTS_FILE, MARKET_FILE, "blocks.parquet"):
        (tmp_path / name).write_bytes((market / name).read_bytes())
    pq.write_table(pq.read_table(market / EVENTS_FILE).drop_columns(["amount"]), tmp_path / EVENTS_FILE)

    with pytest.raises(InvalidInput, match=EVENTS_FILE):
        panel_of_events(tmp_path, tmp_path / "work", PanelPlan("toy"), workers=1, progress=lambda *_: None)
