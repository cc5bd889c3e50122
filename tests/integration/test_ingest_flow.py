"""The flow on a real PostgreSQL, with the bus in memory and a chain made of logs: what holds after any failure."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import pytest
from bonafides import database
from bonafides.errors import InvalidSettings, InvariantViolation, Unavailable
from bonafides.events import BlockRange, Boundary, BoundaryMark, ForkEpoch, LendingEvent, MarketPoint, WalletDeadLetter
from bonafides.messages import EventBatch, LogDeadLetter, MarketBatch, decode
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryProducer
from bonafides.topics import MARKET, TOPICS, WALLET_EVENTS, dead_letter_topic, partition_of
from bonafides.types import MarketPointKind
from bonafides_ingest.boundaries import BoundaryPace
from bonafides_ingest.chain_stores import ChainStores
from bonafides_ingest.claims import ClaimLost
from bonafides_ingest.indexer import Indexer
from bonafides_ingest.lease import LeaseStore
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.store import Store
from sqlalchemy import Engine, text

from tests.support.ingest_logs import (
    CHAIN,
    DEPLOYMENT,
    ORACLE,
    POOL,
    PROVIDER,
    RAY,
    ChainOfLogs,
    ListedReserve,
    address,
    block_at,
    encode_event,
)

pytestmark = pytest.mark.integration

ALICE, BOB = address("alice"), address("bob")
PACE = BoundaryPace(boundary_interval_s=30, scoring_interval_s=300)


@dataclass
class ManualClock:
    time: float = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class FlakyProducer(MemoryProducer):
    """Fails at the n-th flush from now: before anything is in the log, or after all of it is."""

    fails_before: int = 0
    fails_after: int = 0
    before_flush: Callable[[], None] | None = None

    def flush(self) -> None:
        if self.before_flush is not None:
            self.before_flush()
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
    """Everything outside ingest; `replica` starts another process in it."""

    engine: Engine
    chain: ChainOfLogs
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    clock: ManualClock = field(default_factory=ManualClock)
    options: IndexerOptions = field(
        default_factory=lambda: IndexerOptions(CHAIN, (DEPLOYMENT,), 1, 10, PACE, dead_letter_limit=5)
    )

    def __post_init__(self) -> None:
        topics = (*TOPICS, *(dead_letter_topic(topic) for topic in TOPICS))
        MemoryAdmin(self.broker).ensure_topics(topics, 1)

    def replica(self, token: UUID | None = None, lease_s: float = 60.0) -> Indexer:
        return Indexer(
            self.options,
            token or uuid4(),
            self.chain,
            FlakyProducer(self.broker),
            ChainStores.of(self.engine, CHAIN, lease_s, self.options.registry_digest),
            self.clock,
        )

    def messages(self, topic: str) -> list[tuple[int, object]]:
        return [(at.partition, decode(v)) for at in self.broker.partitions(topic) for v in self.broker.logs[at]]

    def events(self) -> list[LendingEvent]:
        batches = [m for _, m in self.messages(WALLET_EVENTS.name) if isinstance(m, EventBatch)]
        return [event for batch in batches for event in batch.events]

    def points(self) -> list[MarketPoint]:
        batches = [m for _, m in self.messages(MARKET.name) if isinstance(m, MarketBatch)]
        return [point for batch in batches for point in batch.points]

    def boundaries(self) -> list[Boundary]:
        return [m for _, m in self.messages(MARKET.name) if isinstance(m, Boundary)]

    def end_lease(self) -> None:
        """As if its time had passed."""
        with database.transaction(self.engine) as connection:
            connection.execute(text("UPDATE ingest.chain SET lease_until = now() - interval '1 second'"))
            connection.execute(text("UPDATE ingest.claim SET until = now() - interval '1 second'"))
            connection.execute(text("DELETE FROM ingest.replica"))


@contextmanager
def world_of_supplies(fresh_database: str) -> Iterator[World]:
    """35 blocks: a listing, and a supply of Alice's in every fifth block."""
    engine = database.connect(fresh_database)
    database.migrate(engine, schemas=["ingest"])
    chain = ChainOfLogs(head=35)
    weth = chain.list_reserve(1, "WETH")
    for block in range(5, 36, 5):
        chain.emit(block, 0, weth.a_token, abi.MINT, ALICE, ALICE, 100, 0, RAY)
    yield World(engine, chain)
    engine.dispose()


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with world_of_supplies(fresh_database) as made:
        yield made


