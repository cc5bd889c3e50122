"""What a borrower does today: a pure function of what he sees, what he remembers and his dice."""

import random
from dataclasses import dataclass, replace

from bonafides_lab.market.actions import ALL, Action, Verb
from bonafides_lab.market.episodes import episode_of
from bonafides_lab.market.habits import Borrower
from bonafides_lab.market.positions import DUST_USD, Quotes, Standing
from bonafides_lab.market.reserves import RESERVES, STABLE_RESERVES, VOLATILE_RESERVES

SMALLEST_MOVE_USD = 20.0
"""Nobody pays gas for less."""
MOST_OF_CAPACITY = 0.985
"""Aave refuses a loan above the capacity; interest and rounding between seeing and sending take a little."""
ENOUGH_CASH = 0.5
"""Share of what a rescue needs below which cash is kept and collateral sold."""
MOST_SALES_PER_DAY = 4
LOWEST_BETWEEN = 1.02
"""Health factor that a seller of collateral keeps until the repayment lands."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a borrower knows beside the chain."""

    has_joined: bool = False
    cash_usd: float = 0.0
    """Own money outside the market, as of `cash_day`."""
    cash_day: int = 0
    last_repaid_day: int = 0
    closed_on_day: int | None = None
    """When he repaid everything; None while he has or wants debt."""
    episode_is_over: bool = False

    def on_day(self, day: int, cash_usd: float) -> "Memory":
        """The same with the cash of another day: written out, since `replace` is ten times slower and most days do no
        more than this."""
        return Memory(self.has_joined, cash_usd, day, self.last_repaid_day, self.closed_on_day, self.episode_is_over)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to remember, and what to send, in this order."""

    memory: Memory
    actions: tuple[Action, ...] = ()


def looks_today(borrower: Borrower, memory: Memory, day: int, rng: random.Random) -> bool:
    """Whether the borrower looks at the market at all; on most days most do not."""
    habits = borrower.habits
    if not memory.has_joined:
        return day >= habits.joins_on_day
    return rng.random() < habits.attention


def decide(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int, rng: random.Random
) -> Decision:
    """What a borrower who looks does."""
    habits = borrower.habits
    if not memory.has_joined:
        return _join(borrower, quotes, day, rng)
    if day >= habits.episode_day and not memory.episode_is_over:
        episode = episode_of(borrower, standing, quotes)
        if episode is not None:
            closed = day if episode.closes_the_debt else memory.closed_on_day
            return Decision(replace(memory, episode_is_over=True, closed_on_day=closed), episode.actions)
    earned = max(0, day - memory.cash_day) * habits.income_usd_per_day
    memory = memory.on_day(day, memory.cash_usd + earned)
    idle = _idle_supply(standing)
    if idle is not None and habits.target_use > 0:
        return Decision(memory, (Action(Verb.COLLATERAL_ON, borrower.address, idle, 0),))
    if standing.total_debt_usd <= DUST_USD:
        return _without_debt(borrower, standing, memory, quotes, day, rng)
    if standing.health_factor < habits.rescue_below:
        return _worried(borrower, standing, memory, quotes, day, rng)
    if rng.random() < habits.binges:
        return _borrow_the_rest(borrower, standing, memory, quotes)
    if rng.random() < habits.closes:
        return _close(borrower, standing, memory, day)
    if day - memory.last_repaid_day >= habits.repays_every_days:
        return _repay(borrower, standing, memory, quotes, day, habits.repay_share * standing.total_debt_usd)
    if standing.used_share < 0.85 * habits.target_use and rng.random() < habits.appetite:
        return _borrow_to_target(borrower, standing, memory, quotes, rng)
    if rng.random() < habits.withdraws:
        return _withdraw_surplus(borrower, standing, memory, quotes, rng)
    return Decision(memory)


def _idle_supply(standing: Standing) -> int | None:
    """A reserve with a supply that does not count as collateral, although its owner surely thinks so."""
    for reserve, usd in enumerate(standing.supply_usd):
        if usd > SMALLEST_MOVE_USD and not standing.is_collateral[reserve]:
            return reserve
    return None


def _join(borrower: Borrower, quotes: Quotes, day: int, rng: random.Random) -> Decision:
    habits = borrower.habits
    memory = Memory(has_joined=True, cash_usd=habits.spare_cash_usd, cash_day=day, last_repaid_day=day)
    supplied = {reserve: share * habits.wealth_usd for reserve, share in habits.collateral}
    actions = [
        Action(Verb.SUPPLY, borrower.address, reserve, quotes.base_units(reserve, usd))
        for reserve, usd in supplied.items()
    ]
    capacity = sum(usd * RESERVES[reserve].ltv for reserve, usd in supplied.items())
    wanted = capacity * min(habits.target_use * rng.uniform(0.7, 1.0), MOST_OF_CAPACITY)
    if wanted < SMALLEST_MOVE_USD:
        return Decision(memory, tuple(actions))
    loan = _borrow(borrower, memory, quotes, wanted)
    return Decision(loan.memory, (*actions, *loan.actions))


def _borrow(borrower: Borrower, memory: Memory, quotes: Quotes, usd: float) -> Decision:
    """Borrow, and do with the money what this borrower does: spend it, keep it, or supply it again."""
    habits = borrower.habits
    reserve = habits.debt_reserve
    actions = [Action(Verb.BORROW, borrower.address, reserve, quotes.base_units(reserve, usd))]
    kept = usd * (1 - habits.spends)
    if habits.loops and kept > SMALLEST_MOVE_USD:
        into = habits.collateral[0][0]
        actions.append(Action(Verb.SUPPLY, borrower.address, into, quotes.base_units(into, kept)))
        kept = 0.0
    return Decision(replace(memory, cash_usd=memory.cash_usd + kept, closed_on_day=None), tuple(actions))


def _without_debt(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int, rng: random.Random
) -> Decision:
    habits = borrower.habits
    away_for = day - memory.closed_on_day if memory.closed_on_day is not None else 0
    may_borrow = memory.closed_on_day is None or away_for >= habits.returns_after_days
    if may_borrow and habits.target_use > 0 and rng.random() < max(habits.appetite, 0.1):
        if standing.total_supply_usd < SMALLEST_MOVE_USD:
            return _supply_again(borrower, memory, quotes)
        return _borrow_to_target(borrower, standing, memory, quotes, rng)
    if rng.random() < habits.withdraws and standing.total_supply_usd > SMALLEST_MOVE_USD:
        reserve = standing.largest_supply
        units = quotes.base_units(reserve, standing.supply_usd[reserve] * rng.uniform(0.05, 0.4))
        return Decision(memory, (Action(Verb.WITHDRAW, borrower.address, reserve, units),))
    if habits.target_use == 0 and memory.cash_usd > SMALLEST_MOVE_USD and rng.random() < habits.appetite:
        reserve = habits.collateral[0][0]
        units = quotes.base_units(reserve, memory.cash_usd)
        return Decision(replace(memory, cash_usd=0.0), (Action(Verb.SUPPLY, borrower.address, reserve, units),))
    return Decision(memory)


def _supply_again(borrower: Borrower, memory: Memory, quotes: Quotes) -> Decision:
    """After a liquidation took all, or after leaving: start again with what cash there is."""
    reserve = borrower.habits.collateral[0][0]
    if memory.cash_usd < 10 * SMALLEST_MOVE_USD:
        return Decision(memory)
    units = quotes.base_units(reserve, memory.cash_usd)
    return Decision(replace(memory, cash_usd=0.0), (Action(Verb.SUPPLY, borrower.address, reserve, units),))


def _worried(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int, rng: random.Random
) -> Decision:
    habits = borrower.habits
    if rng.random() < habits.discipline:
        return _rescue(borrower, standing, memory, quotes, day, rng)
    if rng.random() < habits.doubles_down:
        return _borrow_the_rest(borrower, standing, memory, quotes)
    return Decision(memory)


def _borrow_the_rest(borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes) -> Decision:
    room = MOST_OF_CAPACITY * standing.borrowing_capacity_usd - standing.total_debt_usd
    return _borrow(borrower, memory, quotes, room) if room > SMALLEST_MOVE_USD else Decision(memory)


def _rescue(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int, rng: random.Random
) -> Decision:
    """Repay or top up from cash; when that would not go far, sell collateral instead."""
    habits, debt = borrower.habits, standing.total_debt_usd
    too_much = debt - standing.liquidation_capacity_usd / habits.rescue_to
    if memory.cash_usd < ENOUGH_CASH * too_much:
        sale = _sell_down(borrower, standing, memory, quotes, day)
        if sale.actions:
            return sale
    if rng.random() < habits.rescues_by_repaying:
        return _repay(borrower, standing, memory, quotes, day, too_much)
    return _top_up(borrower, standing, memory, quotes)


def _top_up(borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes) -> Decision:
    habits = borrower.habits
    reserve = habits.collateral[0][0]
    missing = habits.rescue_to * standing.total_debt_usd - standing.liquidation_capacity_usd
    paid = min(missing / RESERVES[reserve].liquidation_threshold, memory.cash_usd)
    if paid < SMALLEST_MOVE_USD:
        return Decision(memory)
    units = quotes.base_units(reserve, paid)
    memory = replace(memory, cash_usd=memory.cash_usd - paid)
    return Decision(memory, (Action(Verb.SUPPLY, borrower.address, reserve, units),))


def _repay(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int, wanted_usd: float
) -> Decision:
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
    return Decision(memory, (Action(Verb.REPAY, borrower.address, reserve, units),))


def _sell_down(borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int) -> Decision:
    """Out of cash: take out a slice of collateral, sell it, repay with it; again, until the goal or the last round.

    Aave checks each withdrawal against the threshold, so one slice is only what may leave before its repayment lands.
    """
    reserve, owed = standing.largest_collateral, standing.largest_debt
    threshold, goal = RESERVES[reserve].liquidation_threshold, borrower.habits.rescue_to
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


def _close(borrower: Borrower, standing: Standing, memory: Memory, day: int) -> Decision:
    actions = tuple(
        Action(Verb.REPAY, borrower.address, reserve, ALL)
        for reserve in (*STABLE_RESERVES, *VOLATILE_RESERVES)
        if standing.debt_usd[reserve] > 0
    )
    return Decision(replace(memory, closed_on_day=day, last_repaid_day=day), actions)


def _borrow_to_target(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, rng: random.Random
) -> Decision:
    limit = min(borrower.habits.target_use, MOST_OF_CAPACITY) * standing.borrowing_capacity_usd
    wanted = (limit - standing.total_debt_usd) * rng.uniform(0.5, 1.0)
    return _borrow(borrower, memory, quotes, wanted) if wanted > SMALLEST_MOVE_USD else Decision(memory)


def _withdraw_surplus(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, rng: random.Random
) -> Decision:
    habits, reserve = borrower.habits, standing.largest_supply
    needed = standing.total_debt_usd / min(habits.target_use, MOST_OF_CAPACITY)
    surplus = (standing.borrowing_capacity_usd - needed) / RESERVES[reserve].ltv
    taken = min(surplus * rng.uniform(0.3, 1.0), standing.supply_usd[reserve] * 0.9)
    if taken < SMALLEST_MOVE_USD:
        return Decision(memory)
    units = quotes.base_units(reserve, taken)
    memory = replace(memory, cash_usd=memory.cash_usd + taken * (1 - habits.spends))
    return Decision(memory, (Action(Verb.WITHDRAW, borrower.address, reserve, units),))
