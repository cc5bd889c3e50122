"""Features of a life that a reader can follow, and the laws they keep."""

from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from bonafides.errors import InvariantViolation
from bonafides.types import AdverseReason, AsOf, ChainId, EventType, Role
from bonafides_scoring.features.build import FeatureVector, feature_vector, has_credit_history
from bonafides_scoring.features.catalogue import APART_DAYS, RECORD_DAYS
from bonafides_scoring.features.schema import (
    FAMILIES,
    FEATURES,
    NEVER_DAYS,
    PLACE_OF,
    REASON_OF_FAMILY,
    SCHEMA_HASH,
    Family,
    schema_hash,
)
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import market_view
from bonafides_scoring.reference import ReferencePosition
from hypothesis import given
from hypothesis import strategies as st

from tests.support.scoring_core_story import (
    CHAIN,
    DOLLAR,
    ETHER,
    OTHER,
    USDC,
    WALLET,
    WETH,
    Story,
    block_ref,
    market_points,
)

pytestmark = pytest.mark.unit

REFERENCE = ReferencePosition("WETH", debt_usd=5_000, liquidation_threshold_bps=8_300, health_factor_bps=16_000)


def vector_of(story: Story, *, weth_usd: float = 2_000.0) -> FeatureVector:
    as_of = story.as_of()
    state = fold(empty_state(WALLET, CHAIN), story.events)
    return feature_vector([state], [market_view(market_points(weth_usd=weth_usd), as_of.blocks[0])], as_of, REFERENCE)


def values_of(story: Story, *, weth_usd: float = 2_000.0) -> dict[str, float]:
    vector = vector_of(story, weth_usd=weth_usd)
    return {spec.name: value for spec, value in zip(FEATURES, vector.values, strict=True)}


def test_feature_vector__a_life_of_a_hundred_days__by_hand() -> None:
    story = Story().supply(WETH, 10 * ETHER, first=True).borrow(USDC, 8_000 * DOLLAR)  # day 0
    story.wait(40).repay(USDC, 2_000 * DOLLAR)
    story.wait(40).supply(WETH, ETHER)
    story.wait(20).withdraw(WETH, ETHER).wait(0.5)

    values = values_of(story)

    # Now 10 WETH = 20,000 USD against 6,000 USD.
    assert values["debt_to_collateral_bps"] == 3_000
    assert values["health_factor_bps"] == 27_666  # 20,000 · .83 / 6,000 = 2.7666…
    assert values["price_buffer_bps"] == 6_385  # (16,600 − 6,000) / 16,600
    assert (values["liquidation_threshold_bps"], values["collateral_concentration_bps"]) == (8_300, 10_000)
    assert (values["price_exposure_bps"], values["largest_collateral_share_bps"]) == (10_000, 10_000)
    assert (values["liquidation_days"], values["days_since_liquidation"]) == (0, NEVER_DAYS)
    assert (values["days_since_first_loan"], values["days_in_debt"], values["days_since_borrow"]) == (100, 100, 100)
    assert (values["repayments_180d"], values["loans_closed"]) == (0, 0)  # the first proves nothing
    assert (values["borrowed_30d_bps"], values["withdrawn_30d_bps"]) == (0, 909)  # 1 of 11 WETH
    assert values["open_debt_usd"] == 6_000
    # The top-up of day 80 was withdrawn on day 100, long after; it is the second act of care, after that of day 40.
    assert (values["top_ups_180d"], values["averted_180d"]) == (0, 1)
    assert (values["borrow_days_180d"], values["loop_days_180d"]) == (1, 1)
    # 6,000 over 20,000 now, over 22,000 before the withdrawal
    assert (values["leverage_rise_30d_bps"], values["debt_rise_7d_bps"]) == (273, 0)
    assert (values["flash_days_180d"], values["churned_30d_bps"], values["sent_away_30d_bps"]) == (0, 0, 0)
    assert values["days_funded"] == 100


