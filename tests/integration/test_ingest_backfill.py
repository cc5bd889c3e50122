"""The real Aave V3 from an anvil to log files, and from files through Kafka: the same events as from the node."""

import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bonafides import event_files
from bonafides.crashpoints import CRASH_POINTS
from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import Digest
from bonafides_ingest.file_decoding import decode_folder
from bonafides_ingest.registry import load_registry
from bonafides_ingest.sources.parquet import open_log_folder
from bonafides_lab.processes import Process
from bonafides_lab.stack.postgres import create_database, drop_database
from bonafides_lab.stack.resolver import local_stack

from tests.support.ingest_market import LiveMarket, played_market
from tests.support.ingest_process import (
    IngestSetup,
    ReadLog,
    end_offsets,
    prepare_database,
    prepare_topics,
    read_log,
    write_registry,
)

pytestmark = pytest.mark.integration

SCORED = '"is_scoring": true'
FEW_LOGS = "300"  # a window: many windows in a small market
type Facts = tuple[dict[bytes, LendingEvent], dict[Digest, MarketPoint]]


@pytest.fixture(scope="module")
def bootstrap(stack_folder: Path) -> Iterator[str]:
    """A broker of this module's own: its topics have the product's names."""
    with local_stack(stack_folder / "backfill", postgres=False, chain=False) as stack:
        prepare_topics(stack.kafka_bootstrap)
        yield stack.kafka_bootstrap


@pytest.fixture(scope="module")
def live(stack_folder: Path) -> Iterator[LiveMarket]:
    with played_market(stack_folder / "backfill", days=90) as market:
        yield market


@pytest.fixture
def setup(bootstrap: str, fresh_database: str, live: LiveMarket, tmp_path: Path) -> IngestSetup:
    prepare_database(fresh_database)
    registry = write_registry(tmp_path, live.market.deployment)
    return IngestSetup(tmp_path, bootstrap, fresh_database, live.url, registry)


@pytest.fixture(scope="module")
def through_rpc(
    bootstrap: str, live: LiveMarket, local_postgres: str, stack_folder: Path
) -> Iterator[tuple[IngestSetup, Facts]]:
    """What `run` makes of the chain; and its set-up, to export with."""
    url = create_database(local_postgres, "backfill_through_rpc")
    prepare_database(url)
    folder = stack_folder / "backfill" / "rpc"
    folder.mkdir()
    setup = IngestSetup(folder, bootstrap, url, live.url, write_registry(folder, live.market.deployment))
    starts = end_offsets(bootstrap)
    process = setup.start("run")
    process.wait_until(lambda: SCORED in _log_of(process), "a scoring boundary", 60)
    assert process.terminate() == 0
    yield setup, _facts(read_log(bootstrap, starts))
    drop_database(local_postgres, "backfill_through_rpc")


@pytest.fixture(scope="module")
def exported(through_rpc: tuple[IngestSetup, Facts]) -> Path:
    """The whole chain as log files, written by the command."""
    setup, _ = through_rpc
    folder = setup.folder / "logs"

    process = setup.start_command("export", "export", "--out", str(folder), "--chunk-blocks", "50", window_blocks="23")

    assert process.wait(60) == 0, _log_of(process)
    return folder


def _log_of(process: Process) -> str:
    return process.log_path.read_text()


def _facts(log: ReadLog) -> Facts:
    """By id, the epochs apart."""
    points = {point.id: replace(point, fork_epoch=0) for point in log.points()}
    return {key: replace(event, fork_epoch=0) for key, event in log.distinct_events().items()}, points


def _backfill(setup: IngestSetup, folder: Path, **changes: str) -> Process:
    changes = {"rpc_url": "", "backfill_logs": FEW_LOGS} | changes
    return setup.start_command("backfill", "backfill", str(folder), **changes)


def _copy(exported: Path, folder: Path, below: int = 10**9) -> None:
    """The files of chunks that end below a block."""
    folder.mkdir(exist_ok=True)
    for path in exported.glob("*.parquet"):
        if int(re.search(r"_to_(\d+)", path.name)[1]) < below:  # type: ignore[index]
            (folder / path.name).write_bytes(path.read_bytes())


def _assert_complete(log: ReadLog, last_block: int) -> None:
    boundaries = {boundary.number: boundary for boundary in log.boundaries()}
    assert len(set(log.boundaries())) == len(boundaries)
    assert sorted(boundaries) == list(range(1, len(boundaries) + 1))
    last = boundaries[len(boundaries)]
    assert (last.block.number, last.is_scoring) == (last_block, True)
    assert (last.coverage[0].complete_to, last.coverage[0].gaps) == (last_block, ())
    assert sorted(at for at, mark in log.marks() if mark.number == last.number) == list(range(64))


