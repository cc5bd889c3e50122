"""The loop of a consumer whose offsets stand in Postgres.

```
assigned, paused ─► placed: offset from Postgres, seek, resume ─┐
        ▲                                                       ▼
        │    poll ─► [ one transaction: events, state, outbox, offsets (compare-and-set) ] ─► commit (metrics only)
        │                       │  └─ what must wait is held in memory, its partition paused, until it may go on
        └── whatever fails: ────┘     Postgres alone knows what was committed, so ask it again
```
Partitions of one poll are handled in the order of `topics`: one that others wait for comes first.
"""

import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from sqlalchemy import Connection, Engine, Table

from bonafides import crashpoints
from bonafides.bus import Admin, Consumer, LogIdentity, Record, TopicPartition
from bonafides.database import transaction
from bonafides.offsets import LostPartition, advance_offset, read_offsets
from bonafides.topics import Topic

POLL_S, SHORTEST_POLL_S = 0.2, 0.01
"""How long a poll waits for records: the client needs some time in each to keep its place in the group."""
COMMIT_EVERY_S = 1.0
"""To the broker, for lag metrics: each poll would wait for its answer, and nobody looks more often."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.005, 0.5
"""Before what must wait is tried again; doubles while nothing at all goes on."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Outcome:
    """What became of one poll's records of one partition."""

    following: int
    """The offset to read next: one past the last record that was handled. Records from there on that the poll brought
    too come again in the next turn."""
    is_waiting: bool = False
    """The record at `following` needs something that is not there yet: ask again a little later."""


class Handler(Protocol):
    """What a consumer does with records. Called inside one transaction; must be idempotent by message id."""

    def handle(self, connection: Connection, at: TopicPartition, records: list[Record]) -> Outcome:
        """Handle records of one partition in order; the transaction is the poll's, shared by all partitions."""

    def before_commit(self, connection: Connection) -> None:
        """Called once in the same transaction, when every partition of the poll was handled: for what is better done
        for all of them at once."""

    def after_commit(self) -> None:
        """Called when the transaction is durable: for metrics and caches."""


