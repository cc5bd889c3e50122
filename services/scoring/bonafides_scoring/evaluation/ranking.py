"""How well scores rank: settled once into ties and groups, so that the measures of many weightings are cheap.

AUC         chance that a row with the outcome stands above one without it; ties count half
within AUC  the same over pairs of one group only (a cut-off date), each pair counted once: free of market timing
KS          largest gap between the two distributions
PR-AUC      average precision, as scikit-learn's `average_precision_score` has it
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tally:
    """Weight with and without the outcome, per tie, in ascending order of (group, score)."""

    positive: Reals
    negative: Reals


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows in order of (group, score), with equal scores of one group as one tie."""

    order: Ints
    tie_starts: Ints
    """Place in `order` of each tie's first row."""
    group_starts: Ints
    """Place among the ties of each group's first tie."""
    group_of_tie: Ints
    labels: Reals
    """In `order`."""

    @classmethod
    def of(cls, scores: Reals, labels: Ints, groups: Ints | None = None) -> "Ranking":
        """Higher scores mean riskier. `groups` are codes 0, 1, …; without them all rows are one group."""
        codes = np.zeros(len(scores), dtype=np.int64) if groups is None else groups
        order = np.lexsort((scores, codes))
        sorted_codes, sorted_scores = codes[order], scores[order]
        new_group = np.diff(sorted_codes, prepend=-1) != 0
        new_tie = new_group | (np.diff(sorted_scores, prepend=np.nan) != 0)
        tie_starts = np.flatnonzero(new_tie)
        first_of_group = np.flatnonzero(new_group[tie_starts])
        group_of_tie = np.cumsum(new_group[tie_starts]) - 1
        return cls(order, tie_starts, first_of_group, group_of_tie, labels[order].astype(np.float64))

    def tally(self, weights: Reals | None = None) -> Tally:
        """Weights of rows, added up per tie; without weights every row counts once."""
        ordered = np.ones(len(self.order)) if weights is None else weights[self.order]
        positive = ordered * self.labels
        return Tally(np.add.reduceat(positive, self.tie_starts), np.add.reduceat(ordered - positive, self.tie_starts))

    def pairs(self, tally: Tally) -> tuple[Reals, Reals]:
        """Per group: weight of the pairs ranked right, and of all pairs."""
        total_negative = np.add.reduceat(tally.negative, self.group_starts)
        total_positive = np.add.reduceat(tally.positive, self.group_starts)
        up_to = np.cumsum(tally.negative) - tally.negative
        below = up_to - up_to[self.group_starts][self.group_of_tie]
        won = np.add.reduceat(tally.positive * (below + tally.negative / 2), self.group_starts)
        return won, total_positive * total_negative

    def auc(self, tally: Tally) -> float:
        """AUC over the pairs inside groups, all groups' pairs together; NaN without a pair."""
        won, pairs = self.pairs(tally)
        return float(won.sum() / pairs.sum()) if pairs.sum() > 0 else float("nan")


def ks(tally: Tally) -> float:
    """Kolmogorov-Smirnov distance of a ranking with one group; NaN when a class is empty."""
    if not (tally.positive.sum() > 0 and tally.negative.sum() > 0):
        return float("nan")
    gaps = np.cumsum(tally.positive) / tally.positive.sum() - np.cumsum(tally.negative) / tally.negative.sum()
    return float(np.abs(gaps).max())


def average_precision(tally: Tally) -> float:
    """Area under precision over recall of a ranking with one group, riskiest first; NaN without a positive."""
    if not tally.positive.sum() > 0:
        return float("nan")
    positive, both = tally.positive[::-1], (tally.positive + tally.negative)[::-1]
    reached = np.cumsum(both)
    precision = np.divide(np.cumsum(positive), reached, out=np.zeros_like(reached), where=reached > 0)
    return float((precision * positive).sum() / positive.sum())


def roc_points(tally: Tally) -> tuple[Reals, Reals]:
    """False and true positive rates of a ranking with one group, riskiest first, from (0, 0) to (1, 1)."""
    rates = []
    for part in (tally.negative, tally.positive):
        reached = np.concatenate([[0.0], np.cumsum(part[::-1])])
        rates.append(reached / reached[-1])
    return rates[0], rates[1]


def auc(scores: Reals, labels: Ints) -> float:
    """Area under the ROC curve; higher scores mean riskier."""
    ranking = Ranking.of(scores, labels)
    return ranking.auc(ranking.tally())


def within_auc(scores: Reals, labels: Ints, groups: Ints) -> float:
    """AUC over the pairs inside one group, each pair counted once."""
    ranking = Ranking.of(scores, labels, groups)
    return ranking.auc(ranking.tally())
