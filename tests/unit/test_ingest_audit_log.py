"""Reading the log for an audit ends when it is asked to, and when the broker brings nothing."""

from collections.abc import Iterable

import pytest
from bonafides.bus import Record, TopicPartition
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.process import Stop, StopAsked
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryConsumer
from bonafides.topics import MARKET, WALLET_EVENTS
from bonafides_ingest.auditing.events import PATIENCE_POLLS, LoggedFacts

from tests.support.ingest_logs import CHAIN

pytestmark = pytest.mark.unit


class OneToRead(MemoryAdmin):
    """Says that the log has a record."""

    def end_offsets(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        return {TopicPartition(MARKET.name, 0): 1}


class Silent(MemoryConsumer):
    """Brings none; somebody asks to stop at its second poll, or nobody does."""

    polls = 0
    stop: Stop | None = None

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Record]:
        self.polls += 1
        assert self.polls <= PATIENCE_POLLS, "it reads on"
        if self.stop and self.polls == 2:
            self.stop.ask()
        return []


def _silent() -> tuple[Silent, OneToRead]:
    broker = MemoryBroker()
    MemoryAdmin(broker).ensure_topics([WALLET_EVENTS, MARKET], 1)
    return Silent(broker, "audit"), OneToRead(broker)


def test_logged_facts__asked_to_stop__stops_at_the_next_poll() -> None:
    consumer, admin = _silent()
    consumer.stop = Stop()

    with pytest.raises(StopAsked):
        LoggedFacts(consumer, admin, CHAIN, BlockRange(0, 1), frozenset(), (), consumer.stop).read()

    assert consumer.polls == 2


def test_logged_facts__the_broker_brings_nothing_for_long__is_unavailable() -> None:
    consumer, admin = _silent()

    with pytest.raises(Unavailable, match="brought nothing for 120 s, at record 0 of 1"):
        LoggedFacts(consumer, admin, CHAIN, BlockRange(0, 1), frozenset(), ()).read()
