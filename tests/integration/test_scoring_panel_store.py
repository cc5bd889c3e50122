"""The event store gives the panel that decoded files give; what a service would not score from is not in it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bonafides.database import transaction
from bonafides.errors import InvalidInput
from bonafides.event_files import read_blocks, read_events, read_market_points
from bonafides.events import Boundary, DeploymentCoverage, ForkEpoch, LendingEvent, WalletDeadLetter
from bonafides.types import BlockRef, Finality
from bonafides_scoring.commands import app
from bonafides_scoring.store.events import add_dead_letter, add_events
from bonafides_scoring.store.market import add_boundary, add_points
from bonafides_scoring.training.panels.build import build_panel
from bonafides_scoring.training.panels.files import read_panel
from bonafides_scoring.training.panels.folder import build_panel_file
from bonafides_scoring.training.panels.plan import REFERENCE_POSITION, PanelPlan
from bonafides_scoring.training.panels.store_export import export_chain
from sqlalchemy import Engine
from typer.testing import CliRunner

from tests.support.scoring_core_market import toy_market
from tests.support.scoring_core_story import CHAIN, DEPLOYMENT
from tests.support.scoring_service import migrated

pytestmark = pytest.mark.integration


def _with_own_logs(events: list[LendingEvent]) -> list[LendingEvent]:
    """Each wallet's events in logs of their own: the toy market lets two wallets share one, which no chain does."""
    first = {wallet: place * 100 for place, wallet in enumerate(sorted({event.wallet for event in events}))}
    return [
        replace(event, position=replace(event.position, log_index=first[event.wallet] + event.position.log_index))
        for event in events
    ]


_TOY, POINTS, BLOCKS = toy_market(3, 30, 150)
EVENTS = _with_own_logs(_TOY)
LAST = BLOCKS[-1]


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


def boundary_at(number: int, block: BlockRef, *, complete_to: int | None = None) -> Boundary:
    to = block.number if complete_to is None else complete_to
    coverage = (DeploymentCoverage(DEPLOYMENT, CHAIN, 1, 1, to, (), 0),)
    return Boundary(number, block, Finality.FINALIZED, False, (), coverage)


def fill(engine: Engine, events: list[LendingEvent], last: Boundary) -> None:
    with transaction(engine) as connection:
        add_events(connection, [(0, offset, event) for offset, event in enumerate(events)])
        add_points(connection, list(enumerate(POINTS)))
        for number, block in enumerate(BLOCKS[:-1], 1):
            add_boundary(connection, number, boundary_at(number, block))
        add_boundary(connection, len(BLOCKS), last)


def export(engine: Engine, folder: Path) -> Path:
    with engine.connect() as connection:
        export_chain(connection, CHAIN, folder, lambda *_: None)
    return folder


def test_export_chain__store_of_a_market__gives_its_files_and_its_panel(engine: Engine, tmp_path: Path) -> None:
    fill(engine, EVENTS, boundary_at(len(BLOCKS), LAST))

    folder = export(engine, tmp_path / "store")

    assert list(read_events(folder)) == sorted(EVENTS, key=lambda event: (event.order, event.id))
    assert {point.id for point in read_market_points(folder)} == {point.id for point in POINTS}
    assert list(read_blocks(folder)) == BLOCKS
    plan = PanelPlan("The store", step_days=7, warm_up_days=30)
    build_panel_file(folder, tmp_path / "panel.parquet", plan)
    expected = build_panel(EVENTS, POINTS, BLOCKS, REFERENCE_POSITION, step_days=7, warm_up_days=30)
    assert read_panel(tmp_path / "panel.parquet").digest == expected.digest


def test_export_chain__void_and_outdone_copies__are_left_out(engine: Engine, tmp_path: Path) -> None:
    better = [replace(event, fork_epoch=2, decoder_version=2) for event in EVENTS[:5]]
    fork = ForkEpoch(2, LAST.number)
    void = replace(EVENTS[-1], position=replace(EVENTS[-1].position, block=LAST, log_index=7))
    last = replace(boundary_at(len(BLOCKS), LAST), fork_epochs=(fork,))
    kept = [event for event in EVENTS if event.position.block.number < LAST.number]
    fill(engine, [*kept, *better, void], last)

    found = list(read_events(export(engine, tmp_path / "store")))

    assert len(found) == len(kept)
    assert [event.decoder_version for event in found if event.id in {one.id for one in better}] == [2] * 5


def test_export_chain__wallet_with_a_dead_letter__is_left_out_whole(engine: Engine, tmp_path: Path) -> None:
    fill(engine, EVENTS, boundary_at(len(BLOCKS), LAST))
    wallet = EVENTS[0].wallet
    letter = WalletDeadLetter(replace(EVENTS[0].position, log_index=99), DEPLOYMENT, wallet, "unreadable")
    with transaction(engine) as connection:
        add_dead_letter(connection, 0, 999_999, letter)

    found = {event.wallet for event in read_events(export(engine, tmp_path / "store"))}

    assert found == {event.wallet for event in EVENTS} - {wallet}


def test_export_chain__gap_in_what_was_scanned__is_refused(engine: Engine, tmp_path: Path) -> None:
    fill(engine, EVENTS, boundary_at(len(BLOCKS), LAST, complete_to=LAST.number - 1))

    with pytest.raises(InvalidInput, match=f"{DEPLOYMENT} was not read whole"):
        export(engine, tmp_path / "store")


def test_export_chain__no_finalized_boundary__is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no finalized boundary of chain 31337"):
        export(engine, tmp_path / "store")


def test_panel_command__store__reads_the_database_of_the_settings(
    engine: Engine, fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine, EVENTS, boundary_at(len(BLOCKS), LAST))
    monkeypatch.setenv("BONAFIDES_SCORING_DATABASE_URL", fresh_database)
    monkeypatch.setenv("BONAFIDES_SCORING_CHAIN_IDS", str(CHAIN))
    out = tmp_path / "panel.parquet"

    result = CliRunner().invoke(app, ["panel", "--store", "--out", str(out), "--warm-up-days", "30"])

    assert result.exit_code == 0, result.output
    expected = build_panel(EVENTS, POINTS, BLOCKS, REFERENCE_POSITION, step_days=7, warm_up_days=30)
    assert read_panel(out).digest == expected.digest
    assert [path.name for path in tmp_path.iterdir()] == ["panel.parquet"]
