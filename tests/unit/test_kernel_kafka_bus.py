"""What the Kafka adapter adds to its client: a member that the group forgot joins again."""

from collections.abc import Iterable
from types import SimpleNamespace

import pytest
from bonafides import kafka_bus
from bonafides.kafka_bus import KafkaBusConsumer, KafkaConnection
from kafka import TopicPartition as KafkaTopicPartition

pytestmark = pytest.mark.unit


class ForgottenClient:
    """A kafka-python consumer that the group deals no partition, until it has joined for the second time."""

    def __init__(self, **_: object) -> None:
        self.joined = 0
        self.left = 0
        self._fetcher = SimpleNamespace(_next_partition_records=None)

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0}

    def subscribe(self, topics: Iterable[str], listener: object) -> None:
        self.joined += 1

    def unsubscribe(self) -> None:
        self.left += 1

    def assignment(self) -> set[KafkaTopicPartition]:
        return {KafkaTopicPartition("t", 0)} if self.joined > 1 else set()

    def poll(self, timeout_ms: int, max_records: int) -> dict[KafkaTopicPartition, list[object]]:
        return {}


def test_poll__nothing_assigned_for_long__joins_the_group_again_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    client = ForgottenClient()
    monkeypatch.setattr(kafka_bus, "KafkaConsumer", lambda **_: client)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    consumer = KafkaBusConsumer(KafkaConnection("127.0.0.1:9"), "test", "group", session_timeout_s=6.0)
    consumer.subscribe(["t"], lambda _: None, lambda _: None)

    for now[0] in (1.0, 18.0):
        consumer.poll(0.0)
    assert (client.joined, client.left) == (1, 0)

    for now[0] in (18.5, 19.0, 60.0, 120.0):
        consumer.poll(0.0)
    assert (client.joined, client.left) == (2, 1)
