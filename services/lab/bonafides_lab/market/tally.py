"""What happened in a market, counted."""

import math
from collections import Counter
from dataclasses import dataclass, field

from bonafides.types import Address

from bonafides_lab.market.actions import Verb

OUTCOME_DAYS = 30
"""The horizon of the score: how often the debtors are noted, and how far ahead a liquidation counts."""


@dataclass(slots=True)
class Tally:
    """What happened, counted."""

    succeeded: Counter[Verb] = field(default_factory=Counter)
    reverted: Counter[Verb] = field(default_factory=Counter)
    set_up: int = 0
    """Mints, approvals and price updates: needed, but none of Aave's own transactions."""
    liquidated: Counter[Address] = field(default_factory=Counter)
    """Liquidations per liquidated wallet."""
    liquidated_on: list[tuple[int, Address]] = field(default_factory=list)
    """(day, wallet) of each liquidation, in order."""
    debtors_on: dict[int, frozenset[Address]] = field(default_factory=dict)
    """Borrowers with open debt at the start of every 30th day, after its liquidations."""

    @property
    def aave_transactions(self) -> int:
        """Transactions with Aave's pool and tokens that succeeded."""
        return sum(self.succeeded.values())

    @property
    def liquidations(self) -> int:
        return self.succeeded[Verb.LIQUIDATE] + self.succeeded[Verb.LIQUIDATE_FOR_ATOKENS]

    @property
    def liquidated_share_in_30_days(self) -> float:
        """Of all wallets with open debt at a 30th day, the share liquidated before the next; NaN without debtors."""
        debtors = liquidated = 0
        for day, wallets in self.debtors_on.items():
            debtors += len(wallets)
            window = {wallet for on, wallet in self.liquidated_on if day < on <= day + OUTCOME_DAYS}
            liquidated += len(window & wallets)
        return liquidated / debtors if debtors else math.nan
