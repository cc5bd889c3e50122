"""Whether the log holds just the events and market points that decoding the receipts gives.

```
 first block ─► scan, decode, compare nothing ─► FROM ─► receipts, decoded ─► TO
                                                         ids ═══ compared ═══ ids of wallet-events.v1 and market.v1
```
How a log is read follows from all before it, so the deployment is read from its first block; and a topic can only be
read from its beginning.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from bonafides.bus import Admin, Consumer, TopicPartition
from bonafides.errors import Unavailable
from bonafides.events import BlockRange, ForkEpoch, LendingEvent, MarketPoint, is_void
from bonafides.messages import EventBatch, MarketBatch, decode
from bonafides.process import Stop, StopAsked
from bonafides.topics import MARKET, WALLET_EVENTS
from bonafides.types import Address, BlockRef, ChainId, Digest

from bonafides_ingest.auditing.receipts import BlockLogs
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import ChainSource, Log, Window
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.feeds import FeedTimelines
from bonafides_ingest.log_digest import LogFilter
from bonafides_ingest.protocols.state import DeploymentState
from bonafides_ingest.scanning import Scanned, scan

STEP_BLOCKS = 64
POLL_S = 0.5
PATIENCE_POLLS = 240
"""That bring nothing, one after the other: two minutes, enough to join a group."""
TOPICS = (WALLET_EVENTS.name, MARKET.name)


class FactPlace(NamedTuple):
    """Where a fact stands, for a person."""

    deployment: str
    block: int
    log_index: int
    kind: str


type Facts = Mapping[Digest, FactPlace]
"""By id."""


@dataclass(frozen=True, slots=True)
class EventDifference:
    """What the log lacks, and what it has too much."""

    compared: int
    missing: tuple[FactPlace, ...]
    invented: tuple[FactPlace, ...]


def compare_facts(decoded: Facts, logged: Facts) -> EventDifference:
    """By id alone: an earlier decoder may have said less of the same fact."""
    return EventDifference(
        len(decoded),
        tuple(sorted(place for key, place in decoded.items() if key not in logged)),
        tuple(sorted(place for key, place in logged.items() if key not in decoded)),
    )


def place_of_fact(fact: LendingEvent | MarketPoint) -> FactPlace:
    """Where it stands."""
    kind = fact.type.value if isinstance(fact, LendingEvent) else fact.kind.value
    return FactPlace(fact.deployment, fact.position.block.number, fact.position.log_index, kind)


@dataclass
class ReceiptSource:
    """A `ChainSource` whose logs from some block on are those of the receipts."""

    source: ChainSource
    receipts: BlockLogs
    first: int

    def check_chain(self) -> None:
        self.source.check_chain()

    def finalized(self) -> int:
        return self.source.finalized()

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        if wanted.first < self.first:
            before = BlockRange(wanted.first, min(wanted.last, self.first - 1))
            return self.source.fetch(before, addresses, parent, topics_anywhere)
        blocks = BlockRange(wanted.first, min(wanted.last, wanted.first + STEP_BLOCKS - 1))
        asked, logs = LogFilter(addresses, topics_anywhere), list[Log]()
        last = None
        for last, found in self.receipts.blocks(blocks):  # noqa: B007  # the last block is what is wanted of it
            logs += (log for log in found if asked.takes(log))
        if last is None:
            raise Unavailable(f"the node showed none of blocks {blocks.first} to {blocks.last}")
        return Window(blocks, tuple(logs), last)

    def block(self, number: int) -> BlockRef:
        return self.source.block(number)

    def last_log_before(self, address: Address, topic0: Digest, first: int, before: int) -> Log | None:
        return self.source.last_log_before(address, topic0, first, before)


type _Scanned = Scanned[DeploymentState]


def _at_once(action: Callable[[], _Scanned]) -> _Scanned:
    return action()


@dataclass
class FactDecoder:
    """Decodes one deployment at a time."""

    source: ReceiptSource
    feeds: FeedTimelines
    retry: Callable[[Callable[[], _Scanned]], _Scanned] = _at_once
    """Does it again until the node answers."""
    on_progress: Callable[[str, int], None] = lambda *_: None
    """Told the deployment and the block that is done."""

    def facts_of(self, deployment: Deployment, wanted: BlockRange) -> Facts:
        """What today's decoder says of these blocks. Raises Unavailable."""
        found: dict[Digest, FactPlace] = {}
        state: DeploymentState = protocol_of(deployment).restore(deployment, {})
        parent: BlockRef | None = None
        at = deployment.from_block
        while at <= wanted.last:
            blocks, states = BlockRange(at, wanted.last), {deployment.id: state}
            scanned = self.retry(partial(scan, self.source, states, blocks, parent, self.feeds))
            before = scanned.states[deployment.id]
            state, said = protocol_of(before).decode_logs(before, scanned.window.logs, 0, scanned.ends)
            if at >= wanted.first:
                found |= {event.id: place_of_fact(event) for event in said.events}
                found |= {point.id: place_of_fact(point) for point in said.points}
            at, parent = scanned.window.range.last + 1, scanned.window.last
            self.on_progress(deployment.id, at - 1)
        return found


