"""Debt at a stable rate on Aave V3.0.1's own bytecode: act by act, and a crowd at random.

Bytecode: npm @aave/core-v3@1.19.3, played in pyrevm, with stable borrowing on, which no live market has now.
`compare` asks the contracts for every balance, principal, rate and health factor, and wants them exactly.
"""

import pytest
from bonafides.events import LendingEvent
from bonafides.types import Address, EventType
from bonafides_lab.market.calldata import MAX_UINT256

from tests.support.aave_crowd import (
    APPROVE,
    BALANCE_OF,
    BORROW,
    DELEGATE,
    LIQUIDATE,
    MINT,
    REPAY,
    REPAY_WITH_A_TOKENS,
    SET_PRICE,
    SUPPLY,
    VARIABLE_RATE,
)
from tests.support.aave_evm import ADMIN, person
from tests.support.aave_v3_stable import REBALANCE, STABLE_RATE, SWAP_MODE, StableAave30, StableCrowd

pytestmark = pytest.mark.integration

ALICE, BOB, CAROL = person("alice"), person("bob"), person("carol")
WALLETS = (ALICE, BOB, CAROL)
USD = 10**6
"""One USDC."""
ETHER = 10**18
DAY_S = 86_400
YEAR_S = 365 * DAY_S
UNKNOWN_ACTS = ("mint_to_treasury", "eliminate_deficit", "two_at_once", "change_emode")


@pytest.fixture
def market() -> StableAave30:
    """Bob lends 400,000 USDC; Alice has 500 WETH, a million dollars, for collateral."""
    market = StableAave30()
    for wallet in WALLETS:
        for asset in market.assets:
            assert market.send(wallet, asset.token, MINT(wallet, 10**6 * 10**asset.listing.decimals))
            assert market.send(wallet, asset.token, APPROVE(market.pool, MAX_UINT256))
    weth, usdc = _tokens(market)
    _act(market, BOB, SUPPLY(usdc, 400_000 * USD, BOB, 0))
    _act(market, ALICE, SUPPLY(weth, 500 * ETHER, ALICE, 0))
    return market


def _tokens(market: StableAave30) -> tuple[Address, Address]:
    weth, usdc, *_ = market.assets
    return weth.token, usdc.token


def _act(market: StableAave30, wallet: Address, calldata: bytes, *, after_s: int = 12) -> None:
    """One transaction in a block of its own; everything is compared before it, in its block, and after it."""
    market.wait(after_s)
    market.compare(WALLETS)
    assert market.send(wallet, market.pool, calldata)
    market.compare(WALLETS)


def _told(market: StableAave30) -> list[tuple[int, int]]:
    """(principal, rate or 0) of each entry of Alice."""
    return [(event.amount, event.index_ray) for event in _words(market, EventType.STABLE_DEBT_SET)]


def _words(market: StableAave30, *types: EventType) -> list[LendingEvent]:
    return [event for event in market.decode().events if event.wallet == ALICE and event.type in types]


def test_life__stable_debt_borrowed_topped_up_and_repaid__is_the_contracts_act_by_act(market: StableAave30) -> None:
    _, usdc = _tokens(market)

    _act(market, ALICE, BORROW(usdc, 20_000 * USD, STABLE_RATE, 0, ALICE))
    _act(market, ALICE, BORROW(usdc, 50_000 * USD, STABLE_RATE, 0, ALICE), after_s=200 * DAY_S)
    _act(market, ALICE, REPAY(usdc, 1 * USD, STABLE_RATE, ALICE), after_s=3 * YEAR_S)  # less than the new interest
    _act(market, ALICE, REPAY(usdc, 10_000 * USD, STABLE_RATE, ALICE), after_s=90 * DAY_S)
    _act(market, CAROL, REPAY(usdc, 1_234 * USD, STABLE_RATE, ALICE))
    _act(market, ALICE, SUPPLY(usdc, 2_000 * USD, ALICE, 0))
    _act(market, ALICE, REPAY_WITH_A_TOKENS(usdc, 1_500 * USD, STABLE_RATE), after_s=DAY_S)
    _act(market, ALICE, REPAY(usdc, MAX_UINT256, STABLE_RATE, ALICE), after_s=7 * DAY_S)

    told = _told(market)
    assert told[0][0] == 20_000 * USD
    assert told[1][1] > told[0][1]  # the second loan was dearer: the average of both
    assert told[2][0] > told[1][0]  # a repayment that leaves a larger principal
    assert told[2][1] == told[1][1]
    assert [rate == 0 for _, rate in told] == [False, False, False, True, True, True, True]
    assert told[-1] == (0, 0)


