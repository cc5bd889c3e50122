"""Learners: anything that learns from a panel and then gives margins, be it the model or a challenger.

One fit serves several values of a learner's knob: a booster of 300 trees holds the one of 100, and the bins of a
scorecard are the same for every strength of its regression.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import xgboost

from bonafides_scoring.training.fit import FitPlan, Reals, fit_booster, margins_of
from bonafides_scoring.training.panels.panel import Panel


class Predictor(Protocol):
    """What was learned."""

    def margins(self, panel: Panel) -> Reals:
        """Log-odds of each row, not calibrated yet; higher means riskier."""
        ...


class Learner[P: Predictor](Protocol):
    """A way to learn."""

    @property
    def name(self) -> str:
        """Says all that decides a fit but the rows and the knob: results are kept under it."""
        ...

    @property
    def knobs(self) -> tuple[float, ...]:
        """Values to choose from, the simplest first; one where there is nothing to choose."""
        ...

    def fit(self, train: Panel, knobs: Sequence[float]) -> Sequence[P]:
        """A predictor for each of `knobs`."""
        ...

    def setting(self, knob: float) -> str:
        """The choice in words."""
        ...


class Engine(Protocol):
    """Where boosters are fitted."""

    @property
    def name(self) -> str:
        """Its bytes may differ from those of another engine, so results are kept under its name."""
        ...

    @property
    def at_once(self) -> int:
        """How many fits may be asked of it at the same time."""
        ...

    def fit(self, train: Panel, plan: FitPlan) -> xgboost.Booster:
        """Fit one booster."""
        ...


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """This process. Several fits run at the same time, each on one thread, so that threads decide nothing."""

    at_once: int = 1
    name: str = "local"

    def fit(self, train: Panel, plan: FitPlan) -> xgboost.Booster:
        """Fit on one thread."""
        return fit_booster(train, plan)


@dataclass(frozen=True, slots=True)
class BoosterPredictor:
    """A booster, or the beginning of one."""

    booster: xgboost.Booster
    trees: int

    def margins(self, panel: Panel) -> Reals:
        """See `Predictor`."""
        return margins_of(self.booster, panel, self.trees)


@dataclass(frozen=True, slots=True)
class BoosterLearner:
    """XGBoost with everything fixed but the number of trees."""

    plan: FitPlan
    engine: Engine
    knobs: tuple[float, ...]

    @property
    def name(self) -> str:
        """See `Learner`."""
        return f"xgboost {xgboost.__version__} {self.engine.name} {replace(self.plan, trees=0)}"

    def fit(self, train: Panel, knobs: Sequence[float]) -> Sequence[BoosterPredictor]:
        """See `Learner`. One booster of the most trees asked for."""
        booster = self.engine.fit(train, replace(self.plan, trees=int(max(knobs))))
        return [BoosterPredictor(booster, int(knob)) for knob in knobs]

    def setting(self, knob: float) -> str:
        """See `Learner`."""
        plan = self.plan
        return (
            f"{knob:.0f} trees of depth {plan.depth}, learning rate {plan.learning_rate}, min_child_weight "
            f"{plan.min_child_weight:.0f}, l2 {plan.l2:.0f}, subsample {plan.subsample}"
        )
