"""When a backfill waits for those behind it."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from bonafides.bus import TopicPartition
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from bonafides.topics import MARKET, WALLET_EVENTS
from bonafides_ingest import metrics
from bonafides_ingest.pressure import ASKED_EVERY_S, FORGOTTEN_AFTER_S, BusPressure, Load, PressureLimits
from structlog.testing import capture_logs

pytestmark = pytest.mark.unit

LIMITS = PressureLimits(lag_records=100, flush_s=2.0)
GROUP = "workers"


@pytest.mark.parametrize(
    ("lags", "is_waiting"),
    [
        ([100], False),
        ([101], True),
        ([101, 50], True),  # half of the limit is not below half of it
        ([101, 49], False),
        ([101, 49, 100], False),
        ([101, 99, 101], True),
    ],
)
def test_load__lag_goes_up_and_down__waits_above_the_limit_and_goes_on_below_half(
    lags: list[int], is_waiting: bool
) -> None:
    load = Load(LIMITS)

    for lag in lags:
        load = load.with_lag(lag)

    assert (load.why_waiting is not None) == is_waiting


def test_load__no_limit_of_lag__never_waits_for_consumers() -> None:
    assert Load(PressureLimits(0, 2.0)).with_lag(10**9).why_waiting is None


def test_load__one_slow_flush_among_fast_ones__does_not_wait_but_slow_ones_in_a_row_do() -> None:
    load = Load(LIMITS).after_flush(0.01).after_flush(5.0)
    assert load.why_waiting is None

    for _ in range(5):
        load = load.after_flush(5.0)

    assert load.why_waiting is not None
    assert "BONAFIDES_INGEST_FLUSH_LIMIT_S" in load.why_waiting


def test_load__nothing_is_flushed_any_more__a_slow_mean_is_forgotten() -> None:
    load = Load(LIMITS)
    for _ in range(20):
        load = load.after_flush(3.9)
    assert load.why_waiting is not None

    assert load.after_silence(FORGOTTEN_AFTER_S / 2).why_waiting is not None
    assert load.after_silence(2 * FORGOTTEN_AFTER_S).why_waiting is None


@dataclass
class HandClock:
    time: float = 0.0

    def now(self) -> float:
        return self.time


class CountingAdmin(MemoryAdmin):
    """Counts how often it was asked for a lag."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.asked = 0

    def group_lag(self, group: str, topics: Iterable[str]) -> dict[TopicPartition, int]:
        self.asked += 1
        return super().group_lag(group, topics)


@dataclass
class World:
    broker: MemoryBroker
    admin: CountingAdmin
    clock: HandClock
    pressure: BusPressure

    def send(self, count: int) -> None:
        producer = MemoryProducer(self.broker)
        for number in range(count):
            producer.send(WALLET_EVENTS.name, number % WALLET_EVENTS.partitions, b"x")
        producer.flush()


@pytest.fixture
def world() -> World:
    broker, clock = MemoryBroker(), HandClock()
    admin = CountingAdmin(broker)
    admin.ensure_topics([WALLET_EVENTS, MARKET], 1)
    return World(broker, admin, clock, BusPressure(admin, GROUP, LIMITS, clock.now))


def test_bus_pressure__a_group_that_commits_nothing__holds_the_backfill_until_it_caught_up(world: World) -> None:
    assert world.pressure.holds_backfill() is None

    world.send(101)
    world.clock.time += ASKED_EVERY_S
    held = world.pressure.holds_backfill()
    consumer = MemoryConsumer(world.broker, GROUP)
    consumer.commit({at: len(log) for at, log in world.broker.logs.items()})
    world.clock.time += ASKED_EVERY_S

    assert held is not None
    assert "101 records behind" in held
    assert world.pressure.holds_backfill() is None


def test_bus_pressure__asked_at_every_turn__asks_the_broker_every_few_seconds(world: World) -> None:
    for _ in range(50):
        world.pressure.holds_backfill()
        world.clock.time += ASKED_EVERY_S / 10

    assert world.admin.asked == 5


def test_bus_pressure__the_lag_cannot_be_asked__waits_says_so_once_and_goes_on_when_it_can(world: World) -> None:
    world.broker.is_down = True
    unanswered = metrics.LAG_UNKNOWN._value.get()
    with capture_logs() as logs:
        held = []
        for _ in range(3):
            held.append(world.pressure.holds_backfill())
            world.clock.time += ASKED_EVERY_S

    assert all(why is not None and "cannot be asked" in why for why in held)
    assert [line["event"] for line in logs] == ["backfill waits"]
    assert metrics.LAG_UNKNOWN._value.get() == unanswered + 3
    world.broker.is_down = False
    assert world.pressure.holds_backfill() is None


def test_bus_pressure__the_lag_cannot_be_asked_and_has_no_limit__does_not_wait(world: World) -> None:
    world.broker.is_down = True

    assert BusPressure(world.admin, GROUP, PressureLimits(0, 2.0), world.clock.now).holds_backfill() is None


def test_bus_pressure__nothing_is_left_to_wait__shows_no_pause(world: World) -> None:
    world.send(101)
    assert world.pressure.holds_backfill() is not None
    assert metrics.BACKFILL_PAUSED._value.get() == 1

    world.pressure.no_backfill()

    assert metrics.BACKFILL_PAUSED._value.get() == 0


def test_bus_pressure__slow_flushes__hold_until_they_are_forgotten(world: World) -> None:
    for _ in range(10):
        world.pressure.flushed(3.0)
    held = world.pressure.holds_backfill()

    for _ in range(30):
        world.clock.time += ASKED_EVERY_S
        world.pressure.holds_backfill()

    assert held is not None
    assert world.pressure.holds_backfill() is None
