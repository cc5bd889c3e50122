"""From a node to log files: everything that a later backfill asks for, and nothing half written.

```
 before the range  ─► read, not written: which contracts the deployments have by then
 chunks on disk    ─► read from disk, for the same reason
 missing chunks    ─► scan (discovery and all) ─► write ─► blocks ─► both files appear
                        └ a feed named here may have answered in an earlier chunk: that answer is put into it first
```

A crash costs the chunk that was being written. A scan that needs an earlier answer always asks the node, so that a hole
in the chunks on disk hides none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, assert_never

from bonafides.errors import InvalidInput
from bonafides.events import BlockRange
from bonafides.types import Address, BlockRef, Digest

from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import ChainSource, Log, Window
from bonafides_ingest.feeds import FeedTimelines
from bonafides_ingest.protocols.state import DeploymentState
from bonafides_ingest.scanning import scan
from bonafides_ingest.windows import gaps_in

if TYPE_CHECKING:
    from bonafides_ingest.sources.parquet.writing import ChunkFolder, ChunkWriter

CHUNK_BLOCKS = 1_000
"""cryo's default; chunks end at its multiples."""
STEP_BLOCKS = 10_000
"""Of blocks that are read and not written: what an attempt that failed costs."""


@dataclass(frozen=True, slots=True)
class ExportAsked:
    """What the command line says."""

    folder: Path
    from_block: int | None
    """None: where the first deployment begins."""
    to_block: int | None
    """None: the newest finalized block."""
    addresses: frozenset[Address]
    """All logs of these, instead of those of the registry's deployments."""
    chunk_blocks: int = CHUNK_BLOCKS


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """How far an export is."""

    first_read: int
    """Blocks from here to the first of `wanted` are read for what they tell about later ones."""
    wanted: BlockRange
    done: int
    """The last block that is done."""


def range_to_export(asked: ExportAsked, starts: Sequence[int], finalized: int) -> BlockRange:
    """The blocks to export; `starts` are the first blocks of what is exported. Raises InvalidInput."""
    first = asked.from_block if asked.from_block is not None else min(starts, default=0)
    last = asked.to_block if asked.to_block is not None else finalized
    if last > finalized:
        raise InvalidInput(
            f"--to-block is {last}, the newest finalized block of the node is {finalized}: later ones may be replaced; "
            "name an earlier block, or none"
        )
    if last < first:
        raise InvalidInput(f"nothing to export: from block {first} to block {last}")
    return BlockRange(first, last)


class _Step(Enum):
    READ = "from the node, to know its contracts"
    READ_FROM_DISK = "to know its contracts"
    WRITE = "a missing chunk"


class BlockSource(ChainSource, Protocol):
    """A chain whose blocks can be listed, too."""

    def blocks(self, wanted: BlockRange) -> tuple[BlockRef, ...]:
        """All blocks of a range."""

    def blocks_at(self, numbers: Iterable[int]) -> tuple[BlockRef, ...]:
        """These blocks, ascending."""


@dataclass
class Contents:
    """Whose logs are exported."""

    states: Mapping[str, DeploymentState]
    """Deployments, as they are before the first block that is read."""
    feeds: FeedTimelines
    addresses: frozenset[Address] = frozenset()
    """Besides those of the deployments."""
    topics_anywhere: frozenset[Digest] = frozenset()


