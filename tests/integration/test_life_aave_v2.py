"""Aave V2's life on its real bytecode: what we make of its logs is what its contracts say, block by block.

Bytecode: npm @aave/protocol-v2@1.0.1, played in pyrevm. Everything is compared with the contracts' own view functions.
"""

import pytest
from bonafides.events import BlockRange
from bonafides.types import Address, EventType, Role
from bonafides_ingest.protocols.aave_v2.protocol import AaveV2
from bonafides_ingest.scanning import scan
from bonafides_lab.market import methods
from bonafides_lab.market.artifacts import function_calldata
from bonafides_lab.market.calldata import MAX_UINT256

from tests.support.aave_v2_life import ALICE, BOB, CAROL, DAVE, LIQUIDATOR, WALLETS, Life
from tests.support.aave_v2_market import (
    ADMIN,
    DEPOSIT,
    ETHER,
    SET_FEED,
    TREASURY,
    VARIABLE,
    WITHDRAW_ETH,
)
from tests.support.ingest_logs import ChainOfLogs

pytestmark = pytest.mark.integration

USD = 10**6
"""One USDC or USDT."""
MONTH_S = 30 * 86_400


@pytest.fixture
def life() -> Life:
    """Bob lends dollars, Alice lends ETH and borrows: $200,000 of WETH, 100,000 USDC."""
    life = Life()
    reserves = life.market.reserves
    life.act(BOB, DEPOSIT(reserves["USDC"].token, 400_000 * USD, BOB, 0))
    life.act(BOB, DEPOSIT(reserves["USDT"].token, 100_000 * USD, BOB, 0))
    life.act(ALICE, DEPOSIT(reserves["WETH"].token, 100 * ETHER, ALICE, 0))
    life.act(ALICE, methods.BORROW(reserves["USDC"].token, 100_000 * USD, VARIABLE, 0, ALICE))
    return life


def test_life__a_year_of_deposits_loans_and_repayments__ledger_and_health_factor_are_the_contracts(life: Life) -> None:
    market, reserves = life.market, life.market.reserves
    weth, usdc, usdt, wbtc = (reserves[symbol] for symbol in ("WETH", "USDC", "USDT", "WBTC"))

    for month in range(12):
        market.pass_time(MONTH_S)
        market.set_price("WBTC", (15 + month % 3) * ETHER)
        life.act(ADMIN, SET_FEED((2_000 + 37 * month) * 10**8), market.usd_feed)  # ETH in USD: no factor moves by it
        life.act(CAROL, DEPOSIT(wbtc.token, 10**8 + month, CAROL, 0))
        life.act(CAROL, methods.BORROW(usdt.token, 1_234_567_891 + month, VARIABLE, 0, CAROL))
        life.act(ALICE, methods.REPAY(usdc.token, 5_000 * USD + month, VARIABLE, ALICE))
        life.act(BOB, methods.WITHDRAW(usdc.token, 7_777 * USD + 13 * month, BOB))
        life.act(DAVE, DEPOSIT(weth.token, 3 * ETHER + 7 * month, ALICE, 0))  # Dave pays, Alice owns
        life.act(BOB, methods.TRANSFER(CAROL, 1_000 * USD + month), usdc.a_token)
    life.act(CAROL, methods.USE_AS_COLLATERAL(usdc.token, 0))
    life.act(CAROL, methods.USE_AS_COLLATERAL(usdc.token, 1))
    life.act(DAVE, methods.REPAY(usdt.token, 100_000 * USD, VARIABLE, CAROL))  # more than Carol owes: all of it
    life.act(ALICE, methods.REPAY(usdc.token, MAX_UINT256, VARIABLE, ALICE))
    life.act(ALICE, methods.WITHDRAW(weth.token, MAX_UINT256, DAVE))

    decoded = life.decoded()
    assert decoded.refused == ()
    assert life.checked_factors > 100
    assert market.read(usdc.variable_debt_token, methods.SCALED_BALANCE_OF(ALICE)) == [0]
    assert market.read(weth.a_token, methods.SCALED_BALANCE_OF(ALICE)) == [0]
    assert market.read(usdc.a_token, methods.SCALED_BALANCE_OF(TREASURY))[0] > 0  # interest went to the treasury,
    assert {event.wallet for event in decoded.events} <= set(WALLETS)  # which is no wallet
    assert [(e.role, e.counterparty) for e in life.words_of(DAVE, EventType.REPAID)] == [(Role.PAYER, CAROL)]
    assert [(e.role, e.counterparty) for e in life.words_of(DAVE, EventType.WITHDRAWN)] == [(Role.RECIPIENT, ALICE)]
    moved = life.words_of(CAROL, EventType.TRANSFERRED)
    assert [(e.role, e.amount) for e in moved] == [(Role.RECEIVER, 1_000 * USD + month) for month in range(12)]


