"""Debt at a stable rate on Aave V2's real bytecode: principal, rate, what is owed and the health factor, act by act.

Bytecode: npm @aave/protocol-v2@1.0.1, played in pyrevm. `Life.act` compares everything with the contracts after each.
"""

import random

import pytest
from bonafides.types import Address, EventType, Role
from bonafides_lab.market import methods
from bonafides_lab.market.calldata import MAX_UINT256

from tests.support.aave_v2_life import ALICE, BOB, CAROL, DAVE, LIQUIDATOR, Life
from tests.support.aave_v2_market import DEPOSIT, ETHER, REBALANCE, STABLE, SWAP_RATE_MODE, VARIABLE

pytestmark = pytest.mark.integration

USD = 10**6
"""One USDC."""
DAY_S = 86_400
YEAR_S = 365 * DAY_S


@pytest.fixture
def life() -> Life:
    """Bob lends dollars, Alice has a million dollars' worth of WETH for collateral."""
    life = Life()
    life.act(BOB, DEPOSIT(_usdc(life), 400_000 * USD, BOB, 0))
    life.act(ALICE, DEPOSIT(life.market.reserves["WETH"].token, 500 * ETHER, ALICE, 0))
    return life


def _usdc(life: Life) -> Address:
    return life.market.reserves["USDC"].token


def _told(life: Life, wallet: Address = ALICE) -> list[tuple[int, int]]:
    """(principal, rate or 0) of each entry."""
    return [(event.amount, event.index_ray) for event in life.words_of(wallet, EventType.STABLE_DEBT_SET)]


def _wait(life: Life, seconds: int) -> None:
    """Time, and something small of another wallet that ends it."""
    life.market.pass_time(seconds)
    life.act(BOB, DEPOSIT(_usdc(life), 1, BOB, 0))


def test_life__stable_debt_borrowed_topped_up_and_repaid__is_the_contracts_act_by_act(life: Life) -> None:
    usdc = _usdc(life)

    life.act(ALICE, methods.BORROW(usdc, 20_000 * USD, STABLE, 0, ALICE))
    _wait(life, 200 * DAY_S)
    life.act(ALICE, methods.BORROW(usdc, 5_000 * USD, STABLE, 0, ALICE))
    _wait(life, 3 * YEAR_S)  # long enough that V2's way to compound is not V3's
    life.act(ALICE, methods.REPAY(usdc, 1 * USD, STABLE, ALICE))  # less than the new interest: a Mint
    _wait(life, 90 * DAY_S)
    life.act(ALICE, methods.REPAY(usdc, 10_000 * USD, STABLE, ALICE))
    life.act(DAVE, methods.REPAY(usdc, 1_234 * USD, STABLE, ALICE))
    _wait(life, 7 * DAY_S)
    life.act(ALICE, methods.REPAY(usdc, MAX_UINT256, STABLE, ALICE))

    told = _told(life)
    assert told[0][0] == 20_000 * USD
    assert told[2][0] > told[1][0]  # a repayment that leaves a larger principal
    assert told[2][1] == told[1][1]
    assert [rate == 0 for _, rate in told] == [False, False, False, True, True, True]
    assert told[-1] == (0, 0)
    assert [e.role for e in life.words_of(DAVE, EventType.REPAID)] == [Role.PAYER]
    assert life.checked_factors >= 9


def test_life__debt_that_changes_its_mode_and_back__is_told_by_both_tokens(life: Life) -> None:
    usdc = _usdc(life)
    life.act(ALICE, methods.BORROW(usdc, 30_000 * USD, VARIABLE, 0, ALICE))
    _wait(life, 100 * DAY_S)
    life.act(ALICE, SWAP_RATE_MODE(usdc, VARIABLE))  # the mode it leaves
    _wait(life, 100 * DAY_S)
    life.act(ALICE, methods.BORROW(usdc, 10_000 * USD, VARIABLE, 0, ALICE))  # now she owes in both
    _wait(life, 100 * DAY_S)
    life.act(ALICE, SWAP_RATE_MODE(usdc, VARIABLE))  # all of it stable
    _wait(life, 100 * DAY_S)
    life.act(ALICE, SWAP_RATE_MODE(usdc, STABLE))  # all of it variable

    assert [amount > 0 for amount, _ in _told(life)] == [True, True, False]
    assert len(life.words_of(ALICE, EventType.BORROWED, EventType.REPAID)) == 2


