"""The loop of a consumer whose offsets stand in Postgres.

```
poll ─► [ one transaction: events, state, outbox, offsets (compare-and-set) ] ─► commit to the broker (metrics only)
          └─ a partition that must wait is put back: seek to its first unread record, paused until it may go on
```
"""

from collections.abc import Mapping
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
    """The offset to read next: one past the last record that was handled."""
    is_waiting: bool = False
    """The record at `following` needs something that is not there yet: pause the partition and ask again."""


class Handler(Protocol):
    """What a consumer does with records. Called inside one transaction; must be idempotent by message id."""

    def handle(self, connection: Connection, at: TopicPartition, records: list[Record]) -> Outcome:
        """Handle records of one partition in order; the transaction is the poll's, shared by all partitions."""

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
    _waiting: set[TopicPartition] = field(default_factory=set)

    def start(self) -> None:
        """Ask which cluster this is and join the group. Raises Unavailable."""
        self._identities = {topic.name: self.admin.identity(topic.name) for topic in self.topics}
        self.consumer.subscribe([topic.name for topic in self.topics], self._assigned, self._revoked)

    def turn(self) -> bool:
        """Poll once and handle what came; returns whether anything did."""
        if self._waiting:
            self.consumer.resume(self._waiting)
            self._waiting.clear()
        records = self.consumer.poll(0.2, self.max_records)
        if not records:
            return False
        crashpoints.reach(f"{self.crash_prefix}.after_poll")
        by_partition: dict[TopicPartition, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.at, []).append(record)
        try:
            outcomes = self._handle(by_partition)
        except BaseException:
            # Nothing was committed: read the same records again, whatever the client's position says.
            self._put_back({at: batch[0].offset for at, batch in by_partition.items()})
            raise
        crashpoints.reach(f"{self.crash_prefix}.after_commit")
        self.handler.after_commit()
        self._next |= {at: outcome.following for at, outcome in outcomes.items()}
        self._put_back({at: outcome.following for at, outcome in outcomes.items() if outcome.is_waiting})
        waiting = {at for at, outcome in outcomes.items() if outcome.is_waiting}
        held = self.consumer.assignment()
        self.consumer.pause(waiting & held)
        self._waiting |= waiting & held
        self.consumer.commit({at: outcome.following for at, outcome in outcomes.items()})
        return any(outcome.following > by_partition[at][0].offset for at, outcome in outcomes.items())

    def is_assigned(self) -> bool:
        """Whether the group has given us anything."""
        return bool(self._next)

    def _handle(self, by_partition: Mapping[TopicPartition, list[Record]]) -> dict[TopicPartition, Outcome]:
        outcomes: dict[TopicPartition, Outcome] = {}
        with transaction(self.engine) as connection:
            for at, batch in by_partition.items():
                if at not in self._next:
                    continue  # revoked between poll and here
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
            crashpoints.reach(f"{self.crash_prefix}.before_commit")
        return outcomes

    def _put_back(self, offsets: Mapping[TopicPartition, int]) -> None:
        held = self.consumer.assignment()
        for at, offset in offsets.items():
            if at in held:
                self.consumer.seek(at, offset)

    def _assigned(self, partitions: set[TopicPartition]) -> Mapping[TopicPartition, int]:
        with transaction(self.engine) as connection:
            found = read_offsets(connection, self.offsets, self.group, partitions, self._identities)
        self._next |= found
        log.info("partitions assigned", count=len(partitions))
        return found

    def _revoked(self, partitions: set[TopicPartition]) -> None:
        for at in partitions:
            self._next.pop(at, None)
            self._waiting.discard(at)


__all__ = ["Handler", "LostPartition", "OffsetConsumer", "Outcome"]
