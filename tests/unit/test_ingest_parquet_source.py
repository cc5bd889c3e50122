"""Log files as a chain that can be read at will: the same logs as from a node, or refused with the reason."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from bonafides.errors import InvalidInput, InvalidSettings, InvariantViolation
from bonafides.events import BlockRange
from bonafides.types import Address, ChainId, Digest
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.scanning import scan
from bonafides_ingest.sources.parquet import ParquetSource, open_log_folder, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.ingest_files import write_blocks, write_files
from tests.support.ingest_logs import CHAIN, DEPLOYMENT, POOL, RAY, ChainOfLogs, address, block_at

pytestmark = pytest.mark.unit

ALICE, FEED = address("alice"), address("feed")
EVERYBODY = frozenset(address(f"contract {number}") for number in range(6))


@pytest.fixture(scope="module")
def chain() -> ChainOfLogs:
    """120 blocks; up to four logs in each, of six contracts in turn."""
    made = ChainOfLogs(head=120)
    contracts = sorted(EVERYBODY)
    for block in range(1, 121):
        for place in range((block * 7) % 5):
            made.emit(block, place, contracts[(block + place) % 6], abi.USER_EMODE_SET, ALICE, block % 256)
    return made


@pytest.fixture(scope="module")
def folder(chain: ChainOfLogs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chain in four files, of several row groups each."""
    made = tmp_path_factory.mktemp("logs")
    for first, last in ((0, 9), (10, 49), (50, 99), (100, 120)):
        write_files(made, chain, first, last, options={"row_group_size": 13})
    return made


def source(folder: Path, **bounds: int) -> ParquetSource:
    return ParquetSource(open_log_folder(folder), CHAIN, **bounds)


def logs_between(chain: ChainOfLogs, first: int, last: int) -> tuple[Log, ...]:
    return tuple(log for log in chain.logs if first <= log.position.block.number <= last)


def windows_to_the_end(reader: ParquetSource, first: int, last: int) -> list[tuple[int, int, tuple[Log, ...]]]:
    found, parent = [], None
    while first <= last:
        window = reader.fetch(BlockRange(first, last), EVERYBODY, parent)
        assert window.last == block_at(window.range.last)
        found.append((window.range.first, window.range.last, window.logs))
        first, parent = window.range.last + 1, window.last
    return found


