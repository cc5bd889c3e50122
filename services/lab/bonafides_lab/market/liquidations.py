"""Who is liquidated, and how: what a liquidator works out from the chain's state. Pure."""

from collections.abc import Iterable, Sequence

from bonafides.types import Address

from bonafides_lab.market.actions import ALL, Action, Verb
from bonafides_lab.market.positions import Standing
from bonafides_lab.market.reserves import RESERVES

LIQUIDATABLE_BELOW = 0.999_999
"""Aave liquidates below 1; the hair's breadth keeps float rounding from sending a call that reverts."""
SMALLEST_PROFIT_USD = 3.0
"""Below it the bonus does not pay for the gas, and the position is left under water."""
FULL_CLOSE_BELOW = 0.95
"""Aave V3.0: above this health factor half of the debt may be repaid, below it all."""
ATOKENS_EVERY = 8
"""Every so many liquidations one takes aTokens, the second first: some liquidators do, and a ledger must follow."""


def find_liquidations(
    under_water: Iterable[tuple[Address, Standing]],
    liquidators: Sequence[Address],
    already_done: int,
    *,
    smallest_profit_usd: float = SMALLEST_PROFIT_USD,
    most: int | None = None,
) -> list[Action]:
    """One call for each position under water that pays: its largest debt for its largest collateral.

    The amount asked is all; the contract cuts it to the close factor and to the collateral there is. `already_done` is
    the count of earlier liquidations: it deals the work out. With `most` only the so many most profitable are sent.
    """
    worth_it = [
        (profit, wallet, standing)
        for wallet, standing in under_water
        if (profit := expected_profit_usd(standing)) >= smallest_profit_usd
    ]
    if most is not None:
        worth_it = sorted(worth_it, key=lambda one: -one[0])[:most]
    calls: list[Action] = []
    for _, wallet, standing in worth_it:
        number = already_done + len(calls)
        verb = Verb.LIQUIDATE_FOR_ATOKENS if number % ATOKENS_EVERY == 1 else Verb.LIQUIDATE
        liquidator = liquidators[number % len(liquidators)]
        debt, collateral = standing.largest_debt, standing.largest_collateral
        calls.append(Action(verb, liquidator, debt, ALL, other=wallet, collateral_reserve=collateral))
    return calls


def expected_profit_usd(standing: Standing) -> float:
    """The bonus that one liquidation of this position brings, in USD."""
    collateral = standing.largest_collateral
    bonus = RESERVES[collateral].liquidation_bonus_bps / 10_000
    close_factor = 0.5 if standing.health_factor > FULL_CLOSE_BELOW else 1.0
    if not standing.is_collateral[collateral]:
        return 0.0
    repaid = min(close_factor * standing.debt_usd[standing.largest_debt], standing.supply_usd[collateral] / bonus)
    return repaid * (bonus - 1)
