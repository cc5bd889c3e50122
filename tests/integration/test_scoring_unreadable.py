"""What the scoring worker cannot read: it is buried, small enough, and never looks like "never happened"."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from bonafides import database
from bonafides.bus import TopicPartition
from bonafides.errors import UnknownSchema
from bonafides.events import LendingEvent
from bonafides.messages import DeadLetter, EventBatch, MarketBatch, decode, encode
from bonafides.testing.memory_bus import MemoryBroker, MemoryProducer
from bonafides.topics import MARKET, WALLET_EVENTS, Topic, dead_letter_topic, partition_of
from bonafides.types import EventType
from bonafides_scoring.dead_letters import LONGEST_ORIGINAL_BYTES
from bonafides_scoring.store.tables import (
    consumer_offset,
    market_point,
    score,
    unreadable_record,
    unscorable,
    wallet_dead_letter,
)
from bonafides_scoring.store.tables import event as event_table
from sqlalchemy import Engine, Executable, insert, update

from tests.support.scoring_core_story import ETHER, WETH, market_points
from tests.support.scoring_logs import LoggedMarket, careful_borrower, produce, wallet
from tests.support.scoring_service import (
    memory_broker,
    memory_worker,
    migrated,
    outcome,
    run_until_idle,
    table_rows,
    throwaway_database,
)

pytestmark = pytest.mark.integration

ALICE = wallet("alice")
AT_ALICE = partition_of(ALICE, WALLET_EVENTS)
NEIGHBOUR = next(one for one in (wallet(f"n{n}") for n in range(999)) if partition_of(one, WALLET_EVENTS) == AT_ALICE)
BOB = next(one for one in (wallet(f"b{n}") for n in range(999)) if partition_of(one, WALLET_EVENTS) != AT_ALICE)


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


@pytest.fixture
def broker() -> MemoryBroker:
    return memory_broker()


def put(broker: MemoryBroker, topic: Topic, partition: int, raw: bytes) -> None:
    producer = MemoryProducer(broker)
    producer.send(topic.name, partition, raw)
    producer.flush()


def feed(broker: MemoryBroker, market: LoggedMarket) -> None:
    produce(market.log, MemoryProducer(broker))
    market.log.clear()


def buried(broker: MemoryBroker, topic: Topic) -> list[DeadLetter]:
    letters = dead_letter_topic(topic).name
    found = [decode(raw) for at in broker.partitions(letters) for raw in broker.logs[at]]
    return [letter for letter in found if isinstance(letter, DeadLetter)]


def of_a_newer_ingest(good: LendingEvent) -> LendingEvent:
    """The event with a type that this version does not know."""
    return replace(good, type=cast("EventType", "from_a_newer_ingest"))


def reasons(engine: Engine) -> dict[bytes, str]:
    """Why wallets have no score."""
    return {bytes(row["wallets"][0]): row["reason"] for row in table_rows(engine, unscorable)}


def scored(engine: Engine) -> set[bytes]:
    return {bytes(row["wallets"][0]) for row in table_rows(engine, score)}


@pytest.mark.parametrize("topic", [WALLET_EVENTS, MARKET])
def test_worker__schema_of_a_newer_version__stops_before_it_and_loses_nothing(
    engine: Engine, broker: MemoryBroker, topic: Topic
) -> None:
    raw = encode(MarketBatch(tuple(market_points())))
    put(broker, topic, 0, raw[:2] + b"\x07" * 8 + raw[10:])
    worker = memory_worker(broker, engine)

    with pytest.raises(UnknownSchema, match="upgrade this process"):
        run_until_idle(worker)

    assert table_rows(engine, consumer_offset) == []
    assert buried(broker, topic) == []


def test_worker__one_bad_event_in_a_record__buries_it_alone_and_its_wallet_has_no_score(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    careful_borrower(market, NEIGHBOUR)
    good = market.forget_pending()
    bad_wallet = market.act(NEIGHBOUR, lambda story: story.supply(WETH, ETHER))
    market.forget_pending()
    bad = of_a_newer_ingest(bad_wallet[0])
    put(broker, WALLET_EVENTS, AT_ALICE, encode(EventBatch((*good, bad, *bad_wallet[1:]))))
    market.boundary(is_scoring=True)
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    assert len(table_rows(engine, event_table)) == len(good) + len(bad_wallet) - 1
    assert [letter.original for letter in buried(broker, WALLET_EVENTS)] == [encode(EventBatch((bad,)))]
    assert [bytes(row["wallet"]) for row in table_rows(engine, wallet_dead_letter)] == [NEIGHBOUR]
    assert (scored(engine), reasons(engine)) == ({ALICE}, {NEIGHBOUR: "history_incomplete"})


def test_worker__bad_event_beside_a_good_one_of_the_same_log__is_mended_by_its_own_event_only(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    (event, *_) = market.act(ALICE, lambda story: story.supply(WETH, ETHER))
    sibling = replace(event, sub_index=event.sub_index + 1)
    put(broker, WALLET_EVENTS, AT_ALICE, encode(EventBatch((event, of_a_newer_ingest(sibling)))))
    market.boundary(is_scoring=True)
    feed(broker, market)
    worker = memory_worker(broker, engine)
    run_until_idle(worker)
    before = (scored(engine), reasons(engine))

    market.send_events([replace(sibling, type=EventType.COLLATERAL_ENABLED, amount=0, scaled_delta=0)])
    market.boundary(is_scoring=True)
    feed(broker, market)
    run_until_idle(worker)

    assert before == (set(), {ALICE: "history_incomplete"})
    assert scored(engine) == {ALICE}


def unreadable_then_boundary(broker: MemoryBroker) -> LoggedMarket:
    """A record of Alice's partition is lost between two scoring boundaries; Bob's partition is whole."""
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    careful_borrower(market, BOB)
    market.boundary(is_scoring=True)
    feed(broker, market)
    put(broker, WALLET_EVENTS, AT_ALICE, b"\x00poison")
    market.boundary(is_scoring=True)
    feed(broker, market)
    return market


def test_worker__record_that_nobody_can_read__its_partition_has_no_scores_from_there_on(
    engine: Engine, broker: MemoryBroker
) -> None:
    unreadable_then_boundary(broker)

    run_until_idle(memory_worker(broker, engine))

    (row,) = table_rows(engine, unreadable_record)
    assert (row["topic"], row["partition"], row["mended_offset"]) == (WALLET_EVENTS.name, AT_ALICE, None)
    assert reasons(engine) == {ALICE: "history_incomplete"}
    assert scored(engine) == {ALICE, BOB}  # Alice's is of the boundary before it was lost


def test_worker__operator_says_where_the_loss_is_mended__scores_from_there_and_a_replay_does_the_same(
    engine: Engine, broker: MemoryBroker, fresh_database: str, local_postgres: str
) -> None:
    market = unreadable_then_boundary(broker)
    worker = memory_worker(broker, engine)
    run_until_idle(worker)
    (row,) = table_rows(engine, unreadable_record)
    mended = dict(row) | {"mended_offset": len(broker.logs[TopicPartition(WALLET_EVENTS.name, AT_ALICE)])}

    as_owner(fresh_database, update(unreadable_record).values(**mended))
    market.boundary(is_scoring=True)
    feed(broker, market)
    run_until_idle(worker)
    with throwaway_database(local_postgres) as url, migrated(url) as other:
        as_owner(url, insert(unreadable_record).values(**mended))
        run_until_idle(memory_worker(copy_of(broker), other))
        again = outcome(other)

    boundaries = [one["boundary_number"] for one in table_rows(engine, score) if bytes(one["wallets"][0]) == ALICE]
    assert sorted(boundaries) == [1, 3]
    assert again == outcome(engine)


def copy_of(broker: MemoryBroker) -> MemoryBroker:
    """Another cluster with the same records of the worker's topics."""
    other = memory_broker()
    for topic in (MARKET, WALLET_EVENTS):
        for at in broker.partitions(topic.name):
            for raw in broker.logs[at]:
                put(other, topic, at.partition, raw)
    return other