def test_feature_vector__two_collaterals__are_concentrated_by_their_squares() -> None:
    story = Story().supply(WETH, ETHER, first=True).open().add(EventType.COLLATERAL_ENABLED, USDC)
    story.supply(USDC, 6_000 * DOLLAR).borrow(USDC, 1_000 * DOLLAR)  # 2,000 and 6,000 of 8,000: 1/16 and 9/16

    values = values_of(story)

    assert (values["largest_collateral_share_bps"], values["collateral_concentration_bps"]) == (7_500, 6_250)


def test_feature_vector__repaid_just_before_a_liquidation__averted_nothing() -> None:
    story = Story().supply(WETH, 10 * ETHER, first=True).borrow(USDC, 8_000 * DOLLAR).wait(40)
    for _ in range(3):
        story.repay(USDC, 1_000 * DOLLAR).wait(30)
    story.wait(-25).liquidation(USDC, 1_000 * DOLLAR, WETH, ETHER // 2)  # five days after the third

    values = values_of(story)

    assert (values["repayments_180d"], values["averted_180d"]) == (2, 1)


@given(gaps=st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_repayments__at_any_days__count_once_in_thirty_days_after_the_first(gaps: list[int]) -> None:
    story = Story().supply(WETH, 10 * ETHER, first=True).borrow(USDC, 10**6 * DOLLAR).wait(20)
    now, days = 0, [0]
    for gap in gaps:
        now += gap
        days.append(now)
    for gap in [*gaps, 0]:
        story.repay(USDC, 50_000 * DOLLAR).wait(gap)

    window = [day for day in days if day > now - RECORD_DAYS]
    most = max(
        len(chosen)
        for size in range(len(window) + 1)
        for chosen in combinations(window, size)
        if all(later - earlier >= APART_DAYS for earlier, later in pairwise(chosen))
    )
    assert values_of(story)["repayments_180d"] == max(0, most - 1)


def test_feature_vector__odd_patterns__show_in_the_integrity_family() -> None:
    story = Story().supply(WETH, 10 * ETHER, first=True).borrow(USDC, 1_000 * DOLLAR).wait(40)
    story.flash(USDC, 10**12).wait(1)
    for _ in range(3):
        story.borrow(USDC, 1_000 * DOLLAR).wait(1).repay(USDC, 1_000 * DOLLAR).wait(1)
    story.withdraw(WETH, 2 * ETHER, to=OTHER)

    values = values_of(story)

    assert (values["flash_days_180d"], values["churned_30d_bps"]) == (1, 7_500)  # 3,000 over that and 1,000
    assert (values["sent_away_30d_bps"], values["repayments_180d"]) == (2_000, 0)  # 2 of 10 WETH


def test_feature_vector__price_of_an_asset_that_the_wallet_never_had__changes_nothing() -> None:
    story = Story().supply(USDC, 10_000 * DOLLAR, first=True).borrow(USDC, 5_000 * DOLLAR).wait(10)

    assert vector_of(story, weth_usd=20.0) == vector_of(story, weth_usd=20_000.0)


def test_feature_vector__index_of_an_asset_that_the_wallet_never_had__changes_nothing() -> None:
    story = Story().supply(USDC, 10_000 * DOLLAR, first=True).borrow(USDC, 5_000 * DOLLAR).wait(10)
    as_of, state = story.as_of(), fold(empty_state(WALLET, CHAIN), story.events)
    points = market_points()
    moved = [
        replace(point, values=tuple(3 * value for value in point.values)) if point.asset == WETH else point
        for point in points
    ]

    before, after = (
        feature_vector([state], [market_view(known, as_of.blocks[0])], as_of, REFERENCE) for known in (points, moved)
    )

    assert before == after


def test_feature_vector__collateral_and_debt_both_pegged__has_no_price_exposure() -> None:
    story = Story().supply(USDC, 10_000 * DOLLAR, first=True).borrow(USDC, 7_900 * DOLLAR)

    values = values_of(story)

    assert (values["price_buffer_bps"], values["price_exposure_bps"], values["health_factor_bps"]) == (
        10_000,
        0,
        10_126,
    )


def test_feature_vector__short_position__buffer_is_how_far_the_debts_price_may_rise() -> None:
    # 10,000 USD at 80 % carries 8,000; 2 WETH owed = 4,000: the price may rise by 100 %
    story = Story().supply(USDC, 10_000 * DOLLAR, first=True).borrow(WETH, 2 * ETHER)

    assert values_of(story)["price_buffer_bps"] == 10_000
    assert values_of(story, weth_usd=3_000.0)["price_buffer_bps"] == 3_333


def test_feature_vector__no_open_debt__stands_at_the_reference_position() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 500 * DOLLAR).wait(30).repay(USDC, 500 * DOLLAR)

    vector, values = vector_of(story), values_of(story)

    assert vector.is_reference_position
    assert (values["health_factor_bps"], values["open_debt_usd"]) == (16_000, 5_000)
    assert values["debt_to_collateral_bps"] == 5_187  # 5,000 / 9,638
    assert values["price_buffer_bps"] == 3_750  # 1 − 1/1.6
    assert (values["loans_closed"], values["repayments_180d"]) == (1, 0)


def test_feature_vector__dust_left_of_a_loan__is_no_open_debt() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 500 * DOLLAR).wait(30)

    assert vector_of(story.repay(USDC, 500 * DOLLAR - 3)).is_reference_position


