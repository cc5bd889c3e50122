"""A folder of log files: checked at opening, so that nothing is found missing half-way through a backfill."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bonafides.errors import InvalidInput
from bonafides.events import BlockRange
from bonafides.types import BlockRef, ChainId, Digest

from bonafides_ingest.chain import Log
from bonafides_ingest.sources.parquet.checks import check_columns
from bonafides_ingest.sources.parquet.logs import logs_of
from bonafides_ingest.sources.parquet.rows import RowGroup, RowReader

LOGS_PER_STRETCH = 20_000
LOG_COLUMNS = (
    "block_number",
    "block_hash",
    "transaction_index",
    "log_index",
    "transaction_hash",
    "address",
    "topic0",
    "topic1",
    "topic2",
    "topic3",
    "data",
    "chain_id",
)
BLOCK_COLUMNS = ("block_number", "block_hash", "timestamp", "chain_id")
CONTENT_KEY = b"bonafides.logs_of"
"""In a file's metadata: whose logs `bonafides ingest export` was asked for. Files of others say nothing about it."""
_NAME = re.compile(r"__(\d+)_to_(\d+)\.parquet$")


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    range: BlockRange
    groups: tuple[RowGroup, ...]
    chain_id: ChainId | None
    """None of a file without rows."""
    content: str | None


class LogFolder:
    """The files of one chain."""

    def __init__(self, chain_id: ChainId, logs: Sequence[_File], blocks: Sequence[_File]) -> None:
        self.chain_id = chain_id
        self.path = logs[0].path.parent
        """Where the files are, and what stands beside them."""
        self.range = BlockRange(logs[0].range.first, logs[-1].range.last)
        """The blocks whose logs the files hold."""
        self.block_range = BlockRange(blocks[0].range.first, blocks[-1].range.last)
        """The blocks that are known by hash and time: at least those."""
        self._log_groups = tuple(group for file in logs for group in file.groups)
        self._block_groups = tuple(group for file in blocks for group in file.groups)
        self.log_count = sum(group.rows for group in self._log_groups)
        self.contents = frozenset(file.content for file in logs)
        """What the files say whose logs they hold; None where one does not say."""

    def log_rows(self) -> RowReader:
        """A reader of the logs."""
        return RowReader(self.chain_id, self._log_groups, LOG_COLUMNS)

    def block_rows(self) -> RowReader:
        """A reader of the blocks."""
        return RowReader(self.chain_id, self._block_groups, BLOCK_COLUMNS)

    def logs_up_to(self, block: int) -> int:
        """About how many logs the files hold up to and including a block: exact at the end of a row group."""
        count = 0
        for group in self._log_groups:
            blocks = group.range.last - group.range.first + 1
            count += group.rows * min(max(block - group.range.first + 1, 0), blocks) // blocks
        return count

    def read_blocks(self, wanted: BlockRange | None = None) -> Iterator[BlockRef]:
        """These blocks or all, ascending. Raises InvalidInput."""
        for batch in self.block_rows().read(wanted or self.block_range):
            yield from _block_refs(self.chain_id, batch)

    def read_logs(self, most: int = LOGS_PER_STRETCH) -> Iterator[list[Log]]:
        """All logs in canonical order, in stretches of about `most` that never cut a block.

        Raises InvalidInput when rows are out of order, or a log's block is another one in the blocks files.
        """
        blocks = self.block_rows()
        stretch: list[Log] = []
        for batch in self.log_rows().read(self.range):
            for log in logs_of(batch, blocks_of(blocks, self.chain_id, batch.column("block_number"))):
                if len(stretch) >= most and log.position.block.number != stretch[-1].position.block.number:
                    yield stretch
                    stretch = []
                stretch.append(log)
        if stretch:
            yield stretch


def blocks_of(reader: RowReader, chain_id: ChainId, numbers: pa.Array) -> Mapping[int, BlockRef]:
    """The blocks of these ascending numbers, at least one, as the blocks files have them."""
    distinct = pc.unique(numbers)
    found: dict[int, BlockRef] = {}
    for batch in reader.read(BlockRange(numbers[0].as_py(), numbers[-1].as_py())):
        column = batch.column("block_number")
        wanted = batch.filter(pc.is_in(column, distinct.cast(column.type)))
        found |= {block.number: block for block in _block_refs(chain_id, wanted)}
    return found


def _block_refs(chain_id: ChainId, batch: pa.RecordBatch) -> Iterator[BlockRef]:
    columns = (batch.column(name).to_pylist() for name in ("block_number", "block_hash", "timestamp"))
    for number, block_hash, timestamp in zip(*columns, strict=True):
        if len(block_hash) != 32:
            raise InvalidInput(f"block {number} of the blocks files has a hash of {len(block_hash)} bytes, expected 32")
        yield BlockRef(chain_id, number, Digest(block_hash), timestamp)