def as_owner(url: str, statement: Executable) -> None:
    """What an operator does: the worker has no right to."""
    owner = database.connect(url)
    with database.transaction(owner) as connection:
        connection.execute(statement)
    owner.dispose()


POISON: dict[str, Callable[[Any], Any]] = {
    "nul": lambda point: replace(point, deployment="a\x00b"),
    "negative": lambda point: replace(point, position=replace(point.position, tx_index=-1)),
    "category": lambda point: replace(point, category=70_000),
    "sub_index": lambda point: replace(point, sub_index=-1),
}


@pytest.mark.parametrize("spoil", POISON.values(), ids=POISON.keys())
def test_worker__decodable_poison_in_the_market__is_buried_alone_and_nobody_is_scored_on_what_is_left(
    engine: Engine, broker: MemoryBroker, spoil: Callable[[Any], Any]
) -> None:
    first, *others = market_points()
    put(broker, MARKET, 0, encode(MarketBatch((spoil(first), *others))))
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True)
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    assert len(table_rows(engine, market_point)) == len(market_points())
    assert len(buried(broker, MARKET)) == 1
    assert reasons(engine) == {ALICE: "history_incomplete"}


def test_worker__poison_larger_than_a_dead_letter_may_carry__is_cut_and_named_by_its_hash(
    engine: Engine, broker: MemoryBroker
) -> None:
    poison = bytes(1_000_000)
    put(broker, WALLET_EVENTS, AT_ALICE, poison)

    run_until_idle(memory_worker(broker, engine))

    (letter,) = buried(broker, WALLET_EVENTS)
    assert letter.original == poison[:LONGEST_ORIGINAL_BYTES]
    assert f"of 1000000 bytes, sha256 {hashlib.sha256(poison).hexdigest()}" in letter.reason


def test_worker__reason_that_would_quote_a_whole_message__is_cut(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    (event, *_) = market.act(ALICE, lambda story: story.supply(WETH, ETHER))
    long_word = cast("EventType", "x" * 300_000)
    put(broker, WALLET_EVENTS, AT_ALICE, encode(EventBatch((replace(event, type=long_word),))))

    run_until_idle(memory_worker(broker, engine))

    (letter,) = buried(broker, WALLET_EVENTS)
    assert len(letter.reason) <= 300
