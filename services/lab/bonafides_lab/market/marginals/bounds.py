"""What counts as near: stated before the first run, and not moved afterwards.

The market is a training ground and no forecast. It shall have the same order of repetition, size and clustering as the
real one, since those are what a model of liquidations learns; it need not have the same whales.
"""

import math
from dataclasses import dataclass
from enum import StrEnum


class Measure(StrEnum):
    """The numbers that are compared. Each belongs to one of the four marginals, by the letter."""

    PER_BORROWER_MEAN = "a_liquidations_per_liquidated_borrower_mean"
    PER_BORROWER_ONCE = "a_share_of_liquidated_borrowers_liquidated_once"
    PER_BORROWER_P90 = "a_liquidations_per_liquidated_borrower_p90"
    SIZE_P10 = "b_liquidation_usd_p10"
    SIZE_MEDIAN = "b_liquidation_usd_median"
    SIZE_P90 = "b_liquidation_usd_p90"
    SIZE_P99 = "b_liquidation_usd_p99"
    RELIQUIDATED = "c_reliquidated_within_30_days"
    FIVE_WORST_DAYS = "d_share_on_five_worst_days"


class Comparison(StrEnum):
    """How two numbers are held against each other."""

    RATIO = "ratio"
    """Synthetic over real."""
    DIFFERENCE = "difference"
    """Synthetic minus real."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The range, ends included, in which a comparison counts as inside."""

    comparison: Comparison
    low: float
    high: float
    reason: str

    def compare(self, synthetic: float, real: float) -> float:
        """The ratio or the difference; NaN where it cannot be made (a ratio to 0, a number that is missing)."""
        match self.comparison:
            case Comparison.DIFFERENCE:
                return synthetic - real
            case Comparison.RATIO:
                return synthetic / real if real else math.nan

    def holds(self, synthetic: float, real: float) -> bool:
        """Whether the comparison lies inside; one that cannot be made does not."""
        return self.low <= self.compare(synthetic, real) <= self.high


_RATIO, _DIFFERENCE = Comparison.RATIO, Comparison.DIFFERENCE

BOUNDS: dict[Measure, Bound] = {
    Measure.PER_BORROWER_MEAN: Bound(_RATIO, 0.67, 1.5, "the same order of repetition, half as much again at most"),
    Measure.PER_BORROWER_ONCE: Bound(_DIFFERENCE, -0.10, 0.10, "ten points: one borrower in ten counted elsewhere"),
    Measure.PER_BORROWER_P90: Bound(_RATIO, 0.5, 2.0, "a count of a few; one more or less is a large ratio already"),
    Measure.SIZE_P10: Bound(_RATIO, 1 / 3, 3.0, "the small end depends on the gas price of the season"),
    Measure.SIZE_MEDIAN: Bound(_RATIO, 0.5, 2.0, "a factor of two, a tenth of the spread of real sizes"),
    Measure.SIZE_P90: Bound(_RATIO, 0.5, 2.0, "as for the median"),
    Measure.SIZE_P99: Bound(_RATIO, 1 / 3, 3.0, "few events decide it"),
    Measure.RELIQUIDATED: Bound(_DIFFERENCE, -0.07, 0.07, "the model's own target: seven points"),
    Measure.FIVE_WORST_DAYS: Bound(_DIFFERENCE, -0.08, 0.08, "a year's worst five days differ by that among years"),
}