def open_log_folder(folder: Path) -> LogFolder:
    """The log files of a folder. Raises InvalidInput saying what is missing and how to add it."""
    return open_log_files(folder.glob("*__logs__*.parquet"), folder.glob("*__blocks__*.parquet"))


def open_log_files(log_paths: Iterable[Path], block_paths: Iterable[Path]) -> LogFolder:
    """These files, as `open_log_folder` does."""
    logs, blocks = _open_files(log_paths, LOG_COLUMNS), _open_files(block_paths, BLOCK_COLUMNS)
    if not logs or not blocks:
        kind = "logs" if not logs else "blocks"
        raise InvalidInput(f"no …__{kind}__….parquet in the folder: run `cryo {kind}` for the range of blocks")
    for kind, files in (("logs", logs), ("blocks", blocks)):
        for one, other in pairwise(files):
            if other.range.first != one.range.last + 1:
                raise InvalidInput(
                    f"{kind} of blocks {one.range.last + 1}–{other.range.first - 1} are missing between "
                    f"{one.path.name} and {other.path.name}: run `cryo {kind}` for them"
                )
    for file in blocks:
        rows, named = sum(group.rows for group in file.groups), file.range.last - file.range.first + 1
        if rows != named:
            raise InvalidInput(f"{file.path.name} holds {rows} blocks, its name says {named}: export it again")
    if logs[0].range.first < blocks[0].range.first or logs[-1].range.last > blocks[-1].range.last:
        raise InvalidInput(
            f"blocks of the logs are missing in the blocks files: these are of blocks {blocks[0].range.first}–"
            f"{blocks[-1].range.last}, the logs of {logs[0].range.first}–{logs[-1].range.last}; run `cryo blocks`"
        )
    chain_ids = {file.chain_id for file in (*logs, *blocks)} - {None}
    if len(chain_ids) != 1:
        raise InvalidInput(f"the files are of {len(chain_ids)} chains, expected one: put each into a folder of its own")
    return LogFolder(next(chain for chain in chain_ids if chain is not None), logs, blocks)


def _open_files(paths: Iterable[Path], columns: Sequence[str]) -> list[_File]:
    """Files by their first block; each block may be in one alone."""
    files = sorted((_open_file(path, columns) for path in sorted(paths)), key=lambda file: file.range.first)
    for one, other in pairwise(files):
        if other.range.first <= one.range.last:
            raise InvalidInput(f"{one.path.name} and {other.path.name} overlap: keep one of them")
    return files


def _open_file(path: Path, columns: Sequence[str]) -> _File:
    named = _NAME.search(path.name)
    if named is None or int(named[1]) > int(named[2]):
        raise InvalidInput(f"{path.name} does not say which blocks it covers: expected …__<first>_to_<last>.parquet")
    covered = BlockRange(int(named[1]), int(named[2]))
    try:
        with pq.ParquetFile(path) as file:
            check_columns(path, file.schema_arrow, columns)
            groups = tuple(_row_groups(path, file.metadata, covered))
            first = next(file.iter_batches(1, columns=["chain_id"]), None) if groups else None
            content = (file.schema_arrow.metadata or {}).get(CONTENT_KEY)
    except (OSError, pa.ArrowException) as exc:
        raise InvalidInput(f"{path.name} cannot be read as Parquet") from exc
    chain_id = first.column(0)[0].as_py() if first is not None and first.num_rows else None
    return _File(path, covered, groups, chain_id, content and content.decode())


def _row_groups(path: Path, metadata: pq.FileMetaData, covered: BlockRange) -> Iterator[RowGroup]:
    """The row groups that have rows. cryo writes statistics only when asked: without them the name must do.

    Rows are sought by these ranges, so that groups out of order would hide logs: refused.
    """
    spans: list[tuple[int, BlockRange | None]] = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = (group.column(at) for at in range(group.num_columns))
        statistics = next(column.statistics for column in columns if column.path_in_schema == "block_number")
        if not group.num_rows:
            continue
        has_range = statistics is not None and statistics.has_min_max
        spans.append((number, BlockRange(statistics.min, statistics.max) if has_range else None))
    before = covered.first
    for _, span in spans:
        if span is None:
            continue
        if span.first < covered.first or span.last > covered.last:
            raise InvalidInput(f"{path.name} holds blocks {span.first}–{span.last}, its name says otherwise")
        if span.first < before:
            raise InvalidInput(
                f"{path.name} has row groups out of order: one of blocks {span.first}–{span.last} stands behind block "
                f"{before}; sort its rows by block_number, then log_index"
            )
        before = span.last
    is_known = all(span is not None for _, span in spans)
    for number, span in spans:
        rows = metadata.row_group(number).num_rows
        yield RowGroup(path, number, span if span is not None and is_known else covered, rows, covered)
