"""Aave V3: what each log makes, by hand."""

from collections import Counter

import pytest
from bonafides.events import BlockRange, LendingEvent, MarketPoint
from bonafides.types import ZERO_ADDRESS, Digest, EventType, MarketPointKind, Role
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.ledger import scaled_delta_of_burn, scaled_delta_of_mint
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.aave_v3.state import AaveV3State
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_ingest.protocols.ray import ray_div, ray_mul

from tests.support.ingest_logs import (
    CONFIGURATOR,
    DEPLOYMENT,
    ORACLE,
    POOL,
    PROVIDER,
    RAY,
    TREASURY,
    ChainOfLogs,
    ListedReserve,
    address,
    encode_event,
)

pytestmark = pytest.mark.unit

ALICE, BOB, CAROL = address("alice"), address("bob"), address("carol")


class Market:
    """A chain with one listed reserve, and what is decoded of it from there on."""

    def __init__(self) -> None:
        self.chain = ChainOfLogs()
        self.weth = self.chain.list_reserve(1, "WETH", decimals=18, price=2000 * 10**8)

    def decode(self) -> Decoded:
        _, decoded = AaveV3().decode_logs(AaveV3State(DEPLOYMENT), self.chain.logs, fork_epoch=3)
        return decoded


@pytest.fixture
def market() -> Market:
    return Market()


def _short(events: tuple[LendingEvent, ...]) -> list[tuple[EventType, Role, bytes, bytes | None, int]]:
    return [(e.type, e.role, e.wallet, e.counterparty, e.amount) for e in events]


def _values(points: tuple[MarketPoint, ...], kind: MarketPointKind) -> list[tuple[bytes, tuple[int, ...]]]:
    return [(point.asset, point.values) for point in points if point.kind is kind]


# The ledger, worked by hand at an index of 1.1 ray.

INDEX = RAY * 11 // 10


@pytest.mark.parametrize(
    ("value", "increase", "expected"),
    [
        (110, 0, 100),  # 110 / 1.1
        (115, 5, 100),  # 110 supplied, 5 of interest booked with it
        (101, 0, 92),  # 91.82 rounds up
        (100, 0, 91),  # 90.91 rounds up
        (5, 5, 0),  # interest alone, at a transfer
        (3, 14, -10),  # a withdrawal of 11 that 14 of interest outgrew
    ],
)
def test_scaled_delta_of_mint__by_hand__is_what_the_contract_adds(value: int, increase: int, expected: int) -> None:
    assert scaled_delta_of_mint(value, increase, INDEX) == expected


@pytest.mark.parametrize(("value", "increase", "expected"), [(110, 0, -100), (105, 5, -100), (0, 11, -10)])
def test_scaled_delta_of_burn__by_hand__is_what_the_contract_takes(value: int, increase: int, expected: int) -> None:
    assert scaled_delta_of_burn(value, increase, INDEX) == expected


