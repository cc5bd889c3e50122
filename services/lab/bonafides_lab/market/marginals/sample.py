"""Liquidations as the marginals need them: who, when, how large."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from bonafides.errors import InvalidInput

type Numbers = npt.NDArray[np.float64]
type Integers = npt.NDArray[np.int64]

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class LiquidationSample:
    """All liquidations of one market over one stretch of time, in any order."""

    borrowers: Integers
    """A number for each liquidated wallet, the same for the same one; the wallets themselves are not kept."""
    timestamps: Integers
    """Unix seconds."""
    usd: Numbers
    """Debt repaid, in dollars of its time; NaN where no price is known."""
    ends_at: int
    """Until when liquidations would have been seen, Unix seconds."""

    def __post_init__(self) -> None:
        if not len(self.timestamps):
            raise InvalidInput("a market without a liquidation has no marginals: expected one at least")
        if not len(self.borrowers) == len(self.timestamps) == len(self.usd):
            raise InvalidInput("borrowers, times and sizes of liquidations differ in number")

    @property
    def days(self) -> Integers:
        """The UTC day of each liquidation, counted from 1970."""
        return self.timestamps // DAY_S

    @property
    def span_days(self) -> int:
        """Days from the first liquidation to the end of what was seen, both included."""
        return int(self.ends_at // DAY_S - self.days.min()) + 1
