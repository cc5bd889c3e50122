"""The scoring worker on a real PostgreSQL with its own role's rights, and the bus in memory."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from bonafides import messages
from bonafides.errors import InvalidSettings, InvariantViolation
from bonafides.events import BlockRange, BoundaryMark, DeploymentCoverage, WalletDeadLetter
from bonafides.hashing import sha256
from bonafides.messages import AttestationChanged, DeadLetter, EventBatch, ScoreIssued, UnscorableIssued, decode, encode
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from bonafides.topics import ATTESTATION_STATUS, MARKET, SCORES_ISSUED, WALLET_EVENTS, dead_letter_topic, partition_of
from bonafides.types import Address, AttestationStatus, ChainId, Finality, UnscorableReason
from bonafides_scoring.fold import decode_state
from bonafides_scoring.store.tables import (
    attestation,
    latest_result,
    provisional_result,
    score,
    unscorable,
    wallet_snapshot,
)
from bonafides_scoring.store.tables import event as event_table
from bonafides_scoring.wallet_state import AssetKey, AssetState
from bonafides_scoring.worker import GROUP
from sqlalchemy import Engine, RowMapping

from tests.support.scoring_core_story import CHAIN, DEPLOYMENT, DOLLAR, ETHER, USDC, WETH, market_points
from tests.support.scoring_logs import (
    LoggedMarket,
    Sent,
    boundary_of_chain,
    careful_borrower,
    lively_market,
    produce,
    saver,
    wallet,
)
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

ALICE, BOB = wallet("alice"), wallet("bob")


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


@pytest.fixture
def broker() -> MemoryBroker:
    return memory_broker()


def feed(broker: MemoryBroker, market: LoggedMarket) -> None:
    """Put what the market has logged since the last feed into the broker."""
    produce(market.log, MemoryProducer(broker))
    market.log.clear()


def issued(broker: MemoryBroker) -> list[messages.Message]:
    """What stands in scores-issued.v1."""
    return [decode(raw) for at in broker.partitions(SCORES_ISSUED.name) for raw in broker.logs[at]]


def buried(broker: MemoryBroker) -> list[DeadLetter]:
    """What stands in the dead letters of wallet-events.v1."""
    letters = dead_letter_topic(WALLET_EVENTS).name
    found = [decode(raw) for at in broker.partitions(letters) for raw in broker.logs[at]]
    return [letter for letter in found if isinstance(letter, DeadLetter)]


def asset_of(snapshot: RowMapping, asset: Address) -> AssetState:
    """One reserve of a snapshot's state."""
    return dict(decode_state(bytes(snapshot["state"])).assets)[AssetKey(DEPLOYMENT, asset)]


