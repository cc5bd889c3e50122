"""The law that volume buys nothing: whatever is undone within two weeks moves no feature to its good side."""

from dataclasses import dataclass

import pytest
from bonafides.types import Address, AsOf
from bonafides_scoring.features.build import feature_vector
from bonafides_scoring.features.schema import FEATURES
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import market_view
from bonafides_scoring.reference import ReferencePosition
from bonafides_scoring.wallet_state import SETTLING_DAYS
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.scoring_core_story import (
    CHAIN,
    DAY,
    DOLLAR,
    ETHER,
    OTHER,
    START,
    USDC,
    WALLET,
    WETH,
    Story,
    block_ref,
    market_points,
)

pytestmark = pytest.mark.unit

REFERENCE = ReferencePosition("WETH", debt_usd=5_000, liquidation_threshold_bps=8_300, health_factor_bps=16_000)
HOUR = DAY // 24


@dataclass(frozen=True)
class Move:
    """One transaction of a life, or half of a round trip."""

    at: int
    """Seconds since `START`."""
    deed: str
    asset: Address
    amount: int


def told(moves: list[Move]) -> Story:
    """Every transaction at its own second, whatever stands between."""
    story = Story()
    for move in moves:
        story.now = START + move.at - 12
        match move.deed:
            case "supply":
                story.supply(move.asset, move.amount, first=not story.events)
            case "withdraw":
                story.withdraw(move.asset, move.amount)
            case "borrow":
                story.borrow(move.asset, move.amount)
            case "repay":
                story.repay(move.asset, move.amount)
            case "flash":
                story.flash(move.asset, move.amount)
            case "liquidation":
                story.liquidation(USDC, move.amount, WETH, ETHER // 100)
    return story


def values_at(moves: list[Move], at: int) -> list[tuple[str, float]]:
    return values_of(told(moves), at)


def values_of(story: Story, at: int) -> list[tuple[str, float]]:
    """Every feature, turned so that more is better."""
    as_of = AsOf((block_ref(story.number + 1, START + at),))
    state = fold(empty_state(WALLET, CHAIN), story.events)
    vector = feature_vector([state], [market_view(market_points(), as_of.blocks[0])], as_of, REFERENCE)
    return [
        (spec.name, -spec.direction.constraint * value) for spec, value in zip(FEATURES, vector.values, strict=True)
    ]


def gains(before: list[tuple[str, float]], after: list[tuple[str, float]]) -> list[str]:
    """Features that look better after."""
    return [name for (name, one), (_, other) in zip(before, after, strict=True) if other > one]


@st.composite
def lives(draw: st.DrawFn) -> list[Move]:
    """A position of 100 WETH and months of borrowing, repaying, topping up, withdrawing and liquidations."""
    moves, at, debt, held = [Move(12, "supply", WETH, 100 * ETHER)], 12, 0, 100
    for _ in range(draw(st.integers(0, 8))):
        at += draw(st.sampled_from([1, 13, 15, 40, 60, 100])) * DAY + draw(st.integers(1, 23)) * HOUR
        deed = draw(st.sampled_from(["borrow", "repay", "repay_all", "supply", "withdraw", "liquidation"]))
        if deed == "borrow" and debt < 100_000:
            debt += 10_000
            moves.append(Move(at, "borrow", USDC, 10_000 * DOLLAR))
        elif deed == "repay" and debt > 2_000:
            debt -= 2_000
            moves.append(Move(at, "repay", USDC, 2_000 * DOLLAR))
        elif deed == "repay_all" and debt:
            moves.append(Move(at, "repay", USDC, debt * DOLLAR))
            debt = 0
        elif deed == "supply":
            held += 10
            moves.append(Move(at, "supply", WETH, 10 * ETHER))
        elif deed == "withdraw" and held > 80:
            held -= 10
            moves.append(Move(at, "withdraw", WETH, 10 * ETHER))
        elif deed == "liquidation" and debt > 2_000:
            debt -= 1_000
            moves.append(Move(at, "liquidation", USDC, 1_000 * DOLLAR))
    return moves


@st.composite
def round_trips(draw: st.DrawFn, life: list[Move], end: int) -> list[Move]:
    """Round trips of any size, each between two moves of the life, up to `SETTLING_DAYS` long."""
    found: list[Move] = []
    for start, stop in zip([move.at for move in life], [*[move.at for move in life[1:]], end], strict=True):
        owed = sum(
            {"borrow": 1, "repay": -1, "liquidation": -1}.get(move.deed, 0) * move.amount
            for move in life
            if move.at <= start
        )
        at = start
        for _ in range(draw(st.integers(0, 3))):
            there = at + draw(st.sampled_from([12, HOUR, 15 * DAY, 16 * DAY, 20 * DAY]))
            back = there + draw(st.sampled_from([12, HOUR, 30 * HOUR, 9 * DAY, SETTLING_DAYS * DAY]))
            if back + 12 >= stop:
                break
            match draw(st.sampled_from(["borrow", "repay", "supply", "withdraw", "flash", "other_asset"])):
                case "borrow":
                    amount = draw(st.sampled_from([1, 500 * DOLLAR, 10**9 * DOLLAR]))
                    found += [Move(there, "borrow", USDC, amount), Move(back, "repay", USDC, amount)]
                case "repay" if owed > 0:
                    amount = draw(st.sampled_from([owed, owed // 2, 1]))
                    found += [Move(there, "repay", USDC, amount), Move(back, "borrow", USDC, amount)]
                case "supply":
                    amount = draw(st.sampled_from([1, 20 * ETHER, 10**6 * ETHER]))
                    found += [Move(there, "supply", WETH, amount), Move(back, "withdraw", WETH, amount)]
                case "withdraw":
                    found += [Move(there, "withdraw", WETH, 30 * ETHER), Move(back, "supply", WETH, 30 * ETHER)]
                case "flash":
                    found.append(Move(there, "flash", USDC, 10**9 * DOLLAR))
                case "other_asset":
                    found += [Move(there, "borrow", WETH, 7 * ETHER), Move(back, "repay", WETH, 7 * ETHER)]
                case _:
                    continue
            at = back
    return found


@settings(max_examples=400, deadline=None)  # the lives that one clause of the law is about are rare
@given(data=st.data(), life=lives(), later=st.sampled_from([1, 16, 45, 200]))
def test_feature_vector__any_wash_cycles_added__no_feature_gets_better(
    data: st.DataObject, life: list[Move], later: int
) -> None:
    """Take any life. Between any two of its deeds, and before the as-of, put any number of round trips: borrow and
    repay, repay and borrow, supply and withdraw, withdraw and supply, a loan inside one transaction; of any size, in an
    asset it has or has not, each up to 14 days long (`SETTLING_DAYS`) and over by the as-of. Then no feature is better
    than without them. What lasts longer is no round trip: somebody owed it for two weeks and more, paid interest and
    could have been liquidated. It counts as any loan does, and by days, never by its size.
    """
    end = life[-1].at + later * DAY
    trips = data.draw(round_trips(life, end))

    washed = sorted([*life, *trips], key=lambda move: move.at)

    assert gains(values_at(life, end), values_at(washed, end)) == []


@given(life=lives(), factor=st.integers(2, 1_000), later=st.sampled_from([1, 20]))
def test_feature_vector__all_amounts_times_as_much__no_feature_gets_better(
    life: list[Move], factor: int, later: int
) -> None:
    """The same life with all amounts times a factor: shares, days and counts stay, the size of the debt is worse."""
    end = life[-1].at + later * DAY
    larger = [Move(move.at, move.deed, move.asset, move.amount * factor) for move in life if move.deed != "liquidation"]
    smaller = [move for move in life if move.deed != "liquidation"]

    before, after = values_at(smaller, end), values_at(larger, end)

    assert gains(before, after) == []
    against_the_reference = {"churned_30d_bps", "sent_away_30d_bps"}
    moved = {name for (name, one), (_, other) in zip(before, after, strict=True) if one != other}
    assert moved <= {"open_debt_usd"} | against_the_reference


@given(life=lives(), factor=st.sampled_from([2, 10, 100_000]), days=st.integers(15, 60))
def test_feature_vector__one_loan_of_the_past_so_many_times_larger__is_the_same(
    life: list[Move], factor: int, days: int
) -> None:
    """A loan beside all others, open for two weeks and more, repaid and a month over: its size is in no feature."""
    start = life[-1].at + 20 * DAY
    back, end = start + days * DAY, start + (days + 45) * DAY
    small, large = (
        [*life, Move(start, "borrow", WETH, amount), Move(back, "repay", WETH, amount)]
        for amount in (ETHER // 1_000, factor * ETHER // 1_000)
    )

    assert values_at(small, end) == values_at(large, end)


@given(life=lives(), times=st.integers(1, 30))
def test_feature_vector__borrow_and_repay_again_and_again__no_feature_gets_better(life: list[Move], times: int) -> None:
    """Twice a day for up to a fortnight, each time as much as one likes."""
    end = life[-1].at + 16 * DAY
    cycles = [
        Move(life[-1].at + HOUR + number * 12 * HOUR + (5 * HOUR if deed == "repay" else 0), deed, USDC, 10**6 * DOLLAR)
        for number in range(times)
        for deed in ("borrow", "repay")
    ]

    assert gains(values_at(life, end), values_at([*life, *cycles], end)) == []


def test_feature_vector__dust_from_strangers__makes_no_feature_worse() -> None:
    """Nobody may be made to look worse by others with a wei."""
    life = [Move(12, "supply", WETH, 100 * ETHER), Move(DAY, "borrow", USDC, 10_000 * DOLLAR)]
    gift = told(life)
    gift.wait(30).supply(WETH, 1, payer=OTHER).repay(USDC, 1, payer=OTHER)

    assert gains(values_of(gift, 60 * DAY), values_at(life, 60 * DAY)) == []
