"""The blocks of one chain by time: which one was the last before a cut-off."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from bonafides.errors import InvalidInput
from bonafides.event_files import BLOCKS, BLOCKS_FILE, open_rows
from bonafides.types import BlockRef, ChainId, Digest

from bonafides_scoring.training.panels.panel import Ints


class BlockTable:
    """Numbers, times and hashes of blocks, ascending."""

    def __init__(self, chain_id: ChainId, numbers: Ints, times: Ints, hashes: list[bytes]) -> None:
        self.chain_id, self.numbers, self.times = chain_id, numbers, times
        self._hashes = hashes

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def first_time(self) -> int:
        """Of the first block."""
        return int(self.times[0])

    @property
    def last_time(self) -> int:
        """Of the last block: what happened after it is not known."""
        return int(self.times[-1])

    def before(self, cutoff: int) -> BlockRef:
        """The last block with timestamp < `cutoff`. Raises InvalidInput when there is none."""
        place = int(np.searchsorted(self.times, cutoff, side="left")) - 1
        if place < 0:
            raise InvalidInput(f"cut-off {cutoff} is not after the first block, which is of {self.first_time}")
        return self.at(place)

    def at(self, place: int) -> BlockRef:
        """A block by its place in the table, from 0."""
        number, time = int(self.numbers[place]), int(self.times[place])
        return BlockRef(self.chain_id, number, Digest(self._hashes[place]), time)

    def times_of(self, numbers: Ints) -> Ints:
        """Timestamps of these block numbers; -1 for one that the table does not hold."""
        places = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        found: Ints = np.where(self.numbers[places] == numbers, self.times[places], -1)
        return found


def read_block_table(folder: Path) -> BlockTable:
    """The table of a folder's `blocks.parquet`.

    Raises:
        InvalidInput: a file missing or not ours, no blocks, several chains, a block twice, or one that is older than
            the block before it.
    """
    with open_rows(folder / BLOCKS_FILE, BLOCKS) as file:
        table = file.read()
    if not len(table):
        raise InvalidInput(f"{BLOCKS_FILE} holds no blocks")
    chains = np.unique(table["chain_id"].to_numpy())
    if len(chains) != 1:
        raise InvalidInput(f"{BLOCKS_FILE} holds blocks of {len(chains)} chains, expected one: decode each by itself")
    numbers, times = (table[name].to_numpy().astype(np.int64) for name in ("number", "timestamp"))
    order = np.argsort(numbers, kind="stable")
    numbers, times = numbers[order], times[order]
    for reason, wrong in (
        ("the block stands there twice", np.diff(numbers) == 0),
        ("the block is older than the one before it", np.diff(times) < 0),
    ):
        if wrong.any():
            raise InvalidInput(f"{BLOCKS_FILE}, row {order[int(np.argmax(wrong)) + 1]}: {reason}")
    return BlockTable(ChainId(int(chains[0])), numbers, times, table["hash"].take(order).to_pylist())


def check_blocks(file: str, batch: pa.RecordBatch, blocks: BlockTable, before: int) -> None:
    """Hold the places of rows to the blocks that are known. `before`: rows of the file before this batch.

    What stood in a block that is not known would be neither before a cut-off nor after it.

    Raises:
        InvalidInput: naming file, row and reason.
    """
    numbers = batch.column("block_number").to_numpy().astype(np.int64)
    known = blocks.times_of(numbers)
    for reason, wrong in (
        (f"is not of chain {blocks.chain_id}", batch.column("chain_id").to_numpy() != blocks.chain_id),
        (f"is of a block that {BLOCKS_FILE} does not hold", known < 0),
        (
            f"has another time than its block in {BLOCKS_FILE}",
            known != batch.column("block_timestamp").to_numpy().astype(np.int64),
        ),
    ):
        if wrong.any():
            raise InvalidInput(f"{file}, row {before + int(np.argmax(wrong))}: it {reason}")
