"""The loop of a consumer whose offsets stand in Postgres.

```
assigned, paused ─► placed: offset from Postgres, seek, resume ─┐
        ▲                                                       ▼
        │    poll ─► [ one transaction: events, state, outbox, offsets (compare-and-set) ] ─► commit (metrics only)
        │                       │  └─ a partition that must wait is put back, paused until it may go on
        └── whatever fails: ────┘     Postgres alone knows what was committed, so ask it again
```
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from sqlalchemy import Connection, Engine, Table

from bonafides import crashpoints
from bonafides.bus import Admin, Consumer, LogIdentity, Record, TopicPartition
from bonafides.database import transaction
from bonafides.offsets import LostPartition, advance_offset, read_offsets
from bonafides.topics import Topic

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Outcome:
    """What became of one poll's records of one partition."""

    following: int
    """The offset to read next: one past the last record that was handled. Records from there on that the poll brought
    too come again in the next."""
    is_waiting: bool = False
    """The record at `following` needs something that is not there yet: pause the partition and ask again."""


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
    _identities: dict[str, LogIdentity] = field(default_factory=dict)
    _next: dict[TopicPartition, int] = field(default_factory=dict)
    _unplaced: set[TopicPartition] = field(default_factory=set)
    """Assigned and paused: where to read on is not known yet, or not any more."""
    _waiting: set[TopicPartition] = field(default_factory=set)

    def start(self) -> None:
        """Ask which cluster this is and join the group. Raises Unavailable."""
        self._identities = {topic.name: self.admin.identity(topic.name) for topic in self.topics}
        self.consumer.subscribe([topic.name for topic in self.topics], self._assigned, self._revoked)

    def turn(self) -> bool:
        """Poll once and handle what came; returns whether there is more to do at once.

        Raises Unavailable, LostPartition among it: nothing is lost, the next turn asks Postgres where to read on.
        """
        self._place()
        if self._waiting:
            self.consumer.resume(self._waiting)
            self._waiting.clear()
        try:
            records = self.consumer.poll(0.2, self.max_records)
        except BaseException:
            self._displace(self.consumer.assignment())
            raise
        if not records:
            is_joining = not self.consumer.assignment()  # then without a pause: see `kafka_bus.JOINING_S`
            return is_joining or bool(self._unplaced)
        crashpoints.reach(f"{self.crash_prefix}.after_poll")
        by_partition: dict[TopicPartition, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.at, []).append(record)
        try:
            outcomes = self._handle(by_partition)
        except BaseException:
            self._displace(set(by_partition))
            raise
        crashpoints.reach(f"{self.crash_prefix}.after_commit")
        self.handler.after_commit()
        self._next |= {at: outcome.following for at, outcome in outcomes.items()}
        self._displace(by_partition.keys() - outcomes.keys())
        self._hold({at: outcome.following for at, outcome in outcomes.items() if outcome.is_waiting})
        self._read_again(
            {
                at: outcome.following
                for at, outcome in outcomes.items()
                if not outcome.is_waiting and outcome.following <= by_partition[at][-1].offset
            }
        )
        self.consumer.commit({at: outcome.following for at, outcome in outcomes.items()})
        return any(outcome.following > by_partition[at][0].offset for at, outcome in outcomes.items())

    def is_assigned(self) -> bool:
        """Whether the group has given us anything."""
        return bool(self._next)

    def _handle(self, by_partition: Mapping[TopicPartition, list[Record]]) -> dict[TopicPartition, Outcome]:
        outcomes: dict[TopicPartition, Outcome] = {}
        with transaction(self.engine) as connection:
            for at, batch in by_partition.items():
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
        self._unplaced -= placing
        self.consumer.resume(placing)
        log.info("partitions assigned", count=len(placing))

    def _displace(self, partitions: Set[TopicPartition]) -> None:
        """Forget where these partitions are: a commit whose answer was lost may have happened or not."""
        held = partitions & self.consumer.assignment()
        self.consumer.pause(held)
        self._unplaced |= held
        for at in partitions:
            self._next.pop(at, None)
            self._waiting.discard(at)

    def _hold(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these again from here, after the next turn's resume."""
        held = offsets.keys() & self.consumer.assignment()
        for at in held:
            self.consumer.seek(at, offsets[at])
        self.consumer.pause(held)
        self._waiting |= held

    def _read_again(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these from here in the next poll."""
        for at in offsets.keys() & self.consumer.assignment():
            self.consumer.seek(at, offsets[at])

    def _assigned(self, partitions: set[TopicPartition]) -> None:
        for at in partitions:
            self._next.pop(at, None)
        self._unplaced |= partitions

    def _revoked(self, partitions: set[TopicPartition]) -> None:
        for at in partitions:
            self._next.pop(at, None)
        self._unplaced -= partitions
        self._waiting -= partitions


__all__ = ["Handler", "LostPartition", "OffsetConsumer", "Outcome"]
