"""Writes blocks and logs as Parquet files in the column layout of cryo (paradigmxyz/cryo 0.3), 1,000 blocks to a file.

The logs carry `block_hash`, which cryo writes when asked to; timestamps stand in the blocks files, as cryo has it. Rows
are written in groups as they come, so that memory stays bounded however busy the blocks are.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from bonafides.errors import InvalidInput
from bonafides.types import Address, ChainId

from bonafides_lab.market.pyrevm_chain import EmittedBlock

BLOCKS_PER_FILE = 1_000
"""cryo's default chunk; files start at its multiples."""

LOGS_SCHEMA = pa.schema(
    [
        pa.field("block_number", pa.uint32()),
        pa.field("block_hash", pa.binary()),
        pa.field("transaction_index", pa.uint32()),
        pa.field("log_index", pa.uint32()),
        pa.field("transaction_hash", pa.binary()),
        pa.field("address", pa.binary()),
        pa.field("topic0", pa.binary()),
        pa.field("topic1", pa.binary()),
        pa.field("topic2", pa.binary()),
        pa.field("topic3", pa.binary()),
        pa.field("data", pa.binary()),
        pa.field("chain_id", pa.uint64()),
    ]
)
BLOCKS_SCHEMA = pa.schema(
    [
        pa.field("block_number", pa.uint32()),
        pa.field("block_hash", pa.binary()),
        pa.field("timestamp", pa.uint32()),
        pa.field("author", pa.binary()),
        pa.field("gas_used", pa.uint64()),
        pa.field("extra_data", pa.binary()),
        pa.field("base_fee_per_gas", pa.uint64()),
        pa.field("chain_id", pa.uint64()),
    ]
)
ROWS_PER_GROUP = 20_000
_NO_TOPICS = (None, None, None, None)

type LogRow = tuple[int, bytes, int, int, bytes, bytes, bytes | None, bytes | None, bytes | None, bytes | None, bytes]
type BlockRow = tuple[int, bytes, int, bytes, int, bytes, int]


class CryoFiles:
    """A sink for a `PyrevmChain`. Blocks wait in memory until `keep_logs_of` says whose logs are wanted."""

    def __init__(self, folder: Path, chain_id: ChainId) -> None:
        self._folder = folder
        self._chain_id = chain_id
        self._contracts: frozenset[Address] | None = None
        self._waiting: list[EmittedBlock] = []
        self._logs: list[LogRow] = []
        self._log_groups: pq.ParquetWriter | None = None
        self._blocks: list[BlockRow] = []
        self._first_of_file = 0
        self.written_logs = 0
        self.written_blocks = 0

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            InvalidInput: it holds Parquet files already; two markets in one folder would read as one chain.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if any(self._folder.glob("*.parquet")):
            raise InvalidInput("the output folder already holds Parquet files: name an empty one, or remove them")

    def keep_logs_of(self, contracts: Iterable[Address]) -> None:
        """From now on, and for the blocks that waited, write the logs of these contracts and drop the others'."""
        self._contracts = frozenset(contracts)
        waiting, self._waiting = self._waiting, []
        for block in waiting:
            self.take(block)

    def take(self, block: EmittedBlock) -> None:
        if self._contracts is None:
            self._waiting.append(block)
            return
        if block.number >= self._first_of_file + BLOCKS_PER_FILE:
            self._close_files()
            self._first_of_file = block.number - block.number % BLOCKS_PER_FILE
        log_index = 0
        number, block_hash, contracts, keep = block.number, block.hash, self._contracts, self._logs.append
        for transaction_index, transaction in enumerate(block.transactions):
            for log in transaction.logs:
                if log.address in contracts:
                    first, second, third, fourth = log.topics + _NO_TOPICS[len(log.topics) :]
                    place = (number, block_hash, transaction_index, log_index, transaction.hash)
                    keep((*place, log.address, first, second, third, fourth, log.data))
                log_index += 1  # the place among all logs of the block, as a node numbers them
        gas_used = sum(transaction.gas_used for transaction in block.transactions)
        self._blocks.append((block.number, block.hash, block.timestamp, bytes(20), gas_used, b"", 0))
        if len(self._logs) >= ROWS_PER_GROUP:
            self._write_log_group()

    def finish(self) -> None:
        """Write what is left."""
        if self._contracts is None:
            raise InvalidInput("nothing was said about whose logs to keep")
        self._close_files()

    def _close_files(self) -> None:
        """Name the files of the blocks so far. Renamed when whole, as cryo does: a file that is there is complete."""
        if not self._blocks:
            return
        first, last = self._blocks[0][0], self._blocks[-1][0]
        name = f"network_{self._chain_id}__%s__{first:08d}_to_{last:08d}.parquet"
        self._write_log_group()
        if self._log_groups is not None:
            self._log_groups.close()
            self._log_groups = None
        os.replace(self._unfinished("logs"), self._folder / (name % "logs"))
        pq.write_table(self._table(BLOCKS_SCHEMA, self._blocks), self._unfinished("blocks"), compression="zstd")
        os.replace(self._unfinished("blocks"), self._folder / (name % "blocks"))
        self.written_blocks += len(self._blocks)
        self._blocks = []

    def _write_log_group(self) -> None:
        if self._log_groups is None:
            self._log_groups = pq.ParquetWriter(self._unfinished("logs"), LOGS_SCHEMA, compression="zstd")
        if self._logs:  # a file without a log has no group
            self._log_groups.write_table(self._table(LOGS_SCHEMA, self._logs))
        self.written_logs += len(self._logs)
        self._logs = []

    def _unfinished(self, kind: str) -> Path:
        return self._folder / f".unfinished-{kind}"

    def _table(self, schema: pa.Schema, rows: list[LogRow] | list[BlockRow]) -> pa.Table:
        columns = list(zip(*rows, strict=True)) if rows else [()] * (len(schema) - 1)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=False)]
        arrays.append(pa.array([self._chain_id] * len(rows), pa.uint64()))
        return pa.Table.from_arrays(arrays, schema=schema)
