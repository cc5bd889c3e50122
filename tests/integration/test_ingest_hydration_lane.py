"""The lane of hydrations on a real PostgreSQL, with the bus in memory and a past made of logs: what holds after any
failure, and what becomes of requests that are none."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from bonafides import database
from bonafides.bus import TopicPartition
from bonafides.consumer import OffsetConsumer
from bonafides.errors import Unavailable, UnknownSchema
from bonafides.events import BlockRange, BoundaryMark
from bonafides.messages import DeadLetter, HistoryRequest, decode, encode
from bonafides.messages.codec import MAGIC
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from bonafides.topics import WALLET_HISTORY_REQUESTED, partition_of
from bonafides.types import Address, ChainId, Digest
from bonafides_ingest import tables
from bonafides_ingest.chain import Log, Window
from bonafides_ingest.hydration.hydrator import Hydrator
from bonafides_ingest.hydration.lane import BEHIND_S, Lane, LaneOptions, RequestHandler
from bonafides_ingest.hydration.past import FinalView
from bonafides_ingest.hydration.retention import skip_what_is_gone
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.search import Criteria
from sqlalchemy import Engine, text

from tests.support.hydration_past import PastOfLogs, request, sent_to, topics_of
from tests.support.ingest_logs import CHAIN, DEPLOYMENT, RAY, ChainOfLogs, address

pytestmark = pytest.mark.integration

ALICE, BOB = address("alice"), address("bob")
GROUP = f"bonafides-ingest-{CHAIN}"
NOW = 1_800_000_000.0


@dataclass
class ManualClock:
    time: float = NOW

    def now(self) -> float:
        self.time += 0.001
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class FlakyPast(PastOfLogs):
    """Fails at the n-th question from now, and at each one while it is down."""

    fails_at: int = 0
    is_down: bool = False

    def _answer(self) -> None:
        self.fails_at -= 1
        if self.fails_at == 0 or self.is_down:
            raise Unavailable("the node went away")

    def find(self, wanted: BlockRange, criteria: Sequence[Criteria]) -> Window:
        self._answer()
        return super().find(wanted, criteria)

    def receipts(self, found: Sequence[Log], criteria: Sequence[Criteria]) -> tuple[Log, ...]:
        self._answer()
        return super().receipts(found, criteria)


class FlakyProducer(MemoryProducer):
    """Fails at the n-th flush from now, before or after what was sent is in the log."""

    fails_before: int = 0
    fails_after: int = 0

    def flush(self) -> None:
        self.fails_before -= 1
        if self.fails_before == 0:
            self._buffer.clear()
            raise Unavailable("the broker went away before the flush")
        super().flush()
        self.fails_after -= 1
        if self.fails_after == 0:
            raise Unavailable("the broker went away before it answered")


@dataclass
class World:
    """Everything outside the lane; `replica` starts one."""

    engine: Engine
    past: FlakyPast
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    clock: ManualClock = field(default_factory=ManualClock)
    view: FinalView = field(default_factory=lambda: FinalView(3, 30))
    slice_s: float = 60.0

    def __post_init__(self) -> None:
        topics_of(self.broker)
        self.producers: list[FlakyProducer] = []

    def replica(self) -> Lane:
        producer = FlakyProducer(self.broker)
        self.producers.append(producer)
        admin = MemoryAdmin(self.broker)
        handler = RequestHandler(
            LaneOptions(CHAIN, 3600.0, self.slice_s),
            Hydrator(self.past, producer, [DEPLOYMENT], [], 7),
            lambda: self.view,
            producer,
            self.clock,
        )
        consumer = OffsetConsumer(
            MemoryConsumer(self.broker, GROUP),
            admin,
            self.engine,
            tables.consumer_offset,
            GROUP,
            (WALLET_HISTORY_REQUESTED,),
            handler,
            "hydration",
            now=count().__next__,  # what is held is tried again at each turn
        )
        return Lane(consumer, handler, lambda: skip_what_is_gone(self.engine, admin, GROUP))

    def ask(self, wallet: Address, chain_id: ChainId = CHAIN, requested_at: int = int(NOW)) -> HistoryRequest:
        asked = request(wallet, chain_id, requested_at)
        self.put(wallet, encode(asked))
        return asked

    def put(self, wallet: Address, value: bytes) -> TopicPartition:
        at = TopicPartition(WALLET_HISTORY_REQUESTED.name, partition_of(wallet, WALLET_HISTORY_REQUESTED))
        self.broker.logs[at].append(value)
        return at

    def offsets(self) -> dict[int, int]:
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT partition, next_offset FROM ingest.consumer_offset")).all()
        return {row.partition: row.next_offset for row in rows}

    def letters(self) -> list[DeadLetter]:
        name = f"{WALLET_HISTORY_REQUESTED.name}.dlq"
        found = [decode(value) for at in self.broker.partitions(name) for value in self.broker.logs[at]]
        return [letter for letter in found if isinstance(letter, DeadLetter)]

    def is_answered(self, asked: HistoryRequest) -> bool:
        return any(p.is_done and p.request_id == asked.request_id for p in sent_to(self.broker).progress)


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    """30 final blocks: a listing, and a supply of Alice's in every fifth block; Bob switches his e-mode in block 7."""
    engine = database.connect(fresh_database)
    database.migrate(engine, schemas=["ingest"])
    chain = ChainOfLogs(head=40)
    weth = chain.list_reserve(1, "WETH")
    for block in range(5, 36, 5):
        chain.emit(block, 0, weth.a_token, abi.MINT, ALICE, ALICE, 100, 0, RAY)
    chain.emit(7, 0, DEPLOYMENT.pool, abi.USER_EMODE_SET, BOB, 1)
    yield World(engine, FlakyPast(sorted(chain.logs, key=lambda log: log.position.order)))
    engine.dispose()


