"""Aave V3's tokens that round by operation: a token's log and the Pool's, worked by hand at an index of 1.1."""

import pytest
from bonafides.types import ZERO_ADDRESS, EventType
from bonafides_ingest.protocols.aave_v3 import events as abi
from hypothesis import given
from hypothesis import strategies as st

from tests.support.aave_v3_logs import INDEX, Market
from tests.support.ingest_logs import POOL, RAY, address

pytestmark = pytest.mark.unit

ALICE, BOB, UMBRELLA = (address(name) for name in ("alice", "bob", "umbrella"))


@pytest.fixture
def market() -> Market:
    return Market()


def test_supply__an_amount_between_two_shares__gives_the_lower(market: Market) -> None:
    # 100 / 1.1 = 90.9: 90 shares, a balance of 99
    market.log(market.weth.a_token, abi.MINT, ALICE, ALICE, 99, 0, INDEX)
    market.log(POOL, abi.SUPPLY, market.weth.asset, ALICE, ALICE, 100, 0)

    assert market.deltas() == [(ALICE, EventType.SUPPLY_BALANCE, 90)]


def test_withdrawal__an_amount_between_two_shares__takes_the_higher(market: Market) -> None:
    # 91 shares are worth 100.1. Of 1000 shares: 1100 before, 999.9 after, so 101 (or 100) is logged, 7 of it interest
    market.log(market.weth.a_token, abi.BURN, ALICE, ALICE, 94, 7, INDEX)
    market.log(POOL, abi.WITHDRAW, market.weth.asset, ALICE, ALICE, 100)

    assert market.deltas() == [(ALICE, EventType.SUPPLY_BALANCE, -91)]


def test_withdrawal__smaller_than_its_interest__is_taken_though_the_log_is_a_mint(market: Market) -> None:
    # 11 / 1.1 = 10 shares; 40 of interest less 11 withdrawn
    market.log(market.weth.a_token, abi.MINT, ALICE, ALICE, 29, 40, INDEX)
    market.log(POOL, abi.WITHDRAW, market.weth.asset, ALICE, BOB, 11)

    assert market.deltas() == [(ALICE, EventType.SUPPLY_BALANCE, -10)]


def test_borrow_and_repayment__round_the_other_way(market: Market) -> None:
    debt = market.weth.variable_debt_token
    market.log(debt, abi.MINT, BOB, ALICE, 101, 0, INDEX)  # 91 shares: ceil(100.1)
    market.log(POOL, abi.BORROW, market.weth.asset, BOB, ALICE, 100, 2, 0, 0)
    market.log(debt, abi.BURN, ALICE, ZERO_ADDRESS, 99, 0, INDEX)  # 90 shares
    market.log(POOL, abi.REPAY, market.weth.asset, ALICE, BOB, 100, False)

    assert market.deltas() == [(ALICE, EventType.DEBT_BALANCE, 91), (ALICE, EventType.DEBT_BALANCE, -90)]


def test_repayment_with_a_tokens__burns_of_both_tokens(market: Market) -> None:
    market.log(market.weth.variable_debt_token, abi.BURN, ALICE, ZERO_ADDRESS, 99, 0, INDEX)
    market.log(market.weth.a_token, abi.BURN, ALICE, market.weth.a_token, 101, 0, INDEX)
    market.log(POOL, abi.REPAY, market.weth.asset, ALICE, ALICE, 100, True)

    assert market.deltas() == [(ALICE, EventType.DEBT_BALANCE, -90), (ALICE, EventType.SUPPLY_BALANCE, -91)]


def test_liquidation__with_debt_given_up_in_two_assets__adds_the_deficit_to_what_was_repaid(market: Market) -> None:
    weth, usdc = market.weth, market.usdc
    market.log(weth.variable_debt_token, abi.BURN, ALICE, ZERO_ADDRESS, 330, 0, INDEX)  # 300 shares for 230 + 100
    market.log(POOL, abi.DEFICIT_CREATED, ALICE, weth.asset, 100)
    market.log(usdc.a_token, abi.BURN, ALICE, BOB, 55, 0, INDEX)  # 50 shares
    market.log(usdc.variable_debt_token, abi.BURN, ALICE, ZERO_ADDRESS, 22, 0, INDEX)  # 20 shares
    market.log(POOL, abi.DEFICIT_CREATED, ALICE, usdc.asset, 22)
    market.log(POOL, abi.LIQUIDATION_CALL, usdc.asset, weth.asset, ALICE, 230, 55, BOB, False)

    assert market.deltas() == [
        (ALICE, EventType.DEBT_BALANCE, -300),
        (ALICE, EventType.SUPPLY_BALANCE, -50),
        (ALICE, EventType.DEBT_BALANCE, -20),
    ]


def test_liquidation__paid_in_a_tokens__moves_the_shares_that_the_transfer_names(market: Market) -> None:
    weth, usdc = market.weth, market.usdc
    market.log(weth.variable_debt_token, abi.BURN, ALICE, ZERO_ADDRESS, 99, 0, INDEX)
    market.log(usdc.a_token, abi.TRANSFER, ALICE, BOB, 100)
    market.log(usdc.a_token, abi.BALANCE_TRANSFER, ALICE, BOB, 91, INDEX)
    market.log(POOL, abi.LIQUIDATION_CALL, usdc.asset, weth.asset, ALICE, 100, 100, BOB, True)

    assert market.deltas() == [
        (ALICE, EventType.DEBT_BALANCE, -90),
        (ALICE, EventType.SUPPLY_BALANCE, -91),
        (BOB, EventType.SUPPLY_BALANCE, 91),
    ]


