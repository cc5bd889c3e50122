"""The message bus as a port: what our services need of Kafka and nothing more.

Two adapters implement it, `kafka_bus` and `testing.memory_bus`, and one suite of tests holds both to this contract
(`tests/integration/test_bus_contract.py`). A client that is faster than kafka-python can be put here without touching a
service; it must then partition with `topics.partition_of`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bonafides.topics import Topic


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it came from the log."""

    at: TopicPartition
    offset: int
    value: bytes


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """Which cluster and which incarnation of a topic an offset belongs to.

    An offset of another cluster, or of a topic that was deleted and made again, is a number without meaning: a consumer
    that finds one stops.
    """

    cluster_id: str
    topic_id: str


class Producer(Protocol):
    """Sends records, idempotently and in order per partition."""

    def send(self, topic: str, partition: int, value: bytes) -> None:
        """Hand over one record. It may be buffered; nothing is promised before `flush` returns.

        Raises:
            Unavailable: the buffer is full and the broker does not answer.
            InvariantViolation: the record is larger than the broker takes. It would never go out.
        """

    def flush(self) -> None:
        """Wait until every record handed over is acknowledged by all in-sync replicas.

        Raises Unavailable when one was not; then nothing is known of the records since the last flush: send them again.
        """

    def close(self) -> None:
        """Let go of the connection; what was not flushed may be lost."""


class Consumer(Protocol):
    """Reads the partitions that its group gives it, from the offsets that the caller names."""

    def subscribe(
        self,
        topics: Iterable[str],
        on_assigned: Callable[[set[TopicPartition]], None],
        on_revoked: Callable[[set[TopicPartition]], None],
    ) -> None:
        """Join the group. A partition that comes is paused at its beginning: the caller seeks and resumes it.

        So the callbacks need no database and cannot fail: they run inside the client's own poll, where an error would
        lose the batch that the client has already counted as read.
        """

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Record]:
        """Records of the assigned partitions that are not paused, in order per partition.

        Raises:
            Unavailable: the broker does not answer. Positions are then unknown: seek before reading on.
            InvariantViolation: the next offset of a partition is no longer in the log.
        """

    def assignment(self) -> set[TopicPartition]:
        """The partitions held now."""

    def seek(self, at: TopicPartition, offset: int) -> None:
        """Read this partition from this offset next."""

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Give nothing of these partitions until resumed. The group membership stays."""

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Take a pause back."""

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Tell the broker how far we are, for lag metrics and autoscaling alone: the truth is in the database."""

    def close(self) -> None:
        """Leave the group at once, so that others take over."""


class Admin(Protocol):
    """Creates topics and tells which cluster this is."""

    def ensure_topics(self, topics: Iterable[Topic], replication: int) -> None:
        """Create what is missing. Raises InvalidSettings when a topic exists with another number of partitions."""

    def identity(self, topic: str) -> LogIdentity:
        """Which cluster and which incarnation of the topic this is."""

    def begin_offsets(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """The offset of the oldest record of each partition that is still there, or the end where none is."""

    def end_offsets(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """The offset after the last record of each partition."""

    def group_lag(self, group: str, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """How many records of each partition the group has not committed; of one it never committed, all.

        A group that nobody ever joined has all of them before it. What is committed is what its members say (`commit`):
        a little less than they have done.
        """

    def close(self) -> None:
        """Let go of the connection."""
