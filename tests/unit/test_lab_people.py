"""The market's new people and liquidators: what they do, by hand."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from bonafides.types import Address
from bonafides_lab.market.actions import ALL, Action, Verb
from bonafides_lab.market.borrowers import make_borrower
from bonafides_lab.market.conditions import ROUGH, SMOOTH, Conditions
from bonafides_lab.market.decisions import BURNT_FOR_DAYS, decide, looks_today, wake_up
from bonafides_lab.market.habits import NEVER, Kind
from bonafides_lab.market.intraday import MOST_STEPS, steps_between
from bonafides_lab.market.joining import join
from bonafides_lab.market.liquidations import find_liquidations
from bonafides_lab.market.memory import Memory
from bonafides_lab.market.people import mixed_borrowers
from bonafides_lab.market.prices import price_path
from bonafides_lab.market.reserves import DAI, USDC, WETH
from bonafides_lab.market.schemers import make_cluster

from tests.support.market_people import CERTAIN, NEVER_LUCKY, QUOTES, LoadedDice, borrower, plain_habits, standing

pytestmark = pytest.mark.unit

JOINED = Memory(has_joined=True, cash_usd=5_000, cash_day=10, episode_is_over=True)
PAYER = Address(b"\x77" * 20)
FALLING = replace(QUOTES, recent_fall=0.2)
USD = 10**8


def test_looks_today__market_falls__alarm_is_added_to_attention() -> None:
    alarmed = borrower(habits=replace(plain_habits(), attention=0.1, alarm=0.5))

    assert not looks_today(alarmed, JOINED, 5, LoadedDice(0.3), recent_fall=0.0)
    assert looks_today(alarmed, JOINED, 5, LoadedDice(0.3), recent_fall=0.08)


def test_looks_today__attention_fades__half_is_left_after_the_half_life() -> None:
    fading = borrower(habits=replace(plain_habits(), attention=0.8, attention_half_life_days=100))

    assert looks_today(fading, JOINED, 100, LoadedDice(0.39))
    assert not looks_today(fading, JOINED, 100, LoadedDice(0.41))


def test_decide__panics_in_a_fall__sells_collateral_however_safe_the_position() -> None:
    habits = replace(plain_habits(), panics_at_fall=0.15)
    position = standing(weth=10, owes_usdc=8_000)  # health factor 2.075

    calm = decide(borrower(habits=habits), position, JOINED, QUOTES, 10, NEVER_LUCKY)
    panicked = decide(borrower(habits=habits), position, JOINED, FALLING, 10, NEVER_LUCKY)

    assert calm.actions == ()
    assert [action.verb for action in panicked.actions][:2] == [Verb.WITHDRAW, Verb.REPAY]


def test_decide__panics_with_the_cash_for_it__repays_all() -> None:
    habits = replace(plain_habits(), panics_at_fall=0.15)

    decision = decide(borrower(habits=habits), standing(weth=10, owes_usdc=4_000), JOINED, FALLING, 10, NEVER_LUCKY)

    assert [(action.verb, action.amount) for action in decision.actions] == [(Verb.REPAY, ALL)]
    assert decision.memory.closed_on_day == 10


def test_wake_up__after_a_liquidation__gets_out_and_borrows_nothing_for_long() -> None:
    insistent = borrower(habits=replace(plain_habits(), appetite=1.0))
    position = standing(weth=10, owes_usdc=1_000)

    memory = wake_up(insistent, position, JOINED, QUOTES, 10).memory
    soon = decide(insistent, position, memory, QUOTES, 10 + BURNT_FOR_DAYS - 1, LoadedDice(0.5))
    later = decide(insistent, position, memory, QUOTES, 10 + BURNT_FOR_DAYS, LoadedDice(0.5))

    assert Verb.BORROW not in [action.verb for action in soon.actions]
    assert Verb.BORROW in [action.verb for action in later.actions] or memory.closed_on_day == 10


def test_decide__runs_away__borrows_all_and_never_looks_again() -> None:
    runner = borrower(habits=replace(plain_habits(), runs_away=True))

    decision = decide(runner, standing(weth=10, owes_usdc=8_000), JOINED, QUOTES, 10, NEVER_LUCKY)

    (action,) = decision.actions
    assert action.amount / 10**6 == pytest.approx(0.985 * 16_100 - 8_000, abs=0.01)
    assert not looks_today(runner, decision.memory, 11, CERTAIN)


def test_decide__instant_wash__borrows_and_repays_in_one_go() -> None:
    washer = borrower(habits=replace(plain_habits(), instant_wash=1.0, appetite=1.0))

    decision = decide(washer, standing(weth=10), JOINED, QUOTES, 10, LoadedDice(0.5))

    assert [(action.verb, action.reserve) for action in decision.actions] == [(Verb.BORROW, USDC), (Verb.REPAY, USDC)]
    assert decision.actions[1].amount == ALL
    assert decision.memory.closed_on_day == 10


def test_decide__owes_two_assets__borrows_the_one_that_less_is_owed_in() -> None:
    two = borrower(habits=replace(plain_habits(), other_debt_reserve=DAI, appetite=1.0))

    decision = decide(two, standing(weth=10, owes_usdc=1_000), JOINED, QUOTES, 10, LoadedDice(0.5))

    assert decision.actions[0].reserve == DAI


def test_join__payer__supplies_on_behalf_or_passes_its_atokens_on() -> None:
    alone = borrower()
    paid = replace(alone, payer=PAYER)
    moved = replace(paid, payer_moves_supply=True)

    behalf = join(paid, QUOTES, 3, random.Random(1)).actions
    passed_on = join(moved, QUOTES, 3, random.Random(1)).actions

    assert behalf[0] == Action(Verb.SUPPLY_ON_BEHALF, PAYER, WETH, 10 * 10**18, other=alone.address)
    assert [(action.verb, action.sender) for action in passed_on] == [
        (Verb.SUPPLY, PAYER),
        (Verb.TRANSFER_SUPPLY, PAYER),
        (Verb.BORROW, alone.address),
    ]
    assert passed_on[1].amount < passed_on[0].amount


def test_decide__payer_helps__repays_on_behalf_but_never_all() -> None:
    habits = replace(plain_habits(), repays_every_days=1, repay_share=0.25, payer_helps=1.0)
    paid = replace(borrower(habits=habits), payer=PAYER)

    part = decide(paid, standing(weth=10, owes_usdc=8_000), JOINED, QUOTES, 10, LoadedDice(0.5))
    rest = decide(
        replace(paid, habits=replace(habits, repay_share=1.0)),
        standing(weth=10, owes_usdc=800),
        JOINED,
        QUOTES,
        10,
        LoadedDice(0.5),
    )

    assert part.actions == (Action(Verb.REPAY_ON_BEHALF, PAYER, USDC, 2_000 * 10**6, other=paid.address),)
    assert [action.verb for action in rest.actions] == [Verb.REPAY]


def test_make_cluster__wallets_of_one_person__are_alike_and_paid_for_by_the_first() -> None:
    first, *others = make_cluster(5, [10, 20, 30], 400)

    assert first.payer is None
    assert {other.payer for other in others} == {first.address}
    assert len({wallet.habits.discipline for wallet in (first, *others)}) == 1
    assert max(wallet.habits.joins_on_day for wallet in others) - first.habits.joins_on_day <= 6


def test_mixed_borrowers__large_market__has_every_kind_and_clusters_of_several() -> None:
    people = mixed_borrowers(3, 1_500, 400)

    assert {person.kind for person in people} == set(Kind)
    assert [person.index for person in people] == list(range(1_500))
    assert len({person.address for person in people}) == 1_500
    paid = [person.payer for person in people if person.payer is not None]
    assert len(paid) > len(set(paid)) > 3


def test_mixed_borrowers__wealth__spreads_over_decades() -> None:
    wealth = sorted(person.habits.wealth_usd for person in mixed_borrowers(3, 1_500, 400))

    assert wealth[0] >= 199
    assert wealth[1_350] / wealth[150] > 50


@pytest.mark.parametrize("kind", [Kind.WASHER, Kind.RUNNER])
def test_make_borrower__two_lives__change_on_a_day_after_joining(kind: Kind) -> None:
    people = [make_borrower(3, index, kind, days=365) for index in range(40)]

    assert all(person.later is not None for person in people)
    assert all(person.habits.joins_on_day < person.changes_on_day < NEVER for person in people)
    assert any(person.later.runs_away for person in people if person.later is not None)


def test_steps_between__small_move__is_one_step() -> None:
    before, after = (2_000 * USD, 40_000 * USD, USD, USD), (2_010 * USD, 40_100 * USD, USD, USD)

    assert steps_between(before, after, random.Random(1)) == [after]


def test_steps_between__crash__takes_steps_ends_at_the_close_and_moves_stablecoins_at_once() -> None:
    before, after = (2_000 * USD, 40_000 * USD, USD, USD), (1_500 * USD, 34_000 * USD, USD - 5, USD)

    rows = steps_between(before, after, random.Random(1))

    assert len(rows) == MOST_STEPS
    assert rows[-1] == after
    assert {row[USDC] for row in rows} == {USD - 5}
    moves = [abs(later[WETH] / row[WETH] - 1) for row, later in pairwise((before, *rows))]
    assert max(moves) < 0.15  # far from the quarter that it falls in all


def test_find_liquidations__limited__sends_the_most_profitable() -> None:
    small, large = (Address(bytes([number]) * 20) for number in (1, 2))
    under_water = [(small, standing(weth=1, owes_usdc=1_800)), (large, standing(weth=10, owes_usdc=18_000))]

    (call,) = find_liquidations(under_water, [PAYER], 0, most=1)

    assert call.other == large


def test_find_liquidations__dear_gas__leaves_the_small_one() -> None:
    under_water = [(PAYER, standing(weth=1, owes_usdc=1_800))]  # brings 1,800 · 5 % = 90 dollars

    assert len(find_liquidations(under_water, [PAYER], 0, smallest_profit_usd=89)) == 1
    assert find_liquidations(under_water, [PAYER], 0, smallest_profit_usd=91) == []


def test_conditions__a_falling_market__makes_gas_dearer() -> None:
    even = replace(ROUGH, gas_spread=0.0)

    assert even.smallest_profit_usd(0.5, random.Random(1)) == pytest.approx(
        even.gas_usd * (1 + even.gas_in_a_fall * 0.5)
    )
    assert SMOOTH.smallest_profit_usd(0.5, random.Random(1)) == SMOOTH.gas_usd


def test_conditions__many_borrowers__let_more_liquidations_into_a_round() -> None:
    assert Conditions(calls_per_round=0.01).most_calls(1_000) == 10
    assert Conditions(calls_per_round=0.01).most_calls(50) == 3
    assert SMOOTH.most_calls(1_000) is None


def test_recent_fall__below_the_high_of_the_last_days__is_its_share() -> None:
    path = price_path(1, 1)
    falling = replace(path, days=((100, 1, 1, 1), (120, 1, 1, 1), (90, 1, 1, 1), (130, 1, 1, 1)))

    assert [falling.recent_fall(day) for day in range(4)] == [0.0, 0.0, 0.25, 0.0]
