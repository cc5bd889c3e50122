"""Boundaries above finalized, histories on demand, and what is shown of both."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from bonafides.consent import ConsentMode
from bonafides.events import BlockRange, DeploymentCoverage, Hydrated, LendingEvent
from bonafides.testing.memory_bus import MemoryBroker, MemoryProducer
from bonafides.topics import WALLET_EVENTS, partition_of
from bonafides.types import Finality, address_text
from bonafides_scoring import folding
from bonafides_scoring.api.app import create_app
from bonafides_scoring.fold import decode_state, fold
from bonafides_scoring.store.tables import event as event_table
from bonafides_scoring.store.tables import latest_result, provisional_result, score, wallet_snapshot
from bonafides_scoring.wallet_state import AssetKey, WalletState
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.support.scoring_core_story import CHAIN, DEPLOYMENT, DOLLAR, ETHER, USDC, WETH
from tests.support.scoring_logs import LoggedMarket, Sent, careful_borrower, produce, wallet
from tests.support.scoring_service import (
    as_role,
    memory_broker,
    memory_worker,
    migrated,
    outcome,
    run_until_idle,
    table_rows,
    throwaway_database,
)

pytestmark = pytest.mark.integration

ALICE, BOB = wallet("alice"), wallet("bob")


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


@pytest.fixture
def broker() -> MemoryBroker:
    return memory_broker()


@pytest.fixture
def api(fresh_database: str, engine: Engine) -> Iterator[TestClient]:
    with as_role(fresh_database, "bonafides_scoring_api") as own, TestClient(create_app(own, ConsentMode.OPEN)) as made:
        yield made


def _feed(broker: MemoryBroker, market: LoggedMarket) -> None:
    produce(market.log, MemoryProducer(broker))
    market.log.clear()


def _read(broker: MemoryBroker, engine: Engine, market: LoggedMarket) -> None:
    """A new worker reads what the market has logged since."""
    _feed(broker, market)
    worker = memory_worker(broker, engine)
    run_until_idle(worker)
    worker.consumer.consumer.close()


def _newest(engine: Engine) -> WalletState:
    newest = max(table_rows(engine, wallet_snapshot), key=lambda row: row["block_number"])
    return decode_state(bytes(newest["state"]))


def _debt(engine: Engine) -> int:
    return dict(_newest(engine).assets)[AssetKey(DEPLOYMENT, USDC)].scaled_debt


def _hydrated(market: LoggedMarket, *gaps: BlockRange) -> Sent:
    """Alice's history, read to the newest block, which is final."""
    coverage = DeploymentCoverage(DEPLOYMENT, CHAIN, 1, 1, market.number, gaps, 0)
    record = Hydrated(ALICE, 1, market.block, (coverage,))
    return Sent(WALLET_EVENTS, partition_of(ALICE, WALLET_EVENTS), record)


def test_live_blocks__more_than_snapshots_are_kept__finalized_state_is_not_folded_from_nothing(
    engine: Engine, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True)
    for _ in range(7):
        market.act(ALICE, lambda story: story.supply(WETH, ETHER))
        live = market.boundary(finality=Finality.HEAD)
    _read(broker, engine, market)
    from_something: list[bool] = []

    def watched(base: WalletState, later: list[LendingEvent]) -> WalletState:
        from_something.append(base.last_order is not None)
        return fold(base, later)

    monkeypatch.setattr(folding, "fold", watched)

    market.now, market.number = live.block.timestamp - 120, live.block.number - 10
    market.boundary(is_scoring=True)  # the second of the seven is final: its snapshot is long gone
    _read(broker, engine, market)

    assert from_something
    assert all(from_something)
    assert len(table_rows(engine, wallet_snapshot)) <= 8


def test_provisional__finalized_boundary_sees_as_far_and_finds_nothing_new__is_gone(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True)
    market.price(900)
    market.boundary(is_scoring=True, finality=Finality.HEAD)
    _read(broker, engine, market)
    while_live = len(table_rows(engine, provisional_result))

    market.price(2_000)  # back: nothing calls for a new finalized score
    market.boundary(is_scoring=True)
    _read(broker, engine, market)

    assert while_live == 1
    assert table_rows(engine, provisional_result) == []
    assert len(table_rows(engine, score)) == 1


