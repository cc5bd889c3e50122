"""The bus on Apache Kafka, through kafka-python.

kafka-python is the bottleneck (about 20,000 records a second), so a record packs up to 50 events; without its `crc32c`
extra checksums are pure Python at 6 MB/s.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, OffsetAndMetadata
from kafka import TopicPartition as KafkaTopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from bonafides.bus import Record, TopicPartition
from bonafides.errors import InvariantViolation
from bonafides.kafka_admin import KafkaBusAdmin
from bonafides.kafka_connection import KafkaConnection, unavailable

__all__ = ["KafkaBusAdmin", "KafkaBusConsumer", "KafkaBusProducer", "KafkaConnection"]

# What matters of it comes back to us as an error; its own lines, one per attempt, would bury our one that says so.
logging.getLogger("kafka").setLevel(logging.CRITICAL)


CLOSING_MS = 3_000
JOINING_S = 1.0
"""How long a poll waits while the group shares out its partitions. kafka-python 3.0.12 drops a join that completes
between two polls and starts another: on a busy machine short polls then never join at all."""


class KafkaBusProducer:
    """`bus.Producer`: acks=all, idempotent, zstd."""

    def __init__(self, connection: KafkaConnection, client_id: str) -> None:
        self._bootstrap = connection.bootstrap
        self._failures: list[BaseException] = []
        try:
            self._producer = KafkaProducer(
                **connection.options(client_id),
                metrics_enabled=False,
                acks="all",
                enable_idempotence=True,
                compression_type="zstd",
                linger_ms=5,
                max_request_size=4 * 1024 * 1024,
                max_block_ms=15_000,
                delivery_timeout_ms=30_000,
                request_timeout_ms=15_000,
                allow_auto_create_topics=False,
            )
        except (KafkaError, OSError) as exc:
            raise unavailable(self._bootstrap, exc) from exc

    def send(self, topic: str, partition: int, value: bytes) -> None:
        try:
            self._producer.send(topic, value=value, partition=partition).add_errback(self._failures.append)
        except MessageSizeTooLargeError as exc:
            raise _too_large(topic, value) from exc
        except (KafkaError, OSError) as exc:
            raise unavailable(self._bootstrap, exc) from exc

    def flush(self) -> None:
        try:
            self._producer.flush(timeout=40)
        except (KafkaError, OSError) as exc:
            raise unavailable(self._bootstrap, exc) from exc
        finally:
            failures, self._failures = self._failures, []
        if too_large := next((exc for exc in failures if isinstance(exc, MessageSizeTooLargeError)), None):
            raise InvariantViolation("a record that was sent is larger than the broker takes") from too_large
        if failures:
            raise unavailable(self._bootstrap, failures[0]) from failures[0]

    def close(self) -> None:
        self._producer.close(timeout=5)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    def __init__(self, consumer: "KafkaBusConsumer") -> None:
        self._consumer = consumer

    def on_partitions_revoked(self, revoked: Iterable[KafkaTopicPartition]) -> None:
        self._consumer.revoked({TopicPartition(p.topic, p.partition) for p in revoked})

    def on_partitions_assigned(self, assigned: Iterable[KafkaTopicPartition]) -> None:
        self._consumer.assigned({TopicPartition(p.topic, p.partition) for p in assigned})


class KafkaBusConsumer:
    """`bus.Consumer`: offsets come from the caller, never from the broker's group."""

    def __init__(
        self, connection: KafkaConnection, client_id: str, group: str, session_timeout_s: float = 30.0
    ) -> None:
        self._bootstrap = connection.bootstrap
        self._on_assigned: Callable[[set[TopicPartition]], None] = lambda _: None
        self._on_revoked: Callable[[set[TopicPartition]], None] = lambda _: None
        self._topics: list[str] = []
        self._empty_since: float | None = None
        self._is_joining = True
        self._patience_s = max(10.0, 3 * session_timeout_s)
        try:
            self._consumer = KafkaConsumer(
                **connection.options(client_id),
                metrics_enabled=False,
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="none",
                allow_auto_create_topics=False,
                isolation_level="read_committed",
                session_timeout_ms=int(session_timeout_s * 1000),
                heartbeat_interval_ms=int(session_timeout_s * 1000 / 6),
                max_poll_interval_ms=600_000,  # one poll may score thousands of wallets
                fetch_max_wait_ms=100,
                metadata_max_age_ms=60_000,
            )
        except (KafkaError, OSError) as exc:
            raise unavailable(self._bootstrap, exc) from exc

    def subscribe(
        self,
        topics: Iterable[str],
        on_assigned: Callable[[set[TopicPartition]], None],
        on_revoked: Callable[[set[TopicPartition]], None],
    ) -> None:
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._topics = list(topics)
        self._join()

    def _join(self) -> None:
        """Join the group knowing the topics: a leader that does not know their partitions yet deals out none."""
        try:
            for topic in self._topics:
                self._consumer.partitions_for_topic(topic)
            self._consumer.subscribe(topics=self._topics, listener=_Listener(self))
        except (KafkaError, OSError) as exc:
            raise unavailable(self._bootstrap, exc) from exc
        self._empty_since = time.monotonic()

    def _join_again_if_forgotten(self) -> None:
        """Leave and join once more when the group has given us nothing for long.

        Seen with kafka-python 3.0.12: a leader that had no metadata yet deals out nothing, and nothing makes the group
        think again. A group of ours never has more members than partitions, so "none" is never right.
        """
        if self._consumer.assignment():
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = time.monotonic()
        elif time.monotonic() - self._empty_since > self._patience_s:
            self._consumer.unsubscribe()
            self._join()

    def _let_go_of_what_was_read(self) -> None:
        """Empty the client's hand, so that it takes up again what it put aside.

        kafka-python 3.0.12 puts aside what a poll's limit left of a partition that is then paused, fetches nothing more
        of it, and after `resume` takes it up only while its hand is empty. But it keeps in hand what it has read to the
        end: a partition that was paused at the wrong moment was never read again.
        """
        fetcher = self._consumer._fetcher
        if fetcher._next_partition_records is not None and not fetcher._next_partition_records:
            fetcher._next_partition_records = None

    def assigned(self, partitions: set[TopicPartition]) -> None:
        """Called by the client inside `poll`, before it fetches anything of these partitions."""
        for at in partitions:
            # Some position: without one the client would ask the group for a committed offset, and fail.
            self._consumer.seek(KafkaTopicPartition(*at), 0)
        self.pause(partitions)
        self._is_joining = False
        self._on_assigned(partitions)

    def revoked(self, partitions: set[TopicPartition]) -> None:
        """Called by the client inside `poll`."""
        self._is_joining = True
        self._on_revoked(partitions)

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Record]:
        self._join_again_if_forgotten()
        self._let_go_of_what_was_read()
        if self._is_joining or not self._consumer.assignment():
            timeout_s = max(timeout_s, JOINING_S)
        try:
            batches = self._consumer.poll(timeout_ms=int(timeout_s * 1000), max_records=max_records)
        except OffsetOutOfRangeError as exc:
            raise InvariantViolation(
                "the next offset of a partition is gone from the log (retention, or another topic under the same "
                "name): nothing may be skipped; restore the log, or rebuild this service's database from it"
            ) from exc
        except (KafkaError, OSError) as exc:
            raise unavailable(self._bootstrap, exc) from exc
        return [
            Record(TopicPartition(at.topic, at.partition), record.offset, record.value or b"")
            for at, records in batches.items()
            for record in records
        ]

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(p.topic, p.partition) for p in self._consumer.assignment()}

    def seek(self, at: TopicPartition, offset: int) -> None:
        self._consumer.seek(KafkaTopicPartition(*at), offset)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._consumer.pause(*(KafkaTopicPartition(*at) for at in partitions))

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._consumer.resume(*(KafkaTopicPartition(*at) for at in partitions))

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        committed = {KafkaTopicPartition(*at): OffsetAndMetadata(offset, "", -1) for at, offset in offsets.items()}
        try:
            self._consumer.commit(committed, timeout_ms=5_000)
        except (CommitFailedError, RebalanceInProgressError, IllegalGenerationError, UnknownMemberIdError):
            return  # the partition went to another member, whose commit will tell; ours is for metrics only
        except (KafkaError, OSError) as exc:
            raise unavailable(self._bootstrap, exc) from exc

    def close(self) -> None:
        # While a join waits for a member that died, the broker answers nothing else; the session's end tells it, too.
        self._consumer.close(autocommit=False, timeout_ms=CLOSING_MS)


def _too_large(topic: str, value: bytes) -> InvariantViolation:
    return InvariantViolation(f"a record of {len(value)} bytes for {topic} is larger than the broker takes")
