"""The first day of a borrower: the first supply, by himself or by the wallet that pays for him, and the first loan."""

import random

from bonafides_lab.market.actions import Action, Verb
from bonafides_lab.market.habits import Borrower
from bonafides_lab.market.memory import Decision, Memory
from bonafides_lab.market.moves import MOST_OF_CAPACITY, SMALLEST_MOVE_USD, borrow
from bonafides_lab.market.positions import EMPTY_STANDING, Quotes
from bonafides_lab.market.reserves import RESERVES

MOVED_OF_SUPPLIED = 0.999_999
"""Of what a payer supplies for another he passes on this share: scaling rounds, and he may hold nothing else."""


def join(borrower: Borrower, quotes: Quotes, day: int, rng: random.Random) -> Decision:
    """Supply, then borrow."""
    habits = borrower.habits
    memory = Memory(has_joined=True, cash_usd=habits.spare_cash_usd, cash_day=day, last_repaid_day=day)
    supplied = {reserve: share * habits.wealth_usd for reserve, share in habits.collateral}
    actions = [action for reserve, usd in supplied.items() for action in _first_supply(borrower, reserve, usd, quotes)]
    capacity = sum(usd * RESERVES[reserve].ltv for reserve, usd in supplied.items())
    wanted = capacity * min(habits.target_use * rng.uniform(0.7, 1.0), MOST_OF_CAPACITY)
    if wanted < SMALLEST_MOVE_USD:
        return Decision(memory, tuple(actions))
    loan = borrow(borrower, EMPTY_STANDING, memory, quotes, wanted)
    return Decision(loan.memory, (*actions, *loan.actions))


def _first_supply(borrower: Borrower, reserve: int, usd: float, quotes: Quotes) -> list[Action]:
    units = quotes.base_units(reserve, usd)
    payer = borrower.payer
    if payer is None:
        return [Action(Verb.SUPPLY, borrower.address, reserve, units)]
    if not borrower.payer_moves_supply:
        return [Action(Verb.SUPPLY_ON_BEHALF, payer, reserve, units, other=borrower.address)]
    moved = int(units * MOVED_OF_SUPPLIED)
    return [
        Action(Verb.SUPPLY, payer, reserve, units),
        Action(Verb.TRANSFER_SUPPLY, payer, reserve, moved, other=borrower.address),
    ]
