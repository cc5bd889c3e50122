"""Offsets, outbox and migrations on a real PostgreSQL."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from bonafides import database, messages
from bonafides.bus import LogIdentity, Record, TopicPartition
from bonafides.consumer import LONGEST_WAIT_S, OffsetConsumer, Outcome
from bonafides.errors import InvalidSettings, InvariantViolation, Unavailable
from bonafides.offsets import LostPartition, advance_offset, offsets_table, read_offsets
from bonafides.outbox import Outbox, outbox_table, put
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from bonafides.topics import FOR_EVER, SCORES_ISSUED, Topic
from sqlalchemy import BigInteger, Column, Connection, Engine, Integer, MetaData, Table, select, text

from tests.support import samples

pytestmark = pytest.mark.integration

IDENTITY = LogIdentity("cluster", "topic")
AT = TopicPartition("numbers", 0)
NUMBERS = Topic("numbers", 2, FOR_EVER)


@pytest.fixture
def engine(local_postgres: str) -> Iterator[Engine]:
    """An engine on a schema of its own."""
    made = database.connect(local_postgres)
    yield made
    made.dispose()


@pytest.fixture
def schema(engine: Engine) -> Iterator[str]:
    name = f"test_{uuid4().hex[:8]}"
    with database.transaction(engine) as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    yield name
    with database.transaction(engine) as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))


@pytest.fixture
def metadata() -> MetaData:
    return MetaData()


def test_advance_offset__expected_value_moved_on__is_lost_and_changes_nothing(
    engine: Engine, schema: str, metadata: MetaData
) -> None:
    table = offsets_table(metadata, schema)
    metadata.create_all(engine)
    with database.transaction(engine) as connection:
        advance_offset(connection, table, "g", AT, expected=0, following=5, identity=IDENTITY)

    with pytest.raises(LostPartition), database.transaction(engine) as connection:
        advance_offset(connection, table, "g", AT, expected=0, following=9, identity=IDENTITY)

    with database.transaction(engine) as connection:
        assert read_offsets(connection, table, "g", [AT], {"numbers": IDENTITY}) == {AT: 5}


def test_read_offsets__another_cluster_or_topic_id__stops(engine: Engine, schema: str, metadata: MetaData) -> None:
    table = offsets_table(metadata, schema)
    metadata.create_all(engine)
    with database.transaction(engine) as connection:
        advance_offset(connection, table, "g", AT, expected=0, following=5, identity=IDENTITY)

    for other in (LogIdentity("other", "topic"), LogIdentity("cluster", "other")):
        with pytest.raises(InvariantViolation, match="means"), database.transaction(engine) as connection:
            read_offsets(connection, table, "g", [AT], {"numbers": other})


def test_outbox__rows_of_a_transaction__are_sent_once_in_order_and_again_when_asked(
    engine: Engine, schema: str, metadata: MetaData
) -> None:
    table = outbox_table(metadata, schema)
    metadata.create_all(engine)
    broker = MemoryBroker()
    MemoryAdmin(broker).ensure_topics([SCORES_ISSUED], 1)
    outbox = Outbox(engine, table, MemoryProducer(broker), batch=2)
    sent = samples.one_of_each_message()[:5]
    with database.transaction(engine) as connection:
        for message in sent:
            put(connection, table, SCORES_ISSUED, 3, message)

    assert outbox.relay_all() == 5
    assert outbox.relay_all() == 0
    log = broker.logs[TopicPartition(SCORES_ISSUED.name, 3)]
    assert [messages.decode(raw) for raw in log] == sent

    assert outbox.send_again(4) == 2
    assert outbox.relay_all() == 2


def test_outbox__broker_down__marks_nothing_and_sends_all_later(
    engine: Engine, schema: str, metadata: MetaData
) -> None:
    table = outbox_table(metadata, schema)
    metadata.create_all(engine)
    broker = MemoryBroker()
    MemoryAdmin(broker).ensure_topics([SCORES_ISSUED], 1)
    outbox = Outbox(engine, table, MemoryProducer(broker))
    with database.transaction(engine) as connection:
        put(connection, table, SCORES_ISSUED, 0, samples.score_issued())

    broker.is_down = True
    with pytest.raises(Unavailable):
        outbox.relay()
    broker.is_down = False

    assert outbox.relay() == 1


class Summer:
    """Adds up numbers; waits at 13 until it may go on."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.may_pass_13 = False

    def handle(self, connection: Connection, at: TopicPartition, records: list[Record]) -> Outcome:
        for record in records:
            number = int(record.value)
            if number == 13 and not self.may_pass_13:
                return Outcome(record.offset, is_waiting=True)
            if number < 0:
                raise Unavailable("negative")
            connection.execute(self._table.insert().values(partition=at.partition, number=number))
        return Outcome(records[-1].offset + 1)

    def before_commit(self, connection: Connection) -> None:
        pass

    def after_commit(self) -> None:
        """Nothing to count."""


