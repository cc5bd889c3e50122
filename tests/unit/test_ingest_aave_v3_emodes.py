"""Aave V3's e-modes and listings of every version, and what its gateways do, by hand."""

from collections.abc import Iterator

import pytest
from bonafides.events import LendingEvent
from bonafides.types import ZERO_ADDRESS, Address, EventType, MarketPointKind, Role
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.aave_v3.rounding import Rounding
from bonafides_ingest.protocols.aave_v3.state import AaveV3State

from tests.support.aave_v3_logs import INDEX, Market
from tests.support.ingest_logs import (
    CONFIGURATOR,
    DEPLOYMENT,
    ORACLE,
    POOL,
    TREASURY,
    ChainOfLogs,
    ListedReserve,
    address,
)

pytestmark = pytest.mark.unit

ALICE, BOB, GATEWAY = (address(name) for name in ("alice", "bob", "gateway"))


@pytest.fixture
def market() -> Market:
    return Market(Rounding.HALF_UP)


def _memberships(market: Market) -> list[tuple[Address, int, tuple[int, ...]]]:
    points = market.decode().points
    return [(p.asset, p.category, p.values) for p in points if p.kind is MarketPointKind.EMODE_ASSET]


def test_emode__before_3_2__an_asset_leaves_its_category_for_another(market: Market) -> None:
    asset = market.weth.asset
    market.log(CONFIGURATOR, abi.EMODE_ASSET_CHANGED, asset, 0, 1)
    market.log(CONFIGURATOR, abi.EMODE_ASSET_CHANGED, asset, 1, 2)
    market.log(CONFIGURATOR, abi.EMODE_ASSET_CHANGED, asset, 2, 0)

    assert _memberships(market) == [(asset, 1, (1,)), (asset, 2, (1,)), (asset, 1, (0,)), (asset, 2, (0,))]
    points = market.decode().points
    assert len({point.id for point in points}) == len(points)


def test_emode__since_3_2__an_asset_is_in_any_number_of_categories(market: Market) -> None:
    asset = market.weth.asset
    for category, is_member in ((1, True), (2, True), (1, False)):
        market.log(CONFIGURATOR, abi.EMODE_COLLATERAL_CHANGED, asset, category, is_member)

    assert _memberships(market) == [(asset, 1, (1,)), (asset, 2, (1,)), (asset, 1, (0,))]


def test_emode__category_with_the_zero_oracle_of_3_2__is_read_like_any_other(market: Market) -> None:
    market.log(CONFIGURATOR, abi.EMODE_CATEGORY_ADDED, 7, 9_000, 9_300, 10_100, ZERO_ADDRESS, "")

    points = [p for p in market.decode().points if p.kind is MarketPointKind.EMODE_CONFIG]
    assert [(p.category, p.values) for p in points] == [(7, (9_000, 9_300, 10_100))]


def test_emode__with_a_price_source_of_its_own__is_told_and_a_dead_letter_of_the_market(market: Market) -> None:
    market.log(CONFIGURATOR, abi.EMODE_CATEGORY_ADDED, 7, 9_000, 9_300, 10_100, address("source"), "")

    decoded = market.decode()

    assert [p.values for p in decoded.points if p.kind is MarketPointKind.EMODE_CONFIG] == [(9_000, 9_300, 10_100)]
    assert [refusal.is_market for refusal in decoded.refused] == [True]


