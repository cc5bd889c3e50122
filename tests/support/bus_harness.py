"""One way to make producers and consumers on either broker, so that one suite holds both to the contract."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

from bonafides.bus import Admin, Consumer, Producer, Record, TopicPartition
from bonafides.kafka_bus import KafkaBusAdmin, KafkaBusConsumer, KafkaBusProducer, KafkaConnection
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from bonafides.topics import FOR_EVER, Topic

SESSION_TIMEOUT_S = 6.0  # the broker's least; a member that dies is missed after it


class Bus(Protocol):
    """Makes clients of one broker; `close` ends them all."""

    def producer(self) -> Producer: ...
    def consumer(self, group: str) -> Consumer: ...
    def admin(self) -> Admin: ...
    def delete_topic(self, topic: str) -> None: ...
    def close(self) -> None: ...


@dataclass
class MemoryBus:
    """Clients of the fake."""

    broker: MemoryBroker = field(default_factory=MemoryBroker)

    def producer(self) -> Producer:
        return MemoryProducer(self.broker)

    def consumer(self, group: str) -> Consumer:
        return MemoryConsumer(self.broker, group)

    def admin(self) -> Admin:
        return MemoryAdmin(self.broker)

    def delete_topic(self, topic: str) -> None:
        self.broker.delete_topic(topic)

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class KafkaBus:
    """Clients of a real broker."""

    bootstrap: str
    _open: list[Producer | Consumer | Admin] = field(default_factory=list)

    def producer(self) -> Producer:
        producer = KafkaBusProducer(KafkaConnection(self.bootstrap), "test")
        self._open.append(producer)
        return producer

    def consumer(self, group: str) -> Consumer:
        consumer = KafkaBusConsumer(KafkaConnection(self.bootstrap), "test", group, SESSION_TIMEOUT_S)
        self._open.append(consumer)
        return consumer

    def admin(self) -> Admin:
        admin = KafkaBusAdmin(KafkaConnection(self.bootstrap), "test")
        self._open.append(admin)
        return admin

    def delete_topic(self, topic: str) -> None:
        from kafka import KafkaAdminClient

        client = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        client.delete_topics([topic])
        client.close()

    def close(self) -> None:
        for client in reversed(self._open):
            client.close()


def fresh_topic(partitions: int = 4) -> Topic:
    """A topic that no other test uses."""
    return Topic(f"test-{uuid4().hex[:10]}", partitions, FOR_EVER)


def fresh_group() -> str:
    """A group that no other test uses."""
    return f"group-{uuid4().hex[:10]}"


@dataclass
class Reader:
    """A consumer that joins from given offsets and remembers what it was told."""

    consumer: Consumer
    topic: Topic
    starts: dict[TopicPartition, int] = field(default_factory=dict)
    resumes: bool = True
    assigned: list[set[TopicPartition]] = field(default_factory=list)
    revoked: list[set[TopicPartition]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def join(self) -> "Reader":
        self.consumer.subscribe([self.topic.name], self._on_assigned, self.revoked.append)
        return self

    def _on_assigned(self, partitions: set[TopicPartition]) -> None:
        self.assigned.append(partitions)
        for at in partitions:
            self.consumer.seek(at, self.starts.get(at, 0))
        if self.resumes:
            self.consumer.resume(partitions)

    def poll(self) -> list[Record]:
        came = self.consumer.poll(0.2)
        self.records += came
        return came

    def values(self) -> list[bytes]:
        return [record.value for record in self.records]