RANGES = st.tuples(st.integers(0, 120), st.integers(0, 120)).map(sorted)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(asked=st.lists(st.tuples(RANGES, st.frozensets(st.sampled_from(sorted(EVERYBODY)))), min_size=1, max_size=6))
def test_fetch__any_ranges_in_any_order__gives_the_logs_of_the_chain(
    folder: Path, chain: ChainOfLogs, asked: list[tuple[list[int], frozenset[Address]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "ROWS_PER_BATCH", 5)
    monkeypatch.setattr(rows, "KEPT_BYTES", 4_000)
    reader = source(folder)

    for (first, last), addresses in asked:
        window = reader.fetch(BlockRange(first, last), addresses, None)
        assert window == chain.fetch(BlockRange(first, last), addresses, None)


@pytest.mark.parametrize("most_logs", [1, 3, 10, 1_000])
def test_fetch__more_logs_than_a_window_takes__answers_for_the_first_part_and_never_cuts_a_block(
    folder: Path, chain: ChainOfLogs, most_logs: int
) -> None:
    windows = windows_to_the_end(source(folder, most_logs=most_logs), 1, 120)

    assert tuple(log for _, _, logs in windows for log in logs) == tuple(chain.logs)
    for first, last, logs in windows:
        assert logs == logs_between(chain, first, last)
        assert len(logs) < most_logs + 4
        assert len(logs) >= most_logs or last == 120


def test_fetch__many_rows_of_others__ends_the_window_before_the_turn_gets_long(
    folder: Path, chain: ChainOfLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "ROWS_PER_BATCH", 10)

    windows = windows_to_the_end(source(folder, most_rows=30), 1, 120)

    assert tuple(log for _, _, logs in windows for log in logs) == tuple(chain.logs)
    assert max(len(logs) for _, _, logs in windows) <= 30 + 10 + 4
    assert len(windows) >= len(chain.logs) // 44


def test_fetch__same_range_with_more_addresses__decodes_nothing_again(
    folder: Path, chain: ChainOfLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    batches = rows._batches

    def watched(path: Path, row_groups: list[int], columns: list[str]) -> Any:
        decoded.append(path.name)
        return batches(path, row_groups, columns)

    monkeypatch.setattr(rows, "_batches", watched)
    reader = source(folder)
    some = frozenset(sorted(EVERYBODY)[:2])
    reader.fetch(BlockRange(20, 110), some, None)
    before = list(decoded)

    window = reader.fetch(BlockRange(20, 110), EVERYBODY, None)

    assert window.logs == logs_between(chain, 20, 110)
    assert decoded == before


def test_fetch__topics_of_anybody__come_with_the_addresses_logs(folder: Path, chain: ChainOfLogs) -> None:
    topics = frozenset({abi.USER_EMODE_SET.topic0})

    window = source(folder).fetch(BlockRange(1, 120), frozenset(), None, topics)

    assert window.logs == tuple(chain.logs)


def test_scan__reserve_listed_in_the_window__is_read_like_from_a_node(tmp_path: Path) -> None:
    chain = ChainOfLogs(head=30)
    weth = chain.list_reserve(10, "WETH")
    chain.emit(10, 3, weth.a_token, abi.MINT, ALICE, ALICE, 100, 0, RAY)
    chain.emit(20, 0, POOL, abi.SUPPLY, weth.asset, ALICE, ALICE, 100, 0)
    write_files(tmp_path, chain, 0, 30)
    from bonafides_ingest.catalogue import protocol_of

    states = {DEPLOYMENT.id: protocol_of(DEPLOYMENT).restore(DEPLOYMENT, {})}

    assert scan(source(tmp_path), states, BlockRange(1, 30), None) == scan(chain, states, BlockRange(1, 30), None)


@pytest.mark.parametrize("before", [0, 3, 41, 120])
def test_last_log_before__logs_of_several_files__gives_the_newest(tmp_path: Path, before: int) -> None:
    chain = ChainOfLogs(head=120)
    for block in (2, 3, 40, 41, 119):
        chain.emit(block, 0, FEED, abi.ANSWER_UPDATED, block, 1, 0)
        chain.emit(block, 1, FEED, abi.USER_EMODE_SET, ALICE, 1)
    for first, last in ((0, 40), (41, 60), (61, 120)):
        write_files(tmp_path, chain, first, last, options={"row_group_size": 2})
    topic0 = abi.ANSWER_UPDATED.topic0

    found = source(tmp_path).last_log_before(FEED, topic0, 1, before)

    assert found == chain.last_log_before(FEED, topic0, 1, before)


def test_last_log_before__files_begin_later_than_it_may_stand__says_what_to_export(tmp_path: Path) -> None:
    chain = ChainOfLogs(head=20)
    write_files(tmp_path, chain, 10, 20)

    with pytest.raises(InvalidInput, match=r"begin at block 10.*export from block 5 on"):
        source(tmp_path).last_log_before(FEED, Digest(bytes(32)), 5, 15)


def test_parent__another_block_in_the_files__stops_ingest(folder: Path) -> None:
    with pytest.raises(InvariantViolation, match=r"block 9 .* another block"):
        source(folder).fetch(BlockRange(10, 20), EVERYBODY, block_at(9, "another branch"))


def test_parent__not_in_the_files__asks_for_an_export_that_overlaps(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 10, 20)

    with pytest.raises(InvalidInput, match=r"block 9.* export from block 9 on"):
        source(tmp_path).fetch(BlockRange(10, 20), EVERYBODY, block_at(9))


def test_parent__known_by_an_earlier_blocks_file__is_enough(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 10, 20)
    write_blocks(tmp_path, 9, 9)

    window = source(tmp_path).fetch(BlockRange(10, 20), EVERYBODY, block_at(9))

    assert window.logs == logs_between(chain, 10, 20)


@pytest.mark.parametrize("wanted", [BlockRange(5, 15), BlockRange(15, 21)])
def test_fetch__beyond_the_files__says_what_they_hold(tmp_path: Path, chain: ChainOfLogs, wanted: BlockRange) -> None:
    write_files(tmp_path, chain, 10, 20)

    with pytest.raises(InvalidInput, match="the files hold 10–20"):
        source(tmp_path).fetch(wanted, EVERYBODY, None)


def test_check_chain__files_of_another_chain__names_both(folder: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"of chain 31337, the settings say 1 \(BONAFIDES_INGEST_CHAIN_ID\)"):
        ParquetSource(open_log_folder(folder), ChainId(1)).check_chain()


def test_finalized__is_the_last_block_whose_logs_are_there(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 9)
    write_blocks(tmp_path, 10, 30)

    assert source(tmp_path).finalized() == 9


def test_logs_up_to__middle_and_ends_of_files__is_exact_at_the_ends(folder: Path, chain: ChainOfLogs) -> None:
    logs = open_log_folder(folder)

    assert [logs.logs_up_to(block) for block in (0, 9, 49, 99, 120)] == [
        len(logs_between(chain, 0, block)) for block in (0, 9, 49, 99, 120)
    ]
    assert logs.logs_up_to(49) <= logs.logs_up_to(70) <= logs.logs_up_to(99)


def test_fetch__files_without_statistics__gives_the_same(tmp_path: Path, chain: ChainOfLogs) -> None:
    for first, last in ((0, 49), (50, 120)):  # cryo writes none unless asked
        write_files(tmp_path, chain, first, last, options={"row_group_size": 11, "write_statistics": False})

    window = source(tmp_path).fetch(BlockRange(30, 70), EVERYBODY, None)

    assert window.logs == logs_between(chain, 30, 70)


def test_fetch__one_row_group_of_a_hundred_megabytes__holds_a_few_in_memory(tmp_path: Path) -> None:
    blocks, per_block = 1_500, 200
    numbers = [number for number in range(blocks) for _ in range(per_block)]
    count = len(numbers)
    distinct = [number.to_bytes(32) for number in range(count)]
    columns = {
        "block_number": pa.array(numbers, pa.uint32()),
        "block_hash": pa.array(
            [block_at(number).hash for number in range(blocks) for _ in range(per_block)], pa.binary()
        ),
        "transaction_index": pa.array([0] * count, pa.uint32()),
        "log_index": pa.array(list(range(per_block)) * blocks, pa.uint32()),
        "transaction_hash": pa.array(distinct, pa.binary()),
        "address": pa.array([POOL if at % per_block == 0 else FEED for at in range(count)], pa.binary()),
        **{f"topic{number}": pa.array(distinct, pa.binary()) for number in range(4)},
        "data": pa.array([word * 4 for word in distinct], pa.binary()),
        "chain_id": pa.array([CHAIN] * count, pa.uint64()),
    }
    write_files(tmp_path, ChainOfLogs(), 0, blocks - 1, **columns, options={"row_group_size": count})
    decoded_bytes = sum(column.nbytes for column in columns.values())
    del columns, distinct
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        window = source(tmp_path).fetch(BlockRange(0, blocks - 1), frozenset({POOL}), None)
    finally:
        pa.set_memory_pool(before)

    assert len(window.logs) == blocks
    assert decoded_bytes > 100_000_000
    assert pool.max_memory() < 40_000_000
