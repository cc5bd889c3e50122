"""Intervals by drawing whole wallets again and again: rows of one wallet are alike, so rows must not be drawn alone.

All that is measured on one set of draws is paired: the interval of a difference comes from differences on equal draws.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bonafides_scoring.evaluation.ranking import Ints, Reals
from bonafides_scoring.manifest import Interval

DRAWS = 1_000
PERCENTILES = (2.5, 97.5)
MOST_EMPTY_SHARE = 0.05
"""Share of draws in which a measure may not exist (a class that was not drawn) before its interval says nothing."""

Statistics = Callable[[Reals], Reals]
"""From weights of rows to numbers; a number that does not exist is NaN."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Weights of rows, one array per draw: how often the row's wallet was drawn. Every pass gives the same ones."""

    wallet_of_row: Ints
    """Codes 0, 1, … of all wallets."""
    seed: int
    count: int = DRAWS

    @classmethod
    def of(cls, wallets: Sequence[bytes], seed: int, count: int = DRAWS) -> "Draws":
        """Draws over these wallets, one per row."""
        return cls(wallet_codes(wallets), seed, count)

    def __iter__(self) -> Iterator[Reals]:
        wallets = int(self.wallet_of_row.max()) + 1
        rng = np.random.default_rng(self.seed)
        for _ in range(self.count):
            times = np.bincount(rng.integers(0, wallets, wallets), minlength=wallets).astype(np.float64)
            yield times[self.wallet_of_row]


@dataclass(frozen=True, slots=True)
class Sample:
    """Some numbers, as measured on all rows and on each draw."""

    point: Reals
    drawn: Reals
    """One row per draw."""

    def interval(self, place: int, most_empty: float = MOST_EMPTY_SHARE) -> Interval | None:
        """Value and 95 % interval; None where the number does not exist, or not in enough draws."""
        return _interval(float(self.point[place]), self.drawn[:, place], most_empty)

    def difference(self, place: int, other: int) -> Interval | None:
        """The paired interval of number `place` less number `other`."""
        gap = self.drawn[:, place] - self.drawn[:, other]
        return _interval(float(self.point[place] - self.point[other]), gap)


def resample(statistics: Statistics, draws: Draws, progress: Callable[[int, int], None] | None = None) -> Sample:
    """Measure on all rows and on every draw."""
    point = statistics(np.ones(len(draws.wallet_of_row)))
    drawn = np.empty((draws.count, len(point)))
    for place, weights in enumerate(draws):
        drawn[place] = statistics(weights)
        if progress is not None:
            progress(place + 1, draws.count)
    return Sample(point, drawn)


def wallet_codes(wallets: Sequence[bytes]) -> Ints:
    """A code 0, 1, … per wallet, in order of addresses."""
    _, codes = np.unique(np.frombuffer(b"".join(wallets), dtype="S20"), return_inverse=True)
    return codes.astype(np.int64)


def _interval(value: float, drawn: Reals, most_empty: float = MOST_EMPTY_SHARE) -> Interval | None:
    known = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(known) or len(known) < (1 - most_empty) * len(drawn):
        return None
    low, high = np.percentile(known, PERCENTILES)
    return Interval(value=value, low=float(low), high=float(high))
