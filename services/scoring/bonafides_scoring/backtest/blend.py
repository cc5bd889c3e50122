"""The model of the real-data task: a steady rule and trees, blended by how much was learned, under past weathers.

    relative log-odds = (1 - w) · steady + w · trees         w = positives / (positives + `trees_earn_half`)
    p = Σ over training dates d of  share_d · sigmoid(relative + level_d)      newer dates have larger shares

Trees need data: with few outcomes the steady rule decides. No one can tell next month's level, so the probability is
the mean over the levels that past windows had, the recent ones more.
"""

from dataclasses import dataclass

import numpy as np
import xgboost
from bonafides.errors import InvalidInput

from bonafides_scoring.backtest.features import DIRECTIONS, FEATURES, HISTORY, MARKET, PROXY
from bonafides_scoring.backtest.histories import DAY
from bonafides_scoring.backtest.price_book import Reals
from bonafides_scoring.backtest.steady import Steady, SteadyPlan, date_levels, fit_steady, sigmoid, weighted_sum
from bonafides_scoring.backtest.tables import Ints

STEADY = SteadyPlan(
    (
        ("log_days", -1),
        ("echo", 1),
        ("days_hit_30d", 1),
        ("days_below", -1),
        ("reach_lowest", 1),
        ("survived_flag", -1),
        ("stable_debt", 1),
        ("dust", -1),
        ("tenure", 1),
    ),
    ridge=60.0,
    recency=-0.3,
)
TREE_FEATURES = HISTORY + PROXY + MARKET


@dataclass(frozen=True, slots=True)
class TreePlan:
    """Monotone gradient-boosted trees on log-odds relative to each date's own rate."""

    features: tuple[str, ...] = TREE_FEATURES
    trees: int = 150
    depth: int = 3
    learning_rate: float = 0.05
    min_child_weight: float = 5.0
    rows_per_tree: float = 0.7
    columns_per_tree: float = 0.5
    l2: float = 5.0
    seed: int = 20211122


@dataclass(frozen=True, slots=True)
class BlendPlan:
    """How to fit. The default is what ranked best on windows that ended before the first tested cut-off."""

    steady: SteadyPlan = STEADY
    trees: TreePlan | None = None
    trees_earn_half: float = 1_000.0
    """Positive training rows at which the trees decide as much as the steady rule; 0: the trees alone decide."""
    half_life_days: float | None = 60.0
    """Age at which a past window's level counts half as much as today's; None: all count alike."""


@dataclass(frozen=True, slots=True)
class Blend:
    """Fitted."""

    plan: BlendPlan
    steady: Steady
    booster: xgboost.Booster | None
    medians: Reals
    """Of the trees' features: what a missing value counts as, so that hiding one takes no unlearned branch."""
    tree_weight: float
    levels: Reals
    shares: Reals

    def relative(self, features: Reals) -> Reals:
        """Log-odds relative to the date's level; `features` has the columns of `FEATURES`."""
        steady = self.steady.relative(features[:, _places(self.plan.steady.names)])
        if self.booster is None:
            return steady
        filled = _filled(features[:, _places(_tree_names(self.plan))], self.medians)
        return (1 - self.tree_weight) * steady + self.tree_weight * _margins(self.booster, filled)

    def probabilities(self, features: Reals) -> Reals:
        """P(outcome within 30 days), strictly between 0 and 1."""
        each = sigmoid(self.relative(features)[:, None] + self.levels[None, :])
        found: Reals = np.clip(weighted_sum(each, self.shares), 1e-6, 1 - 1e-6)
        return found


def fit_blend(features: Reals, labels: Ints, cutoffs: Ints, plan: BlendPlan) -> Blend:
    """Fit on rows whose windows are over; on one thread with a fixed seed, so the same rows give the same model.

    Raises:
        InvalidInput: the rows hold no outcome, or nothing but outcomes.
    """
    positives = int(labels.sum())
    if not 0 < positives < len(labels):
        raise InvalidInput(f"{len(labels)} training rows hold {positives} outcomes: nothing can be told apart")
    steady = fit_steady(features[:, _places(plan.steady.names)], labels, cutoffs, plan.steady)
    booster, weight, medians = None, 0.0, np.zeros(0)
    if plan.trees is not None:
        weight = positives / (positives + plan.trees_earn_half)
        inputs = features[:, _places(plan.trees.features)]
        medians = _medians(inputs)
        booster = _fit_trees(_filled(inputs, medians), labels, cutoffs, plan.trees)
    unlevelled = Blend(plan, steady, booster, medians, weight, np.zeros(1), np.ones(1))
    dates, levels = date_levels(unlevelled.relative(features), labels, cutoffs)
    shares = np.ones(len(dates))
    if plan.half_life_days is not None:
        shares = 0.5 ** ((dates[-1] - dates) / DAY / plan.half_life_days)
    return Blend(plan, steady, booster, medians, weight, levels, shares / shares.sum())


def _fit_trees(features: Reals, labels: Ints, cutoffs: Ints, plan: TreePlan) -> xgboost.Booster:
    """Each date's rate is given as the base margin: the trees learn who, not when."""
    base = np.zeros(len(labels))
    for date in np.unique(cutoffs):
        rows = cutoffs == date
        rate = (labels[rows].sum() + 1) / (rows.sum() + 8)
        base[rows] = np.log(rate / (1 - rate))
    frame = xgboost.DMatrix(features.astype(np.float32), label=labels, base_margin=base, nthread=1)
    return xgboost.train(
        {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": plan.depth,
            "eta": plan.learning_rate,
            "min_child_weight": plan.min_child_weight,
            "subsample": plan.rows_per_tree,
            "colsample_bytree": plan.columns_per_tree,
            "lambda": plan.l2,
            "monotone_constraints": "(" + ",".join(str(DIRECTIONS.get(name, 0)) for name in plan.features) + ")",
            "seed": plan.seed,
            "nthread": 1,
            "verbosity": 0,
        },
        frame,
        num_boost_round=plan.trees,
    )


def _margins(booster: xgboost.Booster, features: Reals) -> Reals:
    frame = xgboost.DMatrix(features.astype(np.float32), base_margin=np.zeros(len(features)), nthread=1)
    found: Reals = booster.predict(frame, output_margin=True).astype(np.float64)
    return found


def _tree_names(plan: BlendPlan) -> tuple[str, ...]:
    return plan.trees.features if plan.trees else ()


def _places(names: tuple[str, ...]) -> list[int]:
    return [FEATURES.index(name) for name in names]


def _medians(features: Reals) -> Reals:
    columns = (column[np.isfinite(column)] for column in features.T)
    return np.array([float(np.median(column)) if len(column) else 0.0 for column in columns])


def _filled(features: Reals, medians: Reals) -> Reals:
    found: Reals = np.where(np.isfinite(features), features, medians)
    return found
