"""What an attacker plans: campaigns as levels, strategies that fit their days, words that tell them."""

import random

import pytest
from bonafides_lab.attack.campaign import Op, OpKind, has_companion, plan_campaign, wallets_needed
from bonafides_lab.attack.moves import ALL_BPS, HONEST, Home, Move, Strategy, Trick
from bonafides_lab.attack.records import HISTORY_DAYS, RECORDS, Record
from bonafides_lab.attack.space import MOST_MOVES, by_the_book, changed, fitted, random_strategy
from hypothesis import assume, given
from hypothesis import strategies as st

pytestmark = pytest.mark.unit

DAYS = 90


def move(
    trick: Trick, *, times: int = 1, every: int = 1, hold: int = 0, share: int = 1_000, back: bool = False
) -> Move:
    return Move(trick, 0, times, every, hold, share, in_reverse=back)


def alone(one: Move, days: int = 10, record: Record = Record.RISKY) -> Strategy:
    return Strategy(record, days, (one,))


def acts(strategy: Strategy) -> dict[int, list[Op]]:
    """The plan without the last day's restoring."""
    plan = plan_campaign(strategy, twin_owes=strategy.record is not Record.DEBT_FREE)
    restoring = (OpKind.RESTORE_DEBT, OpKind.RESTORE_SUPPLY)
    found = {day: [op for op in ops if op.kind not in restoring] for day, ops in plan.items()}
    return {day: ops for day, ops in found.items() if ops}


def test_wash__ten_percent__goes_to_eleven_tenths_and_back_on_the_day() -> None:
    assert acts(alone(move(Trick.WASH))) == {0: [Op(OpKind.DEBT, 0, 11_000), Op(OpKind.DEBT, 0, ALL_BPS)]}


def test_wash__in_reverse__repays_first() -> None:
    assert [op.level_bps for op in acts(alone(move(Trick.WASH, back=True)))[0]] == [9_000, ALL_BPS]


def test_held_wash__of_three_days_every_five__comes_back_after_three() -> None:
    plan = acts(alone(move(Trick.HELD_WASH, times=2, every=5, hold=3)))

    assert {day: [op.level_bps for op in ops] for day, ops in plan.items()} == {
        0: [11_000],
        3: [ALL_BPS],
        5: [11_000],
        8: [ALL_BPS],
    }


def test_wash__of_who_owes_nothing__has_the_size_that_his_collateral_carries_and_ends_at_nothing() -> None:
    plan = acts(alone(move(Trick.WASH, back=True), record=Record.DEBT_FREE))

    assert [op.level_bps for op in plan[0]] == [1_000, 0]


def test_small_repayments__three__add_up_and_are_restored_on_the_last_day() -> None:
    strategy = alone(move(Trick.DUST, times=3, share=500))

    plan = plan_campaign(strategy, twin_owes=True)

    assert [ops[0].level_bps for day, ops in sorted(plan.items()) if day < 3] == [9_500, 9_000, 8_500]
    assert plan[9][-1] == Op(OpKind.RESTORE_DEBT, 0, ALL_BPS)
    assert any("borrow again" in line for line in strategy.words)


def test_hide__with_a_seed__moves_the_rest_and_plays_on_the_fresh_wallet() -> None:
    strategy = Strategy(Record.RISKY, 20, (move(Trick.WASH),), Home.HIDE, move_day=10, seed_bps=1_000)

    plan = acts(strategy)

    assert plan[0] == [
        Op(OpKind.SUPPLY, 1, 1_000),
        Op(OpKind.DEBT, 1, 1_000),
        Op(OpKind.DEBT, 1, 1_100),
        Op(OpKind.DEBT, 1, 1_000),
    ]
    assert plan[10] == [
        Op(OpKind.DEBT, 0, 0),
        Op(OpKind.SUPPLY, 0, 0),
        Op(OpKind.SUPPLY, 1, ALL_BPS),
        Op(OpKind.DEBT, 1, ALL_BPS),
    ]