@pytest.mark.parametrize("window", [1, 7, 50])
def test_life__read_in_windows_with_a_restart_after_each__says_the_same_as_in_one_go(life: Life, window: int) -> None:
    market, usdc = life.market, life.market.reserves["USDC"]
    for month in range(3):
        market.pass_time(MONTH_S)
        market.set_price("USDC", ETHER // (1_900 + 50 * month))
        market.send(ADMIN, market.usd_feed, SET_FEED((1_900 + 50 * month) * 10**8))
        market.send(ALICE, market.pool, methods.REPAY(usdc.token, 1_000 * USD, VARIABLE, ALICE))
    whole, source, protocol = life.decoded(), ChainOfLogs(logs=market.logs()), AaveV2()

    state, parts = protocol.restore(life.deployment, {}), []
    for first in range(1, market.last_block.number + 1, window):
        blocks = BlockRange(first, min(first + window - 1, market.last_block.number))
        scanned = scan(source, {life.deployment.id: state}, blocks, None)
        state, part = protocol.decode_logs(scanned.states[life.deployment.id], scanned.window.logs, 0)
        parts.append(part)
        state = protocol.restore(life.deployment, state.facts())

    assert tuple(event for part in parts for event in part.events) == whole.events
    assert tuple(point for part in parts for point in part.points) == whole.points


def test_life__atokens_sent_to_oneself_and_all_of_them__ledger_is_the_contracts(life: Life) -> None:
    market, usdc = life.market, life.market.reserves["USDC"]
    market.pass_time(5 * MONTH_S)

    life.act(BOB, methods.TRANSFER(BOB, 123_456_789), usdc.a_token)
    everything = market.read(usdc.a_token, methods.BALANCE_OF(BOB))[0]
    life.act(BOB, methods.TRANSFER(DAVE, everything // 3), usdc.a_token)
    life.act(BOB, methods.TRANSFER(DAVE, market.read(usdc.a_token, methods.BALANCE_OF(BOB))[0]), usdc.a_token)


def test_life__credit_is_delegated__debt_is_the_delegators_and_cash_the_borrowers(life: Life) -> None:
    usdc = life.market.reserves["USDC"]
    life.act(ALICE, methods.APPROVE_DELEGATION(DAVE, 10_000 * USD), usdc.variable_debt_token)

    life.act(DAVE, methods.BORROW(usdc.token, 10_000 * USD, VARIABLE, 0, ALICE))

    assert life.words_of(DAVE, EventType.BORROWED)[0].role is Role.RECIPIENT
    assert life.words_of(ALICE, EventType.BORROWED)[-1].counterparty == DAVE


@pytest.mark.parametrize("receives_a_tokens", [False, True])
def test_life__liquidation__takes_from_the_borrower_and_is_told_to_both(life: Life, receives_a_tokens: bool) -> None:
    market = life.market
    weth, usdc = market.reserves["WETH"], market.reserves["USDC"]
    market.pass_time(6 * MONTH_S)
    market.set_price("USDC", ETHER // 1_500)  # ETH falls to $1,500: 150,000 · .825 / 100,000 = 1.24
    life.compare()
    market.set_price("USDC", ETHER // 1_000)  # 100,000 · .825 / 100,000 < 1
    life.compare()

    call = methods.LIQUIDATION_CALL(weth.token, usdc.token, ALICE, MAX_UINT256, int(receives_a_tokens))
    life.act(LIQUIDATOR, call)
    life.act(LIQUIDATOR, call)  # V2 takes half of the debt at a time

    told = life.words_of(ALICE, EventType.LIQUIDATED)
    assert [(e.role, e.counterparty, e.asset, e.second_asset) for e in told] == [
        (Role.OWNER, LIQUIDATOR, usdc.token, weth.token)
    ] * 2
    assert told[0].amount == pytest.approx(50_700 * USD, rel=0.02)  # half of it, with half a year of interest
    assert told[0].second_amount == pytest.approx(told[0].amount * 10**12 / 1_000 * 1.05, rel=1e-6)  # a bonus of 5 %
    taken = market.read(weth.a_token, methods.SCALED_BALANCE_OF(LIQUIDATOR))[0]
    assert (taken > 0) is receives_a_tokens
    enabled = life.words_of(LIQUIDATOR, EventType.COLLATERAL_ENABLED)
    assert [event.asset for event in enabled] == ([weth.token] if receives_a_tokens else [])


def test_life__liquidation_of_all_collateral__leaves_bad_debt_and_disables_it(life: Life) -> None:
    market = life.market
    weth, usdc = market.reserves["WETH"], market.reserves["USDC"]
    market.set_price("USDC", ETHER // 400)  # $40,000 of collateral for 100,000 of debt

    life.act(LIQUIDATOR, methods.LIQUIDATION_CALL(weth.token, usdc.token, ALICE, MAX_UINT256, 0))

    assert market.read(weth.a_token, methods.SCALED_BALANCE_OF(ALICE)) == [0]
    assert market.read(usdc.variable_debt_token, methods.SCALED_BALANCE_OF(ALICE))[0] > 0
    assert [e.asset for e in life.words_of(ALICE, EventType.COLLATERAL_DISABLED)] == [weth.token]


def test_life__flash_loan_paid_back__makes_no_event_and_the_ledger_stands(life: Life) -> None:
    market, usdc = life.market, life.market.reserves["USDC"]
    receiver = market.deploy("MockFlashLoanReceiver", "0x" + market.provider.hex())
    before = len(life.decoded().events)

    _flash_loan(life, receiver, usdc.token, 50_000 * USD, mode=0)

    assert len(life.decoded().events) == before
    life.compare()


def test_life__flash_loan_kept_as_debt__is_a_borrow_and_a_debt_entry(life: Life) -> None:
    market, usdc = life.market, life.market.reserves["USDC"]
    receiver = market.deploy("MockFlashLoanReceiver", "0x" + market.provider.hex())

    _flash_loan(life, receiver, usdc.token, 10_000 * USD, mode=VARIABLE)

    life.compare()
    assert [e.amount for e in life.words_of(ALICE, EventType.BORROWED)] == [100_000 * USD, 10_000 * USD]


def _flash_loan(life: Life, receiver: Address, token: Address, amount: int, mode: int) -> None:
    pool = life.market.artifacts.read("LendingPool")
    calldata = function_calldata(
        pool, "flashLoan", ["0x" + receiver.hex(), ["0x" + token.hex()], [amount], [mode], "0x" + ALICE.hex(), b"", 0]
    )
    life.market.send(ALICE, life.market.pool, calldata)


def test_life__gateway_unwraps__the_position_is_its_callers_and_the_gateway_is_no_wallet(life: Life) -> None:
    market, weth = life.market, life.market.reserves["WETH"]
    market.pass_time(MONTH_S)
    life.act(ALICE, methods.APPROVE(market.gateway, MAX_UINT256), weth.a_token)

    life.act(ALICE, WITHDRAW_ETH(10 * ETHER, ALICE), market.gateway)

    events = life.decoded().events
    assert market.gateway not in {event.wallet for event in events} | {event.counterparty for event in events}
    assert [(e.role, e.amount) for e in life.words_of(ALICE, EventType.WITHDRAWN)] == [(Role.OWNER, 10 * ETHER)]
    assert life.words_of(ALICE, EventType.TRANSFERRED) == []