def test_life__debt_that_changes_its_mode_and_back__is_told_by_both_tokens(market: StableAave30) -> None:
    _, usdc = _tokens(market)
    _act(market, ALICE, BORROW(usdc, 30_000 * USD, VARIABLE_RATE, 0, ALICE))
    _act(market, ALICE, SWAP_MODE(usdc, VARIABLE_RATE), after_s=100 * DAY_S)  # the mode it leaves
    _act(market, ALICE, BORROW(usdc, 10_000 * USD, VARIABLE_RATE, 0, ALICE), after_s=100 * DAY_S)  # owes in both
    _act(market, ALICE, SWAP_MODE(usdc, VARIABLE_RATE), after_s=100 * DAY_S)  # all of it stable
    _act(market, ALICE, SWAP_MODE(usdc, STABLE_RATE), after_s=100 * DAY_S)  # all of it variable

    assert [amount > 0 for amount, _ in _told(market)] == [True, True, False]
    assert len(_words(market, EventType.BORROWED, EventType.REPAID)) == 2


def test_life__stable_credit_is_delegated__debt_is_the_delegators(market: StableAave30) -> None:
    _, usdc = _tokens(market)
    assert market.send(ALICE, market.stable_tokens[usdc], DELEGATE(CAROL, 10_000 * USD))

    _act(market, CAROL, BORROW(usdc, 10_000 * USD, STABLE_RATE, 0, ALICE))

    assert [amount for amount, _ in _told(market)] == [10_000 * USD]
    assert [event.counterparty for event in _words(market, EventType.BORROWED)] == [CAROL]


def test_life__stable_debt_rebalanced_by_anybody__takes_the_new_rate(market: StableAave30) -> None:
    _, usdc = _tokens(market)
    for dollars in (100_000, 75_000):  # a quarter of what is there at a time
        _act(market, ALICE, BORROW(usdc, dollars * USD, STABLE_RATE, 0, ALICE))
    _act(market, ALICE, BORROW(usdc, 150_000 * USD, VARIABLE_RATE, 0, ALICE))

    _act(market, CAROL, REBALANCE(usdc, ALICE), after_s=DAY_S)

    *_, before, burnt, minted = _told(market)
    assert burnt == (0, 0)
    assert minted[0] > before[0]
    assert minted[1] > 2 * before[1]
    assert [event for event in market.decode().events if event.wallet == CAROL] == []


@pytest.mark.parametrize("variable", [0, 10_000])
def test_life__stable_debt_liquidated__is_burnt_after_the_variable(market: StableAave30, variable: int) -> None:
    weth, usdc = _tokens(market)
    _act(market, ALICE, BORROW(usdc, 90_000 * USD, STABLE_RATE, 0, ALICE))
    if variable:
        _act(market, ALICE, BORROW(usdc, variable * USD, VARIABLE_RATE, 0, ALICE))
    market.wait(100 * DAY_S)
    assert market.send(ADMIN, market.assets[0].feed, SET_PRICE(200 * 10**8))  # 500 WETH are 100,000 dollars

    _act(market, CAROL, LIQUIDATE(weth, usdc, ALICE, 40_000 * USD, 0))

    (liquidation,) = _words(market, EventType.LIQUIDATED)
    assert liquidation.amount == 40_000 * USD
    assert market.ask(market.assets[1].debt_token, BALANCE_OF, ALICE) == [0]
    assert _told(market)[-1][0] == pytest.approx((50_000 + variable) * USD, rel=0.06)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_life__a_crowd_does_anything_it_can__is_the_contracts(seed: int) -> None:
    crowd = StableCrowd(StableAave30(), seed, without=UNKNOWN_ACTS)
    indebted = 0

    for _ in range(40):
        crowd.play(50)
        crowd.market.wait(crowd.random.randint(1, 40 * DAY_S))
        indebted += crowd.market.compare(crowd.everybody)

    assert indebted > 100
    assert min(crowd.done[verb] for verb in ("borrow_stable", "repay_stable", "swap", "liquidate")) > 0
