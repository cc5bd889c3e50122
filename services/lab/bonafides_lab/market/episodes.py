"""The one thing that the rarer kinds of borrowers do once, and that a ledger must survive."""

from dataclasses import dataclass

from bonafides.types import Address

from bonafides_lab.market.actions import ALL, Action, Verb
from bonafides_lab.market.habits import Borrower, Kind
from bonafides_lab.market.positions import DUST_USD, Quotes, Standing
from bonafides_lab.market.reserves import RESERVES

HELPED_SHARE = 0.5
MOVED_SHARE = 0.4
DELEGATED_SHARE = 0.5
SMALLEST_ATOKEN_REPAYMENT_USD = 200.0


@dataclass(frozen=True, slots=True)
class Episode:
    """What is sent, in this order."""

    actions: tuple[Action, ...]
    closes_the_debt: bool = False


def episode_of(borrower: Borrower, standing: Standing, quotes: Quotes) -> Episode | None:
    """The borrower's episode, or None when his kind has none or its time has not come (no debt to repay, say)."""
    debt = standing.total_debt_usd
    match borrower.kind:
        case Kind.REPAID_ALL if debt > DUST_USD:
            return Episode(_repay_all(borrower, standing), closes_the_debt=True)
        case Kind.LEAVER if debt > DUST_USD:
            withdrawals = tuple(
                Action(Verb.WITHDRAW, borrower.address, reserve, ALL)
                for reserve, usd in enumerate(standing.supply_usd)
                if usd > 0
            )
            return Episode((*_repay_all(borrower, standing), *withdrawals), closes_the_debt=True)
        case Kind.HELPED if debt > DUST_USD and borrower.companion is not None:
            return Episode((_help(borrower, borrower.companion, standing, quotes),))
        case Kind.DELEGATOR if standing.borrowing_capacity_usd - debt > DUST_USD and borrower.companion is not None:
            return Episode(_delegate(borrower, borrower.companion, standing, quotes))
        case Kind.MOVER if standing.total_supply_usd > DUST_USD and borrower.companion is not None:
            return _move(borrower, borrower.companion, standing, quotes)
        case Kind.SYBIL if standing.total_supply_usd > DUST_USD and borrower.payer is not None:
            return _move(borrower, borrower.payer, standing, quotes)
        case Kind.ATOKEN_REPAYER if debt > SMALLEST_ATOKEN_REPAYMENT_USD:
            return Episode(_repay_with_atokens(borrower, standing, quotes))
        case Kind.LENDER:
            reserve = borrower.habits.collateral[0][0]
            return Episode((Action(Verb.COLLATERAL_OFF, borrower.address, reserve, 0),))
        case _:
            return None


def _repay_all(borrower: Borrower, standing: Standing) -> tuple[Action, ...]:
    return tuple(
        Action(Verb.REPAY, borrower.address, reserve, ALL) for reserve, usd in enumerate(standing.debt_usd) if usd > 0
    )


def _help(borrower: Borrower, helper: Address, standing: Standing, quotes: Quotes) -> Action:
    reserve = standing.largest_debt
    units = quotes.base_units(reserve, HELPED_SHARE * standing.debt_usd[reserve])
    return Action(Verb.REPAY_ON_BEHALF, helper, reserve, units, other=borrower.address)


def _delegate(borrower: Borrower, delegate: Address, standing: Standing, quotes: Quotes) -> tuple[Action, ...]:
    reserve = borrower.habits.debt_reserve
    free = standing.borrowing_capacity_usd - standing.total_debt_usd
    units = quotes.base_units(reserve, DELEGATED_SHARE * free)
    return (
        Action(Verb.APPROVE_DELEGATION, borrower.address, reserve, units, other=delegate),
        Action(Verb.BORROW_ON_BEHALF, delegate, reserve, units, other=borrower.address),
    )


def _move(borrower: Borrower, second_wallet: Address, standing: Standing, quotes: Quotes) -> Episode | None:
    """Part of the aTokens, no more than leaves the health factor above the worry line."""
    reserve, habits = standing.largest_supply, borrower.habits
    spare = (standing.liquidation_capacity_usd - habits.rescue_below * standing.total_debt_usd) / RESERVES[
        reserve
    ].liquidation_threshold
    moved = min(MOVED_SHARE * standing.supply_usd[reserve], spare)
    if moved <= DUST_USD:
        return None
    units = quotes.base_units(reserve, moved)
    return Episode((Action(Verb.TRANSFER_SUPPLY, borrower.address, reserve, units, other=second_wallet),))


def _repay_with_atokens(borrower: Borrower, standing: Standing, quotes: Quotes) -> tuple[Action, ...]:
    reserve = standing.largest_debt
    units = quotes.base_units(reserve, 0.3 * standing.debt_usd[reserve])
    return (
        Action(Verb.SUPPLY, borrower.address, reserve, units),
        Action(Verb.REPAY_WITH_ATOKENS, borrower.address, reserve, units // 2),
    )