def _run_to_the_end(indexer: Indexer) -> None:
    for _ in range(20):
        with suppress(Unavailable):
            if not indexer.turn():
                return
    raise AssertionError("it never came to the end")


def _claims_hold(world: World) -> bool:
    """In every partition, what a boundary claims stands before its first mark."""
    block_of = {b.number: b.block.number for b in world.boundaries()}
    for at in world.broker.partitions(WALLET_EVENTS.name):
        told = -1
        seen: set[bytes] = set()
        for value in world.broker.logs[at]:
            message = decode(value)
            if isinstance(message, BoundaryMark):
                told = max(told, block_of[message.number])
            elif isinstance(message, EventBatch):
                new = [e for e in message.events if e.id not in seen]
                if any(e.position.block.number <= told for e in new):
                    return False
                seen |= {e.id for e in message.events}
    return True


def test_turn__whole_chain__sends_each_event_once_and_one_scoring_boundary_at_the_end(world: World) -> None:
    _run_to_the_end(world.replica())

    assert [e.position.block.number for e in world.events()] == [5, 10, 15, 20, 25, 30, 35]
    assert [(b.number, b.block.number, b.is_scoring) for b in world.boundaries()] == [(1, 10, False), (2, 35, True)]
    assert world.boundaries()[0].fork_epochs == (ForkEpoch(1, 1),)
    assert _claims_hold(world)


def test_turn__scoring_boundary__is_told_to_all_partitions(world: World) -> None:
    _run_to_the_end(world.replica())

    told = [partition for partition, m in world.messages(WALLET_EVENTS.name) if m == BoundaryMark(CHAIN, 2)]
    assert sorted(told) == list(range(64))


def test_turn__live_blocks__tell_partitions_with_events_at_once_and_all_at_the_interval(world: World) -> None:
    indexer = world.replica()
    _run_to_the_end(indexer)
    world.chain.head = 36
    world.chain.emit(36, 0, POOL, abi.USER_EMODE_SET, BOB, 1)
    world.clock.time += 1
    indexer.turn()
    world.chain.head = 37
    world.clock.time += 1
    indexer.turn()
    assert [b.block.number for b in world.boundaries()] == [10, 35, 36]
    world.clock.time += 30
    indexer.turn()

    by_number: dict[int, list[int]] = {}
    for partition, message in world.messages(WALLET_EVENTS.name):
        if isinstance(message, BoundaryMark):
            by_number.setdefault(message.number, []).append(partition)
    assert by_number[3] == [partition_of(BOB, WALLET_EVENTS)]
    assert sorted(by_number[4]) == list(range(64))
    assert [(b.block.number, b.is_scoring) for b in world.boundaries()[2:]] == [(36, False), (37, False)]


@pytest.mark.parametrize("flush", range(1, 8))
@pytest.mark.parametrize("when", ["fails_before", "fails_after"])
def test_turn__broker_fails_at_any_flush__same_events_and_no_hole_in_the_boundaries(
    world: World, flush: int, when: str
) -> None:
    indexer = world.replica()
    setattr(indexer.producer, when, flush)

    _run_to_the_end(indexer)

    assert {e.position.block.number for e in world.events()} == {5, 10, 15, 20, 25, 30, 35}
    numbers = [b.number for b in world.boundaries()]
    assert sorted(set(numbers)) == [1, 2]
    assert len(set(world.boundaries())) == 2  # a boundary sent twice says the same both times
    assert _claims_hold(world)


