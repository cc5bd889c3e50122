"""Writes blocks and logs as Parquet files in the column layout of cryo (paradigmxyz/cryo 0.3), 1,000 blocks to a file.

The logs carry `block_hash`, which cryo writes when asked to; timestamps stand in the blocks files, as cryo has it.
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
MOST_TOPICS = 4

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
            self._write()
            self._first_of_file = block.number - block.number % BLOCKS_PER_FILE
        log_index = 0
        for transaction_index, transaction in enumerate(block.transactions):
            for log in transaction.logs:
                if log.address in self._contracts:
                    topics = log.topics + (None,) * (MOST_TOPICS - len(log.topics))
                    place = (block.number, block.hash, transaction_index, log_index, transaction.hash)
                    self._logs.append((*place, log.address, topics[0], topics[1], topics[2], topics[3], log.data))
                log_index += 1  # the place among all logs of the block, as a node numbers them
        gas_used = sum(transaction.gas_used for transaction in block.transactions)
        self._blocks.append((block.number, block.hash, block.timestamp, bytes(20), gas_used, b"", 0))

    def finish(self) -> None:
        """Write what is left."""
        if self._contracts is None:
            raise InvalidInput("nothing was said about whose logs to keep")
        self._write()

    def _write(self) -> None:
        if not self._blocks:
            return
        first, last = self._blocks[0][0], self._blocks[-1][0]
        name = f"network_{self._chain_id}__%s__{first:08d}_to_{last:08d}.parquet"
        self._write_file(name % "logs", LOGS_SCHEMA, self._logs)
        self._write_file(name % "blocks", BLOCKS_SCHEMA, self._blocks)
        self.written_logs += len(self._logs)
        self.written_blocks += len(self._blocks)
        self._logs, self._blocks = [], []

    def _write_file(self, name: str, schema: pa.Schema, rows: list[LogRow] | list[BlockRow]) -> None:
        columns = list(zip(*rows, strict=True)) if rows else [()] * (len(schema) - 1)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=False)]
        arrays.append(pa.array([self._chain_id] * len(rows), pa.uint64()))
        # Renamed when whole, as cryo does: a file that is there is complete.
        unfinished = self._folder / f".{name}"
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), unfinished, compression="zstd")
        os.replace(unfinished, self._folder / name)
