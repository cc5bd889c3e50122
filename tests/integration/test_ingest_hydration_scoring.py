"""Hydrated first and scanned later is the same as scanned alone: rows, states and scores of the real worker on a real
PostgreSQL, from a crowd that played on Aave V3's own bytecode."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import pytest
from bonafides.bus import TopicPartition
from bonafides.events import Boundary, DeploymentCoverage, ForkEpoch
from bonafides.messages import encode
from bonafides.testing.memory_bus import MemoryBroker, MemoryProducer
from bonafides.topics import MARKET, WALLET_EVENTS
from bonafides.types import Address, Finality
from bonafides_ingest.chain import Log
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.hydration.hydrator import Hydrator
from bonafides_ingest.hydration.past import FinalView
from bonafides_ingest.outgoing import mark_records, records_of
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_lab.stack.postgres import create_database, drop_database
from bonafides_scoring.store.tables import event as event_table
from sqlalchemy import Engine

from tests.integration import test_life_aave_v3
from tests.support.hydration_past import PastOfLogs, request, scan
from tests.support.ingest_logs import CHAIN
from tests.support.scoring_service import (
    memory_broker,
    memory_worker,
    migrated,
    outcome,
    run_until_idle,
    table_rows,
)

pytestmark = pytest.mark.integration

SEED = 1
WHERE_IT_STANDS = {"log_offset", "partition", "fork_epoch"}
"""Columns of an event that tell how it came, not what it is."""


@lru_cache(maxsize=1)
def _played() -> tuple[tuple[Log, ...], Deployment, Decoded]:
    market = test_life_aave_v3._crowd(SEED).market
    entry = market.deployment()
    return tuple(market.logs), entry, scan(market.logs, [entry])[entry.id]


def _send_scan(broker: MemoryBroker, first: int, last: int) -> None:
    """What the scan sends of these blocks."""
    _, _, decoded = _played()
    part = Decoded(
        tuple(event for event in decoded.events if first <= event.position.block.number <= last),
        tuple(point for point in decoded.points if first <= point.position.block.number <= last),
        (),
    )
    producer = MemoryProducer(broker)
    for record in records_of([part]):
        producer.send(record.topic, record.partition, record.value)
    producer.flush()


def _send_boundary(broker: MemoryBroker, number: int, block: int, *, is_scoring: bool) -> None:
    logs, entry, _ = _played()
    coverage = DeploymentCoverage(entry.id, CHAIN, 1, entry.from_block, block, (), 0)
    epochs = (ForkEpoch(1, entry.from_block),) if number == 1 else ()
    boundary = Boundary(number, PastOfLogs(logs).block(block), Finality.FINALIZED, is_scoring, epochs, (coverage,))
    broker.logs[TopicPartition(MARKET.name, 0)].append(encode(boundary))
    for record in mark_records(CHAIN, number, range(WALLET_EVENTS.partitions)):
        broker.logs[TopicPartition(record.topic, record.partition)].append(record.value)


def _hydrate(broker: MemoryBroker, wallets: Sequence[Address], last: int, epoch: int = 1) -> None:
    logs, entry, _ = _played()
    hydrator = Hydrator(PastOfLogs(logs), MemoryProducer(broker), [entry], [], 1)
    for wallet in wallets:
        for _ in hydrator.hydrate(request(wallet), FinalView(epoch, last)):
            pass


def _wallets() -> list[Address]:
    return sorted({event.wallet for event in _played()[2].events})


def _last() -> int:
    return _played()[0][-1].position.block.number


def _rows(engine: Engine) -> list[tuple[tuple[str, object], ...]]:
    """Each event once: copies of other epochs say the same."""
    rows = {
        tuple((name, _plain(value)) for name, value in row.items() if name not in WHERE_IT_STANDS)
        for row in table_rows(engine, event_table)
    }
    return sorted(rows)


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else repr(value)


def _result(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Scores, receipts, reasons and states, without where in the log they were made."""
    found = outcome(engine)
    found["score"] = [row[:-2] for row in found["score"]]
    return found


@pytest.fixture(scope="module")
def alone(local_postgres: str) -> Iterator[Engine]:
    """Scanned alone."""
    name = "hydration_scan_alone"
    url = create_database(local_postgres, name)
    with migrated(url) as engine:
        broker = memory_broker()
        _send_scan(broker, 0, _last())
        _send_boundary(broker, 1, _last(), is_scoring=True)
        run_until_idle(memory_worker(broker, engine))
        yield engine
    drop_database(local_postgres, name)


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


def test_hydration_first__then_the_scan__is_the_same_as_the_scan_alone(alone: Engine, engine: Engine) -> None:
    broker = memory_broker()
    worker = memory_worker(broker, engine)
    _hydrate(broker, _wallets(), _last())
    run_until_idle(worker)
    _send_scan(broker, 0, _last())
    _send_boundary(broker, 1, _last(), is_scoring=True)

    run_until_idle(worker)

    assert len(_rows(alone)) > 3_000
    assert _rows(engine) == _rows(alone)
    assert _result(engine) == _result(alone)


def test_hydration_in_the_middle_of_a_backfill__under_its_epoch__is_the_same_in_the_end(
    alone: Engine, engine: Engine
) -> None:
    broker, half = memory_broker(), _last() // 2
    worker = memory_worker(broker, engine)
    _send_scan(broker, 0, half)
    _send_boundary(broker, 1, half, is_scoring=False)
    run_until_idle(worker)
    _hydrate(broker, _wallets()[::2], _last())
    run_until_idle(worker)
    _send_scan(broker, half + 1, _last())
    _send_boundary(broker, 2, _last(), is_scoring=True)

    run_until_idle(worker)

    assert _rows(engine) == _rows(alone)
    states = {row[:2]: row for row in _result(engine)["wallet_snapshot"] if row[2] == _last()}
    known = {row[:2]: row for row in _result(alone)["wallet_snapshot"]}
    assert {key: row for key, row in known.items() if key in states} == states


def test_hydration_after_the_scan__changes_nothing(alone: Engine, engine: Engine) -> None:
    broker = memory_broker()
    worker = memory_worker(broker, engine)
    _send_scan(broker, 0, _last())
    _send_boundary(broker, 1, _last(), is_scoring=True)
    run_until_idle(worker)
    _hydrate(broker, _wallets(), _last())
    _hydrate(broker, _wallets()[:3], _last(), epoch=2)  # after a restart of ingest

    run_until_idle(worker)

    assert _rows(engine) == _rows(alone)
    assert _result(engine) == _result(alone)