def test_deficit_covered__burns_of_who_covers_it(market: Market) -> None:
    market.log(market.weth.a_token, abi.BURN, UMBRELLA, market.weth.a_token, 101, 0, INDEX)
    market.log(POOL, abi.DEFICIT_COVERED, market.weth.asset, UMBRELLA, 100)

    assert market.deltas() == [(UMBRELLA, EventType.SUPPLY_BALANCE, -91)]


def test_interest_alone__is_no_entry_and_needs_no_pool_event(market: Market) -> None:
    market.log(market.weth.a_token, abi.MINT, BOB, ALICE, 7, 7, INDEX)

    assert (market.deltas(), market.refusals()) == ([], [])


@pytest.mark.parametrize("logged", [97, 98, 101])
def test_token_log__that_the_amount_cannot_make__is_a_dead_letter_and_no_hole_of_who_got_supply(
    market: Market, logged: int
) -> None:
    # 90 shares are worth 99.0: the balance rises by 99 or, by rounding, 100
    market.log(market.weth.a_token, abi.MINT, ALICE, ALICE, logged, 0, INDEX)
    market.log(POOL, abi.SUPPLY, market.weth.asset, ALICE, ALICE, 100, 0)

    (refusal,) = market.decode().refused

    assert "does not fit" in refusal.reason
    assert (refusal.wallets, refusal.is_hole) == ((), False)
    assert market.deltas() == []


def test_token_log__without_a_pool_event_in_its_transaction__is_a_dead_letter(market: Market) -> None:
    market.log(market.weth.a_token, abi.MINT, ALICE, ALICE, 99, 0, INDEX)
    market.log(POOL, abi.SUPPLY, market.usdc.asset, ALICE, ALICE, 100, 0)
    market.log(POOL, abi.SUPPLY, market.weth.asset, ALICE, BOB, 100, 0)
    market.log(POOL, abi.SUPPLY, market.weth.asset, ALICE, ALICE, 100, 0, tx=1)

    assert (market.deltas(), ["no Pool event" in reason for reason in market.refusals()]) == ([], [True])


def test_token_logs__two_before_one_pool_event__are_both_dead_letters(market: Market) -> None:
    for _ in range(2):
        market.log(market.weth.a_token, abi.MINT, ALICE, ALICE, 99, 0, INDEX)
    market.log(POOL, abi.SUPPLY, market.weth.asset, ALICE, ALICE, 100, 0)

    assert (market.deltas(), len(market.refusals())) == ([], 2)


def test_token_logs__two_calls_of_one_kind__are_paired_in_turn(market: Market) -> None:
    for value, amount in ((99, 100), (22, 22)):
        market.log(market.weth.a_token, abi.MINT, ALICE, ALICE, value, 0, INDEX)
        market.log(POOL, abi.SUPPLY, market.weth.asset, ALICE, ALICE, amount, 0)

    assert [delta for _, _, delta in market.deltas()] == [90, 20]


@pytest.mark.parametrize("index_ray", [0, RAY - 1])
def test_token_log__index_below_one__is_a_dead_letter(market: Market, index_ray: int) -> None:
    market.log(market.weth.a_token, abi.MINT, ALICE, ALICE, 100, 0, index_ray)
    market.log(POOL, abi.SUPPLY, market.weth.asset, ALICE, ALICE, 100, 0)

    assert (market.deltas(), len(market.refusals())) == ([], 1)


def test_treasury__minted_to_by_the_pool__is_no_dead_letter(market: Market) -> None:
    market.log(market.weth.a_token, abi.MINT, POOL, address("treasury"), 99, 0, INDEX)

    assert (market.deltas(), market.refusals()) == ([], [])


SHARES = st.integers(1, 10**40)
INDICES = st.integers(RAY, 10**6 * RAY)


@given(shares=SHARES, index_ray=INDICES)
def test_all_of_a_supply__withdrawn__is_every_share(shares: int, index_ray: int) -> None:
    market, balance = Market(), shares * index_ray // RAY
    market.log(market.weth.a_token, abi.BURN, ALICE, ALICE, balance, 0, index_ray)
    market.log(POOL, abi.WITHDRAW, market.weth.asset, ALICE, ALICE, balance)

    assert market.deltas() == [(ALICE, EventType.SUPPLY_BALANCE, -shares)]


@given(shares=SHARES, index_ray=INDICES)
def test_all_of_a_debt__repaid__is_every_share(shares: int, index_ray: int) -> None:
    market, debt = Market(), -(-shares * index_ray // RAY)
    market.log(market.weth.variable_debt_token, abi.BURN, ALICE, ZERO_ADDRESS, debt, 0, index_ray)
    market.log(POOL, abi.REPAY, market.weth.asset, ALICE, ALICE, debt, False)

    assert market.deltas() == [(ALICE, EventType.DEBT_BALANCE, -shares)]