@pytest.mark.parametrize("flush", range(1, 8))
def test_turn__window_sent_again_by_the_same_holder__says_the_same_prices(world: World, flush: int) -> None:
    feed, other, asset = address("feed"), address("other feed"), address("asset")
    world.chain.emit(2, 0, feed, abi.ANSWER_UPDATED, 100, 1, 0)
    world.chain.emit(3, 0, other, abi.ANSWER_UPDATED, 200, 1, 0)
    for block, source in ((4, feed), (12, other), (32, feed)):
        world.chain.emit(block, 1, ORACLE, abi.ASSET_SOURCE_UPDATED, asset, source)
    world.chain.emit(24, 2, feed, abi.ANSWER_UPDATED, 50, 2, 0)
    indexer = world.replica()
    indexer.producer.fails_after = flush  # type: ignore[attr-defined]

    _run_to_the_end(indexer)

    prices = [p for p in world.points() if p.kind is MarketPointKind.PRICE and p.asset == asset]
    assert {p.fork_epoch for p in prices} == {1}
    assert {(p.position.block.number, p.values[0]) for p in prices} == {(4, 100), (12, 200), (32, 50)}


@pytest.mark.parametrize("flush", range(1, 8))
def test_turn__process_dies_after_any_flush_and_another_takes_over__same_end(world: World, flush: int) -> None:
    first = world.replica()
    first.producer.fails_after = flush  # type: ignore[attr-defined]
    with suppress(Unavailable):
        while first.turn():
            pass
    world.end_lease()

    _run_to_the_end(world.replica())

    latest = {e.id: e for e in sorted(world.events(), key=lambda e: e.precedence)}
    assert sorted(e.position.block.number for e in latest.values()) == [5, 10, 15, 20, 25, 30, 35]
    boundaries = {b.number: b for b in world.boundaries()}
    assert len(set(world.boundaries())) == len(boundaries)
    assert sorted(boundaries) == list(range(1, len(boundaries) + 1))
    assert sum(b.is_scoring for b in boundaries.values()) == 1
    for boundary in boundaries.values():  # nothing that a boundary claims is void by the epochs that are listed so far
        opened = [e for k in range(1, boundary.number + 1) for e in boundaries[k].fork_epochs]
        for event in latest.values():
            if event.position.block.number <= boundary.block.number:
                assert not any(
                    event.fork_epoch < e.epoch and event.position.block.number >= e.fork_block for e in opened
                )
    assert _claims_hold(world)


def test_lease__held_by_another__reads_final_blocks_and_makes_no_boundary(world: World) -> None:
    first, second = world.replica(), world.replica()
    first.turn()
    made = len(world.boundaries())

    _run_to_the_end(second)

    assert len(world.events()) == 7
    assert len(world.boundaries()) == made
    world.end_lease()
    _run_to_the_end(second)
    assert [b.block.number for b in world.boundaries()][-1] == 35


def test_lease__given_back__is_taken_at_once_and_opens_an_epoch_above_what_is_final(world: World) -> None:
    first = world.replica()
    first.turn()
    first.release()

    _run_to_the_end(world.replica())

    assert [b.fork_epochs for b in world.boundaries()] == [(ForkEpoch(1, 1),), (ForkEpoch(2, 36),)]


def test_claim__zombie_wakes_when_another_has_read_its_blocks__writes_nothing(world: World) -> None:
    zombie, other = world.replica(), world.replica()

    def sleep() -> None:
        zombie.producer.before_flush = None  # type: ignore[attr-defined]
        world.end_lease()
        other.turn()

    zombie.producer.before_flush = sleep  # type: ignore[attr-defined]

    with pytest.raises(ClaimLost):
        zombie.turn()
    _run_to_the_end(zombie)
    _run_to_the_end(other)
    latest = {e.id: e for e in world.events()}
    assert sorted(e.position.block.number for e in latest.values()) == [5, 10, 15, 20, 25, 30, 35]
    assert _claims_hold(world)


