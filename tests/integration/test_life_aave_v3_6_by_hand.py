"""Aave V3.6 on its own bytecode, by hand: bad debt, the gateway, flash loans, an upgrade, a moved position."""

import pytest
from bonafides.types import Address, EventType, Role
from bonafides_lab.market.calldata import MAX_UINT256, Method
from bonafides_scoring.fold import empty_state, fold, settle
from bonafides_scoring.wallet_state import AssetKey, WalletState

from tests.support.aave_crowd import (
    APPROVE,
    BALANCE_OF,
    BORROW,
    DELEGATE,
    LIQUIDATE,
    MINT,
    SCALED_BALANCE_OF,
    SET_PRICE,
    SUPPLY,
    VARIABLE_RATE,
)
from tests.support.aave_evm import CHAIN, DEPLOYMENT, ledger, person
from tests.support.aave_v3_6 import Aave36

pytestmark = pytest.mark.integration

LENDER, ALICE, BOB, CAROL = (person(name) for name in ("lender", "alice", "bob", "carol"))


@pytest.fixture
def market() -> Aave36:
    """Lenders everywhere, and Alice, Bob and Carol with a thousand dollars' worth of everything."""
    market = Aave36()
    for asset in market.assets:
        unit = 10**asset.listing.decimals
        for wallet in (LENDER, ALICE, BOB, CAROL):
            market.send(wallet, asset.token, MINT(wallet, 10**6 * unit))
            market.send(wallet, asset.token, APPROVE(market.pool, MAX_UINT256))
        assert market.send(LENDER, market.pool, SUPPLY(asset.token, 10**5 * unit, LENDER, 0))
    return market


def _words(market: Aave36, wallet: Address, since: int = 0) -> list[tuple[EventType, Role, Address | None, int]]:
    """The wallet's events after block `since`, ledger entries and collateral flags left out."""
    silent = (
        EventType.SUPPLY_BALANCE,
        EventType.DEBT_BALANCE,
        EventType.COLLATERAL_ENABLED,
        EventType.COLLATERAL_DISABLED,
    )
    return [
        (event.type, event.role, event.counterparty, event.amount)
        for event in market.decode().events
        if event.wallet == wallet and event.type not in silent and event.position.block.number > since
    ]


def _held(market: Aave36, wallet: Address) -> dict[tuple[Address, str], int]:
    """The wallet's ledger."""
    return {
        (asset, kind): total
        for (owner, asset, kind), total in ledger(market.decode().events).items()
        if owner == wallet
    }


def _settled(market: Aave36, wallet: Address) -> WalletState:
    own = sorted((e for e in market.decode().events if e.wallet == wallet), key=lambda event: event.order)
    return settle(fold(empty_state(wallet, CHAIN), own))


def test_liquidation__no_collateral_left_and_three_debts__ends_every_debt_and_tells_what_was_given_up(
    market: Aave36,
) -> None:
    weth, usdc, wbtc, eurs = market.assets
    assert market.send(ALICE, market.pool, SUPPLY(weth.token, 10 * 10**18, ALICE, 0))
    for asset, amount in ((usdc, 5_000 * 10**6), (wbtc, 10**7 + 1), (eurs, 1_234_567_891)):
        assert market.send(ALICE, market.pool, BORROW(asset.token, amount, VARIABLE_RATE, 0, ALICE))
    market.wait(100 * 86_400)
    owed = {asset.token: market.ask(asset.debt_token, BALANCE_OF, ALICE)[0] for asset in (usdc, wbtc, eurs)}
    market.send(ALICE, weth.feed, SET_PRICE(300 * 10**8))

    assert market.send(BOB, market.pool, LIQUIDATE(weth.token, usdc.token, ALICE, MAX_UINT256, 0))

    words = _words(market, ALICE, since=1)
    (liquidated,) = [amount for kind, _, _, amount in words if kind is EventType.LIQUIDATED]
    given_up = [amount for kind, _, _, amount in words if kind is EventType.BAD_DEBT]
    assert given_up == [owed[usdc.token] - liquidated, owed[wbtc.token], owed[eurs.token]]
    assert _held(market, ALICE) == {}
    assert market.decode().refused == ()


