"""A mark behind many events: they are committed before it is worked on, and nothing else comes of that."""

from collections.abc import Iterator

import pytest
from bonafides.testing.memory_bus import MemoryBroker, MemoryProducer
from bonafides_scoring import handler
from bonafides_scoring.store.tables import event, wallet_snapshot
from sqlalchemy import Engine

from tests.support.scoring_logs import LoggedMarket, careful_borrower, lively_market, produce, wallet
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


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


def _broker_with(market: LoggedMarket) -> MemoryBroker:
    broker = memory_broker()
    produce(market.log, MemoryProducer(broker))
    return broker


def _borrowers_and_a_boundary() -> LoggedMarket:
    market = LoggedMarket()
    careful_borrower(market, wallet("alice"))
    market.boundary(is_scoring=True)
    return market


def _turn_until_events(worker_turn: Iterator[bool], engine: Engine) -> None:
    for _ in worker_turn:
        if table_rows(engine, event):
            return
    raise AssertionError("no event was stored")


def test_mark__behind_many_events_of_its_poll__is_worked_on_after_their_commit(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "EVENTS_BEFORE_A_MARK", 2)
    worker = memory_worker(_broker_with(_borrowers_and_a_boundary()), engine)

    _turn_until_events(iter(worker.turn, None), engine)
    folded_then = table_rows(engine, wallet_snapshot)
    run_until_idle(worker)

    assert folded_then == []
    assert table_rows(engine, wallet_snapshot)


def test_mark__behind_few_events_of_its_poll__is_worked_on_with_them(engine: Engine) -> None:
    worker = memory_worker(_broker_with(_borrowers_and_a_boundary()), engine)

    _turn_until_events(iter(worker.turn, None), engine)

    assert table_rows(engine, wallet_snapshot)


def test_market_of_a_year__events_committed_before_each_mark__comes_to_the_same(
    engine: Engine, local_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_until_idle(memory_worker(_broker_with(lively_market()), engine))
    at_once = outcome(engine)
    monkeypatch.setattr(handler, "EVENTS_BEFORE_A_MARK", 1)

    with throwaway_database(local_postgres) as url, migrated(url) as other:
        run_until_idle(memory_worker(_broker_with(lively_market()), other))
        apart = outcome(other)

    assert apart == at_once
