"""What borrowers do: pure decisions, worked by hand."""

import itertools
import random
from dataclasses import replace

import pytest
from bonafides.types import Address
from bonafides_lab.market.actions import ALL, Action, Verb
from bonafides_lab.market.decisions import decide, looks_today
from bonafides_lab.market.habits import Borrower, Habits, Kind
from bonafides_lab.market.memory import Decision, Memory
from bonafides_lab.market.positions import Standing
from bonafides_lab.market.reserves import USDC, WETH

from tests.support.market_people import CERTAIN, NEVER_LUCKY, QUOTES, LoadedDice, borrower, plain_habits, standing

pytestmark = pytest.mark.unit

JOINED = Memory(has_joined=True, cash_usd=5_000, cash_day=10, last_repaid_day=0, episode_is_over=True)


def decide_on_day_10(
    position: Standing, habits: Habits | None = None, memory: Memory = JOINED, dice: random.Random = NEVER_LUCKY
) -> Decision:
    return decide(borrower(habits=habits), position, memory, QUOTES, 10, dice)


def the_address() -> Address:
    return borrower().address


def test_looks_today__before_joining_day__does_not() -> None:
    late = borrower(habits=replace(plain_habits(), joins_on_day=5))

    assert not looks_today(late, Memory(), 4, CERTAIN)
    assert looks_today(late, Memory(), 5, NEVER_LUCKY)


def test_looks_today__attention_of_a_tenth__looks_about_every_tenth_day() -> None:
    sleepy, dice = borrower(habits=replace(plain_habits(), attention=0.1)), random.Random(3)

    looks = sum(looks_today(sleepy, JOINED, day, dice) for day in range(10_000))

    assert 900 < looks < 1_100  # three standard deviations of a binomial are 90


def test_decide__joins__supplies_wealth_and_borrows_within_capacity() -> None:
    decision = decide(borrower(), standing(), Memory(), QUOTES, 3, random.Random(1))

    supply, borrow = decision.actions
    assert supply == Action(Verb.SUPPLY, the_address(), WETH, 10 * 10**18)  # $20,000 of WETH at $2,000
    assert (borrow.verb, borrow.reserve) == (Verb.BORROW, USDC)
    # The capacity is 20,000 * .805 = 16,100; half of it is the target, of which 70 to 100 % are drawn.
    assert 0.7 * 8_050 <= borrow.amount / 10**6 <= 8_050
    assert decision.memory.has_joined


def test_decide__healthy_and_no_habit_due__does_nothing() -> None:
    decision = decide_on_day_10(standing(weth=10, owes_usdc=8_000))

    assert decision.actions == ()


def test_decide__worried_and_disciplined__tops_up_to_the_health_factor_wanted() -> None:
    habits = replace(plain_habits(), discipline=0.5, rescues_by_repaying=-1.0)

    # Health factor 20,000 * .83 / 12,000 = 1.383, below 1.5; wanted is 2.
    decision = decide_on_day_10(standing(weth=10, owes_usdc=12_000), habits, replace(JOINED, cash_usd=50_000), CERTAIN)

    (action,) = decision.actions
    missing_usd = (2.0 * 12_000 - 20_000 * 0.83) / 0.83
    assert (action.verb, action.reserve) == (Verb.SUPPLY, WETH)
    assert action.amount / 10**18 == pytest.approx(missing_usd / 2_000, rel=1e-9)
    assert decision.memory.cash_usd == pytest.approx(50_000 - missing_usd)


def test_decide__worried_with_some_cash__repays_what_there_is() -> None:
    habits = replace(plain_habits(), discipline=0.5, rescues_by_repaying=0.5)

    # What it takes is 12,000 - 16,600 / 2 = 3,700; 2,000 is more than half of it.
    decision = decide_on_day_10(standing(weth=10, owes_usdc=12_000), habits, replace(JOINED, cash_usd=2_000), CERTAIN)

    assert decision.actions == (Action(Verb.REPAY, the_address(), USDC, 2_000 * 10**6),)
    assert decision.memory.cash_usd == 0


def test_decide__worried_without_discipline__lets_it_run() -> None:
    habits = replace(plain_habits(), discipline=0.4)

    decision = decide_on_day_10(standing(weth=10, owes_usdc=12_000), habits, dice=LoadedDice(0.5))

    assert decision.actions == ()


def test_decide__worried_gambler__borrows_all_that_is_left() -> None:
    habits = replace(plain_habits(), doubles_down=0.9)

    decision = decide_on_day_10(standing(weth=10, owes_usdc=12_000), habits, dice=LoadedDice(0.5))

    (action,) = decision.actions
    assert action.verb is Verb.BORROW
    assert action.amount / 10**6 == pytest.approx(0.985 * 16_100 - 12_000, abs=0.01)


def test_decide__repayment_due__repays_its_share() -> None:
    habits = replace(plain_habits(), repays_every_days=10, repay_share=0.25)

    decision = decide_on_day_10(standing(weth=10, owes_usdc=8_000), habits)

    assert decision.actions == (Action(Verb.REPAY, the_address(), USDC, 2_000 * 10**6),)
    assert decision.memory.last_repaid_day == 10


def test_decide__repayment_covers_the_debt__repays_all_and_closes() -> None:
    habits = replace(plain_habits(), repays_every_days=10, repay_share=1.0)

    decision = decide_on_day_10(standing(weth=10, owes_usdc=800), habits)

    assert decision.actions == (Action(Verb.REPAY, the_address(), USDC, ALL),)
    assert decision.memory.closed_on_day == 10


def test_decide__closed_and_still_away__does_not_borrow() -> None:
    habits = replace(plain_habits(), appetite=1.0)
    closed_recently = replace(JOINED, closed_on_day=5)

    assert decide_on_day_10(standing(weth=10), habits, closed_recently, LoadedDice(0.05)).actions == ()