def test_gateway__whatever_is_done_through_it__is_the_callers_own_doing(market: Aave36) -> None:
    weth, *_ = market.assets
    market.evm.set_balance("0x" + ALICE.hex(), 100 * 10**18)
    market.send(ALICE, weth.a_token, APPROVE(market.gateway, MAX_UINT256))
    market.send(ALICE, weth.debt_token, DELEGATE(market.gateway, MAX_UINT256))

    def through_gateway(calldata: bytes, value: int = 0) -> None:
        market.wait(30 * 86_400)
        assert market.send(ALICE, market.gateway, calldata, value=value)

    start = market.number
    through_gateway(Method("depositETH(address,address,uint16)")(market.pool, ALICE, 0), 10 * 10**18)
    through_gateway(Method("borrowETH(address,uint256,uint16)")(market.pool, 10**18 + 7, 0))
    through_gateway(Method("repayETH(address,uint256,address)")(market.pool, 5 * 10**17, ALICE), 5 * 10**17)
    through_gateway(Method("repayETH(address,uint256,address)")(market.pool, MAX_UINT256, ALICE), 10**18)
    through_gateway(Method("withdrawETH(address,uint256,address)")(market.pool, 3 * 10**18 + 1, ALICE))
    through_gateway(Method("withdrawETH(address,uint256,address)")(market.pool, MAX_UINT256, CAROL))

    words = _words(market, ALICE, since=start)
    assert [(kind, role, other) for kind, role, other, _ in words] == [
        (EventType.SUPPLIED, Role.OWNER, None),
        (EventType.BORROWED, Role.OWNER, None),
        (EventType.REPAID, Role.OWNER, None),
        (EventType.REPAID, Role.OWNER, None),
        (EventType.WITHDRAWN, Role.OWNER, None),
        (EventType.WITHDRAWN, Role.OWNER, None),
    ]
    assert [amount for *_, amount in words[:3]] == [10 * 10**18, 10**18 + 7, 5 * 10**17]
    assert words[4][3] == 3 * 10**18 + 1
    assert words[5][3] > 69 * 10**17
    truth = market.ask(weth.a_token, SCALED_BALANCE_OF, ALICE)[0]
    assert _held(market, ALICE) == ({(weth.token, "supply_balance"): truth} if truth else {})
    assert {event.wallet for event in market.decode().events} == {ALICE, LENDER}
    assert market.decode().refused == ()


def test_gateway__not_in_the_registry__is_a_wallet_like_any_other(market: Aave36) -> None:
    market.evm.set_balance("0x" + ALICE.hex(), 10**18)

    assert market.send(
        ALICE, market.gateway, Method("depositETH(address,address,uint16)")(market.pool, ALICE, 0), value=10**17
    )

    events = market.decode(gateways=[]).events
    assert (EventType.SUPPLIED, Role.PAYER, market.gateway) in {(e.type, e.role, e.wallet) for e in events}


@pytest.fixture
def flash(market: Aave36) -> Address:
    """A contract with collateral of its own, which borrows in a flash."""
    weth, usdc, *_ = market.assets
    contract = market.deploy(market.artifacts["FlashBorrower"], "0x" + market.pool.hex())
    assert market.send(ALICE, market.pool, SUPPLY(weth.token, 10 * 10**18, contract, 0))
    market.send(ALICE, usdc.token, MINT(contract, 10**9))  # for fees
    market.wait(200 * 86_400)
    return contract


