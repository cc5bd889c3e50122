"""Topics, offsets and lags on Apache Kafka, through kafka-python."""

from collections.abc import Iterable

from kafka import KafkaAdminClient, KafkaConsumer
from kafka import TopicPartition as KafkaTopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import IncompatibleBrokerVersion, KafkaError, TopicAlreadyExistsError

from bonafides.bus import LogIdentity, TopicPartition
from bonafides.errors import InvalidSettings, Unavailable
from bonafides.kafka_connection import KafkaConnection, unavailable
from bonafides.topics import Topic


class KafkaBusAdmin:
    """`bus.Admin`."""

    def __init__(self, connection: KafkaConnection, client_id: str) -> None:
        self._bootstrap = connection.bootstrap
        self._options = connection.options(client_id)
        try:
            self._admin = KafkaAdminClient(**self._options)
        except (KafkaError, OSError) as exc:
            raise unavailable(self._bootstrap, exc) from exc

    def ensure_topics(self, topics: Iterable[Topic], replication: int) -> None:
        try:
            present = {
                row["name"]: len(row["partitions"]) for row in self._admin.describe_topics() if not row["error_code"]
            }
            for topic in topics:
                if topic.name in present:
                    if present[topic.name] != topic.partitions:
                        raise InvalidSettings(
                            f"topic {topic.name} has {present[topic.name]} partitions, expected {topic.partitions}: a "
                            "change would tear wallets apart; make a new topic name instead"
                        )
                    continue
                wanted = {
                    "num_partitions": topic.partitions,
                    "replication_factor": replication,
                    "configs": {"retention.ms": str(topic.retention_ms), "cleanup.policy": "delete"},
                }
                try:
                    self._admin.create_topics({topic.name: wanted})
                except TopicAlreadyExistsError:
                    continue  # another replica was faster
        except (KafkaError, OSError) as exc:
            raise unavailable(self._bootstrap, exc) from exc

    def identity(self, topic: str) -> LogIdentity:
        try:
            cluster = self._admin.describe_cluster()
            row = self._admin.describe_topics([topic])[0]
        except (KafkaError, OSError, IncompatibleBrokerVersion) as exc:
            raise unavailable(self._bootstrap, exc) from exc
        if row["error_code"]:
            raise Unavailable(f"topic {topic} does not exist on {self._bootstrap}: create it with `bonafides topics`")
        return LogIdentity(str(cluster.get("cluster_id") or ""), str(row.get("topic_id") or ""))

    def end_offsets(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        try:
            consumer = KafkaConsumer(**self._options, metrics_enabled=False)
        except (KafkaError, OSError) as exc:
            raise unavailable(self._bootstrap, exc) from exc
        try:
            partitions = [
                KafkaTopicPartition(topic, partition)
                for topic in topics
                for partition in sorted(consumer.partitions_for_topic(topic) or ())
            ]
            return {TopicPartition(p.topic, p.partition): end for p, end in consumer.end_offsets(partitions).items()}
        except (KafkaError, OSError) as exc:
            raise unavailable(self._bootstrap, exc) from exc
        finally:
            consumer.close(autocommit=False)

    def begin_offsets(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        try:
            begins = self._offsets(self._partitions(topics), OffsetSpec.EARLIEST)
        except (KafkaError, OSError, IncompatibleBrokerVersion) as exc:
            raise unavailable(self._bootstrap, exc) from exc
        return {TopicPartition(at.topic, at.partition): begin for at, begin in begins.items()}

    def group_lag(self, group: str, topics: Iterable[str]) -> dict[TopicPartition, int]:
        try:
            partitions = self._partitions(topics)
            committed = {
                at: found.offset
                for at, found in self._admin.list_group_offsets({group: partitions}).get(group, {}).items()
                if found.offset >= 0
            }
            # Ends last: records that come in between count as lag, and never is a lag below nothing.
            begins = self._offsets([at for at in partitions if at not in committed], OffsetSpec.EARLIEST)
            ends = self._offsets(partitions, OffsetSpec.LATEST)
        except (KafkaError, OSError, IncompatibleBrokerVersion) as exc:
            raise unavailable(self._bootstrap, exc) from exc
        begins |= committed
        return {TopicPartition(at.topic, at.partition): max(ends[at] - begins[at], 0) for at in partitions}

    def _partitions(self, topics: Iterable[str]) -> list[KafkaTopicPartition]:
        described = self._admin.describe_topics(list(topics))
        if missing := [row["name"] for row in described if row["error_code"]]:
            raise Unavailable(f"topic {missing[0]} does not exist on {self._bootstrap}: create it first")
        return [
            KafkaTopicPartition(row["name"], partition["partition_index"])
            for row in described
            for partition in row["partitions"]
        ]

    def _offsets(self, partitions: list[KafkaTopicPartition], which: OffsetSpec) -> dict[KafkaTopicPartition, int]:
        if not partitions:
            return {}
        found = self._admin.list_partition_offsets(dict.fromkeys(partitions, which))
        return {at: found[at].offset for at in partitions}

    def close(self) -> None:
        self._admin.close()