def test_split__over_two__leaves_half_on_each() -> None:
    plan = acts(Strategy(Record.RISKY, 5, (), Home.SPLIT, wallets=2))

    assert {(op.kind, op.wallet): op.level_bps for op in plan[0]} == {
        (OpKind.DEBT, 0): 5_000,
        (OpKind.SUPPLY, 0): 5_000,
        (OpKind.SUPPLY, 1): 5_000,
        (OpKind.DEBT, 1): 5_000,
    }


def test_pay_down__is_not_restored() -> None:
    plan = plan_campaign(alone(move(Trick.PAY_DOWN, share=5_000)), twin_owes=True)

    assert plan[9][-1] == Op(OpKind.RESTORE_DEBT, 0, 5_000)


@given(st.integers(0, 10**6), st.sampled_from(list(Record)))
def test_random_strategy__any__acts_only_before_the_as_of_block_and_ends_where_it_began(
    seed: int, record: Record
) -> None:
    strategy = random_strategy(record, DAYS, random.Random(seed))
    assume(strategy.does_something)

    plan = plan_campaign(strategy, twin_owes=record is not Record.DEBT_FREE)

    assert min(plan) == 0
    assert max(plan) == strategy.days - 1 < DAYS
    last = [op for op in plan[strategy.days - 1] if op.kind is OpKind.RESTORE_SUPPLY]
    assert len(last) == wallets_needed(strategy)
    assert sum(op.level_bps for op in last) == pytest.approx(ALL_BPS, abs=2)  # thirds leave a remainder
    assert not {one.trick for one in strategy.moves} & HONEST


@given(st.integers(0, 10**6), st.booleans())
def test_changed__any_number_of_times__stays_inside_the_action_set(seed: int, has_succeeded: bool) -> None:
    rng = random.Random(seed)
    strategy = random_strategy(Record.UNTRIED, DAYS, rng)

    for _ in range(10):
        strategy = changed(strategy, DAYS, rng, has_succeeded=has_succeeded)

    assert 1 <= strategy.days <= DAYS
    assert len(strategy.moves) <= MOST_MOVES + 1
    assert all(0 <= one.first_day <= one.last_day < strategy.days for one in strategy.moves)
    assert fitted(strategy) == strategy


def test_random_strategy__same_seed__is_the_same() -> None:
    first, second = (random_strategy(Record.RISKY, DAYS, random.Random("7")) for _ in range(2))

    assert first == second


def test_by_the_book__every_trick_and_home__is_tried() -> None:
    found = list(by_the_book(Record.RISKY, DAYS))

    assert {one.moves[0].trick for one in found if one.moves} == set(Trick)
    assert {one.home for one in found} == set(Home)
    assert all(fitted(one) == one for one in found)


def test_fitted__idle_days_before_the_first_act__are_cut() -> None:
    late = Strategy(Record.RISKY, 30, (Move(Trick.WASH, 20, 1, 1, 0, 500),))

    assert fitted(late) == Strategy(Record.RISKY, 10, (Move(Trick.WASH, 0, 1, 1, 0, 500),))


def test_family__two_tricks__is_mixed_so_that_none_gets_the_other_s_gain() -> None:
    both = Strategy(Record.RISKY, 10, (move(Trick.FLASH_LOAN), move(Trick.DUST)))

    assert (both.family, alone(move(Trick.DUST, times=2)).family) == ("mixed", "small_repayments")


def test_companion__pays_for_a_repayment__is_needed_and_told() -> None:
    strategy = alone(Move(Trick.WASH, 0, 1, 1, 0, 1_000, by_companion=True))

    assert has_companion(strategy)
    assert acts(strategy)[0][-1].by_companion
    assert "second wallet" in strategy.words[0]


def test_base_records__each__ends_before_any_campaign_begins() -> None:
    assert all(act.day < HISTORY_DAYS for record in RECORDS.values() for act in record.acts)
