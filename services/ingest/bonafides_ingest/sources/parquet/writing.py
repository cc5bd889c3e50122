"""Writes log files as cryo does: chunks of blocks, each of which appears only when it is complete."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bonafides.errors import InvalidInput, Unavailable
from bonafides.events import BlockRange
from bonafides.types import BlockRef, ChainId, Digest

from bonafides_ingest.chain import Log
from bonafides_ingest.sources.parquet.folder import CONTENT_KEY, LogFolder, open_log_files
from bonafides_ingest.sources.parquet.rows import READ_AHEAD_BYTES, rows_per_batch

_LOGS = pa.schema(
    [
        pa.field("block_number", pa.uint32()),
        pa.field("block_hash", pa.binary()),
        pa.field("transaction_index", pa.uint32()),
        pa.field("log_index", pa.uint32()),
        pa.field("transaction_hash", pa.binary()),
        pa.field("address", pa.binary()),
        *(pa.field(f"topic{number}", pa.binary()) for number in range(4)),
        pa.field("data", pa.binary()),
        pa.field("chain_id", pa.uint64()),
    ]
)
_BLOCKS = pa.schema(
    [
        pa.field("block_number", pa.uint32()),
        pa.field("block_hash", pa.binary()),
        pa.field("timestamp", pa.uint32()),
        pa.field("chain_id", pa.uint64()),
    ]
)
_NETWORKS = {1: "ethereum", 10: "optimism", 100: "gnosis", 137: "polygon", 8453: "base", 42161: "arbitrum"}
"""As cryo calls them; others are `network_<chain id>`."""
_NAME = re.compile(r"__(logs|blocks)__(\d+)_to_(\d+)\.parquet$")


class ChunkFolder:
    """A folder of chunks of one chain. `content` says whose logs they hold; it stands in every file."""

    def __init__(self, folder: Path, chain_id: ChainId, content: str) -> None:
        self._folder, self._chain_id = folder, chain_id
        metadata = {CONTENT_KEY: content.encode()}
        self._log_schema, self._block_schema = _LOGS.with_metadata(metadata), _BLOCKS.with_metadata(metadata)
        self._content = content

    def prepare(self) -> tuple[BlockRange, ...]:
        """Make the folder, or look at what is there: the chunks that are complete, ascending.

        What a crash left behind is removed. Raises InvalidInput for files of another export.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob("*.partial"):
            path.unlink()
        found: dict[BlockRange, list[Path]] = {}
        for path in sorted(self._folder.glob("*.parquet")):
            named = _NAME.search(path.name)
            content = _metadata_of(path)
            if named is None or content.get(CONTENT_KEY) is None:
                raise InvalidInput(
                    f"{path.name} is in the folder and was not written by an export: name another folder"
                )
            if content[CONTENT_KEY].decode() != self._content or path != self._path(named[1], _range(named)):
                raise InvalidInput(
                    f"{path.name} holds the logs of {content[CONTENT_KEY].decode()}, asked for are those of "
                    f"{self._content} on chain {self._chain_id}: name another folder"
                )
            found.setdefault(_range(named), []).append(path)
        for paths in found.values():
            if len(paths) == 1:  # stopped between the two
                paths[0].unlink()
        return tuple(sorted((r for r, paths in found.items() if len(paths) == 2), key=lambda r: r.first))

    def open(self, chunks: Iterable[BlockRange]) -> LogFolder:
        """These chunks, which are on disk and follow each other, to be read again."""
        chunks = tuple(chunks)
        return open_log_files(
            [self._path("logs", chunk) for chunk in chunks], [self._path("blocks", chunk) for chunk in chunks]
        )

    def last_block(self, chunk: BlockRange) -> BlockRef:
        """The last block of a chunk that is on disk."""
        (block,) = self.open([chunk]).read_blocks(BlockRange(chunk.last, chunk.last))
        return block

    def begin(self, chunk: BlockRange) -> "ChunkWriter":
        """Write a chunk that is not there."""
        return ChunkWriter(self, chunk)

    def add(self, chunk: BlockRange, logs: Sequence[Log]) -> None:
        """Put logs into a chunk that is on disk, each in its place; those that it holds already change nothing."""
        path = self._path("logs", chunk)
        self._insert(path, logs)

    def _path(self, kind: str, blocks: BlockRange) -> Path:
        network = _NETWORKS.get(self._chain_id, f"network_{self._chain_id}")
        return self._folder / f"{network}__{kind}__{blocks.first:08d}_to_{blocks.last:08d}.parquet"

    def _insert(self, path: Path, logs: Sequence[Log]) -> None:
        partial = _partial(path)
        with (
            pq.ParquetFile(path, buffer_size=READ_AHEAD_BYTES, pre_buffer=False) as file,
            pq.ParquetWriter(partial, self._log_schema, compression="zstd") as writer,
        ):
            most = rows_per_batch(file.metadata, range(file.metadata.num_row_groups))
            for batch in _merged(file.iter_batches(most, use_threads=False), self._rows(logs)):
                writer.write_table(batch)
        partial.replace(path)

    def _rows(self, logs: Sequence[Log]) -> pa.Table:
        topics = {
            f"topic{number}": [log.topics[number] if number < len(log.topics) else None for log in logs]
            for number in range(4)
        }
        columns = {
            "block_number": [log.position.block.number for log in logs],
            "block_hash": [log.position.block.hash for log in logs],
            "transaction_index": [log.position.tx_index for log in logs],
            "log_index": [log.position.log_index for log in logs],
            "transaction_hash": [log.position.tx_hash for log in logs],
            "address": [log.address for log in logs],
            **topics,
            "data": [log.payload for log in logs],
            "chain_id": [self._chain_id] * len(logs),
        }
        return pa.table(columns, schema=self._log_schema)


