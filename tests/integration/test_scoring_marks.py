"""A mark behind many events: they are committed before it is worked on, and nothing else comes of that."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from bonafides.bus import Record
from bonafides.errors import Unavailable
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from bonafides.topics import MARKET
from bonafides_scoring import boundaries, handler
from bonafides_scoring.folding import fold_to_boundary
from bonafides_scoring.store.tables import event, wallet_snapshot
from bonafides_scoring.worker import GROUP
from sqlalchemy import Engine

from tests.support.scoring_logs import LoggedMarket, careful_borrower, lively_market, produce, wallet
from tests.support.scoring_service import (
    make_worker,
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


class SlowMarket(MemoryConsumer):
    """The market's partition may answer some polls later than the others: any fetch may be slow."""

    polls_without_market = 0

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Record]:
        market = {at for at in self.assignment() if at.topic == MARKET.name} - self._paused
        if self.polls_without_market <= 0:
            return super().poll(timeout_s, max_records)
        self.polls_without_market -= 1
        self._paused |= market
        try:
            return super().poll(timeout_s, max_records)
        finally:
            self._paused -= market


def test_poll__rolled_back_and_its_market_comes_later__answers_nothing_without_the_market(
    engine: Engine, local_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_until_idle(memory_worker(_broker_with(_borrowers_and_a_boundary()), engine))
    lost = list[str]()

    def fold_once_in_vain(*args: Any, **named: Any) -> Any:
        if not lost:
            lost.append("connection")
            raise Unavailable("the database closed the connection")
        return fold_to_boundary(*args, **named)

    monkeypatch.setattr(boundaries, "fold_to_boundary", fold_once_in_vain)
    with throwaway_database(local_postgres) as url, migrated(url) as other:
        broker = _broker_with(_borrowers_and_a_boundary())
        consumer, clock = SlowMarket(broker, GROUP), itertools.count().__next__
        worker = make_worker(other, consumer, MemoryAdmin(broker), MemoryProducer(broker), now=clock)
        worker.start()
        while not lost:
            with suppress(Unavailable):
                worker.turn()
        consumer.polls_without_market = 10
        for _ in range(40):
            worker.turn()

        assert outcome(other) == outcome(engine)