def test_feature_vector__state_that_saw_a_later_block__is_refused() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 500 * DOLLAR)
    state = fold(empty_state(WALLET, CHAIN), story.events)
    earlier = block_ref(story.number - 1, story.now - 12)

    with pytest.raises(InvariantViolation, match="after the as-of block"):
        feature_vector([state], [market_view(market_points(), earlier)], AsOf((earlier,)), REFERENCE)


def test_feature_vector__later_events__change_no_past_feature() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 500 * DOLLAR).wait(10)
    as_of, before = story.as_of(), vector_of(story)
    later = Story(now=story.now, number=story.number + 10, events=list(story.events)).repay(USDC, 100 * DOLLAR)
    points = market_points() + market_points(weth_usd=900.0, number=story.number + 5, timestamp=story.now + 5)

    known = [event for event in later.events if event.position.block.number <= as_of.blocks[0].number]
    state = fold(empty_state(WALLET, CHAIN), known)

    assert feature_vector([state], [market_view(points, as_of.blocks[0])], as_of, REFERENCE) == before


@given(
    st.lists(st.tuples(st.sampled_from(["supply", "borrow", "repay", "flash"]), st.integers(1, 40)), max_size=8),
    st.integers(0, 8),
    st.floats(100.0, 9_000.0),
)
def test_feature_vector__any_life_goes_on_and_prices_too__its_past_keeps_its_bits(
    deeds: list[tuple[str, int]], known: int, later_usd: float
) -> None:
    """What is folded and priced as of a block is what it was then, whatever was appended since."""
    story = Story().supply(WETH, 10 * ETHER, first=True).borrow(USDC, 1_000 * DOLLAR)
    as_of, before = story.as_of(), vector_of(story)
    for place, (deed, days) in enumerate(deeds):
        if place == known:
            as_of, before = story.as_of(), vector_of(story)
        story.wait(days).open()  # the as-of block lies between
        match deed:
            case "supply":
                story.supply(WETH, ETHER)
            case "flash":
                story.flash(USDC, 10**12)
            case "borrow":
                story.borrow(USDC, 50 * DOLLAR)
            case _:
                story.repay(USDC, 10 * DOLLAR)
    if known >= len(deeds):
        as_of, before = story.as_of(), vector_of(story)
    block = as_of.blocks[0]
    later = market_points(weth_usd=later_usd, number=block.number + 1, timestamp=block.timestamp + 1)

    then = [event for event in story.events if event.position.block.number <= block.number]
    state = fold(empty_state(WALLET, CHAIN), then)

    assert feature_vector([state], [market_view([*later, *market_points()], block)], as_of, REFERENCE) == before


def test_feature_vector__history_on_a_chain_that_the_as_of_does_not_name__is_refused() -> None:
    story = Story().borrow(USDC, DOLLAR)
    elsewhere = replace(fold(empty_state(WALLET, CHAIN), story.events), chain_id=ChainId(1))

    with pytest.raises(InvariantViolation, match="chain 1"):
        feature_vector([elsewhere], [market_view(market_points(), story.as_of().blocks[0])], story.as_of(), REFERENCE)


