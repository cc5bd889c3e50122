"""Borrowers and positions made by hand for the unit tests of the market."""

import random
from dataclasses import replace

from bonafides.types import Address
from bonafides_lab.market.borrowers import make_borrower
from bonafides_lab.market.habits import Borrower, Habits, Kind
from bonafides_lab.market.positions import Holding, Quotes, Standing, standing_of
from bonafides_lab.market.reserves import RAY, USDC, WETH

QUOTES = Quotes(
    prices=(2_000 * 10**8, 40_000 * 10**8, 10**8, 10**8), income_indices=(RAY,) * 4, debt_indices=(RAY,) * 4
)
"""WETH at $2,000, WBTC at $40,000, stablecoins at $1, no interest yet."""
HELPER = Address(b"\x0e" * 20)


class LoadedDice(random.Random):
    """Dice that always give the same number in [0, 1): chances above it happen, others do not."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self._value = value

    def random(self) -> float:
        return self._value


CERTAIN, NEVER_LUCKY = LoadedDice(0.0), LoadedDice(0.999_999)


def plain_habits() -> Habits:
    """A borrower against WETH who owes USDC, looks every day and does nothing else by chance."""
    return Habits(
        joins_on_day=0,
        episode_day=0,
        wealth_usd=20_000,
        collateral=((WETH, 1.0),),
        debt_reserve=USDC,
        target_use=0.5,
        attention=1.0,
        rescue_below=1.5,
        rescue_to=2.0,
        discipline=0.0,
        doubles_down=0.0,
        binges=0.0,
        rescues_by_repaying=0.0,
        spare_cash_usd=5_000,
        income_usd_per_day=10,
        spends=1.0,
        repays_every_days=10**6,
        repay_share=0.1,
        appetite=0.0,
        withdraws=0.0,
        closes=0.0,
        returns_after_days=30,
        loops=False,
    )


def borrower(kind: Kind = Kind.CAREFUL, habits: Habits | None = None) -> Borrower:
    """One borrower with these habits, plain ones unless given."""
    made = make_borrower(1, 0, kind, days=100)
    return replace(made, habits=habits or plain_habits())


def standing(*, weth: float = 0, usdc: float = 0, owes_usdc: float = 0) -> Standing:
    """A position in whole tokens, all of its supply as collateral."""
    holding = Holding(
        supply=[int(weth * 10**18), 0, int(usdc * 10**6), 0],
        debt=[0, 0, int(owes_usdc * 10**6), 0],
        is_collateral=(weth > 0, False, usdc > 0, False),
    )
    return standing_of(holding, QUOTES.supply_usd_per_scaled, QUOTES.debt_usd_per_scaled)
