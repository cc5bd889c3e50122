"""A small logistic regression that ranks wallets within a date: signs are fixed, each training date has its own level.

Dates differ six-fold in their rate. A level per date keeps that out of the coefficients; the signs keep a short
training history from turning a risk into a merit; the ridge pulls towards the plain rule of how recent and how often.
"""

from dataclasses import dataclass

import numpy as np

from bonafides_scoring.backtest.price_book import Reals
from bonafides_scoring.backtest.tables import Ints

_SWEEPS, _TOLERANCE, _LONGEST_STEP = 400, 1e-8, 1.0
_LEVEL_RIDGE = 0.01
_SMALLEST_SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class SteadyPlan:
    """Which features, which way each may push (1, -1, or 0 for either), and how hard the ridge pulls."""

    directions: tuple[tuple[str, int], ...]
    ridge: float
    recency: float = 0.0
    """Where the ridge pulls the coefficient of `log_days`, per standard deviation; the others it pulls to 0. With few
    outcomes the rule then ranks by recency, the strongest line there is, in place of not at all."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(name for name, _ in self.directions)


@dataclass(frozen=True, slots=True)
class Steady:
    """Fitted: log-odds relative to the date's level."""

    centre: Reals
    spread: Reals
    coefficients: Reals

    def relative(self, features: Reals) -> Reals:
        """Log-odds above or below the date's level. A missing value counts as the training mean."""
        scaled = (features - self.centre) / self.spread
        return weighted_sum(np.where(np.isfinite(scaled), scaled, 0.0), self.coefficients)


def fit_steady(features: Reals, labels: Ints, dates: Ints, plan: SteadyPlan) -> Steady:
    """Coordinate-wise Newton steps, clipped at the signs, until nothing moves: deterministic."""
    finite = np.isfinite(features)
    counted = np.maximum(finite.sum(axis=0), 1)
    centre = np.where(finite, features, 0.0).sum(axis=0) / counted
    deviation = np.where(finite, features - centre, 0.0)
    spread = np.maximum(np.sqrt((deviation**2).sum(axis=0) / counted), _SMALLEST_SPREAD)
    x = deviation / spread
    signs = [sign for _, sign in plan.directions]
    centres = [plan.recency if name == "log_days" else 0.0 for name in plan.names]
    _, date = np.unique(dates, return_inverse=True)
    count = int(date.max()) + 1
    levels, beta = np.zeros(count), np.array(centres)
    eta = weighted_sum(x, beta)
    for _ in range(_SWEEPS):
        p = sigmoid(eta)
        slope = np.bincount(date, labels - p, count) - _LEVEL_RIDGE * levels
        curve = np.bincount(date, p * (1 - p), count) + _LEVEL_RIDGE
        move = np.clip(slope / curve, -_LONGEST_STEP, _LONGEST_STEP)
        levels += move
        eta += move[date]
        largest = float(np.abs(move).max())
        for place, sign in enumerate(signs):
            p = sigmoid(eta)
            column = x[:, place]
            gradient = (column * (labels - p)).sum() - plan.ridge * (beta[place] - centres[place])
            curvature = (column**2 * (p * (1 - p))).sum() + plan.ridge
            wanted = beta[place] + float(np.clip(gradient / curvature, -_LONGEST_STEP, _LONGEST_STEP))
            if sign:
                wanted = sign * max(sign * wanted, 0.0)
            step = wanted - beta[place]
            beta[place] = wanted
            eta += step * column
            largest = max(largest, abs(step))
        if largest < _TOLERANCE:
            break
    return Steady(centre, spread, beta)


def date_levels(relative: Reals, labels: Ints, dates: Ints) -> tuple[Ints, Reals]:
    """The level of each date that, added to `relative`, makes the mean probability equal the outcome rate.

    One half of an outcome each way is added, so that a date without outcomes has a level as well.
    """
    found, levels = np.unique(dates), []
    for date in found:
        rows, level = dates == date, 0.0
        wanted = (labels[rows].sum() + 0.5) / (rows.sum() + 1)
        for _ in range(100):
            p = sigmoid(relative[rows] + level)
            step = float(np.clip((wanted - p.mean()) / max((p * (1 - p)).mean(), 1e-9), -1, 1))
            level += step
            if abs(step) < 1e-10:
                break
        levels.append(level)
    return found, np.array(levels)


def weighted_sum(columns: Reals, weights: Reals) -> Reals:
    """Sum of columns times weights, column after column.

    A matrix product rounds differently with other rows beside it, or more threads: then a row's last bit would depend
    on what else was asked.
    """
    total = np.zeros(len(columns))
    for column, weight in zip(columns.T, weights, strict=True):
        total += column * weight
    return total


def sigmoid(x: Reals) -> Reals:
    """Probability of log-odds."""
    found: Reals = 1 / (1 + np.exp(-np.clip(x, -35, 35)))
    return found