def test_restart__in_the_middle__knows_the_tokens_found_before(world: World) -> None:
    first = world.replica()
    first.turn()
    first.release()

    _run_to_the_end(world.replica())

    assert len(world.events()) == 7


@pytest.mark.parametrize("window", [4, 100])
def test_restart__while_the_market_asks_an_unknown_oracle__prices_stay_unknown(world: World, window: int) -> None:
    world.options = replace(world.options, window_blocks=window)
    weth = ListedReserve.of("WETH")
    world.chain.emit(6, 5, PROVIDER, abi.PRICE_ORACLE_UPDATED, ORACLE, address("new oracle"))
    world.chain.emit(22, 5, weth.feed, abi.ANSWER_UPDATED, 7, 2, 0)
    world.chain.emit(33, 5, PROVIDER, abi.PRICE_ORACLE_UPDATED, address("new oracle"), ORACLE)
    for _ in range(20):
        replica = world.replica()
        is_busy = replica.turn()
        replica.release()
        if not is_busy:
            break

    prices = [(p.position.block.number, p.values[0]) for p in world.points() if p.kind is MarketPointKind.PRICE]
    assert prices == [(1, 10**8), (6, 0), (33, 7)]


def test_dead_letter__malformed_log__is_kept_counted_and_the_stream_goes_on(world: World) -> None:
    topics, payload = encode_event(abi.USER_EMODE_SET, (BOB, 1))
    world.chain.emit_raw(12, 0, POOL, (topics[0],), payload)

    _run_to_the_end(world.replica())

    letters = [m for _, m in world.messages("wallet-events.v1.dlq") if isinstance(m, LogDeadLetter)]
    assert [letter.reason for letter in letters] == ["1 topics for a known signature"]
    assert [b.coverage[0].dead_letters for b in world.boundaries()] == [0, 1]
    assert len(world.events()) == 7


def test_dead_letters__more_than_the_limit__stop_before_the_cursor_moves(world: World) -> None:
    topics, payload = encode_event(abi.USER_EMODE_SET, (BOB, 1))
    for tx in range(6):
        world.chain.emit_raw(12, tx, POOL, (topics[0],), payload)
    indexer = world.replica()
    indexer.turn()

    for _ in range(2):  # starting again skips nothing
        with pytest.raises(InvariantViolation, match="6 dead letters"):
            indexer.turn()

    assert world.boundaries()[-1].block.number == 10


def test_holes__more_than_the_limit_of_dead_letters__stop_nothing_and_are_kept_once(world: World) -> None:
    """GHO's discount is not read, by design: each change of it says again that a debtor has a hole."""
    debt_token = ListedReserve.of("WETH").variable_debt_token
    for block in range(3, 33):
        for tx, wallet in enumerate((ALICE, BOB)):
            percents = (2_000, 0) if block % 2 else (0, 2_000)
            world.chain.emit(block, 2 + tx, debt_token, abi.DISCOUNT_PERCENT_UPDATED, wallet, *percents)

    _run_to_the_end(world.replica())

    assert world.boundaries()[-1].block.number == 35
    assert [coverage.dead_letters for coverage in world.boundaries()[-1].coverage] == [0]
    with world.engine.connect() as connection:
        holes = connection.execute(text("SELECT wallet, block_number FROM ingest.hole ORDER BY wallet")).all()
        assert [(bytes(wallet), block) for wallet, block in holes] == sorted([(ALICE, 3), (BOB, 3)])
        assert connection.scalar(text("SELECT count(*) FROM ingest.dead_letter")) == 0
    told = [m for _, m in world.messages(WALLET_EVENTS.name) if isinstance(m, WalletDeadLetter)]
    windows = 4  # of ten blocks: 1-10, 11-20, 21-30, 31-35
    assert sorted(letter.wallet for letter in told) == sorted([ALICE, BOB] * windows)