@pytest.fixture
def summing(engine: Engine, schema: str, metadata: MetaData) -> tuple[OffsetConsumer, Summer, MemoryBroker, Table]:
    table = Table(
        "number",
        metadata,
        Column("id", BigInteger, primary_key=True, autoincrement=True),
        Column("partition", Integer),
        Column("number", BigInteger),
        schema=schema,
    )
    offsets = offsets_table(metadata, schema)
    metadata.create_all(engine)
    broker = MemoryBroker()
    MemoryAdmin(broker).ensure_topics([NUMBERS], 1)
    handler = Summer(table)
    loop = OffsetConsumer(
        MemoryConsumer(broker, "g"),
        MemoryAdmin(broker),
        engine,
        offsets,
        "g",
        (NUMBERS,),
        handler,
        "worker",
        now=itertools.count().__next__,  # each look at the clock is a second
    )
    loop.start()
    loop.turn()  # joins: the partitions come, and the next turn reads where they stand
    return loop, handler, broker, table


def _send(broker: MemoryBroker, partition: int, *numbers: int) -> None:
    producer = MemoryProducer(broker)
    for number in numbers:
        producer.send("numbers", partition, str(number).encode())
    producer.flush()


def _numbers(engine: Engine, table: Table) -> list[int]:
    with database.transaction(engine) as connection:
        return sorted(connection.scalars(select(table.c.number)))


def test_consumer__record_that_must_wait__pauses_its_partition_and_not_the_other(
    engine: Engine, summing: tuple[OffsetConsumer, Summer, MemoryBroker, Table]
) -> None:
    loop, handler, broker, table = summing
    _send(broker, 0, 1, 13, 2)
    _send(broker, 1, 3, 4)

    for _ in range(3):
        loop.turn()
    assert _numbers(engine, table) == [1, 3, 4]

    handler.may_pass_13 = True
    for _ in range(3):
        loop.turn()
    assert _numbers(engine, table) == [1, 2, 3, 4, 13]


def test_consumer__record_that_must_wait__is_not_asked_for_again_before_its_time(
    engine: Engine, summing: tuple[OffsetConsumer, Summer, MemoryBroker, Table]
) -> None:
    loop, handler, broker, table = summing
    loop.now = lambda: 5.0  # time stands still
    _send(broker, 0, 13, 2)
    for _ in range(3):
        loop.turn()
    handler.may_pass_13 = True

    for _ in range(3):
        loop.turn()
    too_early = _numbers(engine, table)
    loop.now = lambda: 5.0 + LONGEST_WAIT_S
    loop.turn()

    assert too_early == []
    assert _numbers(engine, table) == [2, 13]


def test_consumer__many_polls_in_a_second__tells_the_broker_once_and_the_rest_when_idle(
    summing: tuple[OffsetConsumer, Summer, MemoryBroker, Table],
) -> None:
    loop, _, broker, _ = summing
    loop.turn()
    loop.now = lambda: 1e9
    told = []
    for number in range(3):
        _send(broker, 0, number)
        loop.turn()
        told.append(broker.committed["g"][TopicPartition("numbers", 0)])

    loop.turn()

    assert told == [1, 1, 1]
    assert broker.committed["g"][TopicPartition("numbers", 0)] == 3