def test_export_and_backfill__played_market__events_and_points_are_those_from_the_node(
    setup: IngestSetup, exported: Path, through_rpc: tuple[IngestSetup, Facts], live: LiveMarket
) -> None:
    starts = end_offsets(setup.bootstrap)

    process = _backfill(setup, exported)

    assert process.wait(60) == 0, _log_of(process)
    log = read_log(setup.bootstrap, starts)
    assert _facts(log) == through_rpc[1]
    assert len(log.events()) == len(through_rpc[1][0]) > 500
    assert not log.log_dead_letters()
    _assert_complete(log, live.finalized())


def test_export_and_decode__played_market__events_and_points_are_those_from_the_node(
    exported: Path, through_rpc: tuple[IngestSetup, Facts], tmp_path: Path
) -> None:
    decode_folder(open_log_folder(exported), load_registry(through_rpc[0].registry), tmp_path)

    events, points = through_rpc[1]
    assert {event.id: event for event in event_files.read_events(tmp_path)} == events
    assert {point.id: point for point in event_files.read_market_points(tmp_path)} == points


@pytest.mark.parametrize(
    "point", sorted(name for name in CRASH_POINTS if name.startswith("ingest.") and "link" not in name)
)
def test_backfill__killed_at_a_crash_point_and_started_again__goes_on_and_gives_the_same(
    setup: IngestSetup, exported: Path, through_rpc: tuple[IngestSetup, Facts], live: LiveMarket, point: str
) -> None:
    starts = end_offsets(setup.bootstrap)
    killed = _backfill(setup, exported, crash_at=point)
    assert killed.wait(60) == -signal.SIGKILL

    process = _backfill(setup, exported)

    assert process.wait(60) == 0, _log_of(process)
    log = read_log(setup.bootstrap, starts)
    assert _facts(log) == through_rpc[1]
    _assert_complete(log, live.finalized())


def test_backfill__killed_after_a_commit__goes_on_from_its_cursor(
    setup: IngestSetup, exported: Path, through_rpc: tuple[IngestSetup, Facts], live: LiveMarket
) -> None:
    starts = end_offsets(setup.bootstrap)
    first_part = setup.folder / "first_part"
    _copy(exported, first_part, below=live.finalized() - 50)
    killed = _backfill(setup, first_part, crash_at="ingest.after_commit")
    assert killed.wait(60) == -signal.SIGKILL, _log_of(killed)
    middle = end_offsets(setup.bootstrap)
    before = {event.id for event in read_log(setup.bootstrap, starts).events()}

    process = _backfill(setup, exported)

    assert process.wait(60) == 0, _log_of(process)
    log = read_log(setup.bootstrap, starts)
    assert _facts(log) == through_rpc[1]
    after = {event.id for event in read_log(setup.bootstrap, middle).events()}
    assert before
    assert after
    assert not before & after
    _assert_complete(log, live.finalized())


def test_backfill__done_and_started_again__ends_at_once_and_sends_nothing(setup: IngestSetup, exported: Path) -> None:
    assert _backfill(setup, exported).wait(60) == 0
    starts = end_offsets(setup.bootstrap)

    process = _backfill(setup, exported)

    assert process.wait(60) == 0, _log_of(process)
    assert end_offsets(setup.bootstrap) == starts


def test_run_after_backfill__node_of_the_same_chain__goes_on_from_the_end_of_the_files(
    setup: IngestSetup, exported: Path, through_rpc: tuple[IngestSetup, Facts], tmp_path: Path
) -> None:
    first_half = tmp_path / "first half"
    _copy(exported, first_half, below=150)
    starts = end_offsets(setup.bootstrap)
    assert _backfill(setup, first_half).wait(60) == 0
    middle = end_offsets(setup.bootstrap)

    process = setup.start("run", scoring_interval_s="0.1", boundary_interval_s="0.1")
    process.wait_until(lambda: SCORED in _log_of(process), "a scoring boundary", 60)

    assert process.terminate() == 0
    assert _facts(read_log(setup.bootstrap, starts)) == through_rpc[1]
    assert {event.position.block.number > 149 for event in read_log(setup.bootstrap, middle).events()} == {True}