def test_has_credit_history__flash_loan_or_supply_alone__is_none() -> None:
    story = Story().supply(WETH, ETHER, first=True).flash(USDC, DOLLAR)

    assert not has_credit_history([fold(empty_state(WALLET, CHAIN), story.events)])
    assert has_credit_history([fold(empty_state(WALLET, CHAIN), story.borrow(USDC, DOLLAR).events)])


def test_top_up_days__supply_soon_after_a_loan__is_a_loop_not_care() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 500 * DOLLAR).supply(WETH, ETHER // 2).wait(1)

    assert (values_of(story)["top_ups_180d"], values_of(story)["loop_days_180d"]) == (0, 1)
    assert values_of(story.wait(20).supply(WETH, ETHER // 2))["top_ups_180d"] == 0  # the first proves nothing
    assert values_of(story.wait(30).supply(WETH, ETHER // 2))["top_ups_180d"] == 1


@given(debt=st.integers(2, 1_700), cheaper=st.floats(0.5, 0.999))
def test_feature_vector__price_falls__no_position_feature_looks_better(debt: int, cheaper: float) -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, debt * DOLLAR).wait(3)

    before, after = values_of(story), values_of(story, weth_usd=2_000.0 * cheaper)

    for name in ("debt_to_collateral_bps", "health_factor_bps", "price_buffer_bps"):
        worse = FEATURES[PLACE_OF[name]].direction.constraint
        assert worse * after[name] >= worse * before[name]


@given(
    extra=st.lists(st.sampled_from(["flash", "dust_supply", "paid_for_another"]), max_size=8),
)
def test_feature_vector__empty_gestures__improve_no_record(extra: list[str]) -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 500 * DOLLAR).wait(10)
    plain = values_of(story)
    for gesture in extra:
        if gesture == "flash":
            story.flash(USDC, 1_000_000 * DOLLAR)
        elif gesture == "dust_supply":
            story.supply(WETH, 1)
        else:
            story.open().add(EventType.REPAID, USDC, 10**12, role=Role.PAYER)

    gamed = values_of(story)

    for name in ("repayments_180d", "loans_closed", "top_ups_180d", "averted_180d", "days_in_debt"):
        assert gamed[name] <= plain[name]


@given(st.lists(st.tuples(st.integers(1, 10**9), st.booleans()), max_size=6), st.floats(100.0, 10_000.0))
def test_feature_vector__any_life__stays_inside_the_declared_bounds(
    moves: list[tuple[int, bool]], weth_usd: float
) -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 100 * DOLLAR)
    for amount, is_supply in moves:
        story.wait(amount % 90)
        if is_supply:
            story.supply(WETH, amount)
        else:
            story.borrow(USDC, amount)

    for spec, value in zip(FEATURES, vector_of(story, weth_usd=weth_usd).values, strict=True):
        assert spec.lowest <= value <= spec.highest
        assert value == int(value)


def test_schema__families_and_reasons__stand_one_to_one() -> None:
    assert set(REASON_OF_FAMILY) == set(Family) == set(FAMILIES)
    assert set(REASON_OF_FAMILY.values()) == set(AdverseReason)
    assert {spec.family for spec in FEATURES} == set(Family)
    assert len({spec.name for spec in FEATURES}) == len(FEATURES)


def test_schema__absent_values__hide_nothing_but_what_is_bad() -> None:
    best_when_absent = {spec.name for spec in FEATURES if spec.absent == spec.best}

    assert best_when_absent == {
        "liquidation_days",
        "days_since_liquidation",
        "withdrawn_30d_bps",
        "borrow_days_180d",
        "loop_days_180d",
        "flash_days_180d",
        "churned_30d_bps",
        "sent_away_30d_bps",
    }
    assert 8 <= len(FAMILIES) <= 15
    assert all(spec.absent in (spec.best, spec.worst) for spec in FEATURES)


def test_schema_hash__one_bound_or_the_order_changes__is_another() -> None:
    moved = (replace(FEATURES[0], highest=FEATURES[0].highest + 1), *FEATURES[1:])

    assert schema_hash(moved) != SCHEMA_HASH != schema_hash(FEATURES[::-1])
    assert schema_hash(FEATURES) == SCHEMA_HASH