def test_consumer__handler_fails__rolls_everything_back_and_reads_the_same_records_again(
    engine: Engine, summing: tuple[OffsetConsumer, Summer, MemoryBroker, Table]
) -> None:
    loop, _, broker, table = summing
    _send(broker, 0, 1, 2, -1)

    for _ in range(2):
        with pytest.raises(Unavailable):
            loop.turn()

    assert _numbers(engine, table) == []


def test_consumer__a_second_incarnation__goes_on_where_the_database_says(
    engine: Engine, summing: tuple[OffsetConsumer, Summer, MemoryBroker, Table]
) -> None:
    loop, handler, broker, table = summing
    _send(broker, 0, 1, 2)
    loop.turn()
    loop.consumer.close()
    _send(broker, 0, 3)

    again = OffsetConsumer(
        MemoryConsumer(broker, "g"), MemoryAdmin(broker), engine, loop.offsets, "g", (NUMBERS,), handler, "worker"
    )
    again.start()
    for _ in range(2):
        again.turn()

    assert _numbers(engine, table) == [1, 2, 3]


class Interrupted:
    """An engine whose next transaction fails: before its commit, or after it, with the answer lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._fate: str | None = None
        real = database.transaction

        @contextmanager
        def transaction(engine: Engine) -> Iterator[Connection]:
            fate, self._fate = self._fate, None
            if fate == "before":
                raise Unavailable("the database does not answer")
            with real(engine) as connection:
                yield connection
            if fate == "after":
                raise Unavailable("the database closed the connection")

        monkeypatch.setattr("bonafides.consumer.transaction", transaction)

    def next_fails(self, when: str) -> None:
        self._fate = when


def test_consumer__commit_whose_answer_was_lost__goes_on_behind_it_and_counts_once(
    engine: Engine, summing: tuple[OffsetConsumer, Summer, MemoryBroker, Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, _, broker, table = summing
    loop.turn()
    _send(broker, 0, 1, 2)
    database_is = Interrupted(monkeypatch)

    database_is.next_fails("after")
    with pytest.raises(Unavailable):
        loop.turn()
    _send(broker, 0, 3)
    for _ in range(3):
        loop.turn()

    assert _numbers(engine, table) == [1, 2, 3]


def test_consumer__database_away_during_an_assignment__asks_again_and_skips_nothing(
    engine: Engine, summing: tuple[OffsetConsumer, Summer, MemoryBroker, Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, _, broker, table = summing
    _send(broker, 0, 1, 2)
    _send(broker, 1, 4)
    database_is = Interrupted(monkeypatch)

    database_is.next_fails("before")
    with pytest.raises(Unavailable):
        loop.turn()
    for _ in range(3):
        loop.turn()

    assert _numbers(engine, table) == [1, 2, 4]


def test_consumer__another_member_read_on__gives_up_its_place_and_takes_nothing_twice(
    engine: Engine, summing: tuple[OffsetConsumer, Summer, MemoryBroker, Table]
) -> None:
    loop, handler, broker, table = summing
    loop.turn()
    loop.turn()
    zombie = OffsetConsumer(
        MemoryConsumer(broker, "zombies"), MemoryAdmin(broker), engine, loop.offsets, "g", (NUMBERS,), handler, "worker"
    )
    zombie.start()
    zombie.turn()
    zombie.turn()
    _send(broker, 0, 1, 2)

    loop.turn()
    with pytest.raises(LostPartition):
        zombie.turn()
    _send(broker, 0, 3)
    zombie.turn()

    assert _numbers(engine, table) == [1, 2, 3]


def test_connect__another_database_or_nonsense__is_refused() -> None:
    for url in ("mysql://x/y", "not a url"):
        with pytest.raises(InvalidSettings):
            database.connect(url)


def test_transaction__nobody_listens_there__is_unavailable_without_a_password(engine: Engine) -> None:
    dead = database.connect("postgresql://someone@127.0.0.1:9/none", "hunter2")

    with pytest.raises(Unavailable) as refused:
        database.check(dead)

    assert "hunter2" not in str(refused.value)