def test_worker__first_scoring_boundary__answers_for_everybody_with_events(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    saver(market, BOB)
    market.boundary(is_scoring=True)
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    by_wallet = {one.wallets[0]: one for one in issued(broker) if isinstance(one, ScoreIssued | UnscorableIssued)}
    alice, bob = by_wallet[ALICE], by_wallet[BOB]
    assert isinstance(alice, ScoreIssued)
    assert isinstance(bob, UnscorableIssued)
    assert bob.reason is UnscorableReason.NO_CREDIT_HISTORY
    assert alice.as_of.blocks[0].number == market.number - 1
    (row,) = table_rows(engine, score)
    assert (bytes(row["score_id"]), row["score"]) == (alice.score_id, alice.score)


def test_worker__backfill_boundary__folds_and_scores_nobody(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=False)
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    (snapshot,) = table_rows(engine, wallet_snapshot)
    assert asset_of(snapshot, USDC).scaled_debt == 4_000 * DOLLAR
    assert issued(broker) == []


def test_worker__same_records_twice__changes_nothing(engine: Engine, broker: MemoryBroker) -> None:
    market = lively_market(wallets=8)
    log = list(market.log)
    feed(broker, market)
    worker = memory_worker(broker, engine)
    run_until_idle(worker)
    before, sent_before = outcome(engine), len(issued(broker))

    produce(log, MemoryProducer(broker))
    run_until_idle(worker)

    assert outcome(engine) == before
    assert len(issued(broker)) == sent_before


@pytest.mark.parametrize("max_records", [9, 60])
def test_worker__other_sizes_of_polls_and_market_read_last__same_results(
    engine: Engine, local_postgres: str, broker: MemoryBroker, max_records: int
) -> None:
    market, other_broker = lively_market(wallets=8), memory_broker()
    produce(market.log, MemoryProducer(other_broker))
    feed(broker, market)
    run_until_idle(memory_worker(broker, engine, max_records=max_records), most_turns=2_000)
    in_small_polls = outcome(engine)

    with throwaway_database(local_postgres) as other, migrated(other) as other_engine:
        run_until_idle(memory_worker(other_broker, other_engine))
        in_one_poll = outcome(other_engine)

    assert in_small_polls == in_one_poll
    assert len(in_one_poll["score"]) > 20


def test_worker__late_event_below_the_boundary__folds_again_as_if_it_had_been_there(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = LoggedMarket()
    late = market.act(ALICE, lambda story: story.supply(WETH, 10 * ETHER, first=True))
    market.forget_pending()
    market.act(ALICE, lambda story: story.borrow(USDC, 5_000 * DOLLAR))
    market.boundary()
    feed(broker, market)
    worker = memory_worker(broker, engine)
    run_until_idle(worker)

    market.send_events(late)
    market.boundary()
    feed(broker, market)
    run_until_idle(worker)

    newest = max(table_rows(engine, wallet_snapshot), key=lambda row: row["block_number"])
    assert asset_of(newest, WETH).scaled_supply == 10 * ETHER
    assert asset_of(newest, USDC).scaled_debt == 5_000 * DOLLAR


def test_worker__epoch_opened__voids_what_the_old_branch_said(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary()
    fork = market.number + 1
    market.act(ALICE, lambda story: story.borrow(USDC, 700 * DOLLAR))  # on the branch that is given up
    market.boundary(finality=Finality.HEAD)
    feed(broker, market)
    worker = memory_worker(broker, engine)
    run_until_idle(worker)

    market.open_epoch(fork)
    market.act(ALICE, lambda story: story.borrow(USDC, 100 * DOLLAR))
    market.boundary(is_scoring=True)
    feed(broker, market)
    run_until_idle(worker)

    newest = max(table_rows(engine, wallet_snapshot), key=lambda row: row["block_number"])
    debt = asset_of(newest, USDC).scaled_debt
    assert debt == 4_100 * DOLLAR


def test_worker__events_above_the_boundary__do_not_enter_its_score(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    boundary = market.boundary(is_scoring=True)
    mark = market.log.pop(partition_of(ALICE, WALLET_EVENTS) - WALLET_EVENTS.partitions)
    market.act(ALICE, lambda story: story.borrow(USDC, 9_000 * DOLLAR))
    market.send_events()
    market.log.append(mark)  # the mark comes after events of later blocks
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    (snapshot,) = table_rows(engine, wallet_snapshot)
    assert snapshot["block_number"] == boundary.block.number
    assert asset_of(snapshot, USDC).scaled_debt == 4_000 * DOLLAR


def test_worker__boundary_not_in_the_market_yet__waits_and_goes_on(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True)
    produce([one for one in market.log if one.topic is WALLET_EVENTS], MemoryProducer(broker))
    worker = memory_worker(broker, engine)
    for _ in range(5):
        worker.turn()
    waited = issued(broker)

    produce([one for one in market.log if one.topic is MARKET], MemoryProducer(broker))
    run_until_idle(worker)

    assert waited == []
    assert len(issued(broker)) == 1


def test_worker__poisoned_records__are_buried_with_the_reason_and_the_stream_goes_on(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    partition = partition_of(ALICE, WALLET_EVENTS)
    stranger = next(
        one for one in (wallet(f"s{n}") for n in range(99)) if partition_of(one, WALLET_EVENTS) != partition
    )
    lost = replace(market.act(stranger, lambda story: story.supply(WETH, ETHER))[0])
    market.forget_pending()
    careful_borrower(market, ALICE)
    producer = MemoryProducer(broker)
    producer.send(WALLET_EVENTS.name, partition, b"\x00poison")
    producer.send(WALLET_EVENTS.name, partition, encode(EventBatch((lost,))))
    producer.send(WALLET_EVENTS.name, partition, encode(market_batch()))
    producer.flush()
    market.boundary(is_scoring=True)
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    letters = {letter.offset: letter for letter in buried(broker)}
    assert letters[0].original == b"\x00poison"
    assert "not an Avro single object" in letters[0].reason
    assert "another partition" in letters[1].reason
    assert "MarketBatch does not belong" in letters[2].reason
    (answer,) = issued(broker)
    assert isinstance(answer, UnscorableIssued)  # what the poison held may have been Alice's
    assert answer.reason is UnscorableReason.HISTORY_INCOMPLETE


def market_batch() -> messages.MarketBatch:
    """A message that belongs in another topic."""
    return messages.MarketBatch(tuple(market_points()))


def test_worker__more_poison_than_allowed__stops(engine: Engine, broker: MemoryBroker) -> None:
    producer = MemoryProducer(broker)
    for _ in range(3):
        producer.send(WALLET_EVENTS.name, 0, b"poison")
    producer.flush()
    worker = memory_worker(broker, engine, dead_letter_limit=2)

    with pytest.raises(InvariantViolation, match="3 records could not be read"):
        run_until_idle(worker)


def test_worker__two_copies_of_one_precedence_differ__stops(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    (first, *_) = market.act(ALICE, lambda story: story.supply(WETH, ETHER))
    market.send_events([first])
    market.send_events([replace(first, amount=first.amount + 1)])
    feed(broker, market)
    worker = memory_worker(broker, engine)

    with pytest.raises(InvariantViolation, match="say different things"):
        run_until_idle(worker)

    assert table_rows(engine, event_table) == []


def test_worker__newer_decoder_says_otherwise__the_newer_copy_counts(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    done = market.act(ALICE, lambda story: story.supply(WETH, ETHER))
    mended = [replace(one, decoder_version=2, scaled_delta=one.scaled_delta * 2) for one in done]
    market.send_events(mended)
    market.boundary()  # sends the older copies after the newer ones
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    (snapshot,) = table_rows(engine, wallet_snapshot)
    assert asset_of(snapshot, WETH).scaled_supply == 2 * ETHER


def test_worker__boundary_given_twice_with_other_content__stops(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    boundary = market.boundary()
    market.log.append(Sent(MARKET, 0, replace(boundary, is_scoring=True)))
    feed(broker, market)
    worker = memory_worker(broker, engine)

    with pytest.raises(InvariantViolation, match="given twice with different content"):
        run_until_idle(worker)


def test_worker__chain_that_settings_do_not_list__refuses(engine: Engine, broker: MemoryBroker) -> None:
    producer = MemoryProducer(broker)
    producer.send(WALLET_EVENTS.name, 0, encode(BoundaryMark(ChainId(5), 1)))
    producer.flush()
    worker = memory_worker(broker, engine)

    with pytest.raises(InvalidSettings, match="BONAFIDES_SCORING_CHAIN_IDS lists 31337"):
        run_until_idle(worker)


def test_worker__gap_in_the_coverage__says_history_incomplete(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(
        is_scoring=True,
        coverage=DeploymentCoverage(DEPLOYMENT, CHAIN, 1, 1, market.number, (BlockRange(50, 60),), 0),
    )
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    assert [row["reason"] for row in table_rows(engine, unscorable)] == ["history_incomplete"]


def test_worker__dead_letter_of_the_wallet__no_score_until_a_newer_decoder_read_the_log(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    unread = market.act(ALICE, lambda story: story.supply(WETH, ETHER))
    market.forget_pending()
    careful_borrower(market, ALICE)
    letters = [
        Sent(
            WALLET_EVENTS,
            partition_of(ALICE, WALLET_EVENTS),
            WalletDeadLetter(one.position, DEPLOYMENT, ALICE, "dirty bytes"),
        )
        for one in unread
    ]
    market.log += letters
    market.boundary(is_scoring=True)
    feed(broker, market)
    worker = memory_worker(broker, engine)
    run_until_idle(worker)
    with_letter = [(row["reason"]) for row in table_rows(engine, unscorable)]

    market.send_events([replace(one, decoder_version=2) for one in unread])
    market.boundary(is_scoring=True)
    feed(broker, market)
    run_until_idle(worker)

    assert with_letter == ["history_incomplete"]
    assert len(table_rows(engine, score)) == 1


def test_worker__nothing_new_within_a_day__scores_only_who_has_news(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    careful_borrower(market, BOB)
    market.boundary(is_scoring=True)
    market.act(BOB, lambda story: story.repay(USDC, 10 * DOLLAR))
    market.boundary(is_scoring=True)
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    answered = [one.wallets[0] for one in issued(broker) if isinstance(one, ScoreIssued)]
    assert (answered.count(ALICE), answered.count(BOB)) == (1, 2)


def test_worker__price_moves_the_health_factor__scores_again(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True)
    market.price(700)
    market.boundary(is_scoring=True)
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    scores = sorted((row["boundary_number"], row["score"]) for row in table_rows(engine, score))
    assert [number for number, _ in scores] == [1, 2]
    assert scores[1][1] < scores[0][1]


def test_worker__two_days_pass__scores_again(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True)
    market.wait(2.01)
    market.boundary(is_scoring=True)
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    assert len(table_rows(engine, score)) == 2


def test_worker__scoring_boundary_above_finalized__keeps_a_provisional_row_and_issues_nothing(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True, finality=Finality.HEAD)
    feed(broker, market)
    worker = memory_worker(broker, engine)
    run_until_idle(worker)
    provisional, nothing = table_rows(engine, provisional_result), issued(broker)

    market.boundary(is_scoring=True)
    feed(broker, market)
    run_until_idle(worker)

    assert [row["score"] is not None for row in provisional] == [True]
    assert nothing == []
    assert table_rows(engine, provisional_result) == []
    assert len(table_rows(engine, latest_result)) == 1


def test_worker__mark_of_a_scoring_boundary_never_reached_a_partition__the_next_mark_makes_up_for_it(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    market.boundary(is_scoring=True, partitions=[])
    market.boundary()
    feed(broker, market)

    run_until_idle(memory_worker(broker, engine))

    assert [row["boundary_number"] for row in table_rows(engine, score)] == [1]


def test_worker__attestation_statuses_out_of_order__never_go_back(engine: Engine, broker: MemoryBroker) -> None:
    score_id, attestation_id = sha256(b"score"), sha256(b"attestation")
    statuses = (AttestationStatus.SIGNED, AttestationStatus.FINAL, AttestationStatus.QUEUED, AttestationStatus.SIGNED)
    produce(
        [
            Sent(ATTESTATION_STATUS, 3, AttestationChanged(score_id, attestation_id, status, 4, 1_800_000_000))
            for status in statuses
        ],
        MemoryProducer(broker),
    )

    run_until_idle(memory_worker(broker, engine))

    assert [row["status"] for row in table_rows(engine, attestation)] == ["final"]


def test_worker__several_chains__scores_when_every_block_of_the_as_of_was_read(
    engine: Engine, broker: MemoryBroker
) -> None:
    other = ChainId(10)
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    produce([Sent(MARKET, 0, boundary_of_chain(other, 1))], MemoryProducer(broker))
    market.boundary(is_scoring=True)
    feed(broker, market)
    worker = make_worker(
        engine,
        MemoryConsumer(broker, GROUP),
        MemoryAdmin(broker),
        MemoryProducer(broker),
        chains=(CHAIN, other),
    )
    worker.start()
    run_until_idle(worker)
    too_early = issued(broker)

    partition = partition_of(ALICE, WALLET_EVENTS)
    produce([Sent(WALLET_EVENTS, partition, BoundaryMark(other, 1))], MemoryProducer(broker))
    run_until_idle(worker)

    assert too_early == []
    (found,) = [one for one in issued(broker) if isinstance(one, ScoreIssued)]
    assert [block.chain_id for block in found.as_of.blocks] == [other, CHAIN]


def test_worker__partition_read_by_another_member_meanwhile__changes_nothing(
    engine: Engine, broker: MemoryBroker
) -> None:
    market = lively_market(wallets=8)
    feed(broker, market)
    first, second = memory_worker(broker, engine, max_records=50), memory_worker(broker, engine, max_records=50)

    run_until_idle(first, second, most_turns=2_000)

    alone = {row[0] for row in outcome(engine)["score"]}
    assert len(alone) == len([one for one in issued(broker) if isinstance(one, ScoreIssued)])