class ChunkWriter:
    """One chunk being written, window by window, in the order of its blocks. Leaves nothing when it is given up."""

    def __init__(self, folder: ChunkFolder, chunk: BlockRange) -> None:
        self._folder, self.chunk = folder, chunk
        self._path = folder._path("logs", chunk)
        self._writer = pq.ParquetWriter(_partial(self._path), folder._log_schema, compression="zstd")
        self._hashes: dict[int, Digest] = {}
        self._later: list[Log] = []
        self.logs = 0
        """Written so far, of this chunk."""

    def write(self, logs: Sequence[Log]) -> None:
        """The logs of the next window."""
        if logs:
            self._hashes |= {log.position.block.number: log.position.block.hash for log in logs}
            self._writer.write_table(self._folder._rows(logs))
            self.logs += len(logs)

    def add(self, log: Log) -> None:
        """A log of an earlier window of this chunk, of a contract that was not known then."""
        self._hashes[log.position.block.number] = log.position.block.hash
        self._later.append(log)

    def finish(self, blocks: Sequence[BlockRef]) -> None:
        """Both files appear. `blocks` are all blocks of the chunk.

        Raises Unavailable when they are not those that the logs came from: ask the node again.
        """
        hashes: Mapping[int, Digest] = {block.number: block.hash for block in blocks}
        if any(hashes.get(number) != found for number, found in self._hashes.items()):
            raise Unavailable(f"the node changed its mind about blocks {self.chunk.first}–{self.chunk.last}")
        self._writer.close()
        partial = _partial(self._path)
        if self._later:
            self._folder._insert(partial, self._later)
        path = self._folder._path("blocks", self.chunk)
        columns = {
            "block_number": [block.number for block in blocks],
            "block_hash": [block.hash for block in blocks],
            "timestamp": [block.timestamp for block in blocks],
            "chain_id": [block.chain_id for block in blocks],
        }
        pq.write_table(pa.table(columns, schema=self._folder._block_schema), _partial(path), compression="zstd")
        _partial(path).replace(path)
        partial.replace(self._path)

    def give_up(self) -> None:
        """Close and remove what was written."""
        self._writer.close()
        _partial(self._path).unlink(missing_ok=True)


def _metadata_of(path: Path) -> Mapping[bytes, bytes]:
    try:
        return pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException) as exc:
        raise InvalidInput(f"{path.name} cannot be read as Parquet: name another folder, or remove it") from exc


def _range(named: re.Match[str]) -> BlockRange:
    return BlockRange(int(named[2]), int(named[3]))


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def _merged(batches: Iterable[pa.RecordBatch], extra: pa.Table) -> Iterator[pa.Table]:
    """Rows in order with these put into their places."""
    for batch in batches:
        table = pa.Table.from_batches([batch]).cast(extra.schema)
        last = (batch.column("block_number")[-1].as_py(), batch.column("log_index")[-1].as_py())
        is_due = _up_to(extra, last)
        yield _sorted_once(pa.concat_tables([table, extra.filter(is_due)]))
        extra = extra.filter(pc.invert(is_due))
    if extra.num_rows:
        yield _sorted_once(extra)


def _up_to(rows: pa.Table, place: tuple[int, int]) -> pa.ChunkedArray:
    number, index = rows.column("block_number"), rows.column("log_index")
    return pc.or_(pc.less(number, place[0]), pc.and_(pc.equal(number, place[0]), pc.less_equal(index, place[1])))


def _sorted_once(rows: pa.Table) -> pa.Table:
    """In order, each place once."""
    rows = rows.sort_by([("block_number", "ascending"), ("log_index", "ascending")])
    places = list(zip(rows.column("block_number").to_pylist(), rows.column("log_index").to_pylist(), strict=True))
    return rows.filter(pa.array([at == 0 or places[at] != places[at - 1] for at in range(len(places))], pa.bool_()))