def test_hole__of_nobody_that_is_known__stands_in_the_coverage_once(world: World) -> None:
    for block in (12, 13, 23):
        world.chain.emit(block, 5, PROVIDER, abi.PRICE_ORACLE_UPDATED, ORACLE, address("new oracle"))

    _run_to_the_end(world.replica())

    assert [b.coverage[0].dead_letters for b in world.boundaries()] == [0, 1]


def test_coverage__deployment_added_later__is_read_from_its_first_block_and_listed_as_a_gap_until_then(
    world: World,
) -> None:
    first = world.replica()
    _run_to_the_end(first)
    first.release()
    own = {name: address(f"later {name}") for name in ("pool", "configurator", "oracle", "provider")}
    added = DEPLOYMENT.model_copy(update={"id": "later", **own})
    for block in (3, 23, 33):
        world.chain.emit(block, 9, address("later pool"), abi.USER_EMODE_SET, BOB, 1)
    world.options = replace(world.options, deployments=(DEPLOYMENT, added), registry_version=2)
    world.clock.time += 60

    _run_to_the_end(world.replica())

    assert sorted(e.position.block.number for e in world.events() if e.deployment == "later") == [3, 23, 33]
    gaps = [(b.number, {c.deployment: c.gaps for c in b.coverage}.get("later")) for b in world.boundaries()]
    assert gaps[2] == (3, (BlockRange(11, 35),))
    assert gaps[-1][1] == ()


def test_check_starts__first_block_lowered_after_blocks_were_read__refuses_to_start(world: World) -> None:
    world.replica().turn()
    store = Store(world.engine, CHAIN, 60)
    lowered = DEPLOYMENT.model_copy(update={"from_block": 0})

    with pytest.raises(InvalidSettings, match=r"aave-v3-test .* block 0 .* from block 1 .* another id"):
        store.check_starts([lowered])


@pytest.mark.parametrize("contract", ["pool", "configurator", "oracle", "provider"])
def test_check_starts__another_contract_after_logs_were_read__refuses_to_start(world: World, contract: str) -> None:
    store = Store(world.engine, CHAIN, 60)
    changed = DEPLOYMENT.model_copy(update={contract: address("new")})
    store.check_starts([changed])  # nothing was read yet: an entry may be mended
    store.check_starts([DEPLOYMENT])
    world.replica().turn()

    with pytest.raises(InvalidSettings, match=r"other contracts .* another id"):
        store.check_starts([changed])


@pytest.mark.parametrize("changes", [{}, {"from_block": 5}, {"from_block": 0, "id": "another"}])
def test_check_starts__nothing_below_what_was_read__starts(world: World, changes: dict[str, object]) -> None:
    world.replica().turn()

    Store(world.engine, CHAIN, 60).check_starts([DEPLOYMENT.model_copy(update=changes)])


def test_finalized_block_replaced__stops_and_pages(world: World) -> None:
    indexer = world.replica()
    indexer.turn()
    with database.transaction(world.engine) as connection:
        connection.execute(text("UPDATE ingest.done_range SET last_hash = :h"), {"h": block_at(10, "other").hash})

    with pytest.raises(InvariantViolation):
        indexer.turn()


def test_bind_log__another_broker__stops_and_pages(world: World) -> None:
    leases = LeaseStore(world.engine, CHAIN, 60)
    leases.bind_log("cluster/1/2")
    leases.bind_log("cluster/1/2")

    with pytest.raises(InvariantViolation, match="restore the right broker"):
        leases.bind_log("other/1/2")


def test_check__not_migrated__says_what_to_run(local_postgres: str) -> None:
    engine = database.connect(local_postgres)
    with pytest.raises(Unavailable, match="bonafides operate migrate"):
        LeaseStore(engine, CHAIN, 60).check()
    engine.dispose()


def test_migration__head__equals_the_tables(world: World) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from bonafides_ingest.tables import metadata

    with world.engine.connect() as connection:
        options = {
            "include_schemas": True,
            "compare_type": True,
            "version_table_schema": "ingest",
            "include_name": lambda name, kind, _: name == "ingest" if kind == "schema" else True,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
