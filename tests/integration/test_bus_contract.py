"""The contract of `bonafides.bus`, held by the fake in memory and by a real broker alike."""

import random
import time
from collections.abc import Callable, Iterator

import pytest
from bonafides.bus import TopicPartition
from bonafides.errors import InvalidSettings, InvariantViolation, Unavailable
from bonafides.kafka_bus import KafkaBusProducer, KafkaConnection
from bonafides.topics import Topic

from tests.support.bus_harness import Bus, KafkaBus, MemoryBus, Reader, fresh_group, fresh_topic

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0


@pytest.fixture(params=["memory", "broker"])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    made: Bus = MemoryBus() if request.param == "memory" else KafkaBus(request.getfixturevalue("local_kafka"))
    yield made
    made.close()


@pytest.fixture
def exact_bus(request: pytest.FixtureRequest, bus: Bus) -> Bus:
    """The bus of a test about offsets at the end of the log, which the packaged broker counts in batches."""
    if isinstance(bus, KafkaBus) and "Apache Kafka" not in request.getfixturevalue("kafka_server").detail:
        pytest.skip("SKIPPED: the packaged broker reports wrong end offsets; Apache Kafka needs java >= 17 and mvn")
    return bus


def until(claim: Callable[[], bool], turn: Callable[[], object]) -> None:
    """Turn until the claim holds; fails after `PATIENCE_S`."""
    deadline = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < deadline, "the claim did not come true in time"
        turn()


def answers(ask: Callable[[], object]) -> bool:
    """Whether it does. A broker makes the topic of the groups' offsets only when it is first asked."""
    try:
        ask()
    except Unavailable:
        return False
    return True


def make_topic(bus: Bus, partitions: int = 4) -> Topic:
    topic = fresh_topic(partitions)
    bus.admin().ensure_topics([topic], 1)
    return topic


def produce(bus: Bus, topic: Topic, count: int, partition: int | None = None) -> list[bytes]:
    producer = bus.producer()
    values = [f"{topic.name}:{number}".encode() for number in range(count)]
    for number, value in enumerate(values):
        producer.send(topic.name, number % topic.partitions if partition is None else partition, value)
    producer.flush()
    return values


def test_produce_and_consume__many_records__arrive_once_and_in_order_per_partition(bus: Bus) -> None:
    topic = make_topic(bus)
    sent = produce(bus, topic, 100)
    reader = Reader(bus.consumer(fresh_group()), topic).join()

    until(lambda: len(reader.records) >= 100, reader.poll)

    assert sorted(reader.values()) == sorted(sent)
    for partition in range(topic.partitions):
        offsets = [record.offset for record in reader.records if record.at.partition == partition]
        assert offsets == list(range(25))


def test_end_offsets__after_a_flush__count_every_record(exact_bus: Bus) -> None:
    topic = make_topic(exact_bus, 2)
    produce(exact_bus, topic, 7, partition=1)

    ends = exact_bus.admin().end_offsets([topic.name])

    assert ends == {TopicPartition(topic.name, 0): 0, TopicPartition(topic.name, 1): 7}


def test_begin_offsets__nothing_is_gone__are_the_first(exact_bus: Bus) -> None:
    topic = make_topic(exact_bus, 2)
    produce(exact_bus, topic, 7, partition=1)

    admin = exact_bus.admin()
    until(lambda: answers(lambda: admin.begin_offsets([topic.name])), lambda: time.sleep(0.2))

    assert admin.begin_offsets([topic.name]) == {TopicPartition(topic.name, 0): 0, TopicPartition(topic.name, 1): 0}


def test_group_lag__a_group_that_nobody_joined__has_every_record_before_it(exact_bus: Bus) -> None:
    topic = make_topic(exact_bus, 2)
    produce(exact_bus, topic, 7, partition=1)

    admin, group = exact_bus.admin(), fresh_group()
    until(lambda: answers(lambda: admin.group_lag(group, [topic.name])), lambda: time.sleep(0.2))
    lag = admin.group_lag(group, [topic.name])

    assert lag == {TopicPartition(topic.name, 0): 0, TopicPartition(topic.name, 1): 7}


def test_group_lag__a_part_is_committed__is_what_comes_behind_it(exact_bus: Bus) -> None:
    topic, group = make_topic(exact_bus, 2), fresh_group()
    produce(exact_bus, topic, 10, partition=0)
    reader = Reader(exact_bus.consumer(group), topic).join()
    until(lambda: len(reader.records) >= 10, reader.poll)
    reader.consumer.commit({TopicPartition(topic.name, 0): 4})
    admin = exact_bus.admin()
    produce(exact_bus, topic, 3, partition=0)
    produce(exact_bus, topic, 5, partition=1)

    lag = admin.group_lag(group, [topic.name])

    assert lag == {TopicPartition(topic.name, 0): 9, TopicPartition(topic.name, 1): 5}


def test_group_resume__offsets_named_by_the_caller__start_there_whatever_the_group_committed(bus: Bus) -> None:
    topic, group = make_topic(bus, 1), fresh_group()
    sent = produce(bus, topic, 10)
    at = TopicPartition(topic.name, 0)
    first = Reader(bus.consumer(group), topic).join()
    until(lambda: len(first.records) >= 10, first.poll)
    first.consumer.commit({at: 10})
    first.consumer.close()

    second = Reader(bus.consumer(group), topic, starts={at: 4}).join()
    until(lambda: len(second.records) >= 6, second.poll)

    assert second.values() == sent[4:]


