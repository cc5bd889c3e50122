"""The local brokers with kafka-python: what both can do, and what only Apache Kafka keeps."""

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from bonafides.errors import InvariantViolation, Unavailable
from bonafides_lab.processes import accepts_tcp
from bonafides_lab.stack import kafka_jars
from bonafides_lab.stack.kafka import LocalKafka
from bonafides_lab.stack.kafka_jars import find_java, find_maven, kafka_jars_are_cached
from bonafides_lab.stack.packaged_broker import PackagedBroker
from bonafides_lab.stack.server import LocalServer
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

pytestmark = pytest.mark.integration

SESSION_TIMEOUT_MS = 6000  # the packaged broker assigns a first member after half of it


def _local_kafka(folder: Path) -> LocalKafka:
    java = find_java()
    if java is None or not (kafka_jars_are_cached() or find_maven()):
        pytest.skip("SKIPPED, Apache Kafka itself: needs java >= 17 and mvn on PATH")
    return LocalKafka(folder, java)


@pytest.fixture(params=["apache-kafka", "packaged"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalServer]:
    server: LocalServer = _local_kafka(tmp_path / "b") if request.param == "apache-kafka" else PackagedBroker(tmp_path)
    server.start()
    yield server
    server.close()


@pytest.fixture
def apache_kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    server = _local_kafka(tmp_path / "kafka")
    server.start()
    yield server
    server.close()


def _create_topic(bootstrap: str, partitions: int) -> str:
    topic = f"test-{uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, partitions, 1)])
    admin.close()
    return topic


def _produce(bootstrap: str, topic: str, values: list[bytes], partitions: int) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", compression_type="zstd")
    for number, value in enumerate(values):
        producer.send(topic, value, partition=number % partitions)
    producer.flush(timeout=30)
    producer.close()


def _consume_as_group(bootstrap: str, topic: str, group: str, count: int) -> list[bytes]:
    """Join the group, read `count` values, commit and leave."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=1000,
    )
    values: list[bytes] = []
    deadline = time.monotonic() + 40
    while len(values) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=500, max_records=count - len(values)).values():
            values += [record.value for record in records]
    consumer.commit()
    consumer.close()
    return values


def _committed(bootstrap: str, topic: str, group: str) -> int | None:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    offset = consumer.committed(TopicPartition(topic, 0))
    consumer.close()
    return int(offset) if offset is not None else None


def test_broker__produce_and_consume__gives_back_every_value(broker: LocalServer) -> None:
    topic = _create_topic(broker.address, partitions=4)
    sent = [f"value {number}".encode() for number in range(200)]

    _produce(broker.address, topic, sent, partitions=4)
    read = _consume_as_group(broker.address, topic, "readers", len(sent))

    assert sorted(read) == sorted(sent)


def test_broker__group_comes_back__resumes_after_what_it_committed(broker: LocalServer) -> None:
    topic = _create_topic(broker.address, partitions=1)
    sent = [str(number).encode() for number in range(10)]
    _produce(broker.address, topic, sent, partitions=1)

    first = _consume_as_group(broker.address, topic, "readers", 4)
    rest = _consume_as_group(broker.address, topic, "readers", 6)

    assert (first, rest) == (sent[:4], sent[4:])


def test_apache_kafka__sigkill_and_restart__keeps_records_and_committed_offsets(apache_kafka: LocalKafka) -> None:
    topic = _create_topic(apache_kafka.address, partitions=64)
    sent = [str(number).encode() for number in range(1000)]
    _produce(apache_kafka.address, topic, sent, partitions=64)
    _consume_as_group(apache_kafka.address, topic, "early", 1000)
    committed = _committed(apache_kafka.address, topic, "early")

    apache_kafka.kill()
    apache_kafka.start()
    read = _consume_as_group(apache_kafka.address, topic, "late", len(sent))

    assert sorted(read) == sorted(sent)
    assert (_committed(apache_kafka.address, topic, "early"), committed) == (16, 16)  # 1000 values on 64 partitions


def test_apache_kafka__sigkill__is_back_before_an_idle_client_gives_up(apache_kafka: LocalKafka) -> None:
    """With Kafka's own settings this took 30 s: nine for the dead broker's session, the rest in stuck clients."""
    _create_topic(apache_kafka.address, partitions=64)
    apache_kafka.kill()

    before = time.monotonic()
    apache_kafka.start()

    assert time.monotonic() - before < 20  # 4.3 s on two quiet cores


def test_apache_kafka__port_taken__is_refused_and_not_taken_for_ours(apache_kafka: LocalKafka, tmp_path: Path) -> None:
    second = _local_kafka(tmp_path / "second")
    second.port = apache_kafka.port

    with pytest.raises(Unavailable, match=f"another program listens on port {apache_kafka.port}"):
        second.start()


def test_apache_kafka__cannot_come_up__says_so_with_the_last_lines(apache_kafka: LocalKafka) -> None:
    apache_kafka.stop()
    (apache_kafka.folder / "data" / "meta.properties").write_text("cluster.id=another\nversion=1\nnode.id=7\n")

    with pytest.raises(Unavailable, match=r"(?s)kafka ended with exit code 1.*Stored node id 7"):
        apache_kafka.start()


def test_apache_kafka__jar_changed_in_the_cache__refuses_to_run_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = _local_kafka(tmp_path / "kafka")
    real = kafka_jars.ensure_kafka_jars()
    forged = tmp_path / "libs"
    forged.mkdir()
    for jar in real.iterdir():
        (forged / jar.name).symlink_to(jar)
    (forged / "zstd-jni-1.5.6-10.jar").unlink()
    (forged / "zstd-jni-1.5.6-10.jar").write_bytes(b"not the jar that was committed to")
    monkeypatch.setattr(kafka_jars, "JARS_FOLDER", forged)

    with pytest.raises(InvariantViolation, match="different: zstd-jni"):
        server.start()

    assert not accepts_tcp(int(server.address.split(":")[1]))