def test_listing__without_stable_debt_token__is_read_and_the_zero_address_is_not_watched() -> None:
    chain, reserve = ChainOfLogs(), ListedReserve.of("WETH")
    tokens = (reserve.asset, reserve.a_token, ZERO_ADDRESS, reserve.variable_debt_token, address("strategy"))
    initialized = (reserve.asset, POOL, TREASURY, bytes(20), 18, "Aave WETH", "aWETH", b"")
    chain.emit(1, 0, reserve.a_token, abi.INITIALIZED, *initialized)
    chain.emit(1, 0, CONFIGURATOR, abi.RESERVE_INITIALIZED, *tokens)

    state, decoded = AaveV3().decode_logs(AaveV3State(DEPLOYMENT), chain.logs, 1)

    assert decoded.refused == ()
    assert {reserve.a_token, reserve.variable_debt_token} <= set(state.watched)
    assert ZERO_ADDRESS not in state.watched
    assert AaveV3().discover(AaveV3State(DEPLOYMENT), chain.logs).contracts == {
        reserve.a_token,
        reserve.variable_debt_token,
    }


# Gateways


def _decoded(market: Market) -> Iterator[LendingEvent]:
    deployment = DEPLOYMENT.model_copy(update={"gateways": (GATEWAY,)})
    _, decoded = AaveV3().decode_logs(AaveV3State(deployment), market.chain.logs, 1)
    assert decoded.refused == ()
    return iter(decoded.events)


def _short(events: Iterator[LendingEvent]) -> list[tuple[EventType, Role, Address, Address | None, int]]:
    return [(e.type, e.role, e.wallet, e.counterparty, e.scaled_delta or e.amount) for e in events]


def test_gateway__withdraws__tells_it_of_whom_its_a_tokens_came_from(market: Market) -> None:
    a_token, asset = market.weth.a_token, market.weth.asset
    market.log(a_token, abi.BALANCE_TRANSFER, ALICE, GATEWAY, 100, INDEX)
    market.log(a_token, abi.BURN, GATEWAY, GATEWAY, 110, 0, INDEX)
    market.log(POOL, abi.WITHDRAW, asset, GATEWAY, GATEWAY, 110)

    assert _short(_decoded(market)) == [
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, None, -100),
        (EventType.WITHDRAWN, Role.OWNER, ALICE, None, 110),
    ]


def test_gateway__withdraws_for_two_in_one_transaction__tells_each_his_own(market: Market) -> None:
    a_token, asset = market.weth.a_token, market.weth.asset
    for wallet, amount in ((ALICE, 110), (BOB, 22)):
        market.log(a_token, abi.BALANCE_TRANSFER, wallet, GATEWAY, amount * 10 // 11, INDEX)
        market.log(POOL, abi.WITHDRAW, asset, GATEWAY, GATEWAY, amount)

    withdrawn = [event for event in _decoded(market) if event.type is EventType.WITHDRAWN]

    assert [(event.wallet, event.amount) for event in withdrawn] == [(ALICE, 110), (BOB, 22)]


def test_gateway__withdraws_what_nobody_gave_it__is_nobodys_withdrawal(market: Market) -> None:
    market.log(market.usdc.a_token, abi.BALANCE_TRANSFER, ALICE, GATEWAY, 100, INDEX)
    market.log(POOL, abi.WITHDRAW, market.weth.asset, GATEWAY, GATEWAY, 110)

    assert [event.type for event in _decoded(market)] == [EventType.SUPPLY_BALANCE]


def test_gateway__supplies_borrows_and_repays__is_no_payer_and_no_recipient(market: Market) -> None:
    asset = market.weth.asset
    market.log(POOL, abi.SUPPLY, asset, GATEWAY, ALICE, 10, 0)
    market.log(POOL, abi.BORROW, asset, GATEWAY, ALICE, 5, 2, 0, 0)
    market.log(POOL, abi.REPAY, asset, ALICE, GATEWAY, 4, False)

    assert _short(_decoded(market)) == [
        (EventType.SUPPLIED, Role.OWNER, ALICE, None, 10),
        (EventType.BORROWED, Role.OWNER, ALICE, None, 5),
        (EventType.REPAID, Role.OWNER, ALICE, None, 4),
    ]


def test_oracle__is_no_wallet_either(market: Market) -> None:
    market.log(POOL, abi.SUPPLY, market.weth.asset, ORACLE, ORACLE, 10, 0)

    assert _short(_decoded(market)) == []
