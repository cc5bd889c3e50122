"""The moves that borrowers' decisions are made of: each gives what to send and what to remember."""

import random
from dataclasses import replace

from bonafides_lab.market.actions import ALL, Action, Verb
from bonafides_lab.market.habits import Borrower
from bonafides_lab.market.memory import Decision, Memory
from bonafides_lab.market.positions import DUST_USD, Quotes, Standing
from bonafides_lab.market.reserves import RESERVES, STABLE_RESERVES, VOLATILE_RESERVES

SMALLEST_MOVE_USD = 20.0
"""Nobody pays gas for less."""
MOST_OF_CAPACITY = 0.985
"""Aave refuses a loan above the capacity; interest and rounding between seeing and sending take a little."""
MOST_SALES_PER_DAY = 4
LOWEST_BETWEEN = 1.02
"""Health factor that a seller of collateral keeps until the repayment lands."""


def borrow(borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, usd: float) -> Decision:
    """Borrow, and do with the money what this borrower does: spend it, keep it, or supply it again."""
    habits = borrower.habits
    reserve, other = habits.debt_reserve, habits.other_debt_reserve
    if other is not None and standing.debt_usd[other] < standing.debt_usd[reserve]:
        reserve = other
    actions = [Action(Verb.BORROW, borrower.address, reserve, quotes.base_units(reserve, usd))]
    kept = usd * (1 - habits.spends)
    if habits.loops and kept > SMALLEST_MOVE_USD:
        into = habits.collateral[0][0]
        actions.append(Action(Verb.SUPPLY, borrower.address, into, quotes.base_units(into, kept)))
        kept = 0.0
    return Decision(replace(memory, cash_usd=memory.cash_usd + kept, closed_on_day=None), tuple(actions))


def borrow_the_rest(borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes) -> Decision:
    """Borrow all that the collateral gives."""
    room = MOST_OF_CAPACITY * standing.borrowing_capacity_usd - standing.total_debt_usd
    return borrow(borrower, standing, memory, quotes, room) if room > SMALLEST_MOVE_USD else Decision(memory)


def borrow_to_target(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, rng: random.Random
) -> Decision:
    """Borrow most of what is missing to the share of the capacity that the borrower likes to owe."""
    limit = min(borrower.habits.target_use, MOST_OF_CAPACITY) * standing.borrowing_capacity_usd
    wanted = (limit - standing.total_debt_usd) * rng.uniform(0.5, 1.0)
    return borrow(borrower, standing, memory, quotes, wanted) if wanted > SMALLEST_MOVE_USD else Decision(memory)


def top_up(borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes) -> Decision:
    """Supply from cash, up to the health factor wanted."""
    habits = borrower.habits
    reserve = habits.collateral[0][0]
    missing = habits.rescue_to * standing.total_debt_usd - standing.liquidation_capacity_usd
    paid = min(missing / RESERVES[reserve].liquidation_threshold, memory.cash_usd)
    if paid < SMALLEST_MOVE_USD:
        return Decision(memory)
    units = quotes.base_units(reserve, paid)
    memory = replace(memory, cash_usd=memory.cash_usd - paid)
    return Decision(memory, (Action(Verb.SUPPLY, borrower.address, reserve, units),))


def repay(
    borrower: Borrower,
    standing: Standing,
    memory: Memory,
    quotes: Quotes,
    day: int,
    wanted_usd: float,
    *,
    through_payer: bool = False,
) -> Decision:
    """Repay from cash, all of the largest debt where little would be left of it.

    `through_payer`: the wallet that pays for this one sends it. Aave takes no open amount on behalf of others, so what
    would be all is then left to the borrower himself.
    """
    reserve = standing.largest_debt
    owed = standing.debt_usd[reserve]
    paid = min(wanted_usd, owed, memory.cash_usd)
    if paid < SMALLEST_MOVE_USD:
        return Decision(memory)
    pays_all = paid > owed - SMALLEST_MOVE_USD
    units = ALL if pays_all else quotes.base_units(reserve, paid)
    memory = replace(memory, cash_usd=memory.cash_usd - paid, last_repaid_day=day)
    if pays_all and standing.total_debt_usd - owed <= DUST_USD:
        memory = replace(memory, closed_on_day=day)
    if through_payer and borrower.payer is not None and not pays_all:
        help_sent = Action(Verb.REPAY_ON_BEHALF, borrower.payer, reserve, units, other=borrower.address)
        return Decision(memory, (help_sent,))
    return Decision(memory, (Action(Verb.REPAY, borrower.address, reserve, units),))