@dataclass
class Exporter:
    """One export. `retry` does a step again until the node answers."""

    node: BlockSource
    folder: "ChunkFolder"
    contents: Contents
    open_source: Callable[[Sequence[BlockRange]], ChainSource]
    """Chunks on disk as a chain."""
    retry: Callable[[Callable[[], BlockRef]], BlockRef]
    on_progress: Callable[[int], None] = lambda _: None
    """Told the last block that is done."""
    _on_disk: list[BlockRange] = field(default_factory=list)
    logs: int = 0
    """Written so far."""

    def run(self, first_read: int, wanted: BlockRange, chunk_blocks: int = CHUNK_BLOCKS) -> None:
        """Write the chunks of `wanted` that are missing. Reading begins at `first_read`, at or before it.

        Raises InvalidInput for a folder that holds another export, or blocks that the node's chain has not.
        """
        self._on_disk = list(self.folder.prepare())
        if self._on_disk:
            self.retry(self._check_fork)
        missing = [chunk for gap in gaps_in(self._on_disk, wanted) for chunk in chunks_of(gap, chunk_blocks)]
        parent: BlockRef | None = None
        if missing:
            for chunk, kind in self._steps(first_read, wanted, missing):
                parent = self._do(chunk, kind, parent)
                self.on_progress(min(chunk.last, wanted.last))
        self.on_progress(wanted.last)

    def _check_fork(self) -> BlockRef:
        """Raise InvalidInput unless every chunk on disk ends with a block of the node's chain; returns the last.

        A chunk came from one fork, so that its last block speaks for all of it.
        """
        held = [self.folder.last_block(chunk) for chunk in self._on_disk]
        for chunk, ours, theirs in zip(
            self._on_disk, held, self.node.blocks_at(block.number for block in held), strict=True
        ):
            if ours != theirs:
                raise InvalidInput(
                    f"the files of blocks {chunk.first}–{chunk.last} end with another block than the node has there: "
                    "they are of another fork or of another network with the same chain id; remove the files from "
                    f"block {chunk.first} on, or name another folder"
                )
        return held[-1]

    def _steps(
        self, first_read: int, wanted: BlockRange, missing: Sequence[BlockRange]
    ) -> list[tuple[BlockRange, "_Step"]]:
        """What is to be done, ascending. Chunks on disk behind the last missing one are read, too: a feed that is named
        there may have answered in a missing one."""
        steps = [(chunk, _Step.WRITE) for chunk in missing]
        if self.contents.states:  # which contracts they have, the blocks before tell
            on_disk = [chunk for chunk in self._on_disk if first_read <= chunk.first]
            steps += [(chunk, _Step.READ_FROM_DISK) for chunk in on_disk]
            if first_read < wanted.first:
                before = gaps_in(on_disk, BlockRange(first_read, wanted.first - 1))
                steps += [(part, _Step.READ) for gap in before for part in chunks_of(gap, STEP_BLOCKS)]
        return sorted(steps, key=lambda step: step[0].first)

    def _do(self, blocks: BlockRange, step: "_Step", parent: BlockRef | None) -> BlockRef:
        states = self.contents.states

        def do() -> BlockRef:
            self.contents.states = states  # as they were before an attempt that failed
            match step:
                case _Step.READ_FROM_DISK:
                    return self._windows(self.open_source([blocks]), blocks, None, None)
                case _Step.READ:
                    return self._windows(self.node, blocks, parent, None)
                case _Step.WRITE:
                    return self._write(blocks, parent)
                case _:
                    assert_never(step)

        return self.retry(do)

    def _write(self, chunk: BlockRange, parent: BlockRef | None) -> BlockRef:
        writer = self.folder.begin(chunk)
        try:
            last = self._windows(self.node, chunk, parent, writer)
            writer.finish(self.node.blocks(chunk))
        except BaseException:
            writer.give_up()
            raise
        self.logs += writer.logs
        self._on_disk = sorted([*self._on_disk, chunk], key=lambda known: known.first)
        return last

    def _windows(
        self, source: ChainSource, blocks: BlockRange, parent: BlockRef | None, writer: "ChunkWriter | None"
    ) -> BlockRef:
        """Scan a range window by window; returns its last block."""
        wide = _WideSource(source, self.node, self.contents)
        at = blocks.first
        while True:
            window = self._scan(wide, BlockRange(at, blocks.last), parent)
            for log in wide.earlier:
                self._place(log, writer)
            wide.earlier.clear()
            if writer is not None:
                writer.write(window.logs)
            at, parent = window.range.last + 1, window.last
            if at > blocks.last:
                return window.last

    def _scan(self, source: ChainSource, wanted: BlockRange, parent: BlockRef | None) -> Window:
        states = self.contents.states
        if not states:
            return source.fetch(wanted, frozenset(), parent)
        scanned = scan(source, states, wanted, parent, self.contents.feeds)
        logs = scanned.window.logs
        self.contents.states = {
            name: protocol_of(state).decode_logs(state, logs, 0, scanned.ends)[0]
            for name, state in scanned.states.items()
        }
        return scanned.window

    def _place(self, log: Log, writer: "ChunkWriter | None") -> None:
        """An answer from before its feed was known goes where it belongs. Before the export's first block it is not
        asked for: a backfill from files that begin there refuses to guess it."""
        number = log.position.block.number
        if writer is not None and writer.chunk.first <= number <= writer.chunk.last:
            writer.add(log)
        for chunk in self._on_disk:
            if chunk.first <= number <= chunk.last:
                self.folder.add(chunk, [log])


@dataclass
class _WideSource:
    """A source that is asked for more than the deployments' logs, and says which earlier logs were looked up."""

    source: ChainSource
    node: ChainSource
    contents: Contents
    earlier: list[Log] = field(default_factory=list)

    def check_chain(self) -> None:
        self.node.check_chain()

    def finalized(self) -> int:
        return self.node.finalized()

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        more = self.contents
        return self.source.fetch(wanted, addresses | more.addresses, parent, topics_anywhere | more.topics_anywhere)

    def block(self, number: int) -> BlockRef:
        return self.source.block(number)

    def last_log_before(self, address: Address, topic0: Digest, first: int, before: int) -> Log | None:
        found = self.node.last_log_before(address, topic0, first, before)
        if found is not None:
            self.earlier.append(found)
        return found


def chunks_of(blocks: BlockRange, size: int) -> Iterator[BlockRange]:
    """The range cut at the multiples of `size`, ascending."""
    first = blocks.first
    while first <= blocks.last:
        last = min(first - first % size + size - 1, blocks.last)
        yield BlockRange(first, last)
        first = last + 1
