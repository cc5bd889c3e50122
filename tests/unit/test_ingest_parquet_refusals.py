"""Log files that no chain can have written, or not in full: refused, with what to do."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bonafides.errors import InvalidInput
from bonafides.events import BlockRange
from bonafides.types import Address
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.sources.parquet import ParquetSource, open_log_folder, rows

from tests.support.ingest_files import log_columns, write_blocks, write_files
from tests.support.ingest_logs import CHAIN, ChainOfLogs, address

pytestmark = pytest.mark.unit

CONTRACT = address("contract")


@pytest.fixture(scope="module")
def chain() -> ChainOfLogs:
    """30 blocks; logs in all but each fifth."""
    made = ChainOfLogs(head=30)
    for block in range(1, 31):
        for place in range(block % 5):
            made.emit(block, place, CONTRACT, abi.USER_EMODE_SET, address("alice"), block)
    return made


def logs_between(chain: ChainOfLogs, first: int, last: int) -> tuple[Log, ...]:
    return tuple(log for log in chain.logs if first <= log.position.block.number <= last)


def test_open__logs_of_a_part_missing__names_the_blocks(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 9)
    write_files(tmp_path, chain, 20, 29)
    write_blocks(tmp_path, 10, 19)

    with pytest.raises(InvalidInput, match="logs of blocks 10–19 are missing"):
        open_log_folder(tmp_path)


def test_open__blocks_file_cut_short__is_refused(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 9)
    (tmp_path / "dev__blocks__00000000_to_00000009.parquet").unlink()
    write_blocks(tmp_path, 0, 8, named_last=9)

    with pytest.raises(InvalidInput, match="holds 9 blocks, its name says 10"):
        open_log_folder(tmp_path)


def test_open__file_that_says_nothing_about_its_blocks__is_refused(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 9)
    (tmp_path / "dev__logs__00000000_to_00000009.parquet").rename(tmp_path / "dev__logs__all.parquet")

    with pytest.raises(InvalidInput, match="does not say which blocks"):
        open_log_folder(tmp_path)


def test_open__file_renamed_to_other_blocks__is_refused(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 10, 20)
    (tmp_path / "dev__logs__00000010_to_00000020.parquet").rename(tmp_path / "dev__logs__00000012_to_00000020.parquet")

    with pytest.raises(InvalidInput, match="its name says otherwise"):
        open_log_folder(tmp_path)


def test_open__damaged_file__is_refused(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 9)
    path = tmp_path / "dev__logs__00000000_to_00000009.parquet"
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(InvalidInput, match="cannot be read as Parquet"):
        open_log_folder(tmp_path)


def _write_in_groups(folder: Path, groups: Sequence[Sequence[Log]], first: int, last: int, **options: Any) -> None:
    tables = [pa.table(log_columns(group)) for group in groups]
    path = folder / f"dev__logs__{first:08d}_to_{last:08d}.parquet"
    with pq.ParquetWriter(path, tables[0].schema, **options) as writer:
        for table in tables:
            writer.write_table(table)
    write_blocks(folder, first, last)


@pytest.mark.parametrize(
    "ranges", [((16, 30), (0, 15)), ((0, 9), (20, 30), (10, 19)), ((0, 20), (10, 30))], ids=["two", "three", "overlap"]
)
def test_open__row_groups_out_of_order__are_refused(
    tmp_path: Path, chain: ChainOfLogs, ranges: tuple[tuple[int, int], ...]
) -> None:
    _write_in_groups(tmp_path, [logs_between(chain, first, last) for first, last in ranges], 0, 30)

    with pytest.raises(InvalidInput, match="row groups out of order"):
        open_log_folder(tmp_path)


def test_open__block_cut_by_the_end_of_a_row_group__is_read(tmp_path: Path, chain: ChainOfLogs) -> None:
    logs = logs_between(chain, 0, 30)
    middle = next(at for at, log in enumerate(logs) if log.position.block.number == 9) + 2
    _write_in_groups(tmp_path, [logs[:middle], logs[middle:]], 0, 30)

    window = ParquetSource(open_log_folder(tmp_path), CHAIN).fetch(BlockRange(9, 30), frozenset({CONTRACT}), None)

    assert window.logs == logs_between(chain, 9, 30)


def test_fetch__row_groups_out_of_order_without_statistics__are_refused(tmp_path: Path, chain: ChainOfLogs) -> None:
    groups = [logs_between(chain, 16, 30), logs_between(chain, 0, 15)]
    _write_in_groups(tmp_path, groups, 0, 30, write_statistics=False)
    reader = ParquetSource(open_log_folder(tmp_path), CHAIN)

    with pytest.raises(InvalidInput, match="out of order"):
        reader.fetch(BlockRange(0, 30), frozenset({CONTRACT}), None)


@pytest.mark.parametrize(("first", "last"), [(0, 19), (5, 30)])
def test_fetch__rows_outside_of_the_files_name__are_refused(
    tmp_path: Path, chain: ChainOfLogs, first: int, last: int
) -> None:
    _write_in_groups(tmp_path, [logs_between(chain, 1, 30)], first, last, write_statistics=False)
    reader = ParquetSource(open_log_folder(tmp_path), CHAIN)

    with pytest.raises(InvalidInput, match=rf"its name says {first}–{last}"):
        reader.fetch(BlockRange(first, last), frozenset({CONTRACT}), None)


type Edit = Callable[[dict[str, Any]], dict[str, Any]]


def _swap_first_rows(columns: dict[str, Any]) -> dict[str, Any]:
    order = pa.array([1, 0, *range(2, len(columns["data"]))])
    return {name: column.take(order) for name, column in columns.items()}


def _with_first(name: str, value: object) -> Edit:
    def edit(columns: dict[str, Any]) -> dict[str, Any]:
        values = [value, *columns[name].to_pylist()[1:]]
        return columns | {name: pa.array(values, columns[name].type)}

    return edit


def _as(kind: pa.DataType, *names: str) -> Edit:
    return lambda columns: columns | {name: columns[name].cast(kind) for name in names}


def _falling_transactions(columns: dict[str, Any]) -> dict[str, Any]:
    falling = pa.array(range(len(columns["data"]), 0, -1), pa.uint32())
    return columns | {"transaction_index": falling}


NUMBERS = ("block_number", "transaction_index", "log_index", "chain_id")
BYTES = ("block_hash", "transaction_hash", "address", "topic0", "topic1", "topic2", "topic3", "data")
OTHER_TYPES: dict[str, Edit] = {
    "views": _as(pa.binary_view(), *BYTES),
    "large": _as(pa.large_binary(), *BYTES),
    "fixed": _as(pa.binary(32), "block_hash", "transaction_hash", "topic0", "topic1"),
    "int64": _as(pa.int64(), *NUMBERS),
    "dictionaries": lambda c: c | {name: c[name].dictionary_encode() for name in BYTES},
}


@pytest.mark.parametrize("edit", OTHER_TYPES.values(), ids=OTHER_TYPES.keys())
def test_fetch__same_values_in_another_type__are_the_same_logs(tmp_path: Path, chain: ChainOfLogs, edit: Edit) -> None:
    logs = logs_between(chain, 0, 30)
    pq.write_table(pa.table(edit(log_columns(logs))), tmp_path / "dev__logs__00000000_to_00000030.parquet")
    write_blocks(tmp_path, 0, 30)
    reader = ParquetSource(open_log_folder(tmp_path), CHAIN)

    assert reader.fetch(BlockRange(0, 30), frozenset({CONTRACT}), None).logs == logs
    found = reader.last_log_before(CONTRACT, abi.USER_EMODE_SET.topic0, 0, 25)
    assert found == logs_between(chain, 0, 24)[-1]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_as(pa.float64(), "block_number"), "block_number is of type double, expected whole numbers"),
        (_as(pa.decimal128(20, 0), "log_index"), r"log_index is of type decimal128\(20, 0\), expected whole numbers"),
        (lambda c: c | {"data": pa.array([[1]] * len(c["data"]))}, "data is of type list.*, expected bytes"),
    ],
)
def test_open__column_of_a_type_that_says_something_else__is_refused_naming_both(
    tmp_path: Path, chain: ChainOfLogs, edit: Edit, said: str
) -> None:
    columns = edit(log_columns(logs_between(chain, 0, 20)))
    pq.write_table(pa.table(columns), tmp_path / "dev__logs__00000000_to_00000020.parquet")
    write_blocks(tmp_path, 0, 20)

    with pytest.raises(InvalidInput, match=said):
        open_log_folder(tmp_path)


def _edit_times(folder: Path, edit: Callable[[list[int]], pa.Array]) -> None:
    path = folder / "dev__blocks__00000000_to_00000020.parquet"
    table = pq.read_table(path)
    place = table.schema.names.index("timestamp")
    pq.write_table(table.set_column(place, "timestamp", edit(table.column("timestamp").to_pylist())), path)


def test_open__timestamps_of_a_calendar_type__are_refused_since_their_unit_is_a_guess(
    tmp_path: Path, chain: ChainOfLogs
) -> None:
    write_files(tmp_path, chain, 0, 20)
    _edit_times(tmp_path, lambda times: pa.array([time * 1000 for time in times], pa.timestamp("ms", "UTC")))

    with pytest.raises(InvalidInput, match=r"timestamp is of type timestamp\[ms.*expected whole numbers of seconds"):
        open_log_folder(tmp_path)


@pytest.mark.parametrize("batch_rows", [1, 5, 5_000])
def test_block__times_that_fall__are_refused(
    tmp_path: Path, chain: ChainOfLogs, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(rows, "ROWS_PER_BATCH", batch_rows)
    write_files(tmp_path, chain, 0, 20)
    _edit_times(tmp_path, lambda times: pa.array([*times[:5], times[4] - 1, *times[6:]], pa.uint32()))

    with pytest.raises(InvalidInput, match="timestamp falls from a block to the next"):
        ParquetSource(open_log_folder(tmp_path), CHAIN).block(20)


WRONG_ROWS: dict[str, tuple[Edit, str]] = {
    "rows swapped": (_swap_first_rows, "out of order"),
    "a row twice": (lambda c: {name: pa.concat_arrays([column[:1], column]) for name, column in c.items()}, "order"),
    "another chain": (_with_first("chain_id", 1), "another chain than 31337"),
    "no transaction": (_with_first("transaction_hash", None), "rows without transaction_hash"),
    "short address": (_with_first("address", bytes(19)), "address that is not 20 bytes long"),
    "short topic": (_with_first("topic0", bytes(31)), "topic0 that is not 32 bytes long"),
    "hole in the topics": (_with_first("topic0", None), "topic1 and without topic0"),
    "negative index": (lambda c: _with_first("log_index", -1)(_as(pa.int64(), "log_index")(c)), "log_index is -1"),
    "index beyond all": (
        lambda c: _with_first("transaction_index", 2**32)(_as(pa.int64(), "transaction_index")(c)),
        "transaction_index is 4294967296 in a row, expected 0 to 4294967295",
    ),
    "transactions fall": (_falling_transactions, "transaction_index falls inside of a block"),
    "another hash": (_with_first("block_hash", b"\x01" * 32), "has another hash"),
}


@pytest.mark.parametrize(("edit", "said"), WRONG_ROWS.values(), ids=WRONG_ROWS.keys())
def test_fetch__rows_that_no_chain_has__are_refused(tmp_path: Path, chain: ChainOfLogs, edit: Edit, said: str) -> None:
    logs = logs_between(chain, 0, 20)
    changed = edit(log_columns(logs))
    write_files(tmp_path, ChainOfLogs(20, list(logs)), 0, 20, **changed)
    first = open_log_folder(tmp_path) if said != "another chain than 31337" else None
    reader = ParquetSource(first or _folder_of_chain(tmp_path), CHAIN)

    with pytest.raises(InvalidInput, match=said):
        reader.fetch(BlockRange(0, 20), frozenset({CONTRACT, Address(bytes(19))}), None)


def _folder_of_chain(folder: Path) -> Any:
    """The folder, though its first row is of another chain than its blocks."""
    with pytest.raises(InvalidInput, match="of 2 chains"):
        open_log_folder(folder)
    from bonafides_ingest.sources.parquet import folder as opening

    files = [
        opening._open_file(next(folder.glob(f"*__{kind}__*")), columns)
        for kind, columns in (
            ("logs", opening.LOG_COLUMNS),
            ("blocks", opening.BLOCK_COLUMNS),
        )
    ]
    return opening.LogFolder(CHAIN, files[:1], files[1:])
