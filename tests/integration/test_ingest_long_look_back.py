"""A price feed that is looked for longer than one turn may take: the flow on a real PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from bonafides import database
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryProducer
from bonafides.topics import TOPICS, dead_letter_topic
from bonafides.types import Address, Digest
from bonafides_ingest.boundaries import BoundaryPace
from bonafides_ingest.chain import Log, StillLooking
from bonafides_ingest.chain_stores import ChainStores
from bonafides_ingest.indexer import Indexer
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.protocols.aave_v3 import events as abi

from tests.support.ingest_logs import CHAIN, DEPLOYMENT, ORACLE, ChainOfLogs, address

pytestmark = pytest.mark.integration

LEASE_S = 60.0
OTHER = uuid4()


class _Now:
    def now(self) -> float:
        return 1_800_000_000.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing sleeps here")


@dataclass
class _SlowChain(ChainOfLogs):
    """Needs some more turns before it knows who answered last."""

    turns_left: int = 3

    def last_log_before(self, emitter: Address, topic0: Digest, first: int, before: int) -> Log | None:
        if self.turns_left:
            self.turns_left -= 1
            raise StillLooking("still looking")
        return super().last_log_before(emitter, topic0, first, before)


@pytest.fixture
def indexer(fresh_database: str) -> Iterator[Indexer]:
    engine = database.connect(fresh_database)
    database.migrate(engine, schemas=["ingest"])
    chain, broker = _SlowChain(head=10), MemoryBroker()
    chain.emit(5, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, address("asset"), address("adapter that never logs"))
    MemoryAdmin(broker).ensure_topics((*TOPICS, *(dead_letter_topic(topic) for topic in TOPICS)), 1)

    yield Indexer(
        IndexerOptions(CHAIN, (DEPLOYMENT,), 1, 10, BoundaryPace(30, 300), dead_letter_limit=5),
        uuid4(),
        chain,
        MemoryProducer(broker),
        ChainStores.of(engine, CHAIN, LEASE_S),
        _Now(),
    )
    engine.dispose()


def test_turn__source_needs_more_turns__is_busy_holds_the_lease_and_fails_nothing(indexer: Indexer) -> None:
    for _ in range(3):
        assert indexer.turn()
        assert indexer.tip is None
        assert indexer.stores.leases.take(OTHER, 1) is None

    indexer.turn()

    assert indexer.tip is not None
    assert indexer.tip.number == 10