def test_life__stable_credit_is_delegated__debt_is_the_delegators(life: Life) -> None:
    reserve = life.market.reserves["USDC"]
    life.act(ALICE, methods.APPROVE_DELEGATION(DAVE, 10_000 * USD), reserve.stable_debt_token)

    life.act(DAVE, methods.BORROW(reserve.token, 10_000 * USD, STABLE, 0, ALICE))

    assert [amount for amount, _ in _told(life)] == [10_000 * USD]
    assert _told(life, DAVE) == []


def test_life__stable_debt_rebalanced_by_anybody__takes_the_new_rate(life: Life) -> None:
    usdc = _usdc(life)
    for dollars in (100_000, 75_000, 56_000):  # a quarter of what is there at a time
        life.act(ALICE, methods.BORROW(usdc, dollars * USD, STABLE, 0, ALICE))
    life.act(ALICE, methods.BORROW(usdc, 155_000 * USD, VARIABLE, 0, ALICE))  # above 95 % of the pool
    life.market.pass_time(DAY_S)

    life.act(CAROL, REBALANCE(usdc, ALICE))

    *_, before, burnt, minted = _told(life)
    assert burnt == (0, 0)
    assert minted[0] > before[0]
    assert minted[1] > 3 * before[1]
    assert life.words_of(CAROL, *EventType) == []


@pytest.mark.parametrize("variable", [0, 10_000])
def test_life__stable_debt_liquidated__is_burnt_after_the_variable(life: Life, variable: int) -> None:
    market, usdc, weth = life.market, _usdc(life), life.market.reserves["WETH"].token
    life.act(ALICE, methods.WITHDRAW(weth, 450 * ETHER, ALICE))
    life.act(ALICE, methods.BORROW(usdc, 60_000 * USD, STABLE, 0, ALICE))
    if variable:
        life.act(ALICE, methods.BORROW(usdc, variable * USD, VARIABLE, 0, ALICE))
    _wait(life, 100 * DAY_S)
    market.set_price("USDC", ETHER // 1_000)  # 50 ETH are 50,000 dollars

    life.act(LIQUIDATOR, methods.LIQUIDATION_CALL(weth, usdc, ALICE, MAX_UINT256, 0))

    (liquidation,) = life.words_of(ALICE, EventType.LIQUIDATED)
    assert liquidation.amount == pytest.approx((30_000 + variable / 2) * USD, rel=0.03)  # half of all debt
    assert market.read(market.reserves["USDC"].variable_debt_token, methods.BALANCE_OF(ALICE)) == [0]
    assert 0 < _told(life)[-1][0] < 40_000 * USD


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_life__whatever_is_done_in_whatever_order__is_the_contracts(life: Life, seed: int) -> None:
    dice, usdc = random.Random(seed), _usdc(life)
    debtors = (ALICE, CAROL)
    life.act(CAROL, DEPOSIT(life.market.reserves["WBTC"].token, 10 * 10**8, CAROL, 0))
    done = 0

    for _ in range(60):
        debtor, mode = dice.choice(debtors), dice.choice((STABLE, STABLE, VARIABLE))
        amount = dice.choice((1, dice.randrange(1, 100), dice.randrange(USD, 20_000 * USD)))
        call = dice.choice(
            (
                methods.BORROW(usdc, amount, mode, 0, debtor),
                methods.BORROW(usdc, 3 * amount, mode, 0, debtor),
                methods.REPAY(usdc, amount, mode, debtor),
                methods.REPAY(usdc, dice.choice((amount, MAX_UINT256)), mode, debtor),
                SWAP_RATE_MODE(usdc, mode),
                REBALANCE(usdc, dice.choice(debtors)),
            )
        )
        life.market.pass_time(dice.choice((0, 1, 2, dice.randrange(100 * DAY_S))))
        done += life.market.send(debtor, life.market.pool, call, succeeds=None)
        life.compare()

    assert done > 20
    assert {rate > 0 for _, rate in _told(life)} == {True, False}
