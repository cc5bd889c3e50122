"""Reading dead letters again: quietly from the deployment's first block on, then sending what they say.

```
 first block ─► scan, decode, send nothing ─► window with letters ─► send ─► flush ─► mended
                                               └ mending: what they say that was not said
```
How a log is read follows from all logs of its deployment before it, so those are read again; no shorter way is exact.

It needs no lease and races nobody: the letters are of final blocks, where no epoch that is opened later makes void what
is sent under today's. What is sent twice has the same ids and counts once, so it may be killed at any point.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog
from bonafides.bus import Producer
from bonafides.errors import InvariantViolation
from bonafides.events import BlockRange, LendingEvent, MarketPoint
from bonafides.types import BlockRef

from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import ChainSource
from bonafides_ingest.dead_letters.checkpoint import Checkpoint
from bonafides_ingest.dead_letters.mending import Mended, Readings, read_both
from bonafides_ingest.dead_letters.store import Place, Settled, StoredLetter
from bonafides_ingest.decoders import DECODER_VERSION
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.feeds import FeedTimelines
from bonafides_ingest.outgoing import records_of, touched_partitions
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_ingest.protocols.state import DeploymentState
from bonafides_ingest.scanning import Scanned, scan

log = structlog.get_logger(__name__)

MOST_HELD = 100_000
"""Events and market points that wait for the letters' end of consequences: 100 MB."""
TODAY, AS_READ = "today", "as read"
CONSEQUENCES = (
    "can be read now, but later logs were read without knowing what it says, up to the end: enter the deployment under "
    "another id, which is read from its first block"
)
GONE = (
    "its block is on the chain, and nobody reads the log today: the registry does not name its contract any more, or "
    "the node leaves the log out"
)
SILENT = "can be read now, and says nothing of any wallet, though it was kept as one wallet's: that wallet's hole stays"
SAME_VERSION = (
    "can be read now, and then other logs around it are read otherwise than they were sent under the same decoder "
    "version: DECODER_VERSION must be raised with the decoder"
)


