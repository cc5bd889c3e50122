"""Logs from Parquet files in the column layout of cryo (paradigmxyz/cryo 0.3), so that a backfill needs no node.

A folder holds `…__logs__….parquet` with `block_hash` included and `…__blocks__….parquet` for the timestamps, each in
order of blocks. Rows are read in batches and the two are joined as they go, so memory stays bounded whatever the size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from bonafides.errors import InvalidInput, MissingTool
from bonafides.events import Position
from bonafides.types import Address, BlockRef, ChainId, Digest

from bonafides_ingest.chain import Log

ROWS_PER_BATCH = 20_000
_LOG_COLUMNS = (
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
_BLOCK_COLUMNS = ("block_number", "block_hash", "timestamp", "chain_id")
_HINTS = {
    "block_hash": "run cryo with --include-columns block_hash",
    "chain_id": "run cryo with --include-columns chain_id",
}


@dataclass(frozen=True, slots=True)
class LogFolder:
    """The files of one chain, in order of their blocks."""

    chain_id: ChainId
    logs: tuple[Path, ...]
    blocks: tuple[Path, ...]
    log_count: int

    def read_blocks(self) -> Iterator[BlockRef]:
        """All blocks, ascending."""
        before = -1
        for number, block_hash, timestamp, chain_id in _rows(self.blocks, _BLOCK_COLUMNS):
            if chain_id != self.chain_id or number <= before:
                raise InvalidInput(f"block {number} of the blocks files is of another chain or out of order")
            before = number
            yield BlockRef(self.chain_id, number, Digest(block_hash), timestamp)

    def read_logs(self, most: int = ROWS_PER_BATCH) -> Iterator[list[Log]]:
        """All logs in canonical order, in stretches of about `most` that never cut a block.

        Raises InvalidInput when rows are out of order, or a log's block is missing or another one in the blocks files.
        """
        blocks = self.read_blocks()
        block: BlockRef | None = None
        stretch: list[Log] = []
        for row in _rows(self.logs, _LOG_COLUMNS):
            number, block_hash, tx_index, log_index, tx_hash, address, *topics, payload, chain_id = row
            if block is None or number != block.number:
                if len(stretch) >= most:
                    yield stretch
                    stretch = []
                block = next((found for found in blocks if found.number >= number), None)
            elif stretch and log_index <= stretch[-1].position.log_index:
                raise InvalidInput(f"the logs of block {number} are out of order")
            if block is None or (block.number, block.hash, chain_id) != (number, block_hash, self.chain_id):
                raise InvalidInput(
                    f"block {number} of the logs is missing in the blocks files, out of order, or has another hash or "
                    "chain there: export both again for the same range"
                )
            position = Position(block, Digest(tx_hash), tx_index, log_index)
            present = tuple(Digest(topic) for topic in topics if topic is not None)
            stretch.append(Log(position, Address(address), present, payload))
        if stretch:
            yield stretch


def open_log_folder(folder: Path) -> LogFolder:
    """The log files of a folder. Raises InvalidInput saying what is missing and how to add it."""
    pyarrow = _pyarrow()
    logs = _ordered(pyarrow, sorted(folder.glob("*__logs__*.parquet")), _LOG_COLUMNS)
    blocks = _ordered(pyarrow, sorted(folder.glob("*__blocks__*.parquet")), _BLOCK_COLUMNS)
    if not logs or not blocks:
        kind = "logs" if not logs else "blocks"
        raise InvalidInput(f"no …__{kind}__….parquet in the folder: run `cryo {kind}` for the range of blocks")
    chain_ids = {row[0] for row in _first_rows(pyarrow, (*logs, *blocks), ("chain_id",))}
    if len(chain_ids) != 1:
        raise InvalidInput(f"the files are of {len(chain_ids)} chains, expected one: put each into a folder of its own")
    count = sum(pyarrow.parquet.read_metadata(path).num_rows for path in logs)
    return LogFolder(ChainId(chain_ids.pop()), logs, blocks, count)


def _pyarrow() -> ModuleType:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as exc:
        raise MissingTool("Parquet files need pyarrow: pip install 'bonafides[lab]'") from exc
    else:
        return pyarrow  # type: ignore[no-any-return]  # pyarrow has no types


def _ordered(pyarrow: ModuleType, paths: Sequence[Path], columns: Sequence[str]) -> tuple[Path, ...]:
    """Files with rows, by their first block; checked to hold the columns, as bytes and not as text."""
    spans: list[tuple[int, int, Path]] = []
    for path in paths:
        try:
            schema = pyarrow.parquet.read_schema(path)
            numbers = pyarrow.parquet.read_table(path, columns=["block_number"]).column(0)
        except (OSError, pyarrow.ArrowException) as exc:
            raise InvalidInput(f"{path.name} cannot be read as Parquet, or has no block_number") from exc
        for name in columns:
            if name not in schema.names:
                raise InvalidInput(f"{path.name} has no column {name}: {_HINTS.get(name, 'export it with cryo')}")
            if pyarrow.types.is_string(schema.field(name).type) or pyarrow.types.is_large_string(
                schema.field(name).type
            ):
                raise InvalidInput(f"{path.name}: {name} is text; run cryo without --hex")
        if len(numbers):
            spans.append((numbers[0].as_py(), numbers[-1].as_py(), path))
    spans.sort(key=lambda span: span[0])
    for (_, last, path), (first, _, other) in pairwise(spans):
        if first <= last:
            raise InvalidInput(f"{path.name} and {other.name} overlap: keep one of them")
    return tuple(path for _, _, path in spans)


def _rows(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    pyarrow = _pyarrow()
    for path in paths:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_PER_BATCH, columns=list(columns)):
                by_name = dict(zip(batch.schema.names, batch.columns, strict=True))
                yield from zip(*(by_name[name].to_pylist() for name in columns), strict=True)


def _first_rows(pyarrow: ModuleType, paths: Sequence[Path], columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for path in paths:
        with pyarrow.parquet.ParquetFile(path) as file:
            batch = next(file.iter_batches(1, columns=list(columns)))
            yield tuple(column[0].as_py() for column in batch.columns)
