"""Nothing after a cut-off is a feature, nothing before it is a label: each second around both ends is set by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from bonafides.errors import InvalidInput
from bonafides_scoring.training.panels.build import build_panel
from bonafides_scoring.training.panels.panel import UNKNOWN, Panel
from bonafides_scoring.training.panels.plan import REFERENCE_POSITION
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

from tests.support.scoring_core_market import toy_market
from tests.support.scoring_core_story import DOLLAR, ETHER, OTHER, USDC, WETH, Story
from tests.support.scoring_panel_world import at, borrower, day, panel_of, row_at

pytestmark = pytest.mark.unit

CUTOFF = day(40)
MONTH, QUARTER = 30 * SECONDS_PER_DAY, 90 * SECONDS_PER_DAY


def features_at(panel: Panel, cutoff: int = CUTOFF) -> bytes:
    raw: bytes = panel.features[row_at(panel, cutoff)].tobytes()
    return raw


def repaid(story: Story) -> Story:
    return story.repay(USDC, 300 * DOLLAR)


def withdrawn(story: Story) -> Story:
    return story.withdraw(WETH, ETHER // 4)


def liquidated(story: Story) -> Story:
    return story.liquidation(USDC, 500 * DOLLAR, WETH, ETHER // 3)


ACTS = [repaid, withdrawn, liquidated]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("second", [0, 1])
def test_features__event_at_the_cutoff_or_after__changes_no_bit(act: Callable[[Story], Story], second: int) -> None:
    without = panel_of(borrower().events)

    having = panel_of(act(at(borrower(), CUTOFF + second)).events)

    assert features_at(having) == features_at(without)


@pytest.mark.parametrize("act", ACTS)
def test_features__event_a_second_before_the_cutoff__is_known(act: Callable[[Story], Story]) -> None:
    without = panel_of(borrower().events)

    having = panel_of(act(at(borrower(), CUTOFF - 1)).events)

    assert features_at(having) != features_at(without)


@pytest.mark.parametrize("second", [0, 1, 5_000])
def test_features__price_at_the_cutoff_or_after__changes_no_bit(second: int) -> None:
    without = panel_of(borrower().events)

    having = panel_of(borrower().events, {CUTOFF + second: 1_900})

    assert features_at(having) == features_at(without)


def test_features__price_a_second_before_the_cutoff__is_known() -> None:
    without = panel_of(borrower().events)

    having = panel_of(borrower().events, {CUTOFF - 1: 1_900})

    assert features_at(having) != features_at(without)


@pytest.mark.parametrize(
    ("time", "label", "label_90d"),
    [
        (CUTOFF - 1, 0, 0),
        (CUTOFF, 1, 1),
        (CUTOFF + 1, 1, 1),
        (CUTOFF + MONTH - 1, 1, 1),
        (CUTOFF + MONTH, 0, 1),
        (CUTOFF + QUARTER - 1, 0, 1),
        (CUTOFF + QUARTER, 0, 0),
    ],
)
def test_label__liquidation_at_the_ends_of_the_windows__counts_from_the_first_second_to_the_last(
    time: int, label: int, label_90d: int
) -> None:
    panel = panel_of(liquidated(at(borrower(), time)).events)

    row = row_at(panel, CUTOFF)
    assert (panel.labels[row], panel.labels_90d[row]) == (label, label_90d)


@pytest.mark.parametrize(("time", "label"), [(CUTOFF + MONTH - 1, 1), (CUTOFF + MONTH, 0)])
def test_label__price_that_leaves_the_debt_uncovered__counts_until_the_last_second(time: int, label: int) -> None:
    panel = panel_of(borrower().events, {time: 900})

    assert panel.labels[row_at(panel, CUTOFF)] == label


def test_label__under_water_after_30_days_and_saved_later__is_an_outcome_within_90_as_well() -> None:
    panel = panel_of(borrower().events, {CUTOFF + MONTH - 1: 900, CUTOFF + MONTH + 1: 2_000})

    row = row_at(panel, CUTOFF)
    assert (panel.labels[row], panel.labels_90d[row]) == (1, 1)


def test_label__long_window_not_over__is_unknown_and_never_a_guess() -> None:
    panel = panel_of(borrower().events, days=125)

    last = int(panel.cutoffs.max())
    assert last + MONTH <= day(124) + 1
    assert panel.labels_90d[row_at(panel, last)] == UNKNOWN


def test_panel__events_and_prices_added_at_the_end__change_no_past_feature() -> None:
    """Whatever happens from some time on, the features of rows up to that time stay, bit for bit."""
    events, points, blocks = toy_market(5, 60, 240)
    whole = build_panel(events, points, blocks, REFERENCE_POSITION, step_days=7, warm_up_days=30)
    for share in (0.5, 0.7, 0.9):
        cut = int(np.quantile(whole.cutoffs, share))
        first_blocks = [block for block in blocks if block.timestamp < cut + MONTH + SECONDS_PER_DAY]

        before = build_panel(
            [event for event in events if event.position.block.timestamp < cut],
            [point for point in points if point.position.block.timestamp < cut],
            first_blocks,
            REFERENCE_POSITION,
            step_days=7,
            warm_up_days=30,
        )

        then, now = before.where(before.cutoffs <= cut), whole.where(whole.cutoffs <= cut)
        assert len(then) > 50
        assert then.wallets == now.wallets
        assert then.features.tobytes() == now.features.tobytes()


def test_panel__labels_turned_over__change_no_feature() -> None:
    """Outcomes reach no feature of their own row: a liquidation that comes instead of calm changes the label alone."""
    calm, fallen = panel_of(borrower().events), panel_of(liquidated(at(borrower(), CUTOFF + 100)).events)

    assert calm.labels[row_at(calm, CUTOFF)] != fallen.labels[row_at(fallen, CUTOFF)]
    assert features_at(calm) == features_at(fallen)


def test_panel__cutoffs__leave_a_whole_horizon_behind_them() -> None:
    panel = panel_of(borrower().events)

    assert panel.cutoffs.max() + MONTH <= day(199) + 1
    assert (np.diff(panel.cutoffs) == 10 * SECONDS_PER_DAY).all()


def test_panel__no_day_left_after_warm_up__is_refused() -> None:
    with pytest.raises(InvalidInput, match="leave no cut-off after 190 days"):
        panel_of(borrower().events, warm_up_days=190)


def test_features__same_events_in_any_order_of_the_file__are_the_same() -> None:
    events = liquidated(at(borrower(), CUTOFF - 5_000)).events

    assert panel_of(events[::-1]).digest == panel_of(events).digest


def test_features__another_wallets_events__change_none_of_mine() -> None:
    stranger = liquidated(at(borrower(OTHER), CUTOFF - 5_000))

    both = panel_of([*borrower().events, *stranger.events])

    assert features_at(both) == features_at(panel_of(borrower().events))