class Letters(Protocol):
    """Where the letters of a chain are kept: `store.DeadLetterStore`."""

    def epoch(self) -> int: ...
    def settle(self, settled: Settled) -> None: ...
    def still_unreadable(self, deployment: str, reasons: Mapping[Place, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far one deployment is."""

    deployment: str
    blocks: BlockRange
    """From its first block to that of its last letter."""
    at: int


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What became of the letters."""

    mended: int = 0
    events: int = 0
    """Sent, or on a dry run that would be."""
    points: int = 0
    still_unreadable: int = 0
    unfinished: int = 0
    """They can be read, and cannot be mended: their reason says why."""
    unread: int = 0
    """Behind a letter whose consequences have no end that can be held."""

    def __add__(self, other: "ReplayReport") -> "ReplayReport":
        return ReplayReport(
            self.mended + other.mended,
            self.events + other.events,
            self.points + other.points,
            self.still_unreadable + other.still_unreadable,
            self.unfinished + other.unfinished,
            self.unread + other.unread,
        )


@dataclass
class _Held:
    """What was read and is not sent yet, because the letters still have consequences."""

    places: set[Place] = field(default_factory=set)
    events: list[LendingEvent] = field(default_factory=list)
    points: list[MarketPoint] = field(default_factory=list)
    is_other_content: bool = False

    def add(self, mended: Mended) -> None:
        self.places |= mended.read
        self.events += mended.events
        self.points += mended.points
        self.is_other_content |= mended.is_other_content


type _Scanned = Scanned[DeploymentState]


def _at_once(action: Callable[[], _Scanned]) -> _Scanned:
    return action()


@dataclass
class Replay:
    """Reads the letters of one chain again. `producer` None: a dry run, which sends and writes nothing."""

    source: ChainSource
    feeds: FeedTimelines
    store: Letters
    producer: Producer | None
    retry: Callable[[Callable[[], _Scanned]], _Scanned] = _at_once
    """Does it again until the node answers."""
    on_progress: Callable[[ReplayProgress], None] = lambda _: None
    on_checkpoint: Callable[[Checkpoint], None] = lambda _: None
    """Told where a later run may begin."""

    def run(
        self,
        deployment: Deployment,
        letters: Sequence[StoredLetter],
        done: Sequence[BlockRange],
        begin: Checkpoint | None = None,
    ) -> ReplayReport:
        """Mend the letters of one deployment, as far as today's decoder reads them. `done` is what was read of it;
        `begin`, of an earlier run, counts where it stands before all letters.

        Raises:
            Unavailable: broker or database do not answer. What is mended stays so: run it again.
            InvariantViolation: the chain has another block where a letter stands.
        """
        by_block: dict[int, list[StoredLetter]] = {}
        for letter in letters:
            by_block.setdefault(letter.block_number, []).append(letter)
        last_letter = max(by_block)
        last_done = max((blocks.last for blocks in done), default=last_letter)
        readings, held, report = Readings(protocol_of(deployment).restore(deployment, {})), _Held(), ReplayReport()
        at, parent = deployment.from_block, None
        if begin is not None and begin.last.number < min(by_block):
            readings, at, parent = Readings(begin.state), begin.last.number + 1, begin.last
        while at <= last_letter or (readings.as_read is not None and at <= last_done):
            scanned = self._scan(readings, BlockRange(at, last_letter if at <= last_letter else last_done), parent)
            blocks, parent = scanned.window.range, scanned.window.last
            here = [one for number, found in by_block.items() if blocks.first <= number <= blocks.last for one in found]
            if here or readings.as_read is not None:
                readings, unreadable = self._compare(scanned, here, held)
                report += self._keep(deployment, unreadable)
            else:
                today = scanned.states[TODAY]
                readings = Readings(protocol_of(today).decode_logs(today, scanned.window.logs, 0, scanned.ends)[0])
            at = blocks.last + 1
            if held.places and readings.as_read is None:
                report += self._send(deployment, held, letters)
                held = _Held()
            if readings.as_read is None:
                self.on_checkpoint(Checkpoint(parent, readings.today))
            self.on_progress(ReplayProgress(deployment.id, BlockRange(deployment.from_block, last_letter), at - 1))
            if len(held.events) + len(held.points) > MOST_HELD:
                break
        report += ReplayReport(unread=sum(letter.block_number >= at for letter in letters))
        return report + self._leave(deployment, held.places, CONSEQUENCES)

    def _scan(self, readings: Readings, wanted: BlockRange, parent: BlockRef | None) -> _Scanned:
        states = {TODAY: readings.today}
        if readings.as_read is not None:
            states[AS_READ] = readings.as_read
        return self.retry(lambda: scan(self.source, states, wanted, parent, self.feeds))

    def _compare(
        self, scanned: _Scanned, letters: Sequence[StoredLetter], held: _Held
    ) -> tuple[Readings, Mapping[Place, str]]:
        """Read a window both ways; returns also what cannot be read today either."""
        before = Readings(scanned.states[TODAY], scanned.states.get(AS_READ))
        places = {letter.place for letter in letters}
        # Under no epoch yet: it is the one of the moment in which they are sent.
        mended = read_both(before, scanned.window.logs, scanned.ends, places, 0)
        gone = places - mended.read - mended.refused.keys()
        for number, block_hash in {(one.block_number, one.place.block_hash) for one in letters if one.place in gone}:
            if self.source.block(number).hash != block_hash:
                raise InvariantViolation(
                    f"block {number}, where a log could not be read, is not on the chain any more: check the node"
                )
        held.add(mended)
        return mended.readings, {**mended.refused, **dict.fromkeys(gone, GONE)}

    def _send(self, deployment: Deployment, held: _Held, letters: Sequence[StoredLetter]) -> ReplayReport:
        newest = max(letter.decoder_version for letter in letters if letter.place in held.places)
        if held.is_other_content and newest >= DECODER_VERSION:
            return self._leave(deployment, held.places, SAME_VERSION)
        spoken = {Place(event.position.block.hash, event.position.log_index) for event in held.events}
        silent = {one.place for one in letters if one.is_wallet_known} & held.places - spoken
        mended = held.places - silent
        report = ReplayReport(mended=len(mended), events=len(held.events), points=len(held.points))
        report += self._leave(deployment, silent, SILENT)
        if self.producer is None:
            return report
        epoch = self.store.epoch()
        events = tuple(replace(event, fork_epoch=epoch) for event in held.events)
        points = tuple(replace(point, fork_epoch=epoch) for point in held.points)
        records = list(records_of([Decoded(events, points, ())]))
        for record in records:
            self.producer.send(record.topic, record.partition, record.value)
        self.producer.flush()
        wallets = frozenset(event.wallet for event in events)
        self.store.settle(Settled(deployment.id, mended, touched_partitions(records), wallets))
        log.info("dead letters mended", deployment=deployment.id, letters=report.mended, events=report.events)
        return report

    def _keep(self, deployment: Deployment, unreadable: Mapping[Place, str]) -> ReplayReport:
        if self.producer is not None and unreadable:
            self.store.still_unreadable(deployment.id, unreadable)
        return ReplayReport(still_unreadable=len(unreadable))

    def _leave(self, deployment: Deployment, places: Collection[Place], reason: str) -> ReplayReport:
        if self.producer is not None and places:
            self.store.still_unreadable(deployment.id, dict.fromkeys(places, reason))
        return ReplayReport(unfinished=len(places))
