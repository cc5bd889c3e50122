"""Parts of a market's log files: the first so many logs, in a folder that ingest reads like any other."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bonafides.errors import InvalidInput
from bonafides_lab.market.simulate import DEPLOYMENTS_FILE

ROWS_PER_GROUP = 20_000


def first_logs(market: Path, out: Path, count: int) -> int:
    """Copy a market's first `count` logs, up to the end of the block that holds the last; returns how many they are.

    Raises:
        InvalidInput: the market holds fewer.
    """
    numbers = pa.chunked_array([chunk for path in _files(market, "logs") for chunk in _column(path)])
    if len(numbers) < count:
        raise InvalidInput(f"the market holds {len(numbers):,} logs, asked for {count:,}")
    last = numbers[count - 1].as_py()
    out.mkdir(parents=True)
    for kind in ("logs", "blocks"):
        for path in _files(market, kind):
            table = pq.read_table(path)
            kept = table.filter(pc.less_equal(table.column("block_number"), last))
            if kept.num_rows:
                begin, _, end = path.stem.rpartition("_to_")
                name = f"{begin}_to_{min(int(end), last):08d}.parquet"
                pq.write_table(kept, out / name, compression="zstd", row_group_size=ROWS_PER_GROUP)
    shutil.copy(market / DEPLOYMENTS_FILE, out / DEPLOYMENTS_FILE)
    return int(pc.sum(pc.less_equal(numbers, last)).as_py())


def _files(market: Path, kind: str) -> list[Path]:
    return sorted(market.glob(f"*__{kind}__*.parquet"))


def _column(path: Path) -> list[pa.Array]:
    chunks: list[pa.Array] = pq.read_table(path, columns=["block_number"]).column(0).chunks
    return chunks
