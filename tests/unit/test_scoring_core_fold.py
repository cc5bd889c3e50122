"""The fold: exact balances, netted transactions, the same state in any pieces."""

import pytest
from bonafides.errors import InvalidMessage, InvariantViolation
from bonafides.types import Address, Digest, EventType, Protocol, Role
from bonafides_scoring.fold import decode_state, empty_state, encode_state, fold, settle
from bonafides_scoring.wallet_state import (
    BORROWED,
    DAYS_KEPT,
    FLASHED,
    FLOW_DAYS_KEPT,
    REPAID,
    SUPPLIED,
    TOPPED_UP,
    AssetKey,
    AssetState,
    DayTally,
    WalletState,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.support.scoring_core_story import CHAIN, DAY, DEPLOYMENT, OTHER, RAY, START, USDC, WALLET, WETH, Story

pytestmark = pytest.mark.unit


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Any life: supplies, loans, repayments, flash loans, liquidations, pauses."""
    story = Story().supply(WETH, 1_000, first=True)
    debt, supplied = 0, 1_000
    for _ in range(draw(st.integers(0, 12))):
        story.wait(draw(st.sampled_from([0.0, 0.5, 3.0, 40.0, 200.0])))
        match draw(st.sampled_from(["supply", "withdraw", "borrow", "repay", "flash", "liquidate"])):
            case "supply":
                supplied += 10
                story.supply(WETH, 10, payer=draw(st.sampled_from([None, OTHER])))
            case "withdraw" if supplied > 20:
                supplied -= 10
                story.withdraw(WETH, 10)
            case "borrow":
                debt += 100
                story.borrow(USDC, 100)
            case "repay" if debt:
                paid = draw(st.sampled_from([1, debt]))
                debt -= paid
                story.repay(USDC, paid)
            case "liquidate" if debt and supplied > 20:
                debt, supplied = debt - 1, supplied - 5
                story.liquidation(USDC, 1, WETH, 5)
            case _:
                story.flash(USDC, 500)
    return story


def folded(story: Story) -> WalletState:
    return fold(empty_state(story.wallet, CHAIN), story.events)


def asset(state: WalletState, token: Address) -> AssetState:
    return dict(state.assets)[AssetKey(DEPLOYMENT, token)]


@given(story=stories(), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_fold__in_any_pieces__gives_the_state_of_one_go(story: Story, cuts: list[int]) -> None:
    state, start = empty_state(WALLET, CHAIN), 0
    for cut in [*sorted(cuts), len(story.events)]:
        state = decode_state(encode_state(fold(state, story.events[start:cut])))
        start = max(start, min(cut, len(story.events)))

    assert state == folded(story)
    assert encode_state(state) == encode_state(folded(story))


@given(story=stories())
def test_fold__any_life__balances_are_the_sums_of_the_ledger(story: Story) -> None:
    for token, kind in ((WETH, EventType.SUPPLY_BALANCE), (USDC, EventType.DEBT_BALANCE)):
        deltas = [event.scaled_delta for event in story.events if event.type is kind and event.asset == token]
        held = dict(folded(story).assets).get(AssetKey(DEPLOYMENT, token), AssetState())

        assert sum(deltas) == (held.scaled_supply if token == WETH else held.scaled_debt)


@given(story=stories())
def test_fold__any_life__keeps_a_bounded_number_of_days(story: Story) -> None:
    days = [tally.day for tally in settle(folded(story)).days]

    assert days == sorted(set(days))
    assert not days or days[-1] - days[0] < DAYS_KEPT


@given(story=stories())
def test_settle__twice__changes_nothing_more(story: Story) -> None:
    once = settle(folded(story))

    assert settle(once) == once


def test_fold__flash_loan__is_no_credit_history() -> None:
    state = settle(folded(Story().flash(USDC, 1_000_000)))

    assert (state.borrow_count, state.repayment_count, state.first_loan, state.last_borrow) == (0, 0, None, None)
    assert (state.days, asset(state, USDC).borrowed) == ((DayTally(START // DAY, FLASHED),), 0)


def test_fold__borrow_partly_repaid_in_one_transaction__counts_the_rest() -> None:
    story = Story().open()
    story.add(EventType.DEBT_BALANCE, USDC, 100, delta=100).add(EventType.BORROWED, USDC, 100)
    story.add(EventType.DEBT_BALANCE, USDC, 60, delta=-60).add(EventType.REPAID, USDC, 60)

    state = settle(folded(story))

    assert (asset(state, USDC).borrowed, asset(state, USDC).repaid, state.borrow_count) == (40, 0, 1)


def test_fold__debt_told_whole__replaces_what_was_known() -> None:
    story = Story().open().add(EventType.DEBT_SET, USDC, 100, protocol=Protocol.COMPOUND_V2)
    story.add(EventType.BORROWED, USDC, 100)
    story.wait(30).open().add(EventType.DEBT_SET, USDC, 66, protocol=Protocol.COMPOUND_V2, index_ray=RAY * 11 // 10)
    story.add(EventType.REPAID, USDC, 44)

    state = settle(folded(story))

    # 100 at index 1; 66 at index 1.1 are 60 of the protocol's shares: of the 44 repaid 4 were interest.
    assert (asset(state, USDC).scaled_debt, state.repayment_count, state.has_open_debt) == (60, 1, True)


def test_fold__debt_told_to_be_nothing__is_closed() -> None:
    story = Story().open().add(EventType.DEBT_SET, USDC, 100, protocol=Protocol.COMPOUND_V2)
    story.wait(30).open().add(EventType.DEBT_SET, USDC, 0, protocol=Protocol.COMPOUND_V2)

    assert not settle(folded(story)).has_open_debt


def test_fold__two_isolated_markets__are_kept_apart() -> None:
    first, second = Digest(b"\x01" * 32), Digest(b"\x02" * 32)
    story = Story().open().add(EventType.DEBT_BALANCE, USDC, 5, delta=5, market=first)
    story.open().add(EventType.DEBT_BALANCE, USDC, 7, delta=7, market=second)

    found = dict(folded(story).assets)

    assert {key.market: state.scaled_debt for key, state in found.items()} == {first: 5, second: 7}


def test_fold__collateral_on_comet_from_a_stranger__is_no_sign_of_debt() -> None:
    story = Story().open().add(EventType.SUPPLIED, WETH, 1, counterparty=OTHER, protocol=Protocol.COMPOUND_V3)
    story.add(EventType.SUPPLY_BALANCE, WETH, 1, delta=1, protocol=Protocol.COMPOUND_V3)

    assert not folded(story).has_untold_debt


def test_fold__borrowed_on_comet__is_untold_for_good() -> None:
    story = Story().open().add(EventType.SUPPLY_BALANCE, WETH, 100, delta=100, protocol=Protocol.COMPOUND_V3)
    story.wait(1).open().add(EventType.BORROWED, USDC, 50, protocol=Protocol.COMPOUND_V3)
    assert decode_state(encode_state(folded(story))).has_untold_debt

    story.wait(365).open().add(EventType.REPAID, USDC, 53, protocol=Protocol.COMPOUND_V3)
    story.add(EventType.SUPPLY_BALANCE, WETH, 100, delta=-100, protocol=Protocol.COMPOUND_V3)

    assert folded(story).has_untold_debt


@pytest.mark.parametrize(
    ("kind", "counterparty", "is_proof"),
    [
        (EventType.REPAID, None, True),
        (EventType.REPAID, OTHER, False),  # two transfers by strangers, side by side, can look like it
        (EventType.LIQUIDATED, OTHER, True),
        (EventType.BAD_DEBT, OTHER, True),
        (EventType.WITHDRAWN, OTHER, False),
    ],
)
def test_fold__debt_on_comet_that_began_unseen__is_untold_where_it_shows(
    kind: EventType, counterparty: Address | None, is_proof: bool
) -> None:
    story = Story().open().add(kind, USDC, 50, counterparty=counterparty, protocol=Protocol.COMPOUND_V3)

    assert folded(story).has_untold_debt == is_proof


def test_fold__borrowed_where_a_ledger_tells_the_debt__is_told() -> None:
    assert not folded(Story().borrow(USDC, 50)).has_untold_debt


def test_fold__liquidation_that_took_two_collaterals__counts_once() -> None:
    story = Story().supply(WETH, 10).open()
    story.add(EventType.LIQUIDATED, USDC, 100, second_asset=WETH, second_amount=3, counterparty=OTHER)
    story.add(EventType.LIQUIDATED, USDC, 0, second_asset=USDC, second_amount=4, counterparty=OTHER, leg=1)

    state = settle(folded(story))

    assert (state.liquidation_count, asset(state, USDC).liquidated) == (1, 100)
    assert (asset(state, WETH).seized, asset(state, USDC).seized) == (3, 4)


@pytest.mark.parametrize(("leg", "counted"), [(0, 1), (1, 0), (16, 0)])
def test_fold__liquidation_of_no_amount__counts_by_its_leg(leg: int, counted: int) -> None:
    """A debt that is told too small must not make its liquidation disappear."""
    story = Story().supply(WETH, 10).open()
    story.add(EventType.LIQUIDATED, USDC, 0, second_asset=WETH, second_amount=3, counterparty=OTHER, leg=leg)

    assert settle(folded(story)).liquidation_count == counted


def test_fold__event_not_after_the_last__is_refused() -> None:
    story = Story().supply(WETH, 10).borrow(USDC, 5)
    state = folded(story)

    with pytest.raises(InvariantViolation, match="out of canonical order"):
        fold(state, story.events[-1:])


def test_fold__event_of_another_wallet__is_refused() -> None:
    with pytest.raises(InvariantViolation, match="another wallet"):
        fold(empty_state(OTHER, CHAIN), Story().supply(WETH, 10).events)


def test_fold__paying_for_somebody_else__says_nothing_of_the_payer() -> None:
    story = Story().open().add(EventType.REPAID, USDC, 50, role=Role.PAYER, counterparty=OTHER)

    state = settle(folded(story))

    assert (state.assets, state.repayment_count, state.days) == ((), 0, ())
    assert state.last_order == story.events[-1].order


def test_fold__repaid_by_another__counts_as_repaid() -> None:
    story = Story().supply(WETH, 10, first=True).borrow(USDC, 100)

    state = settle(folded(story.wait(20).repay(USDC, 50, payer=OTHER)))

    assert (asset(state, USDC).repaid, state.repayment_count) == (50, 1)
    assert state.days[-1].marks & REPAID


def test_fold__withdrawn_to_another_address__was_sent_away() -> None:
    story = Story().supply(WETH, 10, first=True).wait(10).withdraw(WETH, 5, to=OTHER).withdraw(WETH, 1)

    (flow,) = settle(folded(story)).days[-1].flows

    assert (flow.withdrawn, flow.sent) == (6, 5)


@pytest.mark.parametrize(("days", "counts"), [(13, False), (16, True)])
def test_fold__repaid_soon_after_a_borrowing__does_not_count(days: int, counts: bool) -> None:
    story = Story().supply(WETH, 10, first=True).borrow(USDC, 100).wait(days).repay(USDC, 30)

    state = settle(folded(story))

    assert asset(state, USDC).repaid == 30
    assert bool(state.days[-1].marks & REPAID) == counts


@pytest.mark.parametrize(("days", "counts"), [(13, False), (16, True)])
def test_fold__borrowed_again_soon_after_a_repayment__takes_it_back(days: int, counts: bool) -> None:
    story = Story().supply(WETH, 10, first=True).borrow(USDC, 100).wait(40).repay(USDC, 30)
    assert settle(folded(story)).days[1].marks & REPAID

    state = settle(folded(story.wait(days).borrow(USDC, 30)))

    assert asset(state, USDC).repaid == 30
    assert bool(state.days[1].marks & REPAID) == counts


@pytest.mark.parametrize(("days", "counts"), [(13, False), (16, True)])
def test_fold__topped_up_and_withdrawn_again__is_no_top_up(days: int, *, counts: bool) -> None:
    story = Story().supply(WETH, 100, first=True).borrow(USDC, 100).wait(40).supply(WETH, 10)

    state = settle(folded(story.wait(days).withdraw(WETH, 10)))

    assert bool(state.days[1].marks & TOPPED_UP) is counts


@pytest.mark.parametrize(("days", "closed"), [(13, 0), (16, 1)])
def test_fold__debt_again_soon_after_it_was_closed__was_not_closed(days: int, closed: int) -> None:
    story = Story().supply(WETH, 10, first=True).borrow(USDC, 100).wait(40).repay(USDC, 100)
    assert settle(folded(story)).closed_count == 1

    state = settle(folded(story.wait(days).borrow(USDC, 50)))

    assert (state.closed_count, state.is_settled_debt) == (closed, closed == 0)
    assert settle(folded(story.wait(2).repay(USDC, 50))).closed_count == 1  # it went on, or a new one was too short


def test_fold__older_days__keep_their_marks_and_not_their_amounts() -> None:
    story = Story().supply(WETH, 10, first=True).borrow(USDC, 100).wait(FLOW_DAYS_KEPT).repay(USDC, 10)

    first, newest = settle(folded(story)).days

    assert (first.marks, first.flows) == (BORROWED | SUPPLIED, ())
    assert newest.flows[0].repaid == 10


def test_fold__supply_that_breaks_off__is_funded_from_its_new_start() -> None:
    story = Story().supply(WETH, 10, first=True).wait(30).withdraw(WETH, 10)
    assert settle(folded(story)).supplied_since is None

    assert settle(folded(story.wait(5).supply(WETH, 1))).supplied_since == story.now


def test_fold__repayment_of_dust__is_no_repayment_of_the_record() -> None:
    story = Story().supply(WETH, 10, first=True).borrow(USDC, 1_000).wait(1)

    dust, two_per_cent = settle(folded(story.repay(USDC, 19))), settle(folded(story.repay(USDC, 20)))

    assert (dust.repayment_count, two_per_cent.repayment_count) == (0, 1)


@pytest.mark.parametrize(("days", "closed"), [(13, 0), (15, 1)])
def test_fold__all_debt_repaid__is_a_closed_loan_after_two_weeks(days: int, closed: int) -> None:
    story = Story().supply(WETH, 10, first=True).borrow(USDC, 1_000).wait(days).repay(USDC, 1_000)

    state = settle(folded(story))

    assert (state.closed_count, state.debt_since) == (closed, None)
    assert state.indebted_seconds == closed * (days * DAY + 12)


def test_fold__liquidation__is_counted_and_is_no_withdrawal() -> None:
    story = Story().supply(WETH, 100, first=True).borrow(USDC, 1_000).wait(5)
    story.liquidation(USDC, 400, WETH, 30).liquidation(USDC, 100, WETH, 8).wait(2).liquidation(USDC, 500, WETH, 40)

    state = settle(folded(story))

    assert (state.liquidation_count, state.liquidation_days, len(state.liquidated_at)) == (3, 2, 3)
    assert (asset(state, USDC).liquidated, asset(state, WETH).seized, asset(state, WETH).withdrawn) == (1_000, 78, 0)
    assert (asset(state, WETH).scaled_supply, asset(state, USDC).scaled_debt) == (22, 0)
    assert (state.closed_count, state.repayment_count) == (0, 0)


def test_fold__tokens_moved_to_another_wallet__is_a_withdrawal() -> None:
    story = Story().supply(WETH, 100, first=True).open()
    story.add(EventType.SUPPLY_BALANCE, WETH, 30, delta=-30)
    story.add(EventType.TRANSFERRED, WETH, 30, role=Role.SENDER, counterparty=OTHER)

    assert asset(settle(folded(story)), WETH).withdrawn == 30


def test_fold__more_taken_than_ever_came__is_impossible() -> None:
    assert folded(Story().withdraw(WETH, 5)).is_impossible
    assert not folded(Story().supply(WETH, 5).withdraw(WETH, 5)).is_impossible


def test_fold__emode_left__is_forgotten() -> None:
    story = Story().open().add(EventType.EMODE_SET, Address(bytes(20)), 1)
    entered = folded(story)

    assert (entered.emodes, folded(story.open().add(EventType.EMODE_SET, Address(bytes(20)), 0)).emodes) == (
        ((DEPLOYMENT, 1),),
        (),
    )


def test_settle__newest_transaction__is_counted_without_a_later_event() -> None:
    state = folded(Story().borrow(USDC, 100))

    assert (state.borrow_count, settle(state).borrow_count) == (0, 1)


def test_decode_state__another_version_or_a_byte_less__is_refused() -> None:
    raw = encode_state(folded(Story().supply(WETH, 5).borrow(USDC, 7)))

    for damaged in (b"", b"\x63" + raw[1:], raw[:-1], raw + b"\x00"):
        with pytest.raises(InvalidMessage):
            decode_state(damaged)


def test_encode_state__first_bytes__are_version_wallet_and_chain() -> None:
    raw = encode_state(empty_state(WALLET, CHAIN))

    assert raw[:29] == b"\x05" + WALLET + (31337).to_bytes(8)


def test_encode_state__years_of_deeds__stay_within_a_few_kilobytes() -> None:
    story = Story().supply(WETH, 10**24, first=True).borrow(USDC, 10**12)
    for number in range(1_500):
        story.wait(0.7).repay(USDC, 10**8 + number) if number % 2 else story.borrow(USDC, 10**8 + number)

    state = folded(story)

    assert len(state.days) == DAYS_KEPT
    assert len(encode_state(state)) < 4_096  # 180 days of marks are 1,260 bytes, 31 of flows in one asset 1,000
