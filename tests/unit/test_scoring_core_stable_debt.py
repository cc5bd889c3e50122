"""Debt at a stable rate: what a wallet's state remembers of it, what counts as repaying it, what it comes to."""

import pytest
from bonafides.errors import InvariantViolation
from bonafides.events import MarketPoint
from bonafides.types import ZERO_ADDRESS, Address, EventType, MarketPointKind
from bonafides_scoring.fold import WalletState, decode_state, empty_state, encode_state, fold, settle
from bonafides_scoring.fold_parts import SUBSTANTIAL_PERCENT
from bonafides_scoring.market import MarketMissing, accounts, market_view
from bonafides_scoring.wallet_state import FLASHED, SUPPLIED, TOPPED_UP, AssetKey, AssetState

from tests.support.scoring_core_story import (
    CHAIN,
    DEPLOYMENT,
    DOLLAR,
    ETHER,
    RAY,
    START,
    USDC,
    WALLET,
    WETH,
    Story,
    block_ref,
    market_points,
    point,
)

pytestmark = pytest.mark.unit

RATE, NEW_RATE = RAY // 10, RAY // 5


def folded(story: Story) -> WalletState:
    """The state in one go, which event by event, by way of its bytes each time, must be the same."""
    state = empty_state(WALLET, CHAIN)
    for event in story.events:
        state = decode_state(encode_state(fold(state, [event])))
    assert state == fold(empty_state(WALLET, CHAIN), story.events)
    return state


def asset(state: WalletState, token: Address = USDC) -> AssetState:
    return dict(state.assets)[AssetKey(DEPLOYMENT, token)]


def owes(story: Story, principal: int, rate: int = 0) -> Story:
    return story.add(EventType.STABLE_DEBT_SET, USDC, principal, index_ray=rate)


def borrowed(principal: int = 1_000) -> Story:
    """A first borrow, all at a stable rate."""
    return owes(Story().open(), principal, RATE).add(EventType.BORROWED, USDC, principal)


def stable(state: WalletState) -> tuple[int, int, int]:
    found = asset(state)
    return found.stable_principal, found.stable_rate_ray, found.stable_since


# What is remembered


def test_fold__stable_debt__is_the_newest_principal_rate_and_time() -> None:
    story = borrowed()
    first = (folded(story), story.now)
    owes(story.wait(30).open(), 1_150, NEW_RATE).add(EventType.BORROWED, USDC, 50)
    second = (folded(story), story.now)

    assert stable(first[0]) == (1_000, RATE, first[1])
    assert stable(second[0]) == (1_150, NEW_RATE, second[1])


def test_fold__stable_debt_partly_repaid__keeps_its_rate_and_takes_the_time() -> None:
    story = borrowed().wait(30)
    owes(story.open(), 800).add(EventType.REPAID, USDC, 300)

    assert stable(folded(story)) == (800, RATE, story.now)


def test_fold__stable_debt_repaid__is_gone_with_its_rate_and_the_loan_is_closed() -> None:
    story = borrowed().wait(15)
    owes(story.open(), 0).add(EventType.REPAID, USDC, 1_100)

    state = settle(folded(story))

    assert stable(state) == (0, 0, 0)
    assert (state.has_open_debt, state.debt_since, state.closed_count, state.repayment_count) == (False, None, 1, 1)


def test_fold__stable_debt_alone__is_open_debt() -> None:
    state = settle(folded(borrowed()))

    assert (state.has_open_debt, state.borrow_count, state.is_impossible) == (True, 1, False)
    assert state.debt_since == state.last_timestamp


def test_fold__rebalanced__has_another_rate_and_nothing_else_happened() -> None:
    story = borrowed()
    before = settle(folded(story))
    owes(owes(story.wait(30).open(), 0), 1_100, NEW_RATE)

    after = settle(folded(story))

    assert stable(after) == (1_100, NEW_RATE, story.now)
    assert (after.debt_since, after.borrow_count, after.repayment_count, after.days) == (
        before.debt_since,
        before.borrow_count,
        before.repayment_count,
        before.days,
    )


