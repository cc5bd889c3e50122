"""panel.rows_per_s and panel.peak_rss_mb: features at cut-offs from ten million events, by the command itself."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bonafides.errors import InvalidInput, InvariantViolation
from bonafides.event_files import BLOCKS_FILE, EVENTS, EVENTS_FILE, MARKET_FILE, open_rows

from benchmarks.harness import Better, Result
from benchmarks.watch import peak_of_tree

EVENTS_WANTED = 10_000_000
STEP_DAYS = 7
LOOK_EVERY_S = 0.2


def multiply_market(decoded: Path, out: Path, wanted: int = EVENTS_WANTED) -> int:
    """Write a decoded market anew with its wallets copied under other names until there are `wanted` events; returns
    how many copies of it that took.

    The copies act in the same blocks and at the same prices: what differs is only how many wallets there are. Names are
    the old ones with the number of the copy worked in, so that they stay spread like hashes.
    """
    out.mkdir(parents=True)
    for name in (MARKET_FILE, BLOCKS_FILE):
        shutil.copy(decoded / name, out / name)
    with open_rows(decoded / EVENTS_FILE, EVENTS) as file:
        copies: int = -(-wanted // file.metadata.num_rows)
        place = file.schema_arrow.get_field_index("wallet")
        field = file.schema_arrow.field(place)
        with pq.ParquetWriter(out / EVENTS_FILE, file.schema_arrow, compression="zstd") as writer:
            for batch in file.iter_batches(20_000):
                for copy in range(copies):
                    writer.write_batch(batch.set_column(place, field, _renamed(batch.column(place), copy)))
    return copies


def measure_panel(decoded: Path, folder: Path, workers: int) -> list[Result]:
    """Multiply a decoded market, build its panel with the command, and say how fast that was and what it took."""
    many, out = folder / "many", folder / "panel.parquet"
    copies = multiply_market(decoded, many)
    with open_rows(many / EVENTS_FILE, EVENTS) as file:
        events = file.metadata.num_rows
    command = [sys.executable, "-c", "from bonafides.command_line import main; main()"]
    command += ["scoring", "panel", "--events", str(many)]
    command += ["--out", str(out), "--step-days", str(STEP_DAYS), "--workers", str(workers)]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        peaks: dict[int, float] = {}
        while process.poll() is None:
            peak_of_tree(process.pid, peaks)
            time.sleep(LOOK_EVERY_S)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise InvariantViolation("bonafides scoring panel did not finish")
    rows = pq.ParquetFile(out).metadata.num_rows
    if rows % copies:
        raise InvalidInput(f"{copies} copies of a market gave {rows} rows, which {copies} does not divide")
    told = (
        f"{rows:,} rows (every {STEP_DAYS} days) of {events:,} events: {copies} copies of a simulated market's decoded "
        f"events under other wallet names; the command from start to end in {seconds:.0f} s, {workers} processes"
    )
    return [
        Result("panel.rows_per_s", rows / seconds, "rows/s", Better.HIGHER, 1, told),
        Result(
            "panel.peak_rss_mb",
            sum(peaks.values()),
            "MB",
            Better.LOWER,
            1,
            f"the same run: sum of the kernel's high-water marks of its {len(peaks)} processes, files mapped included",
        ),
    ]


def _renamed(wallets: pa.FixedSizeBinaryArray, copy: int) -> pa.FixedSizeBinaryArray:
    raw = np.frombuffer(wallets.buffers()[1], dtype=np.uint8).reshape(-1, 20)
    names = raw[wallets.offset : wallets.offset + len(wallets)].copy()
    # An odd factor turns 16 bits into other 16 bits, one to one; 40,503 spreads small numbers over them.
    names[:, :2] ^= np.frombuffer((copy * 40_503 % 65_536).to_bytes(2), dtype=np.uint8)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(20), len(names), [None, pa.py_buffer(names.tobytes())])
