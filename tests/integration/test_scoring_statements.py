"""How many statements a poll takes: as good as none for one more partition, since a live block waits for all."""

from collections.abc import Iterator

import pytest
from bonafides.events import Boundary
from bonafides.testing.memory_bus import MemoryBroker, MemoryProducer
from bonafides.topics import WALLET_EVENTS, partition_of
from bonafides.types import Address, Finality
from bonafides_scoring.store.tables import wallet_snapshot
from bonafides_scoring.worker import ScoringWorker
from sqlalchemy import Engine, event

from tests.support.scoring_core_story import ETHER, WETH
from tests.support.scoring_logs import LoggedMarket, careful_borrower, produce, wallet
from tests.support.scoring_service import memory_broker, memory_worker, migrated, run_until_idle, table_rows

pytestmark = pytest.mark.integration

OF_A_POLL = 16
"""Boundary, dues, progress, events, folds, snapshots; 15 when this was written."""
OF_A_PARTITION = 1
"""Its offset's compare-and-set."""
MANY = 12


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


def _crowd() -> list[Address]:
    """Wallets of different partitions."""
    found: dict[int, Address] = {}
    number = 0
    while len(found) < MANY:
        one = wallet(f"crowd/{number}")
        found.setdefault(partition_of(one, WALLET_EVENTS), one)
        number += 1
    return list(found.values())


def _live_block(market: LoggedMarket, acting: list[Address]) -> Boundary:
    """Everybody who acts does it, and only their partitions are told of the boundary."""
    for one in acting:
        market.act(one, lambda story: story.supply(WETH, ETHER))
    return market.boundary(finality=Finality.HEAD, partitions=[partition_of(one, WALLET_EVENTS) for one in acting])


def _one_poll(worker: ScoringWorker, broker: MemoryBroker, market: LoggedMarket, engine: Engine) -> list[str]:
    """What one poll sends to the database when all that the market has logged comes in it."""
    produce(market.log, MemoryProducer(broker))
    market.log.clear()
    sent: list[str] = []

    def count(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    worker.consumer.turn()
    event.remove(engine, "before_cursor_execute", count)
    return sent


def _started(engine: Engine, crowd: list[Address]) -> tuple[LoggedMarket, MemoryBroker, ScoringWorker]:
    market, broker = LoggedMarket(), memory_broker()
    for one in crowd:
        careful_borrower(market, one)
    market.boundary(is_scoring=True)
    produce(market.log, MemoryProducer(broker))
    market.log.clear()
    worker = memory_worker(broker, engine)
    run_until_idle(worker)
    return market, broker, worker


@pytest.mark.parametrize("partitions", [1, 3, MANY])
def test_poll__live_block_of_some_partitions__takes_a_fixed_number_of_statements_and_one_for_each(
    engine: Engine, partitions: int
) -> None:
    crowd = _crowd()
    market, broker, worker = _started(engine, crowd)

    boundary = _live_block(market, crowd[:partitions])
    sent = _one_poll(worker, broker, market, engine)

    folded = [row for row in table_rows(engine, wallet_snapshot) if row["block_number"] == boundary.block.number]
    assert len(folded) == partitions
    assert len(sent) <= OF_A_POLL + OF_A_PARTITION * partitions


def test_poll__several_live_blocks_of_overlapping_partitions__shares_statements_by_block(engine: Engine) -> None:
    crowd = _crowd()
    market, broker, worker = _started(engine, crowd)

    boundaries = [_live_block(market, crowd[first : first + 6]) for first in (0, 3, 6)]
    sent = _one_poll(worker, broker, market, engine)

    folded = {
        boundary.number: {
            bytes(row["wallet"])
            for row in table_rows(engine, wallet_snapshot)
            if row["block_number"] == boundary.block.number
        }
        for boundary in boundaries
    }
    assert folded == {
        boundary.number: set(crowd[first : first + 6]) for boundary, first in zip(boundaries, (0, 3, 6), strict=True)
    }
    assert len(sent) <= len(boundaries) * OF_A_POLL + OF_A_PARTITION * MANY


def test_poll__boundary_of_the_market_in_none_of_its_partitions__reads_it_once(engine: Engine) -> None:
    crowd = _crowd()
    market, broker, worker = _started(engine, crowd)

    _live_block(market, crowd)
    market.log = [one for one in market.log if one.topic is WALLET_EVENTS]
    sent = _one_poll(worker, broker, market, engine)

    asked = [statement for statement in sent if "FROM scoring.boundary" in statement]
    assert len(asked) == 1
    assert not any("wallet_snapshot" in statement for statement in sent)