def test_flash__borrowed_and_repaid_in_one_transaction__is_no_credit_history(market: Aave36, flash: Address) -> None:
    _, usdc, *_ = market.assets
    since = market.number - 1

    borrow_and_repay = Method("borrowAndRepay(address,uint256,uint256)")
    assert market.send(ALICE, flash, borrow_and_repay(usdc.token, 3_000 * 10**6 + 1, MAX_UINT256))

    assert [kind for kind, *_ in _words(market, flash, since)] == [EventType.BORROWED, EventType.REPAID]
    state = _settled(market, flash)
    assert (state.borrow_count, state.repayment_count, state.closed_count, state.first_loan) == (0, 0, 0, None)
    assert not state.has_open_debt
    assert dict(state.assets)[AssetKey(DEPLOYMENT, usdc.token)].borrowed == 0


def test_flash__a_flash_loan_paid_back__is_no_event(market: Aave36, flash: Address) -> None:
    _, usdc, *_ = market.assets
    since = market.number - 1

    assert market.send(ALICE, flash, Method("flash(address,uint256,uint256)")(usdc.token, 10**10, 0))

    assert _words(market, flash, since) == []
    assert market.decode().refused == ()


def test_flash__a_flash_loan_turned_into_debt__is_a_borrow(market: Aave36, flash: Address) -> None:
    _, usdc, *_ = market.assets
    since = market.number - 1

    assert market.send(ALICE, flash, Method("flash(address,uint256,uint256)")(usdc.token, 10**9, VARIABLE_RATE))

    assert _words(market, flash, since) == [(EventType.BORROWED, Role.OWNER, None, 10**9)]
    assert _held(market, flash)[usdc.token, "debt_balance"] == market.ask(usdc.debt_token, SCALED_BALANCE_OF, flash)[0]
    assert _settled(market, flash).borrow_count == 1


def test_upgrade__to_a_pool_that_the_registry_does_not_know__refuses_the_tokens_from_there_on(market: Aave36) -> None:
    weth, *_ = market.assets
    assert market.send(ALICE, market.pool, SUPPLY(weth.token, 10**18, ALICE, 0))
    market.wait(12)
    again = market.deploy_pool_code("NextPool")
    market.administer(market.provider, "setPoolImpl(address)", again)
    assert market.send(ALICE, market.pool, SUPPLY(weth.token, 10**18, ALICE, 0))

    decoded = market.decode()

    assert sum(e.scaled_delta for e in decoded.events if e.wallet == ALICE) == 10**18
    told = [(refusal.is_market, refusal.wallets, refusal.is_hole) for refusal in decoded.refused]
    assert told == [(True, (), True), (False, (), True)]  # who only got supply has no hole
    known = market.deployment().pool_versions
    entry = {"implementation": "0x" + again.hex(), "rounding": "by_operation", "source": known[0].source}
    versions = [
        *(version.model_dump() | {"implementation": "0x" + version.implementation.hex()} for version in known),
        entry,
    ]
    healed = market.decode(pool_versions=versions)
    assert (
        sum(e.scaled_delta for e in healed.events if e.wallet == ALICE)
        == market.ask(weth.a_token, SCALED_BALANCE_OF, ALICE)[0]
    )


def test_transfer__an_a_token_moved__is_a_position_moved(market: Aave36) -> None:
    weth, *_ = market.assets
    assert market.send(ALICE, market.pool, SUPPLY(weth.token, 10**18, ALICE, 0))
    market.wait(77 * 86_400)
    since = market.number - 1

    assert market.send(ALICE, weth.a_token, Method("transfer(address,uint256)")(BOB, 4 * 10**17))

    ((kind, role, other, sent),) = _words(market, ALICE, since)
    assert (kind, role, other) == (EventType.TRANSFERRED, Role.SENDER, BOB)
    assert _words(market, BOB, since) == [(EventType.TRANSFERRED, Role.RECEIVER, ALICE, sent)]
    assert sent in (4 * 10**17, 4 * 10**17 + 1)
    assert _held(market, BOB) == {(weth.token, "supply_balance"): market.ask(weth.a_token, SCALED_BALANCE_OF, BOB)[0]}