def test_decide__closed_and_back__borrows_again() -> None:
    habits = replace(plain_habits(), appetite=1.0, returns_after_days=5)

    decision = decide_on_day_10(standing(weth=10), habits, replace(JOINED, closed_on_day=5), LoadedDice(0.05))

    assert [action.verb for action in decision.actions] == [Verb.BORROW]
    assert decision.memory.closed_on_day is None


def test_decide__looper_below_target__supplies_what_it_borrows() -> None:
    habits = replace(plain_habits(), loops=True, spends=0.0, appetite=1.0)

    decision = decide_on_day_10(standing(weth=10, owes_usdc=1_000), habits, dice=LoadedDice(0.5))

    borrow, supply = decision.actions
    assert (borrow.verb, supply.verb, supply.reserve) == (Verb.BORROW, Verb.SUPPLY, WETH)
    assert supply.amount / 10**18 * 2_000 == pytest.approx(borrow.amount / 10**6, rel=1e-6)


def test_decide__worried_without_cash__sells_collateral_slice_by_slice_until_the_goal() -> None:
    habits = replace(plain_habits(), discipline=1.0)

    decision = decide_on_day_10(standing(weth=10, owes_usdc=12_000), habits, replace(JOINED, cash_usd=0), CERTAIN)

    supply_usd, debt_usd = 20_000.0, 12_000.0
    for withdraw, repay in itertools.batched(decision.actions, 2):
        assert (withdraw.verb, repay.verb) == (Verb.WITHDRAW, Verb.REPAY)
        supply_usd -= withdraw.amount / 10**18 * 2_000
        assert supply_usd * 0.83 / debt_usd >= 1.02 - 1e-9  # still healthy between the two transactions
        debt_usd -= repay.amount / 10**6
    assert supply_usd * 0.83 / debt_usd == pytest.approx(2.0, abs=1e-6)


def test_decide__binges__borrows_to_the_limit_at_any_health_factor() -> None:
    habits = replace(plain_habits(), binges=0.1)

    decision = decide_on_day_10(standing(weth=10, owes_usdc=1_000), habits, dice=LoadedDice(0.05))

    (action,) = decision.actions
    assert action.verb is Verb.BORROW
    assert action.amount / 10**6 == pytest.approx(0.985 * 16_100 - 1_000, abs=0.01)


def test_decide__supply_that_is_no_collateral__is_switched_on() -> None:
    position = replace(standing(weth=10), is_collateral=(False,) * 4)

    assert decide_on_day_10(position).actions == (Action(Verb.COLLATERAL_ON, the_address(), WETH, 0),)


@pytest.mark.parametrize("kind", list(Kind))
def test_decide__same_dice__same_decision(kind: Kind) -> None:
    position, somebody = standing(weth=10, owes_usdc=9_000), borrower(kind)

    first, second = (decide(somebody, position, Memory(), QUOTES, 10, random.Random(5)) for _ in range(2))

    assert first == second


def test_decide__does_not_change_what_it_was_given() -> None:
    position, memory = standing(weth=10, owes_usdc=12_000), JOINED

    decide_on_day_10(position, replace(plain_habits(), discipline=1.0), memory, CERTAIN)

    assert memory == Memory(has_joined=True, cash_usd=5_000, cash_day=10, last_repaid_day=0, episode_is_over=True)


def episode(somebody: Borrower, position: Standing) -> tuple[Action, ...]:
    return decide(somebody, position, replace(JOINED, episode_is_over=False), QUOTES, 10, NEVER_LUCKY).actions


def test_episode__helped__the_companion_repays_half() -> None:
    helped = borrower(Kind.HELPED)

    (action,) = episode(helped, standing(weth=10, owes_usdc=8_000))

    assert (action.verb, action.sender, action.other) == (Verb.REPAY_ON_BEHALF, helped.companion, helped.address)
    assert action.amount == 4_000 * 10**6


def test_episode__delegator__approves_and_the_companion_borrows_on_its_credit() -> None:
    delegator = borrower(Kind.DELEGATOR)

    approve, borrow = episode(delegator, standing(weth=10))

    assert (approve.verb, approve.sender, approve.other) == (
        Verb.APPROVE_DELEGATION,
        delegator.address,
        delegator.companion,
    )
    assert (borrow.verb, borrow.sender, borrow.other) == (
        Verb.BORROW_ON_BEHALF,
        delegator.companion,
        delegator.address,
    )
    assert approve.amount == borrow.amount


def test_episode__mover__keeps_its_health_factor_above_the_worry_line() -> None:
    mover = borrower(Kind.MOVER)

    (action,) = episode(mover, standing(weth=10, owes_usdc=10_000))

    assert (action.verb, action.other) == (Verb.TRANSFER_SUPPLY, mover.companion)
    left_usd = 20_000 - action.amount / 10**18 * 2_000
    assert left_usd * 0.83 / 10_000 >= 1.5 - 1e-9


def test_episode__leaver__repays_all_then_withdraws_all() -> None:
    actions = episode(borrower(Kind.LEAVER), standing(weth=10, usdc=50, owes_usdc=800))

    assert [(action.verb, action.reserve, action.amount) for action in actions] == [
        (Verb.REPAY, USDC, ALL),
        (Verb.WITHDRAW, WETH, ALL),
        (Verb.WITHDRAW, USDC, ALL),
    ]


def test_episode__over__is_not_repeated() -> None:
    leaver, position = borrower(Kind.LEAVER), standing(weth=10, owes_usdc=800)

    decision = decide(leaver, position, JOINED, QUOTES, 10, NEVER_LUCKY)

    assert decision.actions == ()
