"""Log files as a chain that can be read at will. They are believed as far as a node would be (DESIGN 7): of the right
chain, complete over the blocks that their names say, in order, and each log of the block that the blocks files name."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from bonafides.errors import InvalidInput, InvalidSettings, InvariantViolation
from bonafides.events import BlockRange
from bonafides.types import Address, BlockRef, ChainId, Digest

from bonafides_ingest.chain import Log, Window
from bonafides_ingest.sources.parquet.folder import LogFolder, blocks_of
from bonafides_ingest.sources.parquet.logs import logs_of

MOST_LOGS = 20_000
"""Logs to a window, about: enough to fill the records of 64 partitions, few enough to hold in memory decoded. The
setting `backfill_logs` says another number."""
MOST_ROWS = 2_000_000
"""Rows looked at for one window, wanted or not: a turn must end before the lease does (1 s or less for these)."""
MOST_BYTES = 32 << 20
"""Of the logs of one window, about: four times what as many logs usually are."""


class ParquetSource:
    """`chain.ChainSource` over a folder of log files."""

    def __init__(
        self, folder: LogFolder, chain_id: ChainId, most_logs: int = MOST_LOGS, most_rows: int = MOST_ROWS
    ) -> None:
        self._folder, self._chain_id = folder, chain_id
        self._most_logs, self._most_rows = most_logs, most_rows
        self._rows, self._blocks = folder.log_rows(), folder.block_rows()
        self.window_blocks = 0
        """Blocks of the last answer."""

    def check_chain(self) -> None:
        if self._folder.chain_id != self._chain_id:
            raise InvalidSettings(
                f"the files are of chain {self._folder.chain_id}, the settings say {self._chain_id} "
                "(BONAFIDES_INGEST_CHAIN_ID): name the folder of the right chain"
            )

    def finalized(self) -> int:
        """The last block of the files."""
        return self._folder.range.last

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        """As the port says. It answers for the first part of a range that holds more than about `most_logs`."""
        self._check_covered(wanted)
        if parent is not None:
            self._check_parent(parent)
        found: list[Log] = []
        last, seen, held = wanted.last, 0, 0
        wanted_addresses = pa.array(sorted(addresses), pa.binary())
        wanted_topics = pa.array(sorted(topics_anywhere), pa.binary())
        for batch in self._rows.read(wanted):
            numbers = batch.column("block_number")
            if numbers[0].as_py() > last:
                break
            mine = _of_these(batch, wanted_addresses, wanted_topics)
            room = max(self._most_logs - len(found), 1)
            if mine.num_rows >= room:
                last = min(last, mine.column("block_number")[room - 1].as_py())
            mine = _up_to(mine, last)
            found += self._placed(mine)
            seen, held = seen + batch.num_rows, held + mine.nbytes
            if seen >= self._most_rows or held >= MOST_BYTES:
                last = min(last, numbers[-1].as_py())
        self.window_blocks = last - wanted.first + 1
        return Window(BlockRange(wanted.first, last), tuple(found), self.block(last))

    def block(self, number: int) -> BlockRef:
        found = blocks_of(self._blocks, self._chain_id, pa.array([number], pa.uint32()))
        return found[number]

    def last_log_before(self, address: Address, topic0: Digest, first: int, before: int) -> Log | None:
        held = self._folder.range
        for batches in self._folder.log_rows().read_backwards(BlockRange(max(first, held.first), before - 1)):
            newest: pa.RecordBatch | None = None
            for batch in batches:
                mine = batch.filter(pc.and_(_equals(batch, "address", address), _equals(batch, "topic0", topic0)))
                if mine.num_rows:
                    newest = mine[-1:]
            if newest is not None:
                return next(self._placed(newest))
        if first < held.first:
            raise InvalidInput(
                f"the latest answer of a price feed before block {before} is not in the files, which begin at block "
                f"{held.first}; it may stand in blocks {first}–{held.first - 1}: export from block {first} on"
            )
        return None

    def _placed(self, batch: pa.RecordBatch) -> Iterator[Log]:
        if not batch.num_rows:
            return iter(())
        return logs_of(batch, blocks_of(self._blocks, self._chain_id, batch.column("block_number")))

    def _check_covered(self, wanted: BlockRange) -> None:
        held = self._folder.range
        if wanted.first < held.first or wanted.last > held.last:
            raise InvalidInput(
                f"blocks {wanted.first}–{wanted.last} are to be read, and the files hold {held.first}–{held.last}: "
                f"export from block {wanted.first} on"
            )

    def _check_parent(self, parent: BlockRef) -> None:
        if parent.number < self._folder.block_range.first:
            raise InvalidInput(
                f"block {parent.number}, read before, is not in the blocks files, which begin at "
                f"{self._folder.block_range.first}: nothing says that they are of the same chain; export from block "
                f"{parent.number} on"
            )
        if self.block(parent.number) != parent:
            raise InvariantViolation(
                f"block {parent.number} was read as finalized and is another block in the files: they are of another "
                "fork, or finality failed; check where they come from before anything is read again"
            )


def _of_these(batch: pa.RecordBatch, addresses: pa.Array, topics: pa.Array) -> pa.RecordBatch:
    is_wanted = _is_in(batch, "address", addresses)
    if len(topics):
        is_wanted = pc.or_(is_wanted, _is_in(batch, "topic0", topics))
    return batch.filter(is_wanted)


def _up_to(batch: pa.RecordBatch, last: int) -> pa.RecordBatch:
    numbers = batch.column("block_number")
    if not batch.num_rows or numbers[-1].as_py() <= last:
        return batch
    return batch.filter(pc.less_equal(numbers, last))


def _equals(batch: pa.RecordBatch, name: str, value: bytes) -> pa.Array:
    column = batch.column(name)
    return pc.equal(column, pa.scalar(value, column.type))


def _is_in(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.Array:
    column = batch.column(name)
    return pc.is_in(column, values.cast(column.type))