def sell_down(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int, goal: float
) -> Decision:
    """Out of cash: take out a slice of collateral, sell it, repay with it; again, until the goal or the last round.

    `goal` is a health factor. Aave checks each withdrawal against the threshold, so one slice is only what may leave
    before its repayment lands.
    """
    reserve, owed = standing.largest_collateral, standing.largest_debt
    threshold = RESERVES[reserve].liquidation_threshold
    carried, debt = standing.liquidation_capacity_usd, standing.total_debt_usd
    supply_left, debt_left = 0.95 * standing.supply_usd[reserve], 0.95 * standing.debt_usd[owed]
    actions: list[Action] = []
    for _ in range(MOST_SALES_PER_DAY):
        free, needed = (carried - LOWEST_BETWEEN * debt) / threshold, (goal * debt - carried) / (goal - threshold)
        sold = min(free, needed, supply_left, debt_left)
        if sold < SMALLEST_MOVE_USD:
            break
        actions.append(Action(Verb.WITHDRAW, borrower.address, reserve, quotes.base_units(reserve, sold)))
        actions.append(Action(Verb.REPAY, borrower.address, owed, quotes.base_units(owed, sold)))
        carried, debt = carried - sold * threshold, debt - sold
        supply_left, debt_left = supply_left - sold, debt_left - sold
    return Decision(replace(memory, last_repaid_day=day) if actions else memory, tuple(actions))


def close(borrower: Borrower, standing: Standing, memory: Memory, day: int) -> Decision:
    """Repay everything."""
    actions = tuple(
        Action(Verb.REPAY, borrower.address, reserve, ALL)
        for reserve in (*STABLE_RESERVES, *VOLATILE_RESERVES)
        if standing.debt_usd[reserve] > 0
    )
    return Decision(replace(memory, closed_on_day=day, last_repaid_day=day), actions)


def wash(borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int) -> Decision:
    """Borrow and give back at once, without debt before or after: a record of loans repaid, and nothing else."""
    reserve = borrower.habits.debt_reserve
    usd = min(borrower.habits.target_use, MOST_OF_CAPACITY) * standing.borrowing_capacity_usd
    if usd < SMALLEST_MOVE_USD:
        return Decision(memory)
    units = quotes.base_units(reserve, usd)
    circle = (
        Action(Verb.BORROW, borrower.address, reserve, units),
        Action(Verb.REPAY, borrower.address, reserve, ALL),
    )
    return Decision(replace(memory, closed_on_day=day, last_repaid_day=day), circle)


def withdraw_surplus(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, rng: random.Random
) -> Decision:
    """Take out part of the collateral that the debt does not need."""
    habits, reserve = borrower.habits, standing.largest_supply
    needed = standing.total_debt_usd / min(habits.target_use, MOST_OF_CAPACITY)
    surplus = (standing.borrowing_capacity_usd - needed) / RESERVES[reserve].ltv
    taken = min(surplus * rng.uniform(0.3, 1.0), standing.supply_usd[reserve] * 0.9)
    if taken < SMALLEST_MOVE_USD:
        return Decision(memory)
    units = quotes.base_units(reserve, taken)
    memory = replace(memory, cash_usd=memory.cash_usd + taken * (1 - habits.spends))
    return Decision(memory, (Action(Verb.WITHDRAW, borrower.address, reserve, units),))
