"""The market as of a block, and Aave's health factor worked by hand."""

from dataclasses import replace

import pytest
from bonafides.errors import InvariantViolation
from bonafides.types import ZERO_ADDRESS, EventType, MarketPointKind
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.interest import RAY, SECONDS_PER_YEAR
from bonafides_scoring.market import (
    NO_DEBT_HEALTH_FACTOR,
    MarketMissing,
    accounts,
    balances,
    market_view,
    points_used,
)
from bonafides_scoring.wallet_state import AssetKey, AssetState, WalletState

from tests.support.scoring_core_story import (
    CHAIN,
    DEPLOYMENT,
    DOLLAR,
    ETHER,
    START,
    USDC,
    WETH,
    Story,
    block_ref,
    market_points,
    point,
)

pytestmark = pytest.mark.unit


def folded(story: Story) -> WalletState:
    return fold(empty_state(story.wallet, CHAIN), story.events)


def test_accounts__one_ether_against_a_thousand_dollars__health_factor_by_hand() -> None:
    # 1 WETH at 2,000 USD, threshold 83 %: 2,000 · .83 / 1,000 = 1.66
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 1_000 * DOLLAR)

    (account,) = accounts(folded(story), market_view(market_points(), story.as_of().blocks[0]))

    assert (account.collateral_base, account.debt_base) == (2_000 * 10**8, 1_000 * 10**8)
    assert (account.threshold_bps, account.health_factor_wad) == (8_300, 1_660_000_000_000_000_000)


def test_accounts__two_collaterals__threshold_is_weighted_and_rounded_down() -> None:
    # 2,000 USD at 83 % and 1,000 USD at 80 %: (2,000·8,300 + 1,000·8,000) / 3,000 = 8,200; 3,000·.82/1,500 = 1.64
    story = Story().supply(WETH, ETHER, first=True).supply(USDC, 1_000 * DOLLAR, first=True)
    story.borrow(USDC, 1_500 * DOLLAR)

    (account,) = accounts(folded(story), market_view(market_points(), story.as_of().blocks[0]))

    assert (account.threshold_bps, account.health_factor_wad) == (8_200, 1_640_000_000_000_000_000)


def test_accounts__supply_that_is_no_collateral__does_not_count() -> None:
    story = Story().supply(WETH, ETHER, first=True).supply(USDC, 1_000 * DOLLAR).borrow(USDC, 1_000 * DOLLAR)

    (account,) = accounts(folded(story), market_view(market_points(), story.as_of().blocks[0]))

    assert account.collateral_base == 2_000 * 10**8


def test_accounts__no_debt__has_aaves_largest_health_factor() -> None:
    story = Story().supply(WETH, ETHER, first=True)

    (account,) = accounts(folded(story), market_view(market_points(), story.as_of().blocks[0]))

    assert account.health_factor_wad == NO_DEBT_HEALTH_FACTOR


def test_accounts__emode_of_the_asset__raises_the_threshold() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 1_000 * DOLLAR)
    story.open().add(EventType.EMODE_SET, ZERO_ADDRESS, 1)
    block = block_ref(2, START - 100)
    emode = [
        point(MarketPointKind.EMODE_CONFIG, ZERO_ADDRESS, (9_000, 9_300, 10_100), block=block, log_index=1, category=1),
        point(MarketPointKind.EMODE_ASSET, WETH, (), block=block, log_index=2, category=1),
    ]

    (account,) = accounts(folded(story), market_view(market_points() + emode, story.as_of().blocks[0]))

    assert account.threshold_bps == 9_300


def test_accounts__debt_in_an_asset_without_price__cannot_be_valued() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 1_000 * DOLLAR)
    points = [known for known in market_points() if (known.kind, known.asset) != (MarketPointKind.PRICE, USDC)]

    with pytest.raises(MarketMissing):
        accounts(folded(story), market_view(points, story.as_of().blocks[0]))


def test_accounts__price_that_became_unknown__cannot_be_valued() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 1_000 * DOLLAR)
    void = point(MarketPointKind.PRICE, USDC, (0,), block=block_ref(2, START - 100), log_index=0)

    with pytest.raises(MarketMissing):
        accounts(folded(story), market_view([*market_points(), void], story.as_of().blocks[0]))


