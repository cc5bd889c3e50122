"""Live blocks in memory: what stands above the final ones, block by block, so that a reorg is taken back. Pure.

```
 final_number      ring of live blocks                  head
 ────── base ──┤ 101 ├─┤ 102 ├─┤ 103 ├─┤ 104 ├
                  each: its header, the deployments after it, and what becomes durable when it is final
```
Nothing that live logs taught stands in the database before their block is final: taking a block back is forgetting it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from bonafides.events import BlockRange
from bonafides.types import Address, BlockRef, Digest, Json

from bonafides_ingest.chain import Header, LiveSource, Log, Window
from bonafides_ingest.feeds import FeedTimelines, Timeline
from bonafides_ingest.log_digest import LogSet
from bonafides_ingest.protocols.decoded import RefusedLog
from bonafides_ingest.protocols.state import DeploymentState, FactKey
from bonafides_ingest.read_windows import ReadLogs
from bonafides_ingest.reading import ReadWindow
from bonafides_ingest.store import FlushedWindow, unreadable

LOOKED_BACK_AT_ONCE = 100
"""Live blocks in one question: on chains that finalize slowly there are thousands."""


@dataclass(frozen=True, slots=True)
class LiveBlock:
    """A block above the final ones that was read and sent."""

    header: Header
    states: Mapping[str, DeploymentState]
    """The deployments after it."""
    facts: Mapping[str, Mapping[FactKey, Json]]
    refused: tuple[RefusedLog, ...]
    logs: Mapping[str, ReadLogs]
    wallets: frozenset[Address]
    partitions: frozenset[int]
    """Of wallet-events.v1, that got something."""

    @classmethod
    def of(
        cls, header: Header, before: Mapping[str, DeploymentState], read: ReadWindow, partitions: frozenset[int]
    ) -> "LiveBlock":
        """A block as it was read; of deployments that were not read in it, the state before stands."""
        states = {**before, **read.states}
        return cls(header, states, read.facts, read.refused, read.logs, read.wallets, partitions)


@dataclass(slots=True)
class LiveChain:
    """The ring, from the newest final block up to the head."""

    base: BlockRef
    """The newest final block."""
    base_states: Mapping[str, DeploymentState]
    """The deployments after it: those that are read live."""
    epoch: int
    """Fork epoch that this was sent under."""
    blocks: list[LiveBlock] = field(default_factory=list)

    @property
    def top(self) -> BlockRef:
        """The newest block that was read."""
        return self.blocks[-1].header.ref if self.blocks else self.base

    @property
    def states(self) -> Mapping[str, DeploymentState]:
        """The deployments after the newest block."""
        return self.blocks[-1].states if self.blocks else self.base_states

    def at(self, number: int) -> BlockRef | None:
        """The block of this number; None outside the ring."""
        if number == self.base.number:
            return self.base
        place = number - self.base.number - 1
        return self.blocks[place].header.ref if 0 <= place < len(self.blocks) else None

    def above(self, number: int) -> list[LiveBlock]:
        """The blocks above this one."""
        return self.blocks[max(number - self.base.number, 0) :]

    def forget_above(self, number: int, epoch: int) -> None:
        """Take back the blocks above this one; what follows is sent under another epoch."""
        del self.blocks[max(number - self.base.number, 0) :]
        self.epoch = epoch

    def up_to(self, number: int) -> list[LiveBlock]:
        """The blocks up to this one, inclusive."""
        return self.blocks[: max(number - self.base.number, 0)]

    def become_final(self, number: int) -> None:
        """The blocks up to this one are durable now."""
        passed = self.up_to(number)
        self.base, self.base_states = passed[-1].header.ref, passed[-1].states
        del self.blocks[: len(passed)]

    def dead_letters(self) -> dict[str, int]:
        """Logs that could not be read and name no wallet, by deployment."""
        counts: dict[str, int] = {}
        for block in self.blocks:
            for refusal in unreadable(block.refused):
                if not refusal.wallets:
                    counts[refusal.deployment] = counts.get(refusal.deployment, 0) + 1
        return counts


def windows_of(blocks: Sequence[LiveBlock]) -> list[FlushedWindow]:
    """Live blocks as windows to be remembered, in order: as few as asked for the same logs."""
    runs = groupby(blocks, key=lambda block: {name: read.filter for name, read in block.logs.items()})
    return [_window_of(list(run)) for _, run in runs]


def _window_of(blocks: Sequence[LiveBlock]) -> FlushedWindow:
    facts: dict[str, dict[FactKey, Json]] = {}
    for block in blocks:
        for name, learned in block.facts.items():
            facts.setdefault(name, {}).update(learned)
    first, last = blocks[0].header.ref, blocks[-1].header.ref
    return FlushedWindow(
        range=BlockRange(first.number, last.number),
        last=last,
        facts=facts,
        refused=tuple(refusal for block in blocks for refusal in block.refused),
        read={
            name: ReadLogs(read.filter, sum((block.logs[name].logs for block in blocks), LogSet()))
            for name, read in blocks[0].logs.items()
        },
        wallets=frozenset[Address]().union(*(block.wallets for block in blocks)),
    )


class LiveView:
    """`chain.LogSource` of some live blocks, asked for by their hashes, all in one request."""

    def __init__(self, source: LiveSource, headers: Sequence[Header], earlier: Sequence[Header], final: int) -> None:
        """`earlier` are the live blocks below these, down to the final one of number `final`."""
        self._source, self._headers, self._earlier, self._final = source, tuple(headers), tuple(earlier), final
        self._addresses = frozenset[Address]()
        self._logs: tuple[Log, ...] = ()

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        """The logs of these addresses; nothing is asked of anybody's topics here: owners are read from final blocks."""
        if not addresses <= self._addresses:
            self._addresses |= addresses
            self._logs = self._source.logs_of(self._headers, self._addresses)
        logs = tuple(
            log
            for log in self._logs
            if log.address in addresses and wanted.first <= log.position.block.number <= wanted.last
        )
        return Window(wanted, logs, self.block(wanted.last))

    def block(self, number: int) -> BlockRef:
        return self._headers[number - self._headers[0].ref.number].ref

    def last_log_before(self, address: Address, topic0: Digest, first: int, before: int) -> Log | None:
        live = [header for header in (*self._earlier, *self._headers) if first <= header.ref.number < before]
        while live:
            found = self._source.logs_of(live[-LOOKED_BACK_AT_ONCE:], frozenset({address}))
            newest = [log for log in found if log.topics[:1] == (topic0,)]
            if newest:
                return newest[-1]
            del live[-LOOKED_BACK_AT_ONCE:]
        return self._source.last_log_before(address, topic0, first, self._final + 1)


@dataclass(frozen=True, slots=True)
class FeedsOfLive:
    """`FeedTimelines` in live blocks, ascending from the first above the final ones."""

    feeds: FeedTimelines
    blocks: Sequence[BlockRef]

    def read(self, feeds: Iterable[Address], last: int) -> Mapping[Address, Timeline]:
        return self.read_live(feeds, [block for block in self.blocks if block.number <= last])

    def read_live(self, feeds: Iterable[Address], blocks: Sequence[BlockRef]) -> Mapping[Address, Timeline]:
        return self.feeds.read_live(feeds, blocks)
