"""What a borrower does today: a pure function of what he sees, what he remembers and his dice."""

import random
from dataclasses import replace

from bonafides_lab.market.actions import Action, Verb
from bonafides_lab.market.episodes import episode_of
from bonafides_lab.market.habits import NEVER, Borrower
from bonafides_lab.market.joining import join
from bonafides_lab.market.memory import Decision, Memory
from bonafides_lab.market.moves import (
    SMALLEST_MOVE_USD,
    borrow_the_rest,
    borrow_to_target,
    close,
    repay,
    sell_down,
    top_up,
    wash,
    withdraw_surplus,
)
from bonafides_lab.market.positions import DUST_USD, Quotes, Standing

ENOUGH_CASH = 0.5
"""Share of what a rescue needs below which cash is kept and collateral sold."""
ALARMING_FALL = 0.08
"""Fall of the market within days of which everybody hears."""
SAFE_AFTER_PANIC = 3.0
"""Health factor at which one who sells in panic feels safe."""
BURNT_FOR_DAYS = 200
"""How long one who was woken by his liquidation borrows nothing more."""


def looks_today(borrower: Borrower, memory: Memory, day: int, rng: random.Random, recent_fall: float = 0.0) -> bool:
    """Whether the borrower looks at the market at all; on most days most do not."""
    habits = borrower.habits
    if not memory.has_joined:
        return day >= habits.joins_on_day
    if memory.has_left:
        return False
    chance = habits.attention
    if habits.attention_half_life_days < NEVER:
        chance *= 0.5 ** ((day - habits.joins_on_day) / habits.attention_half_life_days)
    if recent_fall >= ALARMING_FALL:
        chance += habits.alarm
    return rng.random() < chance


def decide(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int, rng: random.Random
) -> Decision:
    """What a borrower who looks does."""
    habits = borrower.habits
    if not memory.has_joined:
        return join(borrower, quotes, day, rng)
    if day >= habits.episode_day and not memory.episode_is_over:
        episode = episode_of(borrower, standing, quotes)
        if episode is not None:
            closed = day if episode.closes_the_debt else memory.closed_on_day
            return Decision(replace(memory, episode_is_over=True, closed_on_day=closed), episode.actions)
    earned = max(0, day - memory.cash_day) * habits.income_usd_per_day
    memory = memory.on_day(day, memory.cash_usd + earned)
    if habits.runs_away:
        return _run_away(borrower, standing, memory, quotes)
    idle = _idle_supply(standing)
    if idle is not None and habits.target_use > 0:
        return Decision(memory, (Action(Verb.COLLATERAL_ON, borrower.address, idle, 0),))
    if standing.total_debt_usd <= DUST_USD:
        return _without_debt(borrower, standing, memory, quotes, day, rng)
    if quotes.recent_fall >= habits.panics_at_fall:
        return _get_out(borrower, standing, memory, quotes, day)
    if standing.health_factor < habits.rescue_below:
        return _worried(borrower, standing, memory, quotes, day, rng)
    is_burnt = day < memory.burnt_until_day
    if rng.random() < habits.binges and not is_burnt:
        return borrow_the_rest(borrower, standing, memory, quotes)
    if rng.random() < habits.closes:
        return close(borrower, standing, memory, day)
    if day - memory.last_repaid_day >= habits.repays_every_days:
        wanted = habits.repay_share * standing.total_debt_usd
        return repay(borrower, standing, memory, quotes, day, wanted, through_payer=_payer_helps(borrower, rng))
    if not is_burnt and standing.used_share < 0.85 * habits.target_use and rng.random() < habits.appetite:
        return borrow_to_target(borrower, standing, memory, quotes, rng)
    if rng.random() < habits.withdraws:
        return withdraw_surplus(borrower, standing, memory, quotes, rng)
    return Decision(memory)


def _get_out(borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int) -> Decision:
    """Out at any price, in panic or after a liquidation: with cash if there is enough, else by selling collateral."""
    if memory.cash_usd >= standing.total_debt_usd:
        return close(borrower, standing, memory, day)
    return sell_down(borrower, standing, memory, quotes, day, SAFE_AFTER_PANIC)


def wake_up(borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int) -> Decision:
    """What follows a liquidation that was noticed: out, and no new loan for long."""
    return _get_out(borrower, standing, replace(memory, burnt_until_day=day + BURNT_FOR_DAYS), quotes, day)


def _idle_supply(standing: Standing) -> int | None:
    """A reserve with a supply that does not count as collateral, although its owner surely thinks so."""
    for reserve, usd in enumerate(standing.supply_usd):
        if usd > SMALLEST_MOVE_USD and not standing.is_collateral[reserve]:
            return reserve
    return None


def _without_debt(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int, rng: random.Random
) -> Decision:
    habits = borrower.habits
    away_for = day - memory.closed_on_day if memory.closed_on_day is not None else 0
    may_borrow = (memory.closed_on_day is None or away_for >= habits.returns_after_days) and (
        day >= memory.burnt_until_day
    )
    if may_borrow and habits.target_use > 0 and rng.random() < max(habits.appetite, 0.1):
        if standing.total_supply_usd < SMALLEST_MOVE_USD:
            return _supply_again(borrower, memory, quotes)
        if habits.instant_wash > 0 and rng.random() < habits.instant_wash:
            return wash(borrower, standing, memory, quotes, day)
        return borrow_to_target(borrower, standing, memory, quotes, rng)
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
        return borrow_the_rest(borrower, standing, memory, quotes)
    return Decision(memory)


def _rescue(
    borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes, day: int, rng: random.Random
) -> Decision:
    """Repay or top up from cash; when that would not go far, sell collateral instead."""
    habits, debt = borrower.habits, standing.total_debt_usd
    too_much = debt - standing.liquidation_capacity_usd / habits.rescue_to
    if memory.cash_usd < ENOUGH_CASH * too_much:
        sale = sell_down(borrower, standing, memory, quotes, day, habits.rescue_to)
        if sale.actions:
            return sale
    if rng.random() < habits.rescues_by_repaying:
        return repay(borrower, standing, memory, quotes, day, too_much, through_payer=_payer_helps(borrower, rng))
    return top_up(borrower, standing, memory, quotes)


def _payer_helps(borrower: Borrower, rng: random.Random) -> bool:
    """Draws only for those who have a payer: nobody else's dice move."""
    return borrower.payer is not None and rng.random() < borrower.habits.payer_helps


def _run_away(borrower: Borrower, standing: Standing, memory: Memory, quotes: Quotes) -> Decision:
    last = borrow_the_rest(borrower, standing, memory, quotes)
    return Decision(replace(last.memory, has_left=True), last.actions)
