"""E-modes that an asset shares, and what a position is worth where contracts round for the protocol, by hand."""

from dataclasses import replace

import pytest
from bonafides.events import MarketPoint
from bonafides.types import ZERO_ADDRESS, EventType, MarketPointKind
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.interest import RAY
from bonafides_scoring.market import Account, accounts, balances, market_view, points_used
from bonafides_scoring.rounding import Rounding
from bonafides_scoring.wallet_state import AssetKey, AssetState, WalletState
from hypothesis import given
from hypothesis import strategies as st

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

BLOCK = block_ref(2, START - 100)
THRESHOLDS = {1: 9_300, 2: 8_999}


def folded(story: Story) -> WalletState:
    return fold(empty_state(story.wallet, CHAIN), story.events)


def _configs() -> list[MarketPoint]:
    return [
        point(MarketPointKind.EMODE_CONFIG, ZERO_ADDRESS, (8_900, bps, 10_100), block=BLOCK, log_index=i, category=i)
        for i, bps in THRESHOLDS.items()
    ]


def _member(log_index: int, category: int, *values: int) -> MarketPoint:
    return point(MarketPointKind.EMODE_ASSET, WETH, values, block=BLOCK, log_index=log_index, category=category)


def _account(points: list[MarketPoint], emode: int) -> Account:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 1_000 * DOLLAR)
    story.open().add(EventType.EMODE_SET, ZERO_ADDRESS, emode)
    (account,) = accounts(folded(story), market_view(market_points() + _configs() + points, story.as_of().blocks[0]))
    return account


@pytest.mark.parametrize(
    ("points", "thresholds"),
    [
        ([], (8_300, 8_300)),
        ([_member(10, 1, 1)], (9_300, 8_300)),
        ([_member(10, 1, 1), _member(11, 2, 1)], (9_300, 8_999)),
        ([_member(10, 1, 1), _member(11, 2, 1), _member(12, 1, 0)], (8_300, 8_999)),
        ([_member(10, 1)], (9_300, 8_300)),  # as older decoders told it
        ([_member(10, 1), _member(11, 2)], (8_300, 8_999)),  # there an asset had one category
        ([_member(10, 1), _member(11, 0)], (8_300, 8_300)),
        ([_member(10, 1), _member(11, 2, 1)], (9_300, 8_999)),
    ],
)
def test_accounts__wallet_in_either_emode__has_the_threshold_of_those_that_hold_its_asset(
    points: list[MarketPoint], thresholds: tuple[int, int]
) -> None:
    assert (_account(points, 1).threshold_bps, _account(points, 2).threshold_bps) == thresholds
    assert _account(points, 0).threshold_bps == 8_300


def test_points_used__a_wallet_with_an_emode__names_all_that_its_asset_is_in_and_how_its_market_rounds() -> None:
    story = Story().supply(WETH, ETHER, first=True)
    story.open().add(EventType.EMODE_SET, ZERO_ADDRESS, 1)
    rounding = point(MarketPointKind.ROUNDING, ZERO_ADDRESS, (1,), block=BLOCK, log_index=20)
    points = [*market_points(), *_configs(), _member(10, 1, 1), _member(11, 2, 1), rounding]

    used = points_used([folded(story)], [market_view(points, story.as_of().blocks[0])])

    assert [(p.kind, p.category) for p in used if p.kind is MarketPointKind.EMODE_ASSET] == [
        (MarketPointKind.EMODE_ASSET, 1),
        (MarketPointKind.EMODE_ASSET, 2),
    ]
    assert [p.category for p in used if p.kind is MarketPointKind.EMODE_CONFIG] == [1]
    assert rounding in used


# Rounding


def _rounds(code: int, index: int = RAY) -> list[MarketPoint]:
    """The market with this rounding, its indices at `index`."""
    points = [
        replace(known, values=(0, 0, index, index)) if known.kind is MarketPointKind.RESERVE_INDEX else known
        for known in market_points()
    ]
    return [*points, point(MarketPointKind.ROUNDING, ZERO_ADDRESS, (code,), block=BLOCK, log_index=20)]


@pytest.mark.parametrize(("code", "expected"), [(0, (17, 17)), (1, (16, 17)), (None, (17, 17))])
def test_balances__between_two_units__go_to_whom_the_contracts_favour(
    code: int | None, expected: tuple[int, int]
) -> None:
    points = _rounds(code or 0, RAY * 11 // 10)[: -1 if code is None else None]
    view = market_view(points, block_ref(60, START))

    # 15 shares at 1.1 are 16.5
    assert balances(AssetState(scaled_supply=15, scaled_debt=15), view.reserves[AssetKey(DEPLOYMENT, USDC)]) == expected


def test_accounts__dust_of_debt__is_never_worth_nothing_where_contracts_round_for_the_protocol() -> None:
    # one USDC unit is 100 in the base currency; one wei of WETH at 2,000 $ is 2e-7 of it
    story = Story().supply(USDC, 1_000 * DOLLAR, first=True).borrow(WETH, 1)

    found = [accounts(folded(story), market_view(_rounds(code), story.as_of().blocks[0]))[0] for code in (0, 1)]

    assert [account.debt_base for account in found] == [0, 1]


def test_accounts__two_thresholds__the_health_factor_is_of_the_sum_and_not_of_the_average() -> None:
    story = (
        Story().supply(WETH, ETHER, first=True).supply(USDC, 1_001 * DOLLAR, first=True).borrow(USDC, 1_000 * DOLLAR)
    )

    half_up, by_operation = (
        accounts(folded(story), market_view(_rounds(code), story.as_of().blocks[0]))[0] for code in (0, 1)
    )

    # 2,000 · .83 + 1,001 · .80 = 2,460.8 over 3,001: the average of .81999… is cut to .8199
    assert (half_up.threshold_bps, by_operation.threshold_bps) == (8_199, 8_199)
    assert half_up.health_factor_wad == 2_460_519_900_000_000_000
    assert by_operation.health_factor_wad == 2_460_800_000_000_000_000


@given(rate=st.integers(0, 10 * RAY), elapsed_s=st.integers(0, 365 * 86_400))
def test_debt_index__either_way_within_a_year__differs_by_a_ten_thousandth_at_most(rate: int, elapsed_s: int) -> None:
    older, newer = (Rounding(code).debt_index(RAY, rate, elapsed_s) for code in (0, 1))

    assert abs(newer - older) * 10_000 <= older