@dataclass
class LoggedFacts:
    """Reads both topics once, and keeps the facts of some blocks that count."""

    consumer: Consumer
    admin: Admin
    chain_id: ChainId
    wanted: BlockRange
    deployments: frozenset[str]
    epochs: tuple[ForkEpoch, ...]
    """All that the chain ever opened."""
    stop: Stop = field(default_factory=Stop)
    _facts: dict[Digest, FactPlace] = field(default_factory=dict)
    _next: dict[TopicPartition, int] = field(default_factory=dict)

    def read(self, on_progress: Callable[[int, int], None] = lambda *_: None) -> Facts:
        """To the end that the topics have now; told how many records of how many were read.

        Raises StopAsked, and Unavailable also when the broker brings nothing for long.
        """
        ends = self.admin.end_offsets(TOPICS)
        total, empty_polls = sum(ends.values()), 0
        self.consumer.subscribe(TOPICS, self._begin, lambda _: None)
        while any(self._next.get(at, 0) < end for at, end in ends.items()):
            if self.stop.is_asked():
                raise StopAsked("asked to stop while the log was read")
            records = self.consumer.poll(POLL_S, 5_000)
            empty_polls = 0 if records else empty_polls + 1
            if empty_polls >= PATIENCE_POLLS:
                raise Unavailable(
                    f"the broker brought nothing for {PATIENCE_POLLS * POLL_S:.0f} s, at record "
                    f"{sum(self._next.values())} of {total}"
                )
            for record in records:
                self._next[record.at] = record.offset + 1
                self._take(record.value)
            on_progress(sum(self._next.values()), total)
        return self._facts

    def _begin(self, partitions: set[TopicPartition]) -> None:
        for at in partitions:
            self.consumer.seek(at, self._next.get(at, 0))
        self.consumer.resume(partitions)

    def _take(self, value: bytes) -> None:
        message = decode(value)
        facts: Sequence[LendingEvent | MarketPoint] = ()
        if isinstance(message, EventBatch):
            facts = message.events
        elif isinstance(message, MarketBatch):
            facts = message.points
        self._facts |= {fact.id: place_of_fact(fact) for fact in self._counting(facts)}

    def _counting(self, facts: Iterable[LendingEvent | MarketPoint]) -> Iterable[LendingEvent | MarketPoint]:
        for fact in facts:
            block = fact.position.block
            if (
                block.chain_id == self.chain_id
                and self.wanted.first <= block.number <= self.wanted.last
                and fact.deployment in self.deployments
                and not is_void(block.number, fact.fork_epoch, self.epochs)
            ):
                yield fact