def test_provisional__finalized_boundary_below_it__stays(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    final = market.boundary(is_scoring=True)
    market.act(ALICE, lambda story: story.borrow(USDC, 900 * DOLLAR))
    market.boundary(is_scoring=True, finality=Finality.HEAD)

    market.number, market.now = final.block.number + 1, final.block.timestamp + 12
    market.boundary(is_scoring=True)
    _read(broker, engine, market)

    assert len(table_rows(engine, provisional_result)) == 1


def test_provisional__reorg_told_to_other_partitions_only__api_does_not_show_it(
    engine: Engine, broker: MemoryBroker, api: TestClient
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True)
    fork = market.number
    market.act(ALICE, lambda story: story.borrow(USDC, 900 * DOLLAR))
    market.boundary(is_scoring=True, finality=Finality.HEAD)
    _read(broker, engine, market)
    before = api.get(f"/v1/wallets/{address_text(ALICE)}/score").json()

    market.open_epoch(fork)
    market.boundary(finality=Finality.HEAD, partitions=[])
    _read(broker, engine, market)
    after = api.get(f"/v1/wallets/{address_text(ALICE)}/score").json()

    assert before["provisional"]["origin"] == "head"
    assert (after["status"], after["provisional"]) == ("scored", None)


def test_reorg__back_to_what_is_final__wallet_and_provisional_answer_are_as_before(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True)
    fork = market.number
    market.act(ALICE, lambda story: story.borrow(USDC, 900 * DOLLAR))
    market.boundary(is_scoring=True, finality=Finality.HEAD)
    _read(broker, engine, market)
    in_between = _debt(engine), len(table_rows(engine, provisional_result))

    market.open_epoch(fork)
    market.number, market.now = fork, market.boundaries[0].block.timestamp + 12
    market.boundary(finality=Finality.HEAD)  # at a lower block than the one before
    _read(broker, engine, market)

    assert in_between == (4_900 * DOLLAR, 1)
    assert _debt(engine) == 4_000 * DOLLAR
    assert table_rows(engine, provisional_result) == []
    assert len(table_rows(engine, latest_result)) == 1


def test_zombie__event_of_a_void_epoch_comes_late__does_not_count(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True)
    void: list[LendingEvent] = market.act(ALICE, lambda story: story.borrow(USDC, 900 * DOLLAR))
    market.forget_pending()
    market.open_epoch(void[0].position.block.number)
    market.boundary(finality=Finality.HEAD)
    _read(broker, engine, market)

    market.send_events(void)  # still under the epoch of before
    market.boundary(is_scoring=True)
    _read(broker, engine, market)

    assert len(table_rows(engine, event_table)) > len(void)
    assert _debt(engine) == 4_000 * DOLLAR


def test_hydrated__before_any_boundary__state_is_known_and_there_is_a_reason_instead_of_a_score(
    engine: Engine, broker: MemoryBroker, api: TestClient
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.send_events()
    market.log.append(_hydrated(market, BlockRange(1, market.number)))
    _read(broker, engine, market)

    answer = api.get(f"/v1/wallets/{address_text(ALICE)}/score").json()
    page = api.get(f"/wallets/{address_text(ALICE)}").text

    assert _debt(engine) == 4_000 * DOLLAR
    assert answer["status"] == "provisional"
    assert (answer["provisional"]["origin"], answer["provisional"]["reason"]) == ("hydration", "price_unknown")
    assert "No final answer yet" in page
    assert table_rows(engine, latest_result) == []


def test_hydrated__market_of_its_block_is_known__provisional_score_flagged_and_replaced_by_the_scan(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.send_events()
    market.log.append(_hydrated(market, BlockRange(1, 5)))
    _feed(broker, market)
    market.boundary(partitions=[])
    _feed(broker, market)
    worker = memory_worker(broker, engine)
    run_until_idle(worker)
    (provisional,) = table_rows(engine, provisional_result)
    issued = table_rows(engine, score)

    market.boundary(is_scoring=True)
    _feed(broker, market)
    run_until_idle(worker)

    assert (provisional["score"] is not None, provisional["flags"] >> 17) == (True, 1)
    assert issued == []
    assert table_rows(engine, provisional_result) == []
    assert len(table_rows(engine, latest_result)) == 1


def test_hydrated__then_scanned__comes_to_what_scanning_alone_comes_to(
    engine: Engine, local_postgres: str, broker: MemoryBroker
) -> None:
    def scan(market: LoggedMarket, other: MemoryBroker, on: Engine) -> None:
        """A backfill in two parts with other borrowers around, then what is live."""
        first = market.act(ALICE, lambda story: story.supply(WETH, 10 * ETHER, first=True))
        market.act(BOB, lambda story: story.supply(WETH, 3 * ETHER, first=True))
        low = market.boundary()
        second = market.act(ALICE, lambda story: story.borrow(USDC, 5_000 * DOLLAR))
        market.wait(20)
        second += market.act(ALICE, lambda story: story.repay(USDC, 300 * DOLLAR))
        if market.epoch == 2:  # this one reads Alice on demand first, between the two parts
            sent, market.log = market.log, []
            market.send_events([*first, *second])
            market.log.append(_hydrated(market))
            market.log = [*market.log, *sent] if low.block.number % 2 else [*sent, *market.log]
        market.boundary(is_scoring=True)
        market.act(ALICE, lambda story: story.borrow(USDC, 50 * DOLLAR))
        market.boundary(is_scoring=True)
        _read(other, on, market)

    scan(LoggedMarket(epoch=2), broker, engine)
    hydrated_first = outcome(engine)
    with throwaway_database(local_postgres) as url, migrated(url) as other:
        scan(LoggedMarket(epoch=1), memory_broker(), other)
        scanned = outcome(other)
        events = sorted(_what(row) for row in table_rows(other, event_table))

    assert sorted(_what(row) for row in table_rows(engine, event_table)) == events
    assert [row[:11] for row in hydrated_first["score"]] == [row[:11] for row in scanned["score"]]
    assert hydrated_first["latest_result"] == scanned["latest_result"]
    assert set(scanned["wallet_snapshot"]) <= set(hydrated_first["wallet_snapshot"])
    assert len(scanned["score"]) == 2


def _what(row: object) -> bytes:
    return bytes(row["id"])  # type: ignore[index]


def test_hydrated__wallet_with_a_finalized_answer__keeps_that_one(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True)
    market.log.append(_hydrated(market))
    market.log.append(replace(market.log[-1]))  # twice
    _read(broker, engine, market)

    assert table_rows(engine, provisional_result) == []
    assert len(table_rows(engine, latest_result)) == 1
