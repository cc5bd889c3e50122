"""Wallets that borrow again after a pause: asked right before, at the reference position."""

import pytest
from bonafides.types import AsOf, EventType
from bonafides_scoring.features.build import feature_vector
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import market_view
from bonafides_scoring.training.panels.panel import Panel, Stratum
from bonafides_scoring.training.panels.pauses import returns
from bonafides_scoring.training.panels.plan import PAUSE_S, REFERENCE_POSITION
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

from tests.support.scoring_core_story import CHAIN, DOLLAR, ETHER, OTHER, USDC, WALLET, WETH, Story, block_ref
from tests.support.scoring_panel_world import at, borrower, day, number_at, panel_of, price_points

pytestmark = pytest.mark.unit

BACK = day(60) + 12_345
"""When the wallet borrows again."""


def paid_back(pause_s: int = PAUSE_S) -> Story:
    """Borrows for weeks, repays all, and so long before `BACK`."""
    return at(borrower(), BACK - pause_s).repay(USDC, 1_000 * DOLLAR)


def back(story: Story, usd: int = 1_000) -> Story:
    return at(story, BACK).borrow(USDC, usd * DOLLAR)


def returning(story: Story, prices: dict[int, float] | None = None) -> Panel:
    return panel_of(story.events, prices).of(Stratum.RETURNING)


def test_returning__a_week_without_debt__is_asked_at_the_second_of_the_borrowing() -> None:
    panel = returning(back(paid_back()))

    assert panel.cutoffs.tolist() == [BACK]
    assert panel.strata.tolist() == ["returning"]


def test_returning__a_second_less_than_a_week__is_no_return() -> None:
    assert len(returning(back(paid_back(PAUSE_S - 1)))) == 0


def test_returning__features__are_those_right_before_at_the_reference_position() -> None:
    story = paid_back()
    before = fold(empty_state(WALLET, CHAIN), story.events)
    block = block_ref(number_at(day(60) + 1), day(60) + 1)  # the last one that the world knows before
    expected = feature_vector([before], [market_view(price_points({}), block)], AsOf((block,)), REFERENCE_POSITION)

    panel = returning(back(story))

    assert expected.is_reference_position
    assert panel.features[0].tolist() == list(expected.values)


def test_returning__size_of_the_new_debt__is_in_no_feature() -> None:
    small, large = returning(back(paid_back(), 100)), returning(back(paid_back(), 1_500))

    assert small.features.tobytes() == large.features.tobytes()


@pytest.mark.parametrize(("second", "label"), [(1, 1), (30 * SECONDS_PER_DAY - 1, 1), (30 * SECONDS_PER_DAY, 0)])
def test_returning__liquidated__counts_within_thirty_days_of_the_borrowing(second: int, label: int) -> None:
    story = back(paid_back())
    at(story, BACK + second).liquidation(USDC, 500 * DOLLAR, WETH, ETHER // 3)

    assert returning(story).labels.tolist() == [label]


def test_returning__first_borrowing_ever__is_no_return() -> None:
    story = at(Story(), day(1)).supply(WETH, ETHER, first=True)

    assert len(returning(back(story))) == 0


def test_returning__flash_loan_in_between__neither_ends_the_pause_nor_is_a_return() -> None:
    story = at(paid_back(2 * PAUSE_S), BACK - PAUSE_S // 2).flash(USDC, 5_000 * DOLLAR)

    assert returning(back(story)).cutoffs.tolist() == [BACK]


def test_returning__less_than_a_dollar__is_dust_and_no_return() -> None:
    story = at(paid_back(), BACK).borrow(USDC, DOLLAR // 2)

    assert len(returning(story)) == 0


def test_returning__repaid_in_the_same_transaction__is_no_return() -> None:
    assert len(returning(at(paid_back(), BACK).flash(USDC, 1_000 * DOLLAR))) == 0


def test_returning__debt_ended_by_a_liquidation__counts_as_ended() -> None:
    story = at(borrower(), BACK - PAUSE_S).liquidation(USDC, 1_000 * DOLLAR, WETH, ETHER // 2)

    assert len(returning(back(story))) == 1


def test_returning__liquidators_own_events__are_not_the_borrowers() -> None:
    story = paid_back()
    at(story, BACK - 100).add(EventType.REPAID, USDC, 5, counterparty=OTHER)

    assert len(returns(back(story).events, PAUSE_S)) == 1


def test_returning__before_the_warm_up__is_not_asked() -> None:
    story = at(borrower(), day(3)).repay(USDC, 1_000 * DOLLAR)
    at(story, day(20)).borrow(USDC, 1_000 * DOLLAR)

    panel = panel_of(story.events)

    assert len(panel.of(Stratum.RETURNING)) == 0
    assert (panel.cutoffs >= day(40)).all()


def test_open_debt__wallet_without_debt_at_the_cutoff__has_no_row_there() -> None:
    panel = panel_of(back(paid_back(15 * SECONDS_PER_DAY)).events).of(Stratum.OPEN_DEBT)

    assert day(40) in panel.cutoffs
    assert day(50) not in panel.cutoffs
    assert day(70) in panel.cutoffs


def test_open_debt__already_under_water__has_had_its_outcome_and_is_not_asked() -> None:
    panel = panel_of(borrower().events, {day(55): 900})

    assert panel.cutoffs.tolist() == [day(40), day(50)]


def test_open_debt__less_than_a_dollar__is_no_position() -> None:
    story = at(Story(wallet=OTHER), day(1)).supply(WETH, ETHER, first=True)
    at(story, day(2)).borrow(USDC, DOLLAR // 2)

    panel = panel_of([*borrower().events, *story.events])

    assert set(panel.wallets) == {WALLET}
