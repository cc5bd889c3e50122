"""Rows of a range of blocks out of many files, in bounded memory whatever a file's size.

Files are decoded forward, a batch at a time, and the newest batches are kept: a window that is asked for again with
more addresses, and the window behind it, cost no second decoding. A row group is the smallest unit that can be sought;
cryo makes one of a whole file, so that going back costs at most the decoding of one file.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bonafides.errors import InvalidInput
from bonafides.events import BlockRange
from bonafides.types import ChainId

from bonafides_ingest.sources.parquet.checks import RowPlace, check_rows, plain

ROWS_PER_BATCH = 5_000  # about 2 MB of logs
BATCH_BYTES = 4 << 20
"""Of a batch, about: fewer rows where they are large, since anyone may write logs of a megabyte."""
KEPT_BYTES = 12 << 20
READ_AHEAD_BYTES = 1 << 16  # of each column: else a whole column of a row group would be read at once


@dataclass(frozen=True, slots=True)
class RowGroup:
    """The smallest part of a file that can be sought."""

    path: Path
    number: int
    range: BlockRange
    """Blocks that its rows can be of: what its statistics say, else the file's name."""
    rows: int
    named: BlockRange
    """Blocks that the file's name says."""


class RowReader:
    """Reads the rows of some blocks. Rows must be in order of blocks, and of `log_index` where there is one."""

    def __init__(self, chain_id: ChainId, groups: Sequence[RowGroup], columns: Sequence[str]) -> None:
        self._chain_id, self._groups, self._columns = chain_id, groups, list(columns)
        self._lasts = [group.range.last for group in groups]
        self._at = 0  # the row group that is being decoded
        self._rest: Iterator[pa.RecordBatch] = iter(())
        self._kept: deque[pa.RecordBatch] = deque()
        self._first_kept = 0  # batches that were dropped before the first kept one
        self._complete_from: int | None = None  # from this block on, every row was or will be decoded

    def read(self, wanted: BlockRange) -> Iterator[pa.RecordBatch]:
        """Batches of at least one row, all of these blocks. One pass is to be done before the next begins.

        Raises InvalidInput for files that are cut short, out of order, or of another chain.
        """
        self._seek(wanted.first)
        at = self._first_kept
        while (batch := self._batch(at)) is not None:
            at += 1
            numbers = batch.column("block_number")
            if numbers[0].as_py() > wanted.last:
                return
            if numbers[0].as_py() < wanted.first or numbers[-1].as_py() > wanted.last:
                within = pc.and_(pc.greater_equal(numbers, wanted.first), pc.less_equal(numbers, wanted.last))
                batch = batch.filter(within)
            if batch.num_rows:
                yield batch

    def read_backwards(self, wanted: BlockRange) -> Iterator[Iterator[pa.RecordBatch]]:
        """The same blocks by row groups, the last row group first; inside of one the batches ascend."""
        for number in reversed(range(bisect_left(self._lasts, wanted.first), len(self._groups))):
            group = self._groups[number]
            if group.range.first <= wanted.last:
                alone = RowReader(self._chain_id, [group], self._columns)
                yield alone.read(wanted)

    def _seek(self, first: int) -> None:
        group = bisect_left(self._lasts, first)
        if self._complete_from is not None and first >= self._complete_from and group <= self._at:
            return
        self._kept.clear()
        self._at, self._complete_from = group, self._lasts[group - 1] + 1 if group else 0
        self._rest = self._decode(group)

    def _batch(self, at: int) -> pa.RecordBatch | None:
        if at < self._first_kept + len(self._kept):
            return self._kept[at - self._first_kept]
        batch = next(self._rest, None)
        if batch is None:
            return None
        self._kept.append(batch)
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept) > KEPT_BYTES:
            dropped = self._kept.popleft()
            self._first_kept += 1
            self._complete_from = dropped.column("block_number")[-1].as_py() + 1
        return batch

    def _decode(self, group: int) -> Iterator[pa.RecordBatch]:
        """Every batch from a row group on, checked."""
        before: RowPlace | None = None
        while group < len(self._groups):
            path, named = self._groups[group].path, self._groups[group].named
            end = group
            while end < len(self._groups) and self._groups[end].path == path:
                end += 1
            numbers = [part.number for part in self._groups[group:end]]
            rows_left = self._groups[group].rows
            for batch in _batches(path, numbers, self._columns):
                self._at = group
                before = check_rows(path, named, self._chain_id, batch, before)
                yield batch
                rows_left -= batch.num_rows
                while rows_left <= 0 and group < end - 1:
                    group += 1
                    rows_left += self._groups[group].rows
            group = end


def rows_per_batch(metadata: pq.FileMetaData, row_groups: Iterable[int]) -> int:
    """So many rows of these row groups are about `BATCH_BYTES`, by the sizes that the file tells of them."""
    groups = [metadata.row_group(number) for number in row_groups]
    row_bytes = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
    return min(max(BATCH_BYTES // max(row_bytes, 1), 1), ROWS_PER_BATCH)


def _batches(path: Path, row_groups: list[int], columns: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path, buffer_size=READ_AHEAD_BYTES, pre_buffer=False) as file:
            most = rows_per_batch(file.metadata, row_groups)
            for batch in file.iter_batches(most, row_groups=row_groups, columns=columns, use_threads=False):
                if batch.num_rows:
                    yield plain(batch)
    except (OSError, pa.ArrowException) as exc:
        raise InvalidInput(f"{path.name} cannot be read to its end: it is cut short or damaged") from exc