def _turn(lane: Lane, times: int = 20) -> None:
    for _ in range(times):
        with suppress(Unavailable):
            lane.turn()


def test_lane__request__sends_the_wallets_events_then_its_boundary_then_that_it_is_done(world: World) -> None:
    asked = world.ask(ALICE)

    _turn(world.replica())

    sent = sent_to(world.broker)
    assert [(e.wallet, e.position.block.number, e.fork_epoch) for e in sent.events] == [
        (ALICE, block, 3) for block in range(5, 31, 5)
    ]
    (hydrated,) = sent.hydrated
    assert (hydrated.wallet, hydrated.scanned_from, hydrated.block.number) == (ALICE, 1, 30)
    (coverage,) = hydrated.coverage
    assert (coverage.deployment, coverage.registry_version, coverage.complete_to, coverage.gaps) == (
        DEPLOYMENT.id,
        7,
        30,
        (),
    )
    assert [(p.request_id, p.complete_to, p.target, p.is_done) for p in sent.progress] == [
        (asked.request_id, 0, 30, False),
        (asked.request_id, 30, 30, True),
    ]
    assert world.offsets() == {partition_of(ALICE, WALLET_HISTORY_REQUESTED): 1}


def test_lane__several_requests__are_all_answered_and_each_once(world: World) -> None:
    asked = [world.ask(wallet) for wallet in (ALICE, BOB, ALICE, address("nobody"))]

    _turn(world.replica(), 40)

    sent = sent_to(world.broker)
    assert all(world.is_answered(one) for one in asked)
    assert len(sent.hydrated) == 4
    assert sum(world.offsets().values()) == 4


def test_lane__long_history__is_worked_on_in_slices_between_polls(world: World) -> None:
    world.slice_s, world.past.most_blocks = 0.0, 3
    asked = world.ask(ALICE)
    lane = world.replica()

    lane.turn()
    lane.turn()
    assert not world.is_answered(asked)
    _turn(lane, 60)

    assert world.is_answered(asked)
    done = [p.complete_to for p in sent_to(world.broker).progress]
    assert done == [0, *range(3, 30, 3), 30]


@pytest.mark.parametrize("question", range(1, 5))
def test_lane__node_goes_away_at_any_question__begins_again_and_says_the_same(world: World, question: int) -> None:
    asked = world.ask(ALICE)
    world.past.fails_at = question

    _turn(world.replica())

    assert world.is_answered(asked)
    assert {e.position.block.number for e in sent_to(world.broker).events} == set(range(5, 31, 5))
    assert len(set(sent_to(world.broker).events)) == 6


@pytest.mark.parametrize("flush", range(1, 5))
@pytest.mark.parametrize("when", ["fails_before", "fails_after"])
def test_lane__broker_fails_at_any_flush__everything_is_sent_and_says_the_same(
    world: World, flush: int, when: str
) -> None:
    asked, lane = world.ask(ALICE), world.replica()
    setattr(world.producers[0], when, flush)

    _turn(lane)

    sent = sent_to(world.broker)
    assert world.is_answered(asked)
    assert len(set(sent.events)) == 6
    assert len(set(sent.hydrated)) == 1
    assert sum(world.offsets().values()) == 1


