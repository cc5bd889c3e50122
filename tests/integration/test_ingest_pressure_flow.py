"""A consumer that stands still makes a backfill wait, while live blocks go on; the flow, the bus in memory and a real
PostgreSQL."""

from collections.abc import Iterable, Iterator
from itertools import count

import pytest
from bonafides.bus import TopicPartition
from bonafides.errors import Unavailable
from bonafides.testing.memory_bus import MemoryAdmin, MemoryConsumer
from bonafides_ingest import indexer as indexer_module
from bonafides_ingest import metrics
from bonafides_ingest.pressure import ASKED_EVERY_S, BusPressure, PressureLimits

from tests.support.forking_market import MARKETS, Act, ActKind
from tests.support.forking_system import ForkDatabase, ForkSystem, fork_database, newest_read, rows

pytestmark = pytest.mark.integration

GROUP = "readers"
LATER = MARKETS[1].deployment.id
_nonces = count(3_000_000)


@pytest.fixture(scope="module")
def stored(local_postgres: str) -> Iterator[ForkDatabase]:
    with fork_database(local_postgres) as made:
        yield made


class Watch:
    """A monotonic clock: at every look enough time has passed to ask the broker again."""

    time = 0.0

    def now(self) -> float:
        self.time += ASKED_EVERY_S
        return self.time


@pytest.fixture
def system(stored: ForkDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkSystem]:
    """Thirty blocks of two markets, of which the first is registered and read to the head; nobody reads the log."""
    monkeypatch.setattr(indexer_module, "FEW_BLOCKS", 8)
    made = ForkSystem(stored, is_scoring=False)
    made.chain.extend(*(_block(number) for number in range(30)))
    made.chain.finalize(27)
    made.run()
    made.register_market()
    yield made
    made.close()


def _block(number: int) -> tuple[Act, ...]:
    return tuple(Act(ActKind.SUPPLY, next(_nonces), number % 3, 10, market) for market in (0, 1))


def _under_pressure(system: ForkSystem) -> None:
    admin = MemoryAdmin(system.broker)
    lag = sum(admin.group_lag(GROUP, ["wallet-events.v1", "market.v1"]).values())
    assert lag > 0
    system.replica(0).pressure = BusPressure(admin, GROUP, PressureLimits(lag - 1, 5.0), Watch().now)


def _read_to(system: ForkSystem, deployment: str) -> int:
    found = rows(system.stored.owner, "SELECT deployment, last_block FROM ingest.done_range")
    return max((int(str(row["last_block"])) for row in found if row["deployment"] == deployment), default=-1)


def _records(system: ForkSystem) -> int:
    return sum(len(log) for log in system.broker.logs.values())


def test_flow__a_consumer_stands_still__the_backfill_waits_and_live_blocks_go_on(system: ForkSystem) -> None:
    _under_pressure(system)

    for _ in range(10):
        system.chain.extend(_block(1))
        system.turn()

    assert _read_to(system, LATER) == -1
    assert newest_read(system) == (system.chain.head.number, system.chain.head.ref.hash)


def test_flow__the_consumer_caught_up__the_backfill_goes_on_to_its_end(system: ForkSystem) -> None:
    _under_pressure(system)
    system.turn()
    assert _read_to(system, LATER) == -1
    consumer = MemoryConsumer(system.broker, GROUP)

    for _ in range(40):
        consumer.commit({at: len(log) for at, log in system.broker.logs.items()})
        system.turn()

    assert _read_to(system, LATER) == system.chain.finalized


def test_flow__a_backfill_waits_for_long__nothing_piles_up(system: ForkSystem) -> None:
    _under_pressure(system)
    system.turn()
    before = _records(system)

    for _ in range(20):
        assert system.turn() is False  # idle: the process sleeps in between

    assert _records(system) == before


class NoCoordinator(MemoryAdmin):
    """The broker takes records; nobody answers for the group."""

    def group_lag(self, group: str, topics: Iterable[str]) -> dict[TopicPartition, int]:
        raise Unavailable(f"no coordinator of {group}")


def test_flow__the_lag_cannot_be_asked__the_backfill_waits_and_live_blocks_go_on(system: ForkSystem) -> None:
    system.replica(0).pressure = BusPressure(NoCoordinator(system.broker), GROUP, PressureLimits(10, 5.0), Watch().now)

    for _ in range(10):
        system.chain.extend(_block(1))
        system.replica(0).turn()

    assert _read_to(system, LATER) == -1
    assert newest_read(system) == (system.chain.head.number, system.chain.head.ref.hash)
    assert metrics.BACKFILL_PAUSED._value.get() == 1


def test_flow__few_blocks_are_left_when_the_lag_cannot_be_asked__shows_no_pause(
    system: ForkSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.replica(0).pressure = BusPressure(NoCoordinator(system.broker), GROUP, PressureLimits(10, 5.0), Watch().now)
    system.replica(0).turn()
    assert metrics.BACKFILL_PAUSED._value.get() == 1

    monkeypatch.setattr(indexer_module, "FEW_BLOCKS", 1_000)
    system.chain.extend(_block(1))
    system.replica(0).turn()

    assert metrics.BACKFILL_PAUSED._value.get() == 0


def test_flow__the_first_look_at_a_node__is_no_advance(system: ForkSystem) -> None:
    started = system.replica(0)
    started._seen = (-1, None)  # as after a start
    metrics.NODE_ADVANCED.set(0)
    system.chain.extend(_block(1))
    started.turn()
    assert metrics.NODE_ADVANCED._value.get() == 0

    system.chain.extend(_block(1))
    started.turn()

    assert metrics.NODE_ADVANCED._value.get() > 0
