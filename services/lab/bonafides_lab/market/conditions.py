"""How rough a market is: how prices move within a day, and how good its liquidators are."""

import random
from dataclasses import dataclass

from bonafides_lab.market.liquidations import SMALLEST_PROFIT_USD


@dataclass(frozen=True, slots=True)
class Conditions:
    """What stands between a position under water and its liquidation."""

    intraday: bool = False
    """Big moves take steps (see `intraday`), with liquidations between them."""
    late_chance: float = 0.0
    """Chance per round that nobody has seen a position under water."""
    calls_per_round: float | None = None
    """As many liquidations as fit into one round, as a share of all borrowers; the most profitable come first. In a
    crash the rest waits, and falls further."""
    gas_usd: float = SMALLEST_PROFIT_USD
    """What a liquidation must bring on an ordinary day."""
    gas_spread: float = 0.0
    """Of the logarithm of the day's gas price."""
    gas_in_a_fall: float = 0.0
    """How many times dearer gas gets when the market falls to nothing: everybody sends at once."""

    def smallest_profit_usd(self, recent_fall: float, rng: random.Random) -> float:
        """What a liquidation must bring today. Draws nothing where gas has one price."""
        spread = rng.lognormvariate(0, self.gas_spread) if self.gas_spread > 0 else 1.0
        return self.gas_usd * spread * (1 + self.gas_in_a_fall * recent_fall)

    def most_calls(self, borrowers: int) -> int | None:
        """Liquidations in one round; None without a limit."""
        return None if self.calls_per_round is None else max(FEWEST_CALLS, int(self.calls_per_round * borrowers))


FEWEST_CALLS = 3
SMOOTH = Conditions()
"""One price a day and liquidators who miss nothing: of the demo and of tests."""
ROUGH = Conditions(
    intraday=True,
    late_chance=0.25,
    calls_per_round=0.01,
    gas_usd=10.0,
    gas_spread=0.5,
    gas_in_a_fall=8.0,
)
"""Of a market for training."""
