"""Brings the events of each wallet together, whatever the size of their file.

    events.parquet ──► buckets by the wallet's first two bytes ──► one bucket at a time, sorted in memory by Polars
     any order          one file each, ascending by wallet             (wallet, block, tx, log, sub-index)

Polars' streaming engine has no sort that spills to disk, so the first step is ours: one pass, one batch in memory.
Wallets are hashes, so buckets are about equal. Rows keep their number, so that what is refused can be named.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from bonafides.errors import InvalidInput
from bonafides.event_files import EVENTS, EVENTS_FILE, open_rows

from bonafides_scoring.training.panels.blocks import BlockTable, check_blocks

ROWS_PER_BUCKET = 100_000
"""Some 100 MB of events in memory at a time."""
MOST_BUCKETS = 256
"""Files open at once. Above 25 million events buckets grow: some 400 MB at 100 million."""
ROWS_AT_ONCE = 131_072
HASHES = ("block_hash", "tx_hash")
"""Needed for digests of events only; no feature reads them, and they are half of the bytes."""
ROW = "row"
ORDER = ("wallet", "block_number", "tx_index", "log_index", "sub_index")

type Step = Callable[[int, int], None]
"""Told what is done, and what there is."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Events of a folder, cut by wallet. Buckets stand in ascending order of their wallets."""

    folder: Path
    count: int

    def path(self, bucket: int) -> Path:
        """The file of one bucket; it is missing where no wallet fell into it."""
        return self.folder / f"bucket-{bucket:03}.arrow"


def bucket_events(
    events_dir: Path, blocks: BlockTable, folder: Path, *, with_hashes: bool = False, progress: Step | None = None
) -> Buckets:
    """Cut `events.parquet` of a decoded folder by wallet.

    Raises:
        InvalidInput: a file that is not ours; no events; an event of a block, a time or a chain that `blocks.parquet`
            does not hold, named by its row.
    """
    columns = [name for name, _ in EVENTS.columns if with_hashes or name not in HASHES]
    folder.mkdir(parents=True, exist_ok=True)
    with open_rows(events_dir / EVENTS_FILE, EVENTS) as file:
        rows = file.metadata.num_rows
        if not rows:
            raise InvalidInput(f"{EVENTS_FILE} holds no events")
        count = max(1, min(MOST_BUCKETS, -(-rows // ROWS_PER_BUCKET)))
        buckets = Buckets(folder, count)
        writers: dict[int, pa.RecordBatchStreamWriter] = {}
        done = 0
        try:
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns):
                check_blocks(EVENTS_FILE, batch, blocks, done)
                numbered = batch.append_column(ROW, pa.array(np.arange(done, done + len(batch))))
                _spread(numbered, buckets, writers)
                done += len(batch)
                if progress is not None:
                    progress(done, rows)
        finally:
            for writer in writers.values():
                writer.close()
    return buckets


def sorted_bucket(path: Path) -> pl.DataFrame:
    """The rows of a bucket in the order of `ORDER`.

    Raises:
        InvalidInput: two rows that are the same event of one wallet.
    """
    with pa.ipc.open_stream(path) as stream:
        frame = pl.DataFrame(pl.from_arrow(stream.read_all())).sort(ORDER)
    same = frame.select(pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in ORDER).alias("same"))
    repeated = same["same"].fill_null(value=False).arg_true()
    if len(repeated):
        second = int(repeated[0])
        first, other = sorted((int(frame[ROW][second - 1]), int(frame[ROW][second])))
        raise InvalidInput(f"{EVENTS_FILE}, row {other}: the same event of the same wallet as row {first}")
    return frame


def _spread(batch: pa.RecordBatch, buckets: Buckets, writers: dict[int, pa.RecordBatchStreamWriter]) -> None:
    wallets = batch.column("wallet")
    raw = np.frombuffer(wallets.buffers()[1], dtype=np.uint8).reshape(-1, 20)
    heads = raw[wallets.offset : wallets.offset + len(wallets), :2].astype(np.int64)
    bucket_of = (heads[:, 0] * 256 + heads[:, 1]) * buckets.count >> 16
    order = np.argsort(bucket_of, kind="stable")
    together = batch.take(pa.array(order))
    present, starts = np.unique(bucket_of[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    for bucket, start, end in zip(present.tolist(), starts.tolist(), ends, strict=True):
        if bucket not in writers:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            writers[bucket] = pa.ipc.new_stream(str(buckets.path(bucket)), batch.schema, options=options)
        writers[bucket].write_batch(together.slice(start, end - start))