def test_backfill__files_of_another_fork_after_a_run__stops_and_says_so(
    setup: IngestSetup, exported: Path, live: LiveMarket
) -> None:
    cut = max(int(re.search(r"blocks__(\d+)", path.name)[1]) for path in exported.glob("*__blocks__*"))  # type: ignore[index]
    folder = setup.folder / "half"
    _copy(exported, folder, below=cut)
    assert _backfill(setup, folder).wait(60) == 0
    _copy(exported, folder)
    (path,) = folder.glob(f"*__blocks__*_to_{cut - 1:08d}.parquet")
    table = pq.read_table(path)
    at = table.schema.get_field_index("block_hash")
    hashes = [*table.column(at).to_pylist()[:-1], b"\x01" * 32]
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(hashes, pa.binary())), path)

    process = _backfill(setup, folder)

    assert process.wait(60) == 70
    assert f"block {cut - 1} was read as finalized and is another block now" in _log_of(process)


def test_backfill__chain_that_the_registry_does_not_list__refuses_to_start(setup: IngestSetup, exported: Path) -> None:
    process = _backfill(setup, exported, chain_id="1")

    assert process.wait(30) == 78
    assert "nothing on chain 1" in _log_of(process)
    assert "Traceback" not in _log_of(process)


def test_backfill__registry_lists_more_than_was_exported__refuses_to_start(setup: IngestSetup, exported: Path) -> None:
    listed = setup.registry.read_text()
    (entry,) = re.findall(r"(?s)- id: .*", listed)
    another = re.sub(r"0x[0-9a-f]{40}", lambda found: "0x" + found[0][:1:-1], entry).replace("- id: ", "- id: another-")
    setup.registry.write_text(listed + another)

    process = _backfill(setup, exported)

    assert process.wait(30) == 78
    assert "the registry also lists another-" in _log_of(process)


def test_backfill__files_that_begin_behind_the_registry__says_where_to_begin_before_it_asks_for_a_broker(
    setup: IngestSetup, exported: Path
) -> None:
    folder = setup.folder / "later"
    _copy(exported, folder)
    for path in folder.glob("*_to_00000049.parquet"):
        path.unlink()

    process = _backfill(setup, folder, kafka_bootstrap="127.0.0.1:9")

    assert process.wait(30) == 2, _log_of(process)
    assert "the files begin at block 50, and" in _log_of(process)
    assert "Traceback" not in _log_of(process)


def test_backfill__no_files__says_what_to_run(setup: IngestSetup, tmp_path: Path) -> None:
    process = _backfill(setup, tmp_path)

    assert process.wait(30) == 2
    assert "run `cryo logs`" in _log_of(process)
    assert "Traceback" not in _log_of(process)


def test_export__stopped_and_started_again__goes_on(setup: IngestSetup, exported: Path) -> None:
    out = str(setup.folder / "out")
    first = setup.start_command("export-1", "export", "--out", out, "--chunk-blocks", "50", "--to-block", "120")
    assert first.wait(60) == 0, _log_of(first)

    second = setup.start_command("export-2", "export", "--out", out, "--chunk-blocks", "50", "--to-block", "170")

    assert second.wait(60) == 0, _log_of(second)
    again = [log for stretch in open_log_folder(Path(out)).read_logs() for log in stretch]
    at_once = [log for stretch in open_log_folder(exported).read_logs() for log in stretch]
    assert again == [log for log in at_once if log.position.block.number <= 170]


def test_export__block_that_is_not_final__is_refused(setup: IngestSetup, live: LiveMarket) -> None:
    process = setup.start_command(
        "export", "export", "--out", str(setup.folder / "out"), "--to-block", str(live.finalized() + 1)
    )

    assert process.wait(30) == 2
    assert f"newest finalized block of the node is {live.finalized()}" in _log_of(process)


def test_export__no_node_in_the_settings__says_which_to_set(setup: IngestSetup) -> None:
    process = setup.start_command("export", "export", "--out", str(setup.folder / "out"), rpc_url="")

    assert process.wait(30) == 78
    assert "BONAFIDES_INGEST_RPC_URL" in _log_of(process)


def test_backfill__nobody_reads_the_log__waits_and_does_not_take_that_for_the_end(
    setup: IngestSetup, exported: Path
) -> None:
    process = _backfill(setup, exported, lag_limit_records="1")
    process.wait_until(lambda: "backfill waits" in _log_of(process), "a line that says why it waits", 60)

    time.sleep(3)  # some more idle turns

    assert process.terminate() == 0  # it still ran
    assert SCORED not in _log_of(process)
