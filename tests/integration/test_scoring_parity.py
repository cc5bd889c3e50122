"""Online and offline features are the same bits: event by event through PostgreSQL, and in one go from Parquet."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from bonafides.event_files import events_writer, market_writer, read_events, read_market_points
from bonafides.events import LendingEvent, MarketPoint
from bonafides.testing.memory_bus import MemoryProducer
from bonafides.topics import WALLET_EVENTS, partition_of
from bonafides.types import Address, AsOf
from bonafides_scoring.api.answers import explanation_of
from bonafides_scoring.features.build import feature_vector
from bonafides_scoring.fold import decode_state, empty_state, fold, settle
from bonafides_scoring.market import market_view
from bonafides_scoring.store.tables import score, wallet_snapshot
from sqlalchemy import Engine, func

from tests.support.scoring_core_requests import shipped_bundle
from tests.support.scoring_core_story import CHAIN, DOLLAR, ETHER, USDC, WETH, Story
from tests.support.scoring_logs import LoggedMarket, produce, wallet
from tests.support.scoring_service import memory_broker, memory_worker, migrated, run_until_idle, table_rows

pytestmark = pytest.mark.integration

BORROWERS, TURNS = 6, 90


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


def act_somehow(chance: random.Random, story: Story) -> Story:
    """One deed of a borrower, wash cycles and flash loans among them."""
    match chance.randrange(8):
        case 0:
            return story.supply(WETH, ETHER)
        case 1:
            return story.withdraw(WETH, ETHER // 10)
        case 2:
            return story.repay(USDC, chance.randrange(1, 400) * DOLLAR)
        case 3:
            return story.flash(USDC, 10**6 * DOLLAR)
        case 4:
            return story.borrow(USDC, 500 * DOLLAR).repay(USDC, 500 * DOLLAR)
        case 5:
            return story.liquidation(USDC, 10 * DOLLAR, WETH, ETHER // 150)
        case _:
            return story.borrow(USDC, chance.randrange(200, 900) * DOLLAR)


def busy_market(seed: int) -> tuple[LoggedMarket, list[LendingEvent], list[MarketPoint]]:
    """Months of borrowing with a boundary after every deed, and what happened in it."""
    chance, market = random.Random(seed), LoggedMarket()
    people = [wallet(f"{seed}/{number}") for number in range(BORROWERS)]
    partitions = sorted({partition_of(who, WALLET_EVENTS) for who in people})
    events: list[LendingEvent] = []
    points = list(market._points)
    for who in people:
        events += market.act(
            who, lambda story: story.supply(WETH, 20 * ETHER, first=True).borrow(USDC, 10_000 * DOLLAR)
        )
    for _ in range(TURNS):
        market.wait(chance.choice([0.0, 0.3, 2.0, 9.0, 21.0]))
        events += market.act(chance.choice(people), lambda story: act_somehow(chance, story))
        market.price(2_000 + chance.randrange(-300, 300))
        points += market._points
        market.boundary(partitions=partitions)
    market.boundary(is_scoring=True, partitions=partitions)
    return market, events, points


def newest_snapshots(engine: Engine) -> dict[Address, bytes]:
    """The newest kept state of each wallet."""
    rows = sorted(table_rows(engine, wallet_snapshot), key=lambda row: int(row["block_number"]))
    return {Address(bytes(row["wallet"])): bytes(row["state"]) for row in rows}


def test_features__event_by_event_online_and_in_one_go_from_parquet__are_the_same_bits(
    engine: Engine, tmp_path: Path
) -> None:
    broker, (market, events, points) = memory_broker(), busy_market(5)
    produce(market.log, MemoryProducer(broker))
    with events_writer(tmp_path) as writer:
        writer.write(events)
    with market_writer(tmp_path) as market_file:
        market_file.write(sorted(points, key=lambda known: known.canonical_order))

    run_until_idle(memory_worker(broker, engine, max_records=7), most_turns=4_000)

    online = {
        Address(bytes(row["wallets"][0])): explanation_of(row)["feature_digest"] for row in table_rows(engine, score)
    }
    block = market.boundaries[-1].block
    view, as_of = market_view(read_market_points(tmp_path), block), AsOf((block,))
    own: dict[Address, list[LendingEvent]] = {}
    for event in read_events(tmp_path):
        own.setdefault(event.wallet, []).append(event)
    states = {who: fold(empty_state(who, CHAIN), told) for who, told in own.items()}
    assert len(states) == BORROWERS
    assert {who: settle(decode_state(raw)) for who, raw in newest_snapshots(engine).items()} == {
        who: settle(state) for who, state in states.items()
    }
    reference = shipped_bundle().manifest.reference_position.position()
    assert online == {
        who: feature_vector([state], [view], as_of, reference).digest.hex() for who, state in states.items()
    }


def test_worker__snapshots_of_an_older_fold__are_folded_again_from_the_events(engine: Engine) -> None:
    broker, (market, events, _) = memory_broker(), busy_market(6)
    middle = len(market.log) // 2
    worker = memory_worker(broker, engine)
    produce(market.log[:middle], MemoryProducer(broker))
    run_until_idle(worker, most_turns=4_000)
    older = len(newest_snapshots(engine))
    with engine.begin() as connection:  # a state begins with the version of its fold
        state = func.overlay(wallet_snapshot.c.state, b"\x03", 1)
        connection.execute(wallet_snapshot.update().values(state=state))

    produce(market.log[middle:], MemoryProducer(broker))
    run_until_idle(worker, most_turns=4_000)

    assert older == BORROWERS
    assert {who: settle(decode_state(raw)) for who, raw in newest_snapshots(engine).items()} == {
        who: settle(fold(empty_state(who, CHAIN), [event for event in events if event.wallet == who]))
        for who in market.wallets
    }
