"""A partition that was paused is read on when it is resumed, also when a poll had brought only part of it.

Found by killing a broker under load: after the backlog a few partitions were never read again. kafka-python 3.0.12 puts
what is left of a paused partition aside, and takes it up again only while it has nothing in hand; what it has read to
the end it still has in hand.
"""

import time
from collections.abc import Iterator

import pytest
from bonafides.bus import TopicPartition

from tests.support.bus_harness import KafkaBus, Reader, fresh_group, fresh_topic

pytestmark = pytest.mark.integration

RECORDS, AT_ONCE = 10, 4


@pytest.fixture
def bus(local_kafka: str) -> Iterator[KafkaBus]:
    made = KafkaBus(local_kafka)
    yield made
    made.close()


@pytest.mark.parametrize("at_once", [AT_ONCE, RECORDS])
def test_resume__partition_paused_when_a_poll_brought_a_part_of_it__the_rest_comes(bus: KafkaBus, at_once: int) -> None:
    topic = fresh_topic(partitions=2)
    bus.admin().ensure_topics([topic], 1)
    producer = bus.producer()
    for partition in (0, 1):
        for number in range(RECORDS):
            producer.send(topic.name, partition, b"%d" % number)
    producer.flush()
    reader = Reader(bus.consumer(fresh_group()), topic).join()
    paused = _first_partition(reader, at_once)
    _read_all(reader, TopicPartition(topic.name, 1 - paused.partition))

    reader.consumer.resume([paused])
    producer.send(topic.name, paused.partition, b"later")
    producer.flush()
    _read_all(reader, paused, RECORDS + 1)

    offsets = {record.offset for record in reader.records if record.at == paused}  # joined twice, it begins again
    assert offsets == set(range(RECORDS + 1))


def _first_partition(reader: Reader, at_once: int) -> TopicPartition:
    """Poll once with a limit, and pause whatever partition that brought."""
    deadline = time.monotonic() + 20
    while not (came := reader.consumer.poll(0.2, at_once)):
        assert time.monotonic() < deadline, "nothing came"
    reader.records += came
    [first] = {record.at for record in came}
    reader.consumer.pause([first])
    return first


def _read_all(reader: Reader, at: TopicPartition, count: int = RECORDS) -> None:
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline and len({one.offset for one in reader.records if one.at == at}) < count:
        reader.poll()
