"""When the first event was produced, and where the last one stands: what the topic itself says after a run."""

from collections.abc import Mapping

from bonafides import messages
from bonafides.errors import InvariantViolation
from bonafides.topics import WALLET_EVENTS
from kafka import KafkaConsumer, TopicPartition

LOOK_BACK = 8
"""Records before a partition's end among which its last event is looked for first: behind it stand marks."""


def first_record_time(bootstrap: str) -> float:
    """Unix seconds at which the first record of the events was handed to the producer."""
    consumer = _consumer(bootstrap)
    try:
        ends = _ends(consumer)
        times = []
        for at, end in ends.items():
            if end:
                consumer.assign([at])
                consumer.seek(at, 0)
                times.append(_poll(consumer, at)[0].timestamp)
    finally:
        consumer.close()
    return float(min(times)) / 1_000


def last_event_offsets(bootstrap: str) -> Mapping[int, int]:
    """Offset of the last record with events, by partition; without those that have none."""
    consumer = _consumer(bootstrap)
    try:
        found = {at.partition: _last_event(consumer, at, end) for at, end in _ends(consumer).items() if end}
    finally:
        consumer.close()
    return {partition: offset for partition, offset in found.items() if offset is not None}


def _last_event(consumer: KafkaConsumer, at: TopicPartition, end: int) -> int | None:
    start = end
    while start > 0:
        before, start = start, max(0, start - LOOK_BACK)
        consumer.assign([at])
        consumer.seek(at, start)
        last = None
        reached = start
        while reached < before:
            for record in _poll(consumer, at):
                reached = record.offset + 1
                if record.offset < before and isinstance(messages.decode(record.value), messages.EventBatch):
                    last = record.offset
        if last is not None:
            return int(last)
    return None


def _consumer(bootstrap: str) -> KafkaConsumer:
    return KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, metrics_enabled=False)


def _ends(consumer: KafkaConsumer) -> dict[TopicPartition, int]:
    partitions = [TopicPartition(WALLET_EVENTS.name, number) for number in range(WALLET_EVENTS.partitions)]
    ends: dict[TopicPartition, int] = consumer.end_offsets(partitions)
    return ends


def _poll(consumer: KafkaConsumer, at: TopicPartition) -> list:  # type: ignore[type-arg]  # kafka-python has no types
    for _ in range(50):
        if records := consumer.poll(timeout_ms=200).get(at):
            return list(records)
    raise InvariantViolation(f"partition {at.partition} gave no record although it has some")
