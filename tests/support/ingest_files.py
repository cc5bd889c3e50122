"""A chain of logs as Parquet files, as cryo writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from bonafides_ingest.chain import Log

from tests.support.ingest_logs import CHAIN, ChainOfLogs, block_at


def write_files(folder: Path, chain: ChainOfLogs, first: int, last: int, **changes: Any) -> None:
    """One logs file and one blocks file of a range. `changes` replaces columns of the logs; `without` leaves some out;
    `options` goes to the writer."""
    logs = sorted(
        (log for log in chain.logs if first <= log.position.block.number <= last), key=lambda log: log.position.order
    )
    columns = log_columns(logs)
    columns |= {name: column for name, column in changes.items() if name in columns}
    for name in changes.get("without", ()):
        columns.pop(name)
    options = changes.get("options", {})
    pq.write_table(pa.table(columns), folder / f"dev__logs__{first:08d}_to_{last:08d}.parquet", **options)
    write_blocks(folder, first, last)


def log_columns(logs: Sequence[Log]) -> dict[str, Any]:
    """The columns of a logs file."""
    return {
        "block_number": pa.array([log.position.block.number for log in logs], pa.uint32()),
        "block_hash": pa.array([log.position.block.hash for log in logs], pa.binary()),
        "transaction_index": pa.array([log.position.tx_index for log in logs], pa.uint32()),
        "log_index": pa.array([log.position.log_index for log in logs], pa.uint32()),
        "transaction_hash": pa.array([log.position.tx_hash for log in logs], pa.binary()),
        "address": pa.array([log.address for log in logs], pa.binary()),
        **{
            f"topic{number}": pa.array(
                [log.topics[number] if number < len(log.topics) else None for log in logs], pa.binary()
            )
            for number in range(4)
        },
        "data": pa.array([log.payload for log in logs], pa.binary()),
        "chain_id": pa.array([CHAIN] * len(logs), pa.uint64()),
    }


def write_blocks(folder: Path, first: int, last: int, *, named_last: int | None = None) -> None:
    """A blocks file; `named_last` lets its name say more than it holds."""
    blocks = [block_at(number) for number in range(first, last + 1)]
    table = pa.table(
        {
            "block_hash": pa.array([block.hash for block in blocks], pa.binary()),
            "block_number": pa.array([block.number for block in blocks], pa.uint32()),
            "timestamp": pa.array([block.timestamp for block in blocks], pa.uint32()),
            "chain_id": pa.array([CHAIN] * len(blocks), pa.uint64()),
        }
    )
    pq.write_table(table, folder / f"dev__blocks__{first:08d}_to_{named_last or last:08d}.parquet")