@pytest.mark.parametrize("turns", range(1, 5))
def test_lane__killed_after_any_turn__another_replica_answers(world: World, turns: int) -> None:
    asked, first = world.ask(ALICE), world.replica()
    _turn(first, turns)
    world.broker.members[GROUP].clear()  # the group noticed that it died

    _turn(world.replica())

    assert world.is_answered(asked)
    assert len(set(sent_to(world.broker).events)) == 6
    assert sum(world.offsets().values()) == 1


def test_lane__partition_goes_to_another_replica_meanwhile__is_answered_there_and_dropped_here(world: World) -> None:
    world.slice_s, world.past.most_blocks = 0.0, 3
    asked, first = world.ask(ALICE), world.replica()
    _turn(first, 2)
    second = world.replica()

    for _ in range(60):
        _turn(second, 1)
        _turn(first, 1)

    assert world.is_answered(asked)
    assert sum(world.offsets().values()) == 1


def test_lane__request_of_another_chain__is_passed_over(world: World) -> None:
    world.ask(ALICE, ChainId(1))
    asked = world.ask(ALICE)

    _turn(world.replica())

    assert [p.request_id for p in sent_to(world.broker).progress if p.is_done] == [asked.request_id]
    assert sum(world.offsets().values()) == 2


def test_lane__request_that_is_too_old__is_dropped(world: World) -> None:
    world.ask(ALICE, requested_at=int(NOW) - 3601)

    _turn(world.replica())

    assert sent_to(world.broker).progress == ()
    assert sum(world.offsets().values()) == 1


def test_lane__node_never_answers__request_is_dropped_when_it_is_too_old_and_the_next_is_answered(
    world: World,
) -> None:
    world.ask(ALICE)
    world.past.is_down = True
    lane = world.replica()
    _turn(lane)
    assert world.offsets() == {}

    world.clock.time += 3700
    world.past.is_down = False
    asked = world.ask(BOB, requested_at=int(world.clock.time))
    _turn(lane)

    assert [p.request_id for p in sent_to(world.broker).progress if p.is_done] == [asked.request_id]


@pytest.mark.parametrize("value", [b"", b"nonsense", encode(request(ALICE))[:-3], encode(BoundaryMark(CHAIN, 1))])
def test_lane__message_that_is_none__is_buried_as_it_came_and_the_next_is_answered(world: World, value: bytes) -> None:
    at = world.put(ALICE, value)
    asked = world.ask(ALICE)

    _turn(world.replica())

    (letter,) = world.letters()
    assert (letter.original, letter.topic, letter.partition, letter.offset) == (value, at.topic, at.partition, 0)
    assert world.is_answered(asked)


def test_lane__message_of_a_newer_version__stops_before_it(world: World) -> None:
    world.put(ALICE, MAGIC + bytes(20))
    lane = world.replica()

    with pytest.raises(UnknownSchema):
        _turn(lane)

    assert world.offsets() == {}


def test_lane__nothing_was_taken_as_final_yet__waits(world: World) -> None:
    asked = world.ask(ALICE)
    world.view = FinalView(0, -1)
    lane = world.replica()
    _turn(lane)
    assert sent_to(world.broker).progress == ()

    world.view = FinalView(1, 30)
    _turn(lane)

    assert world.is_answered(asked)


def test_lane__oldest_requests_are_gone__reads_from_where_the_topic_begins(world: World) -> None:
    at = world.put(ALICE, b"gone")
    world.broker.begins[at] = 1
    asked = world.ask(ALICE)

    _turn(world.replica())

    assert world.is_answered(asked)
    assert world.letters() == []


def test_lane__request_that_fails_again_and_again__goes_behind_the_others_and_is_done_in_the_end(world: World) -> None:
    first, second = world.ask(ALICE), request(ALICE, CHAIN, int(NOW) - 1)
    second = replace(second, request_id=Digest(bytes(32)))
    at = world.put(ALICE, encode(second))
    lane = world.replica()
    world.past.is_down = True
    _turn(lane, 5)
    world.past.is_down = False

    _turn(lane, 30)
    world.clock.time += BEHIND_S + 1
    _turn(lane, 30)

    done = [progress.request_id for progress in sent_to(world.broker).progress if progress.is_done]
    assert done == [second.request_id, first.request_id]
    assert world.broker.logs[at] == [encode(first), encode(second), encode(first)]