def test_rebalance__second_member_joins_and_leaves__partitions_are_shared_and_taken_back(bus: Bus) -> None:
    topic, group = make_topic(bus), fresh_group()
    one = Reader(bus.consumer(group), topic).join()
    until(lambda: len(one.consumer.assignment()) == 4, one.poll)

    two = Reader(bus.consumer(group), topic).join()
    until(
        lambda: len(one.consumer.assignment()) == 2 and len(two.consumer.assignment()) == 2,
        lambda: (one.poll(), two.poll()),
    )
    assert one.consumer.assignment() | two.consumer.assignment() == {TopicPartition(topic.name, p) for p in range(4)}
    assert one.revoked

    two.consumer.close()
    until(lambda: len(one.consumer.assignment()) == 4, one.poll)


def test_assignment__partitions_not_resumed__give_nothing_until_they_are_placed(bus: Bus) -> None:
    topic = make_topic(bus, 2)
    sent = produce(bus, topic, 10)
    reader = Reader(bus.consumer(fresh_group()), topic, resumes=False).join()
    until(lambda: len(reader.consumer.assignment()) == 2, reader.poll)

    for _ in range(5):
        reader.poll()
    assert reader.records == []

    reader.consumer.resume(reader.consumer.assignment())
    until(lambda: len(reader.records) >= 10, reader.poll)
    assert sorted(reader.values()) == sorted(sent)


def test_producer__record_larger_than_the_broker_takes__stops_instead_of_trying_for_ever(bus: Bus) -> None:
    topic = make_topic(bus, 1)
    producer = bus.producer()

    def send() -> None:
        producer.send(topic.name, 0, random.Random(1).randbytes(5 * 1024 * 1024))  # noise: zstd must not shrink it
        producer.flush()

    with pytest.raises(InvariantViolation, match="larger"):
        send()


def test_redelivery__seek_back__gives_the_same_records_again(bus: Bus) -> None:
    topic = make_topic(bus, 1)
    sent = produce(bus, topic, 5)
    reader = Reader(bus.consumer(fresh_group()), topic).join()
    until(lambda: len(reader.records) >= 5, reader.poll)

    reader.consumer.seek(TopicPartition(topic.name, 0), 2)
    until(lambda: len(reader.records) >= 8, reader.poll)

    assert reader.values() == sent + sent[2:]


def test_pause__one_partition__gives_the_others_only_until_resumed(bus: Bus) -> None:
    topic = make_topic(bus, 2)
    reader = Reader(bus.consumer(fresh_group()), topic).join()
    until(lambda: len(reader.consumer.assignment()) == 2, reader.poll)
    waiting = TopicPartition(topic.name, 0)

    reader.consumer.pause([waiting])
    produce(bus, topic, 10)
    until(lambda: len(reader.records) >= 5, reader.poll)
    for _ in range(5):
        reader.poll()
    assert {record.at.partition for record in reader.records} == {1}

    reader.consumer.resume([waiting])
    until(lambda: len(reader.records) >= 10, reader.poll)
    assert len(reader.records) == 10


def test_next_offset_beyond_the_log__poll__stops_instead_of_skipping(exact_bus: Bus) -> None:
    topic = make_topic(exact_bus, 1)
    produce(exact_bus, topic, 3)
    reader = Reader(exact_bus.consumer(fresh_group()), topic, starts={TopicPartition(topic.name, 0): 50}).join()

    with pytest.raises(InvariantViolation):
        until(lambda: bool(reader.records), reader.poll)


def test_identity__topic_deleted_and_made_again__is_another(bus: Bus) -> None:
    topic, admin = make_topic(bus, 1), bus.admin()
    before = admin.identity(topic.name)
    assert before.cluster_id

    bus.delete_topic(topic.name)

    def make_again() -> None:
        time.sleep(0.2)
        admin.ensure_topics([topic], 1)

    def is_back() -> bool:
        try:
            return admin.identity(topic.name) != before
        except Unavailable:
            return False

    until(is_back, make_again)
    assert admin.identity(topic.name).cluster_id == before.cluster_id


def test_ensure_topics__again__changes_nothing_and_another_shape_is_refused(exact_bus: Bus) -> None:
    topic, admin = make_topic(exact_bus, 2), exact_bus.admin()
    produce(exact_bus, topic, 3, partition=0)

    admin.ensure_topics([topic], 1)

    assert admin.end_offsets([topic.name])[TopicPartition(topic.name, 0)] == 3
    with pytest.raises(InvalidSettings, match="partitions"):
        admin.ensure_topics([Topic(topic.name, 3, topic.retention_ms)], 1)


def test_identity__no_such_topic__is_unavailable(bus: Bus) -> None:
    with pytest.raises(Unavailable):
        bus.admin().identity(fresh_topic().name)


def test_producer__nobody_listens_there__is_unavailable_and_names_the_address() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9 "):
        KafkaBusProducer(KafkaConnection("127.0.0.1:9"), "test")