@pytest.mark.parametrize("to_variable", [True, False])
def test_fold__debt_that_changes_its_mode__goes_on_and_is_neither_repaid_nor_borrowed(*, to_variable: bool) -> None:
    story = borrowed() if to_variable else Story().borrow(USDC, 1_000)
    before = settle(folded(story))
    story.wait(30).open()
    if to_variable:
        owes(story, 0).add(EventType.DEBT_BALANCE, USDC, 1_100, delta=1_000, index_ray=RAY * 11 // 10)
    else:
        owes(story.add(EventType.DEBT_BALANCE, USDC, 1_100, delta=-1_000, index_ray=RAY * 11 // 10), 1_100, RATE)

    after = settle(folded(story))

    assert (asset(after).scaled_debt, asset(after).stable_principal) == ((1_000, 0) if to_variable else (0, 1_100))
    assert (after.debt_since, after.indebted_seconds, after.closed_count) == (before.debt_since, 0, 0)
    assert (after.borrow_count, after.repayment_count) == (1, 0)


def test_fold__stable_debt_without_a_rate__is_impossible() -> None:
    story = owes(Story().open(), 500)

    assert folded(story).is_impossible


# What counts as repaying


@pytest.mark.parametrize(("repaid", "counts"), [(21, 0), (22, 1)])  # 2 % of 1,100 are 22
def test_fold__little_of_a_stable_debt_repaid__counts_from_two_per_cent_of_what_was_owed(
    repaid: int, counts: int
) -> None:
    assert SUBSTANTIAL_PERCENT == 2
    story = borrowed().wait(30)
    # less than the 100 of new interest: the principal grows, and it is a repayment all the same
    owes(story.open(), 1_100 - repaid, RATE).add(EventType.REPAID, USDC, repaid)

    assert settle(folded(story)).repayment_count == counts


@pytest.mark.parametrize("to_variable", [True, False])
def test_fold__mode_changed_and_dust_repaid_at_once__is_no_repayment(*, to_variable: bool) -> None:
    story = borrowed() if to_variable else Story().borrow(USDC, 1_000)
    story.wait(30).open()
    if to_variable:
        owes(story, 0).add(EventType.DEBT_BALANCE, USDC, 1_100, delta=800, index_ray=RAY * 11 // 8)
        story.add(EventType.DEBT_BALANCE, USDC, 1, delta=-1)
    else:
        story.add(EventType.DEBT_BALANCE, USDC, 1_100, delta=-1_000, index_ray=RAY * 11 // 10)
        owes(owes(story, 1_100, RATE), 1_099)
    story.add(EventType.REPAID, USDC, 1)

    assert settle(folded(story)).repayment_count == 0


def test_fold__stable_debt_borrowed_and_repaid_at_once__is_no_credit_history() -> None:
    story = owes(Story().open(), 1_000, RATE).add(EventType.BORROWED, USDC, 1_000)
    owes(story, 0).add(EventType.REPAID, USDC, 1_000)

    state = settle(folded(story))

    assert (state.borrow_count, state.repayment_count, state.has_open_debt) == (0, 0, False)
    assert [tally.marks for tally in state.days] == [FLASHED]


def test_fold__supplied_while_a_stable_debt_is_open__is_a_top_up() -> None:
    story = Story().supply(WETH, 100, first=True)
    owes(story.open(), 1_000, RATE).add(EventType.BORROWED, USDC, 1_000)

    assert settle(folded(story.wait(16).supply(WETH, 50))).days[-1].marks == SUPPLIED | TOPPED_UP


def test_fold__stable_debt_liquidated__is_no_repayment() -> None:
    story = borrowed().wait(30)
    owes(story.open(), 600).add(EventType.LIQUIDATED, USDC, 500, second_asset=WETH, second_amount=1)

    state = settle(folded(story))

    assert (state.liquidation_count, state.repayment_count, asset(state).liquidated) == (1, 0, 500)


# What it comes to


def _account_of(story: Story, years: int, points: list[MarketPoint]) -> tuple[int, int]:
    """(debt in the base currency, health factor) so many years after the story."""
    block = block_ref(story.number + 1, story.now + years * 365 * 86_400)
    (account,) = accounts(folded(story), market_view(points, block), only_indebted=True)
    return account.debt_base, account.health_factor_wad


def _rounds(code: int) -> list[MarketPoint]:
    rounding = point(MarketPointKind.ROUNDING, ZERO_ADDRESS, (code,), block=block_ref(2, START), log_index=9)
    return [*market_points(), rounding]


def _indebted() -> Story:
    """One WETH of 2,000 $ for collateral, 1,000 USDC at a stable 10 %."""
    story = Story().supply(WETH, ETHER, first=True)
    return owes(story.open(), 1_000 * DOLLAR, RATE).add(EventType.BORROWED, USDC, 1_000 * DOLLAR)


@pytest.mark.parametrize(("code", "owed"), [(0, 1_105_162_043), (2, 1_105_167_270)])
def test_accounts__stable_debt_a_year_later__has_grown_at_its_own_rate_as_its_version_reckons(
    code: int, owed: int
) -> None:
    # the factors of `test_scoring_core_interest`: 1.105162042821… in V3, 1.105167270…  in V2
    debt_base, health_factor = _account_of(_indebted(), 1, _rounds(code))

    assert debt_base == owed * 100
    assert health_factor == (1_660 * 10**8 * 10**18 + debt_base // 2) // debt_base  # 2,000 · .83


def test_accounts__both_kinds_of_debt__are_added_before_they_are_priced() -> None:
    points = [p for p in market_points() if (p.kind, p.asset) != (MarketPointKind.PRICE, USDC)]
    points.append(point(MarketPointKind.PRICE, USDC, (1,), block=block_ref(2, START), log_index=9))
    story = owes(Story().open(), 600_000, RATE).add(EventType.BORROWED, USDC, 600_000).borrow(USDC, 600_000)

    # .6 and .6 of a token at a price of 1: cut apart they would be nothing, together they are 1
    assert _account_of(story, 0, points)[0] == 1


def test_accounts__block_of_the_entry_itself__owes_the_principal() -> None:
    assert _account_of(_indebted(), 0, market_points())[0] == 1_000 * 10**8


def test_accounts__stable_debt_repaid__is_no_account() -> None:
    story = owes(_indebted().wait(9).open(), 0)

    assert accounts(folded(story), market_view(market_points(), story.block), only_indebted=True) == ()


def test_accounts__stable_debt_without_a_price__cannot_be_valued() -> None:
    story = _indebted()
    points = [p for p in market_points() if p.asset != USDC]

    with pytest.raises(MarketMissing):
        accounts(folded(story), market_view(points, story.block))


def test_accounts__block_before_the_debt__stops() -> None:
    story = _indebted()

    with pytest.raises(InvariantViolation, match="began after the block"):
        accounts(folded(story), market_view(market_points(), block_ref(99, START)))
