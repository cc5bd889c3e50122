"""The bus in memory: logs, groups, rebalances. Held to `bonafides.bus` by the same suite of tests as Kafka."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from bonafides.bus import LogIdentity, Record, TopicPartition
from bonafides.errors import InvalidSettings, InvariantViolation, Unavailable
from bonafides.topics import Topic

MAX_RECORD_BYTES = 1_048_000  # a little under Kafka's message.max.bytes, which counts the batch around it too


@dataclass
class MemoryBroker:
    """All topics and groups. `is_down` makes every call answer Unavailable, as a broker that was killed."""

    cluster_id: str = field(default_factory=lambda: uuid4().hex)
    is_down: bool = False
    logs: dict[TopicPartition, list[bytes]] = field(default_factory=dict)
    begins: dict[TopicPartition, int] = field(default_factory=dict)
    """Where a partition begins whose oldest records are gone."""
    topic_ids: dict[str, str] = field(default_factory=dict)
    members: dict[str, "list[MemoryConsumer]"] = field(default_factory=dict)
    committed: dict[str, dict[TopicPartition, int]] = field(default_factory=dict)
    """By group."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def partitions(self, topic: str) -> list[TopicPartition]:
        """The partitions of a topic, ascending."""
        return sorted(at for at in self.logs if at.topic == topic)

    def check(self) -> None:
        """Raise Unavailable when down."""
        if self.is_down:
            raise Unavailable("the broker at memory does not answer: it is down")

    def delete_topic(self, topic: str) -> None:
        """Forget a topic and its records."""
        self.topic_ids.pop(topic, None)
        for at in self.partitions(topic):
            del self.logs[at]

    def rebalance(self, group: str) -> None:
        """Deal the partitions out among the members, round robin; told to each at its next poll."""
        members = self.members.get(group, [])
        dealt: dict[int, set[TopicPartition]] = {index: set() for index in range(len(members))}
        topics = sorted({topic for member in members for topic in member.topics})
        for topic in topics:
            takers = [index for index, member in enumerate(members) if topic in member.topics]
            for number, at in enumerate(self.partitions(topic)):
                dealt[takers[number % len(takers)]].add(at)
        for index, member in enumerate(members):
            member.dealt = dealt[index]


class MemoryProducer:
    """`bus.Producer`: records become visible at `flush`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._buffer: list[tuple[TopicPartition, bytes]] = []

    def send(self, topic: str, partition: int, value: bytes) -> None:
        if len(value) > MAX_RECORD_BYTES:
            raise InvariantViolation(f"a record of {len(value)} bytes for {topic} is larger than the broker takes")
        self._buffer.append((TopicPartition(topic, partition), value))

    def flush(self) -> None:
        buffered, self._buffer = self._buffer, []
        self._broker.check()
        with self._broker.lock:
            for at, value in buffered:
                if at not in self._broker.logs:
                    raise Unavailable(f"the broker at memory does not answer: no partition {at.topic}/{at.partition}")
                self._broker.logs[at].append(value)

    def close(self) -> None:
        self._buffer.clear()


class MemoryConsumer:
    """`bus.Consumer`."""

    def __init__(self, broker: MemoryBroker, group: str) -> None:
        self._broker = broker
        self._group = group
        self.topics: list[str] = []
        self.dealt: set[TopicPartition] = set()
        self._held: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._next: dict[TopicPartition, int] = {}
        self._on_assigned: Callable[[set[TopicPartition]], None] = lambda _: None
        self._on_revoked: Callable[[set[TopicPartition]], None] = lambda _: None
        self.committed: dict[TopicPartition, int] = {}

    def subscribe(
        self,
        topics: Iterable[str],
        on_assigned: Callable[[set[TopicPartition]], None],
        on_revoked: Callable[[set[TopicPartition]], None],
    ) -> None:
        self.topics = list(topics)
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        with self._broker.lock:
            self._broker.members.setdefault(self._group, []).append(self)
            self._broker.rebalance(self._group)

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Record]:
        self._broker.check()
        with self._broker.lock:
            self._follow_the_deal()
            records: list[Record] = []
            for at in sorted(self._held - self._paused):
                log = self._broker.logs[at]
                start = self._next[at]
                if not self._broker.begins.get(at, 0) <= start <= len(log):
                    raise InvariantViolation(f"offset {start} of {at.topic}/{at.partition} is not in the log")
                taken = log[start : start + max_records - len(records)]
                records += [Record(at, start + index, value) for index, value in enumerate(taken)]
                self._next[at] = start + len(taken)
            return records

    def _follow_the_deal(self) -> None:
        if gone := self._held - self.dealt:
            self._held -= gone
            self._paused -= gone
            self._on_revoked(gone)
        if come := self.dealt - self._held:
            self._next |= dict.fromkeys(come, 0)
            self._held |= come
            self._paused |= come
            self._on_assigned(come)

    def assignment(self) -> set[TopicPartition]:
        return set(self._held)

    def seek(self, at: TopicPartition, offset: int) -> None:
        self._next[at] = offset

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._paused |= set(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._paused -= set(partitions)

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._broker.check()
        self.committed |= offsets
        self._broker.committed.setdefault(self._group, {}).update(offsets)

    def close(self) -> None:
        with self._broker.lock:
            members = self._broker.members.get(self._group, [])
            if self in members:
                members.remove(self)
                self._broker.rebalance(self._group)


class MemoryAdmin:
    """`bus.Admin`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def ensure_topics(self, topics: Iterable[Topic], replication: int) -> None:
        self._broker.check()
        for topic in topics:
            present = len(self._broker.partitions(topic.name))
            if present and present != topic.partitions:
                raise InvalidSettings(f"topic {topic.name} has {present} partitions, expected {topic.partitions}")
            if not present:
                self._broker.topic_ids[topic.name] = uuid4().hex
                for partition in range(topic.partitions):
                    self._broker.logs[TopicPartition(topic.name, partition)] = []

    def identity(self, topic: str) -> LogIdentity:
        self._broker.check()
        if topic not in self._broker.topic_ids:
            raise Unavailable(f"topic {topic} does not exist")
        return LogIdentity(self._broker.cluster_id, self._broker.topic_ids[topic])

    def begin_offsets(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        self._broker.check()
        return {at: self._broker.begins.get(at, 0) for topic in topics for at in self._broker.partitions(topic)}

    def end_offsets(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        self._broker.check()
        return {at: len(self._broker.logs[at]) for topic in topics for at in self._broker.partitions(topic)}

    def group_lag(self, group: str, topics: Iterable[str]) -> dict[TopicPartition, int]:
        committed = self._broker.committed.get(group, {})
        return {at: end - committed.get(at, 0) for at, end in self.end_offsets(topics).items()}

    def close(self) -> None:
        """Nothing to let go of."""
