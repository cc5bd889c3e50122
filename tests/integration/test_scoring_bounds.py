"""What one turn of the worker and one page of the API take: bounded, and the same answers whatever the bound."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from bonafides import database
from bonafides.events import ForkEpoch
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from bonafides.topics import WALLET_EVENTS, partition_of
from bonafides.types import Address
from bonafides_scoring.store import events
from bonafides_scoring.worker import GROUP, ScoringWorker
from sqlalchemy import Engine

from tests.support.scoring_core_story import CHAIN, DOLLAR, ETHER, USDC, WETH
from tests.support.scoring_logs import LoggedMarket, careful_borrower, lively_market, produce, wallet
from tests.support.scoring_service import (
    make_worker,
    memory_broker,
    memory_worker,
    migrated,
    outcome,
    run_until_idle,
    throwaway_database,
)

pytestmark = pytest.mark.integration

ALICE = wallet("alice")


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


def crowded_partition(wallets: int) -> LoggedMarket:
    """Borrowers of one partition, all scored at one boundary after a backfill."""
    market = LoggedMarket()
    partition = partition_of(ALICE, WALLET_EVENTS)
    names = (wallet(f"crowd/{number}") for number in range(100_000))
    crowd = [one for one in names if partition_of(one, WALLET_EVENTS) == partition][:wallets]
    for one in crowd:
        careful_borrower(market, one)
    market.boundary(is_scoring=True)
    return market


def worker_of(broker: MemoryBroker, engine: Engine, beats: list[None], wallets_at_once: int) -> ScoringWorker:
    worker = make_worker(
        engine,
        MemoryConsumer(broker, GROUP),
        MemoryAdmin(broker),
        MemoryProducer(broker),
        beat=lambda: beats.append(None),
        wallets_at_once=wallets_at_once,
    )
    worker.start()
    return worker


def test_worker__crowded_partition__holds_few_histories_at_a_time_and_beats_between(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, asked, beats = memory_broker(), list[int](), list[None]()
    produce(crowded_partition(7).log, MemoryProducer(broker))
    events_known = events.events_known

    def counted(connection: Any, above: Mapping[Address, int], *args: Any, **named: Any) -> Any:
        asked.append(len(above))
        return events_known(connection, above, *args, **named)

    monkeypatch.setattr(events, "events_known", counted)

    run_until_idle(worker_of(broker, engine, beats, wallets_at_once=3))

    assert max(asked) == 3
    assert len(beats) == 6  # 3 + 3 + 1 wallets, to fold and to score


def test_worker__other_numbers_of_wallets_at_a_time__same_results(engine: Engine, local_postgres: str) -> None:
    found = []
    for wallets_at_once in (1, 500):
        broker = memory_broker()
        produce([*lively_market(wallets=8).log], MemoryProducer(broker))
        with throwaway_database(local_postgres) as url, migrated(url) as other:
            run_until_idle(worker_of(broker, other, [], wallets_at_once))
            found.append(outcome(other))

    assert found[0] == found[1]
    assert len(found[0]["score"]) > 20


def test_events_page__copies_that_were_superseded_or_void__pages_are_what_is_known(engine: Engine) -> None:
    market, broker = LoggedMarket(), memory_broker()
    market.act(ALICE, lambda story: story.supply(WETH, 10 * ETHER, first=True))
    (read_again, *_) = market.act(ALICE, lambda story: story.borrow(USDC, 5_000 * DOLLAR))
    market.send_events([replace(read_again, decoder_version=2, amount=1)])
    fork = market.number + 1
    given_up = market.act(ALICE, lambda story: story.borrow(USDC, 700 * DOLLAR))
    sent_again = market.act(ALICE, lambda story: story.repay(USDC, 100 * DOLLAR))
    market.send_events()
    market.open_epoch(fork)
    market.send_events([replace(one, fork_epoch=market.epoch) for one in sent_again])
    market.boundary()
    produce(market.log, MemoryProducer(broker))
    run_until_idle(memory_worker(broker, engine))
    epochs, to_block = (ForkEpoch(market.epoch, fork),), market.number

    with database.transaction(engine) as connection:
        whole = events.events_known(
            connection, {ALICE: -1}, CHAIN, to_block=to_block, below_offset=2**62, epochs=epochs
        )[ALICE]
        paged, after = [], None
        while page := events.events_page(
            connection, ALICE, CHAIN, to_block=to_block, epochs=epochs, after=after, limit=2
        ):
            assert len(page) <= 2
            paged += page
            after = page[-1].order

    assert paged == whole
    assert given_up[0].id not in {one.id for one in paged}
    assert [one.amount for one in paged if one.id == read_again.id] == [1]
    assert {one.id for one in sent_again} <= {one.id for one in paged}