def test_ray__exact_half__rounds_up_as_wad_ray_math_does() -> None:
    assert (ray_div(1, 2 * RAY), ray_mul(1, RAY // 2)) == (1, 1)


def test_ledger__mint_burn_and_transfer__are_entries_of_their_owners(market: Market) -> None:
    token, debt = market.weth.a_token, market.weth.variable_debt_token
    market.chain.emit(2, 0, token, abi.MINT, BOB, ALICE, 1100, 0, INDEX)
    market.chain.emit(3, 0, token, abi.BURN, ALICE, BOB, 100, 10, INDEX)
    market.chain.emit(4, 0, token, abi.BALANCE_TRANSFER, ALICE, BOB, 200, INDEX)
    market.chain.emit(5, 0, debt, abi.MINT, ALICE, ALICE, 550, 0, INDEX)

    events = market.decode().events

    entries = [(e.type, e.wallet, e.scaled_delta, e.amount, e.index_ray, e.asset) for e in events if e.scaled_delta]
    asset = market.weth.asset
    assert entries == [
        (EventType.SUPPLY_BALANCE, ALICE, 1000, 1100, INDEX, asset),
        (EventType.SUPPLY_BALANCE, ALICE, -100, 110, INDEX, asset),
        (EventType.SUPPLY_BALANCE, ALICE, -200, 220, INDEX, asset),
        (EventType.SUPPLY_BALANCE, BOB, 200, 220, INDEX, asset),
        (EventType.DEBT_BALANCE, ALICE, 500, 550, INDEX, asset),
    ]
    moved = [(e.role, e.wallet, e.counterparty, e.amount) for e in events if e.type is EventType.TRANSFERRED]
    assert moved == [(Role.SENDER, ALICE, BOB, 220), (Role.RECEIVER, BOB, ALICE, 220)]
    assert len({event.id for event in events}) == len(events)


def test_ledger__interest_booked_by_a_transfer__is_no_entry(market: Market) -> None:
    market.chain.emit(2, 0, market.weth.a_token, abi.MINT, BOB, ALICE, 7, 7, INDEX)

    assert market.decode().events == ()


def test_ledger__fee_to_the_treasury__leaves_the_borrower_and_reaches_no_wallet(market: Market) -> None:
    market.chain.emit(2, 0, market.weth.a_token, abi.BALANCE_TRANSFER, ALICE, TREASURY, 5, RAY)
    market.chain.emit(3, 0, market.weth.a_token, abi.MINT, POOL, TREASURY, 9, 0, RAY)

    events = market.decode().events

    assert [(e.type, e.wallet, e.scaled_delta) for e in events] == [(EventType.SUPPLY_BALANCE, ALICE, -5)]


def test_ledger__transfer_to_oneself__sums_to_nothing(market: Market) -> None:
    market.chain.emit(2, 0, market.weth.a_token, abi.BALANCE_TRANSFER, ALICE, ALICE, 5, RAY)

    events = market.decode().events

    assert [e.scaled_delta for e in events] == [-5, 5]
    assert len({event.id for event in events}) == 2


# The Pool's words


def test_borrow__delegated_credit__makes_the_debtor_owner_and_the_caller_recipient(market: Market) -> None:
    market.chain.emit(2, 0, POOL, abi.BORROW, market.weth.asset, BOB, ALICE, 50, 2, 10**25, 0)

    assert _short(market.decode().events) == [
        (EventType.BORROWED, Role.OWNER, ALICE, BOB, 50),
        (EventType.BORROWED, Role.RECIPIENT, BOB, ALICE, 50),
    ]


def test_pool_events__one_wallet_alone__make_one_event_each_without_counterparty(market: Market) -> None:
    asset = market.weth.asset
    market.chain.emit(2, 0, POOL, abi.SUPPLY, asset, ALICE, ALICE, 10, 0)
    market.chain.emit(3, 0, POOL, abi.WITHDRAW, asset, ALICE, ALICE, 4)
    market.chain.emit(4, 0, POOL, abi.REPAY, asset, ALICE, ALICE, 3, False)
    market.chain.emit(5, 0, POOL, abi.COLLATERAL_ENABLED, asset, ALICE)
    market.chain.emit(6, 0, POOL, abi.COLLATERAL_DISABLED, asset, ALICE)
    market.chain.emit(7, 0, POOL, abi.USER_EMODE_SET, ALICE, 2)
    market.chain.emit(8, 0, POOL, abi.DEFICIT_CREATED, ALICE, asset, 6)

    assert _short(market.decode().events) == [
        (EventType.SUPPLIED, Role.OWNER, ALICE, None, 10),
        (EventType.WITHDRAWN, Role.OWNER, ALICE, None, 4),
        (EventType.REPAID, Role.OWNER, ALICE, None, 3),
        (EventType.COLLATERAL_ENABLED, Role.OWNER, ALICE, None, 0),
        (EventType.COLLATERAL_DISABLED, Role.OWNER, ALICE, None, 0),
        (EventType.EMODE_SET, Role.OWNER, ALICE, None, 2),
        (EventType.BAD_DEBT, Role.OWNER, ALICE, None, 6),
    ]


def test_pool_events__another_pays_or_receives__make_one_event_per_role(market: Market) -> None:
    asset = market.weth.asset
    market.chain.emit(2, 0, POOL, abi.SUPPLY, asset, BOB, ALICE, 10, 0)
    market.chain.emit(3, 0, POOL, abi.WITHDRAW, asset, ALICE, CAROL, 4)
    market.chain.emit(4, 0, POOL, abi.REPAY, asset, ALICE, BOB, 3, False)

    assert _short(market.decode().events) == [
        (EventType.SUPPLIED, Role.OWNER, ALICE, BOB, 10),
        (EventType.SUPPLIED, Role.PAYER, BOB, ALICE, 10),
        (EventType.WITHDRAWN, Role.OWNER, ALICE, CAROL, 4),
        (EventType.WITHDRAWN, Role.RECIPIENT, CAROL, ALICE, 4),
        (EventType.REPAID, Role.OWNER, ALICE, BOB, 3),
        (EventType.REPAID, Role.PAYER, BOB, ALICE, 3),
    ]


def test_liquidation__is_told_to_borrower_and_liquidator_with_both_assets(market: Market) -> None:
    collateral = address("collateral")
    values = (collateral, market.weth.asset, ALICE, 100, 7, BOB, False)
    market.chain.emit(2, 0, POOL, abi.LIQUIDATION_CALL, *values)

    owner, liquidator = market.decode().events

    assert (owner.role, owner.wallet, owner.counterparty) == (Role.OWNER, ALICE, BOB)
    assert (liquidator.role, liquidator.wallet, liquidator.counterparty) == (Role.LIQUIDATOR, BOB, ALICE)
    for event in (owner, liquidator):
        assert (event.asset, event.amount, event.second_asset, event.second_amount) == (
            market.weth.asset,
            100,
            collateral,
            7,
        )


def test_pool_events__before_the_deployments_first_block__are_not_read() -> None:
    chain = ChainOfLogs()
    chain.emit(0, 0, POOL, abi.USER_EMODE_SET, ALICE, 2)

    _, decoded = AaveV3().decode_logs(AaveV3State(DEPLOYMENT), chain.logs, 0)

    assert decoded.events == ()


def test_events__carry_the_epoch_and_their_place(market: Market) -> None:
    log = market.chain.emit(9, 4, POOL, abi.USER_EMODE_SET, ALICE, 2)

    (event,) = market.decode().events

    assert (event.fork_epoch, event.position, event.deployment) == (3, log.position, DEPLOYMENT.id)
    assert event.sub_index == 12 * 256 + 1 * 16  # emode_set, owner, no leg: the committed numbers


# The market


def test_price__feed_answered_before_the_oracle_named_it__stands_at_the_oracles_log(market: Market) -> None:
    points = [point for point in market.decode().points if point.kind is MarketPointKind.PRICE]

    assert [(point.asset, point.values) for point in points] == [(market.weth.asset, (2000 * 10**8,))]
    assert points[0].position == market.chain.logs[1].position


def test_price__feed_answers__is_told_for_each_asset_it_prices(market: Market) -> None:
    second = address("second asset")
    market.chain.emit(2, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, second, market.weth.feed)
    market.chain.emit(3, 0, market.weth.feed, abi.ANSWER_UPDATED, 5, 2, 0)

    points = [point for point in market.decode().points if point.kind is MarketPointKind.PRICE]

    assert Counter((point.asset, point.values[0]) for point in points) == Counter(
        [(market.weth.asset, 2000 * 10**8), (second, 2000 * 10**8), (market.weth.asset, 5), (second, 5)]
    )
    assert len({point.id for point in points}) == 4


def test_price__one_feed_for_forty_assets__is_told_for_each(market: Market) -> None:
    assets = [address(f"asset {number}") for number in range(40)]
    for number, asset in enumerate(assets):
        market.chain.emit(2, number, ORACLE, abi.ASSET_SOURCE_UPDATED, asset, market.weth.feed)
    answer = market.chain.emit(3, 0, market.weth.feed, abi.ANSWER_UPDATED, 5, 2, 0)

    told = [point for point in market.decode().points if point.position == answer.position]

    assert {point.asset for point in told} == {market.weth.asset, *assets}
    assert len({point.id for point in told}) == 41


def test_price__two_deployments_share_a_feed__is_a_fact_of_each() -> None:
    other = DEPLOYMENT.model_copy(update={"id": "aave-v3-other", "oracle": address("other oracle")})
    chain = ChainOfLogs()
    for tx, deployment in enumerate((DEPLOYMENT, other)):
        chain.emit(2, tx, deployment.oracle, abi.ASSET_SOURCE_UPDATED, ALICE, BOB)
    answer = chain.emit(3, 0, BOB, abi.ANSWER_UPDATED, 5, 1, 0)

    decoded = [AaveV3().decode_logs(AaveV3State(deployment), chain.logs, 0)[1] for deployment in (DEPLOYMENT, other)]

    told = [point for part in decoded for point in part.points if point.position == answer.position]
    assert [point.deployment for point in told] == [DEPLOYMENT.id, other.id]
    assert len({point.id for point in told}) == 2


def test_price__oracle_given_another_feed__follows_the_new_one_alone(market: Market) -> None:
    other = address("other feed")
    market.chain.emit(2, 0, other, abi.ANSWER_UPDATED, 7, 1, 0)
    market.chain.emit(3, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, market.weth.asset, other)
    market.chain.emit(4, 0, market.weth.feed, abi.ANSWER_UPDATED, 9, 2, 0)
    market.chain.emit(5, 0, other, abi.ANSWER_UPDATED, 8, 2, 0)

    assert _values(market.decode().points, MarketPointKind.PRICE) == [
        (market.weth.asset, (2000 * 10**8,)),
        (market.weth.asset, (7,)),
        (market.weth.asset, (8,)),
    ]


def _priced(decoded: Decoded) -> list[tuple[int, int]]:
    """(block, price) of WETH; 0 is unknown."""
    points = [point for point in decoded.points if point.kind is MarketPointKind.PRICE]
    return [(p.position.block.number, p.values[0]) for p in points if p.asset == ListedReserve.of("WETH").asset]


LISTED = (1, 2000 * 10**8)


@pytest.mark.parametrize("answer", [0, -1])
def test_price__answer_that_is_not_positive__is_unknown_from_there_on(market: Market, answer: int) -> None:
    market.chain.emit(2, 0, market.weth.feed, abi.ANSWER_UPDATED, answer, 2, 0)
    market.chain.emit(3, 0, market.weth.feed, abi.ANSWER_UPDATED, 7, 3, 0)

    decoded = market.decode()

    assert _priced(decoded) == [LISTED, (2, 0), (3, 7)]
    assert decoded.refused == ()


@pytest.mark.parametrize("topics", [1, 2, 4])
def test_price__answer_that_cannot_be_read__is_unknown_and_a_dead_letter(market: Market, topics: int) -> None:
    right, payload = encode_event(abi.ANSWER_UPDATED, (7, 2, 0))
    market.chain.emit_raw(2, 0, market.weth.feed, (*right, *right)[:topics], payload)

    decoded = market.decode()

    assert _priced(decoded) == [LISTED, (2, 0)]
    assert [refusal.is_market for refusal in decoded.refused] == [True]


def test_price__oracle_given_a_feed_that_never_answered__is_unknown_until_it_does(market: Market) -> None:
    other = address("other feed")
    market.chain.emit(2, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, market.weth.asset, other)
    market.chain.emit(3, 0, other, abi.ANSWER_UPDATED, 7, 1, 0)

    assert _priced(market.decode()) == [LISTED, (2, 0), (3, 7)]


def test_price__oracle_given_a_feed_whose_latest_answer_is_not_positive__is_unknown(market: Market) -> None:
    other = address("other feed")
    market.chain.emit(2, 0, other, abi.ANSWER_UPDATED, 7, 1, 0)
    market.chain.emit(3, 0, other, abi.ANSWER_UPDATED, 0, 2, 0)
    market.chain.emit(4, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, market.weth.asset, other)

    assert _priced(market.decode()) == [LISTED, (4, 0)]


def test_price__source_taken_away__is_unknown(market: Market) -> None:
    market.chain.emit(2, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, market.weth.asset, ZERO_ADDRESS)

    assert _priced(market.decode()) == [LISTED, (2, 0)]


def test_price__market_asks_an_unknown_oracle__is_unknown_for_all_assets_until_it_asks_ours_again(
    market: Market,
) -> None:
    usdc = market.chain.list_reserve(2, "USDC", decimals=6)
    market.chain.emit(3, 0, PROVIDER, abi.PRICE_ORACLE_UPDATED, ORACLE, address("new oracle"))
    market.chain.emit(4, 0, market.weth.feed, abi.ANSWER_UPDATED, 7, 2, 0)
    market.chain.emit(5, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, usdc.asset, market.weth.feed)
    market.chain.emit(6, 0, PROVIDER, abi.PRICE_ORACLE_UPDATED, address("new oracle"), ORACLE)

    decoded = market.decode()

    assert _priced(decoded) == [LISTED, (3, 0), (6, 7)]
    assert [value for asset, value in _values(decoded.points, MarketPointKind.PRICE) if asset == usdc.asset] == [
        (10**8,),
        (0,),
        (0,),
        (7,),
    ]


def test_price__market_names_the_oracle_it_asks_already__says_nothing_new(market: Market) -> None:
    market.chain.emit(2, 0, PROVIDER, abi.PRICE_ORACLE_UPDATED, ZERO_ADDRESS, ORACLE)

    assert _priced(market.decode()) == [LISTED]


def test_reserve__listed_configured_and_updated__makes_points_with_its_decimals() -> None:
    chain = ChainOfLogs()
    usdc = chain.list_reserve(1, "USDC", decimals=6)
    chain.emit(2, 0, POOL, abi.RESERVE_DATA_UPDATED, usdc.asset, 1, 2, 3, 4, 5)
    chain.emit(3, 0, CONFIGURATOR, abi.EMODE_CATEGORY_ADDED, 1, 9000, 9300, 10100, ZERO_ADDRESS, "stables")
    chain.emit(4, 0, CONFIGURATOR, abi.EMODE_ASSET_CHANGED, usdc.asset, 0, 1)

    _, decoded = AaveV3().decode_logs(AaveV3State(DEPLOYMENT), chain.logs, 0)

    assert _values(decoded.points, MarketPointKind.RESERVE_CONFIG) == [
        (usdc.asset, (0, 0, 0, 6)),
        (usdc.asset, (8000, 8250, 10500, 6)),
    ]
    assert _values(decoded.points, MarketPointKind.RESERVE_INDEX) == [(usdc.asset, (1, 3, 4, 5))]
    emodes = [(p.kind, p.asset, p.category, p.values) for p in decoded.points if "emode" in p.kind.value]
    assert emodes == [
        (MarketPointKind.EMODE_CONFIG, ZERO_ADDRESS, 1, (9000, 9300, 10100)),
        (MarketPointKind.EMODE_ASSET, usdc.asset, 1, (1,)),
    ]


def test_listing__without_the_atokens_own_log__is_refused_and_the_rest_goes_on() -> None:
    chain = ChainOfLogs()
    reserve = ListedReserve.of("X")
    chain.emit(
        2, 0, CONFIGURATOR, abi.RESERVE_INITIALIZED, reserve.asset, reserve.a_token, ZERO_ADDRESS, reserve.asset, ALICE
    )
    chain.emit(3, 0, POOL, abi.USER_EMODE_SET, ALICE, 2)

    _, decoded = AaveV3().decode_logs(AaveV3State(DEPLOYMENT), chain.logs, 0)

    assert ["Initialized" in refusal.reason for refusal in decoded.refused] == [True]
    assert decoded.refused[0].is_market
    assert len(decoded.events) == 1


def test_oracle__replaced_by_one_that_the_registry_does_not_know__is_refused(market: Market) -> None:
    market.chain.emit(2, 0, PROVIDER, abi.PRICE_ORACLE_UPDATED, ORACLE, address("new oracle"))
    market.chain.emit(3, 0, PROVIDER, abi.PRICE_ORACLE_UPDATED, ZERO_ADDRESS, ORACLE)

    assert [refusal.reason for refusal in market.decode().refused] == [
        "the market changed to an oracle that the deployments registry does not know: "
        "enter the deployment with it under another id"
    ]


# What cannot be read


def test_refused__short_data__names_the_wallet_and_costs_the_others_nothing(market: Market) -> None:
    topics, payload = encode_event(abi.BORROW, (market.weth.asset, ALICE, ALICE, 50, 2, 0, 0))
    market.chain.emit_raw(2, 0, POOL, topics, payload[:-32])
    market.chain.emit(2, 0, POOL, abi.USER_EMODE_SET, BOB, 1)

    decoded = market.decode()

    assert [(r.wallets, r.is_market) for r in decoded.refused] == [((ALICE,), False)]
    assert "bytes of data" in decoded.refused[0].reason
    assert [event.wallet for event in decoded.events] == [BOB]


def test_refused__wrong_number_of_topics__has_no_known_wallet(market: Market) -> None:
    topics, payload = encode_event(abi.BORROW, (market.weth.asset, ALICE, ALICE, 50, 2, 0, 0))
    market.chain.emit_raw(2, 0, POOL, topics[:3], payload)

    assert [(r.wallets, r.reason) for r in market.decode().refused] == [((), "3 topics for a known signature")]


def test_refused__dirty_wallet_topic__has_no_known_wallet(market: Market) -> None:
    topics, payload = encode_event(abi.USER_EMODE_SET, (ALICE, 1))
    dirty = Digest(b"\x01" + topics[1][1:])
    market.chain.emit_raw(2, 0, POOL, (topics[0], dirty), payload)

    assert [refusal.wallets for refusal in market.decode().refused] == [()]


def test_refused__reason__never_repeats_an_address(market: Market) -> None:
    topics, payload = encode_event(abi.BORROW, (market.weth.asset, ALICE, ALICE, 50, 2, 0, 0))
    market.chain.emit_raw(2, 0, POOL, topics, payload[:-32])

    assert all(ALICE.hex() not in refusal.reason for refusal in market.decode().refused)


def test_decode__events_of_watched_contracts_that_say_nothing_here__are_passed_over(market: Market) -> None:
    transfer = Digest(bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"))
    market.chain.emit_raw(2, 0, market.weth.a_token, (transfer, Digest(bytes(32)), Digest(bytes(32))), bytes(32))

    decoded = market.decode()

    assert (decoded.events, decoded.refused) == ((), ())


def test_decode__in_pieces_or_at_once__gives_the_same(market: Market) -> None:
    for block in range(2, 8):
        market.chain.emit(block, 0, market.weth.a_token, abi.MINT, BOB, ALICE, 1100 + block, block, INDEX)
    whole = market.decode()

    state, pieces = AaveV3State(DEPLOYMENT), []
    for block in range(8):
        logs = [log for log in market.chain.logs if log.position.block.number == block]
        state, decoded = AaveV3().decode_logs(state, logs, 3)
        pieces.append(decoded)

    assert tuple(event for piece in pieces for event in piece.events) == whole.events
    assert tuple(point for piece in pieces for point in piece.points) == whole.points


def test_discover__listing_and_price_source__names_what_to_fetch(market: Market) -> None:
    found = AaveV3().discover(AaveV3State(DEPLOYMENT), market.chain.logs)

    reserve = market.weth
    tokens = {reserve.a_token, reserve.stable_debt_token, reserve.variable_debt_token}
    assert found.contracts == tokens
    assert found.feeds == {reserve.feed}


def test_discover__everything_known__names_nothing_to_fetch(market: Market) -> None:
    state, _ = AaveV3().decode_logs(AaveV3State(DEPLOYMENT), market.chain.logs, 0)

    found = AaveV3().discover(state, market.chain.logs)

    assert found.contracts == frozenset()
    assert AaveV3().unanswered(state, found.feeds, BlockRange(1, 10)) == frozenset()
