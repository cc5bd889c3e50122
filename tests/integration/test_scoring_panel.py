"""Panels from files: the same as from memory, in any number of runs and processes; what cannot be is refused by row."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bonafides.errors import InvalidInput, MissingTool
from bonafides.event_files import BLOCKS_FILE, EVENTS_FILE, MARKET_FILE, read_blocks, read_events, read_market_points
from bonafides.events import LendingEvent
from bonafides.types import Address, BlockRef, EventType
from bonafides_scoring.commands import app
from bonafides_scoring.fold import empty_state, encode_state, fold
from bonafides_scoring.training.market_history import MarketHistory, index_market
from bonafides_scoring.training.panels import folder as panel_folder
from bonafides_scoring.training.panels import sorting
from bonafides_scoring.training.panels.blocks import read_block_table
from bonafides_scoring.training.panels.build import build_panel
from bonafides_scoring.training.panels.files import read_panel, read_panel_header
from bonafides_scoring.training.panels.folder import build_panel_file
from bonafides_scoring.training.panels.histories import histories
from bonafides_scoring.training.panels.panel import Panel, Stratum
from bonafides_scoring.training.panels.plan import REFERENCE_POSITION, PanelPlan
from bonafides_scoring.training.panels.sorting import bucket_events, sorted_bucket
from bonafides_scoring.training.train import REFERENCE
from typer.testing import CliRunner

from tests.support.scoring_core_market import toy_market, write_market
from tests.support.scoring_core_story import CHAIN

pytestmark = pytest.mark.integration

PLAN = PanelPlan("A toy market of the tests", step_days=7, warm_up_days=30)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), *toy_market(3, 80, 200))


@pytest.fixture
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "ROWS_PER_BUCKET", 300)


def from_memory(folder: Path) -> Panel:
    return build_panel(
        read_events(folder),
        read_market_points(folder),
        list(read_blocks(folder)),
        REFERENCE_POSITION,
        step_days=PLAN.step_days,
        warm_up_days=PLAN.warm_up_days,
    )


@pytest.mark.usefixtures("small_buckets")
def test_build_panel_file__many_buckets__has_the_rows_that_memory_gives(market: Path, tmp_path: Path) -> None:
    header = build_panel_file(market, tmp_path / "panel.parquet", PLAN)

    panel = read_panel(tmp_path / "panel.parquet")
    expected = from_memory(market)
    assert (len(panel) > 300, len(panel)) == (True, len(expected))
    assert panel.digest == expected.digest
    assert (header.rows, header.rows_digest) == (len(panel), panel.digest.hex())
    assert [path.name for path in tmp_path.iterdir()] == ["panel.parquet"]


@pytest.mark.usefixtures("small_buckets")
def test_build_panel_file__two_processes_or_one__gives_the_same_bytes(market: Path, tmp_path: Path) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        build_panel_file(market, tmp_path / name, PLAN, workers=workers)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.usefixtures("small_buckets")
def test_build_panel_file__cut_short_and_resumed__makes_no_part_twice_and_gives_the_same_bytes(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_panel_file(market, tmp_path / "whole", PLAN)
    made: list[int] = []
    make = panel_folder._make_part

    def counted(job: panel_folder._Job, bucket: int) -> int:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(bucket)
        return make(job, bucket)

    monkeypatch.setattr(panel_folder, "_make_part", counted)
    with pytest.raises(KeyboardInterrupt):
        build_panel_file(market, tmp_path / "panel", PLAN)
    assert not (tmp_path / "panel").exists()
    monkeypatch.setattr(panel_folder, "_make_part", make)
    parts = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "panel.work").glob("part-*.parquet")}
    steps: list[str] = []

    build_panel_file(market, tmp_path / "panel", PLAN, resume=True, progress=lambda step, *_: steps.append(step))

    assert len(parts) == 3
    assert "bringing wallets together" not in steps
    assert (tmp_path / "panel").read_bytes() == (tmp_path / "whole").read_bytes()


def test_build_panel_file__resumed_with_another_plan__starts_anew(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise KeyboardInterrupt

    make = panel_folder._make_part
    monkeypatch.setattr(panel_folder, "_make_part", broken)
    with pytest.raises(KeyboardInterrupt):
        build_panel_file(market, tmp_path / "panel", PLAN)
    monkeypatch.setattr(panel_folder, "_make_part", make)
    other = replace(PLAN, step_days=14)

    build_panel_file(market, tmp_path / "panel", other, resume=True)

    assert read_panel_header(tmp_path / "panel").step_days == 14
    assert np.diff(np.unique(read_panel(tmp_path / "panel").of(Stratum.OPEN_DEBT).cutoffs)).min() == 14 * 86_400


def test_market_history__from_files__sees_what_memory_sees(market: Path, tmp_path: Path) -> None:
    blocks = read_block_table(market)
    index_market(market, blocks, tmp_path)
    opened, known = MarketHistory.opened(tmp_path), MarketHistory.of(read_market_points(market))

    for place in range(0, len(blocks), 37):
        assert opened.view(blocks.at(place)) == known.view(blocks.at(place))


def test_histories__without_hashes__fold_to_the_same_state(market: Path, tmp_path: Path) -> None:
    """The panel leaves hashes out of its files: nothing that the fold remembers may come from one."""
    blocks = read_block_table(market)
    buckets = bucket_events(market, blocks, tmp_path)
    per_wallet: dict[Address, list[LendingEvent]] = {}
    for event in read_events(market):
        per_wallet.setdefault(event.wallet, []).append(event)
    seen = 0

    for wallet, events in histories(sorted_bucket(buckets.path(0))):
        expected = fold(empty_state(wallet, CHAIN), per_wallet[wallet])
        assert encode_state(fold(empty_state(wallet, CHAIN), events)) == encode_state(expected)
        seen += 1

    assert seen == len(per_wallet)


def test_panel_plan__reference_position__is_the_one_that_models_ship_with() -> None:
    assert REFERENCE.position() == REFERENCE_POSITION


type Edit = Callable[[pa.Table], pa.Table]


def replaced(name: str, values: Callable[[pa.Table], pa.Array]) -> Edit:
    def edit(table: pa.Table) -> pa.Table:
        place, made = table.schema.get_field_index(name), values(table)
        return table.set_column(place, pa.field(name, made.type, nullable=False), made)

    return edit


def at_row(name: str, row: int, value: object) -> Edit:
    def values(table: pa.Table) -> pa.Array:
        known = table.column(name).to_pylist()
        known[row] = value
        return pa.array(known, table.schema.field(name).type)

    return replaced(name, values)


def edited(market: Path, folder: Path, name: str, edit: Edit) -> Path:
    for other in (EVENTS_FILE, MARKET_FILE, BLOCKS_FILE):
        table = pq.read_table(market / other)
        pq.write_table(edit(table) if other == name else table, folder / other)
    return folder


def repeated(table: pa.Table) -> pa.Table:
    """The file with its fourth row once more at the end."""
    return pa.concat_tables([table, table.slice(3, 1)])


@pytest.mark.parametrize(
    ("name", "edit", "reason"),
    [
        (EVENTS_FILE, lambda table: table.drop_columns(["amount"]), "column amount is missing"),
        (EVENTS_FILE, replaced("tx_index", lambda table: pa.array(["0"] * len(table))), "column tx_index is string"),
        (EVENTS_FILE, repeated, r"row \d+: the same event of the same wallet as row 3"),
        (EVENTS_FILE, lambda table: table.slice(0, 0), "holds no events"),
        (EVENTS_FILE, at_row("chain_id", 7, 1), "row 7: it is not of chain 31337"),
        (EVENTS_FILE, at_row("block_number", 9, 99_999_999), "row 9: it is of a block that blocks.parquet"),
        (EVENTS_FILE, at_row("block_timestamp", 11, 1), "row 11: it has another time than its block"),
        (EVENTS_FILE, at_row("type", 13, "lent"), "row 13: nobody knows the word 'lent'"),
        (MARKET_FILE, lambda table: table.drop_columns(["values"]), "column values is missing"),
        (MARKET_FILE, repeated, r"row \d+: the same fact of the same log as row 3"),
        (MARKET_FILE, at_row("block_number", 5, 99_999_999), "row 5: it is of a block that blocks.parquet"),
        (BLOCKS_FILE, lambda table: table.slice(0, 0), "holds no blocks"),
        (BLOCKS_FILE, repeated, r"row \d+: the block stands there twice"),
        (BLOCKS_FILE, at_row("timestamp", 4, 1), "row 4: the block is older than the one before it"),
        (BLOCKS_FILE, at_row("chain_id", 4, 1), "blocks of 2 chains"),
    ],
)
def test_build_panel_file__input_that_cannot_be__is_refused_by_file_row_and_reason(
    market: Path, tmp_path: Path, name: str, edit: Edit, reason: str
) -> None:
    folder = edited(market, tmp_path, name, edit)

    with pytest.raises(InvalidInput, match=rf"{name}.*{reason}"):
        build_panel_file(folder, tmp_path / "panel.parquet", PLAN)

    assert not (tmp_path / "panel.parquet").exists()


@pytest.mark.parametrize("name", [EVENTS_FILE, MARKET_FILE, BLOCKS_FILE])
def test_build_panel_file__file_missing__is_refused_by_name(market: Path, tmp_path: Path, name: str) -> None:
    folder = edited(market, tmp_path, name, lambda table: table)
    (folder / name).unlink()

    with pytest.raises(InvalidInput, match=name):
        build_panel_file(folder, tmp_path / "panel.parquet", PLAN)


def test_build_panel_file__one_class_only__is_refused_with_the_counts(tmp_path: Path) -> None:
    events, points, blocks = toy_market(3, 40, 200)
    first = points[:6]  # from then on prices stand still, and without the liquidations nobody falls
    liquidated = {event.wallet for event in events if event.type is EventType.LIQUIDATED}
    calm = [event for event in events if event.wallet not in liquidated]
    folder = write_market(tmp_path / "market", calm, first, blocks)

    with pytest.raises(InvalidInput, match="gives 0 rows with the outcome"):
        build_panel_file(folder, tmp_path / "panel.parquet", PLAN)


def test_build_panel_file__too_short_a_time__is_refused(tmp_path: Path) -> None:
    short = write_market(tmp_path / "market", *toy_market(3, 5, 40))

    with pytest.raises(InvalidInput, match="leave no cut-off"):
        build_panel_file(short, tmp_path / "panel.parquet", PLAN)


def test_blocks__cutoff_before_all_data__is_refused(market: Path) -> None:
    blocks = read_block_table(market)

    with pytest.raises(InvalidInput, match="is not after the first block"):
        blocks.before(blocks.first_time)
    assert blocks.before(blocks.first_time + 1) == blocks.at(0)


def test_panel_command__toy_market__writes_the_panel_and_says_how_many_rows(market: Path, tmp_path: Path) -> None:
    out = tmp_path / "panel.parquet"

    result = CliRunner().invoke(
        app, ["panel", "--events", str(market), "--out", str(out), "--warm-up-days", "30", "--source", "A toy market"]
    )

    assert result.exit_code == 0, result.output
    assert f"{len(read_panel(out)):,} rows" in result.output
    assert read_panel_header(out).source == "A toy market"


def test_panel_command__neither_folder_nor_store__is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["panel", "--out", str(tmp_path / "panel.parquet")])

    assert isinstance(result.exception, InvalidInput)


def test_panel_command__without_its_extra__says_which_to_install(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    for name in [name for name in sys.modules if name.startswith("bonafides_scoring.training.panels.folder")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "bonafides_scoring.training.panels.sorting")

    result = CliRunner().invoke(app, ["panel", "--events", str(market), "--out", str(tmp_path / "panel.parquet")])

    assert isinstance(result.exception, MissingTool)
    assert "bonafides[training]" in str(result.exception)


def test_toy_market__last_block__ends_every_window(market: Path) -> None:
    last: BlockRef = list(read_blocks(market))[-1]

    assert from_memory(market).cutoffs.max() + 30 * 86_400 <= last.timestamp