@dataclass
class OffsetConsumer:
    """Joins a consumer group and feeds a handler. `crash_prefix` names its crash points."""

    consumer: Consumer
    admin: Admin
    engine: Engine
    offsets: Table
    group: str
    topics: tuple[Topic, ...]
    handler: Handler
    crash_prefix: str
    max_records: int = 500
    now: Callable[[], float] = time.monotonic
    """Seconds; decides when what is held is tried again, and when the broker is told, nothing else."""
    _identities: dict[str, LogIdentity] = field(default_factory=dict)
    _next: dict[TopicPartition, int] = field(default_factory=dict)
    _unplaced: set[TopicPartition] = field(default_factory=set)
    """Assigned and paused: where to read on is not known yet, or not any more."""
    _held: dict[TopicPartition, list[Record]] = field(default_factory=dict)
    """Read and not handled yet, their partitions paused. Fetching them again would cost a broker's whole patience."""
    _again_at: float = 0.0
    """When to try again what is held."""
    _wait_s: float = FIRST_WAIT_S
    _uncommitted: dict[TopicPartition, int] = field(default_factory=dict)
    _committed_at: float = float("-inf")

    def start(self) -> None:
        """Ask which cluster this is and join the group. Raises Unavailable."""
        self._identities = {topic.name: self.admin.identity(topic.name) for topic in self.topics}
        self.consumer.subscribe([topic.name for topic in self.topics], self._assigned, self._revoked)

    def turn(self) -> bool:
        """Poll once and handle what came; returns whether there is more to do at once.

        Raises Unavailable, LostPartition among it: nothing is lost, the next turn asks Postgres where to read on.
        """
        self._place()
        try:
            records = self.consumer.poll(self._patience_s(), self.max_records)
        except BaseException:
            self._displace(self.consumer.assignment())
            raise
        by_partition: dict[TopicPartition, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.at, []).append(record)
        if self._held and self.now() >= self._again_at:
            by_partition |= self._held
        if not by_partition:
            self._commit(is_idle=not self._held)
            is_joining = not self.consumer.assignment()  # then without a pause: see `kafka_bus.JOINING_S`
            return is_joining or bool(self._unplaced)
        crashpoints.reach(f"{self.crash_prefix}.after_poll")
        try:
            outcomes = self._handle(by_partition)
        except BaseException:
            self._displace(set(by_partition))
            raise
        crashpoints.reach(f"{self.crash_prefix}.after_commit")
        self.handler.after_commit()
        self._next |= {at: outcome.following for at, outcome in outcomes.items()}
        self._displace(by_partition.keys() - outcomes.keys())
        has_moved = any(outcome.following > by_partition[at][0].offset for at, outcome in outcomes.items())
        self._hold(by_partition, outcomes, has_moved=has_moved)
        self._uncommitted |= {at: outcome.following for at, outcome in outcomes.items()}
        self._commit(is_idle=False)
        return has_moved

    def is_assigned(self) -> bool:
        """Whether the group has given us anything."""
        return bool(self._next)

    def _patience_s(self) -> float:
        """How long to wait for records: no longer than until what is held is tried again."""
        return min(POLL_S, max(SHORTEST_POLL_S, self._again_at - self.now())) if self._held else POLL_S

    def _commit(self, *, is_idle: bool) -> None:
        """Tell the broker, when there is time for it or it is long ago."""
        if self._uncommitted and (is_idle or self.now() - self._committed_at >= COMMIT_EVERY_S):
            self.consumer.commit(self._uncommitted)
            self._uncommitted = {}
            self._committed_at = self.now()

    def _handle(self, by_partition: Mapping[TopicPartition, list[Record]]) -> dict[TopicPartition, Outcome]:
        outcomes: dict[TopicPartition, Outcome] = {}
        places = {topic.name: place for place, topic in enumerate(self.topics)}
        with transaction(self.engine) as connection:
            for at, batch in sorted(by_partition.items(), key=lambda one: places[one[0].topic]):
                if self._next.get(at) != batch[0].offset:
                    continue  # revoked between poll and here, or not what comes next: taking it would leave a hole
                outcome = self.handler.handle(connection, at, batch)
                if outcome.following != self._next[at]:
                    advance_offset(
                        connection,
                        self.offsets,
                        self.group,
                        at,
                        expected=self._next[at],
                        following=outcome.following,
                        identity=self._identities[at.topic],
                    )
                outcomes[at] = outcome
            self.handler.before_commit(connection)
            crashpoints.reach(f"{self.crash_prefix}.before_commit")
        return outcomes

    def _place(self) -> None:
        """Read on where Postgres says, in every partition whose place is not known."""
        placing = self._unplaced & self.consumer.assignment()
        if not placing:
            return
        with transaction(self.engine) as connection:
            found = read_offsets(connection, self.offsets, self.group, placing, self._identities)
        for at in placing:
            self.consumer.seek(at, found[at])
        self._next |= found
        self._uncommitted |= found  # who was here before may have ended before he told the broker
        self._unplaced -= placing
        self.consumer.resume(placing)
        log.info("partitions assigned", count=len(placing))

    def _displace(self, partitions: Set[TopicPartition]) -> None:
        """Forget where these partitions are: a commit whose answer was lost may have happened or not."""
        held = partitions & self.consumer.assignment()
        self.consumer.pause(held)
        self._unplaced |= held
        self._forget(partitions)

    def _hold(
        self,
        by_partition: Mapping[TopicPartition, list[Record]],
        outcomes: Mapping[TopicPartition, Outcome],
        *,
        has_moved: bool,
    ) -> None:
        """Keep what was not handled, its partition paused, and let the others go on."""
        assigned = self.consumer.assignment()
        done = {at for at, outcome in outcomes.items() if outcome.following > by_partition[at][-1].offset}
        self.consumer.resume(self._held.keys() & done & assigned)
        for at in done:
            self._held.pop(at, None)
        left = {
            at: [record for record in by_partition[at] if record.offset >= outcome.following]
            for at, outcome in outcomes.items()
            if at not in done and at in assigned
        }
        self.consumer.pause(left.keys() - self._held.keys())
        self._held |= left
        self._wait_s = FIRST_WAIT_S if has_moved else min(2 * self._wait_s, LONGEST_WAIT_S)
        is_waiting = left and all(outcomes[at].is_waiting for at in left)
        self._again_at = self.now() + (self._wait_s if is_waiting else 0.0)

    def _forget(self, partitions: Set[TopicPartition]) -> None:
        for at in partitions:
            self._next.pop(at, None)
            self._held.pop(at, None)
            self._uncommitted.pop(at, None)

    def _assigned(self, partitions: set[TopicPartition]) -> None:
        self._forget(partitions)
        self._unplaced |= partitions

    def _revoked(self, partitions: set[TopicPartition]) -> None:
        self._forget(partitions)
        self._unplaced -= partitions


__all__ = ["Handler", "LostPartition", "OffsetConsumer", "Outcome"]