@pytest.mark.parametrize(("late_s", "is_known"), [(-1, True), (0, True), (1, False)])
def test_accounts__price_older_than_its_feeds_bound__cannot_be_valued(late_s: int, is_known: bool) -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 1_000 * DOLLAR)
    as_of = story.as_of().blocks[0]
    bound = point(
        MarketPointKind.PRICE, USDC, (10**8, as_of.timestamp - late_s), block=block_ref(2, START - 100), log_index=0
    )
    view = market_view([*market_points(), bound], as_of)

    assert (AssetKey(DEPLOYMENT, USDC) in view.reserves) == is_known
    if not is_known:
        with pytest.raises(MarketMissing):
            accounts(folded(story), view)


def test_accounts__answer_after_a_stale_one__is_a_price_again() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 1_000 * DOLLAR)
    as_of = story.as_of().blocks[0]
    stale = point(
        MarketPointKind.PRICE, USDC, (10**8, as_of.timestamp - 1), block=block_ref(2, START - 100), log_index=0
    )
    fresh = point(
        MarketPointKind.PRICE, USDC, (2 * 10**8, as_of.timestamp + 1), block=block_ref(3, START - 50), log_index=0
    )

    (account,) = accounts(folded(story), market_view([*market_points(), stale, fresh], as_of))

    assert account.debt_base == 2_000 * 10**8


def test_accounts__price_whose_feed_has_no_bound__never_grows_stale() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 1_000 * DOLLAR)
    as_of = story.as_of().blocks[0]
    old = point(MarketPointKind.PRICE, USDC, (10**8, 0), block=block_ref(2, START - 100), log_index=0)

    (account,) = accounts(folded(story), market_view([*market_points(), old], as_of))

    assert account.debt_base == 1_000 * 10**8


def test_market_view__points_after_the_block__are_not_known() -> None:
    later = market_points(weth_usd=1_000.0, number=50, timestamp=START)

    view = market_view(market_points() + later, block_ref(49, START + 10))

    assert view.reserves[AssetKey(DEPLOYMENT, WETH)].price == 2_000 * 10**8
    assert market_view(market_points() + later, block_ref(50, START + 10)).reserves[
        AssetKey(DEPLOYMENT, WETH)
    ].price == (1_000 * 10**8)


def test_market_view__points_in_any_order__give_the_same_view() -> None:
    points = market_points() + market_points(weth_usd=1_500.0, number=20, timestamp=START)
    block = block_ref(60, START + 60)

    assert market_view(points, block) == market_view(points[::-1], block)


def test_market_view__two_points_of_one_log_that_differ__stops() -> None:
    one, other = market_points(), market_points(weth_usd=1.0)

    with pytest.raises(InvariantViolation, match="differ"):
        market_view(one + other, block_ref(60, START))


def test_balances__half_a_year_later__have_grown_as_the_tokens_say() -> None:
    points = market_points(timestamp=START, rates=(RAY // 10, RAY // 10))
    view = market_view(points, block_ref(60, START + SECONDS_PER_YEAR // 2))

    supply, debt = balances(
        AssetState(scaled_supply=1_000 * DOLLAR, scaled_debt=1_000 * DOLLAR), view.reserves[AssetKey(DEPLOYMENT, USDC)]
    )

    assert supply == 1_050 * DOLLAR  # linear: 10 % · ½
    assert debt == 1_051_270_255  # 1 + .05 + .05²/2 + .05³/6 is 1.0512708; the contract cuts 31.9 to 31 in the last


def test_points_used__two_deployments_share_a_feed__names_the_fact_of_each() -> None:
    prices = [known for known in market_points() if known.kind is MarketPointKind.PRICE]
    shared = prices + [replace(known, deployment="aave-v3-other") for known in prices]
    holdings = tuple((AssetKey(deployment, WETH), AssetState()) for deployment in ("aave-v3-other", DEPLOYMENT))
    state = replace(folded(Story()), assets=holdings)

    used = points_used([state], [market_view(shared, block_ref(60, START))])

    assert [(known.deployment, known.asset) for known in used] == sorted((key.deployment, WETH) for key, _ in holdings)


def test_points_used__a_wallet__names_only_its_assets() -> None:
    story = Story().supply(WETH, ETHER, first=True)
    view = market_view(market_points(), story.as_of().blocks[0])

    used = points_used([folded(story)], [view])

    assert {known.asset for known in used} == {WETH}
    assert [known.kind for known in used] == [
        MarketPointKind.RESERVE_CONFIG,
        MarketPointKind.RESERVE_INDEX,
        MarketPointKind.PRICE,
    ]
