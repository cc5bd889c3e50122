"""What the model must beat, fitted on its rows and tuned on its folds: simpler things that a lender could use instead.

The scorecard knows the direction in which each feature moves risk: its bins are monotone as the trees are. scikit-learn
and optbinning are of the `training` extra, and single-threaded here: the order in which threads add up would change the
last digits.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bonafides_scoring.evaluation.ranking import auc
from bonafides_scoring.features.schema import FEATURE_NAMES, FEATURES, PLACE_OF
from bonafides_scoring.training.fit import Platt, Reals, fit_logistic
from bonafides_scoring.training.learners import Learner, Predictor
from bonafides_scoring.training.panels.panel import Panel
from bonafides_scoring.training.predictions import Contender

INVERSE_L2 = (0.01, 0.1, 1.0, 10.0)
"""scikit-learn's C, the strongest shrinking first."""
MOST_BINS = 8
_ROWS_AT_ONCE = 100_000
_LOWEST = np.array([spec.lowest for spec in FEATURES], dtype=np.float32)


class _Linear(Protocol):
    def decision_function(self, x: npt.NDArray[np.float64]) -> Reals: ...


class _Binning(Protocol):
    def transform(self, x: object, metric: str) -> npt.NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True)
class LinearPredictor:
    """A logistic regression over standardised features, as they are and as logarithms."""

    mean: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    regression: _Linear

    def margins(self, panel: Panel) -> Reals:
        """See `Predictor`."""
        return _in_parts(
            panel, lambda rows: self.regression.decision_function((_both_forms(rows) - self.mean) / self.spread)
        )


@dataclass(frozen=True, slots=True)
class LogisticLearner:
    """scikit-learn's logistic regression; its knob is the inverse strength of l2."""

    name: str = "logistic regression, standardised and log1p"
    knobs: tuple[float, ...] = INVERSE_L2

    def fit(self, train: Panel, knobs: Sequence[float]) -> Sequence[LinearPredictor]:
        """See `Learner`."""
        x = _both_forms(train.features)
        mean, spread = x.mean(axis=0), x.std(axis=0)
        spread[spread == 0] = 1  # a feature that never moves says nothing
        x -= mean
        x /= spread
        return [LinearPredictor(mean, spread, found) for found in _regressions(x, train, knobs)]

    def setting(self, knob: float) -> str:
        """See `Learner`."""
        return f"each feature standardised, as it is and as a logarithm, C {knob:g}"


@dataclass(frozen=True, slots=True)
class ScorecardPredictor:
    """Weights of evidence per bin, and their regression."""

    bins: _Binning
    regression: _Linear

    def margins(self, panel: Panel) -> Reals:
        """See `Predictor`."""
        return _in_parts(panel, lambda rows: self.regression.decision_function(_woe(self.bins, rows)))


@dataclass(frozen=True, slots=True)
class ScorecardLearner:
    """optbinning's scorecard: monotone optimal bins, then a logistic regression over weights of evidence.

    Its scaling to points is affine, so it changes nothing here. The knob is the inverse strength of l2.
    """

    name: str = f"optbinning, {MOST_BINS} bins"
    knobs: tuple[float, ...] = INVERSE_L2

    def fit(self, train: Panel, knobs: Sequence[float]) -> Sequence[ScorecardPredictor]:
        """See `Learner`."""
        from optbinning import BinningProcess

        directions = {
            spec.name: {"monotonic_trend": "ascending" if spec.direction.constraint > 0 else "descending"}
            for spec in FEATURES
        }
        bins = BinningProcess(list(FEATURE_NAMES), max_n_bins=MOST_BINS, binning_fit_params=directions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas, about what optbinning asks of it
            bins.fit(train.features, train.labels)
        woe = np.concatenate([_woe(bins, rows) for rows in _parts(train)])
        return [ScorecardPredictor(bins, found) for found in _regressions(woe, train, knobs)]

    def setting(self, knob: float) -> str:
        """See `Learner`."""
        return f"at most {MOST_BINS} monotone bins a feature, C {knob:g}"


@dataclass(frozen=True, slots=True)
class RulePredictor:
    """One feature's logarithm, in a logistic."""

    feature: str
    platt: Platt

    def margins(self, panel: Panel) -> Reals:
        """See `Predictor`."""
        return self.platt.slope * _logarithm(panel, self.feature) + self.platt.intercept


@dataclass(frozen=True, slots=True)
class FeatureLearner:
    """One named feature alone, refitted by a logistic."""

    feature: str = "health_factor_bps"
    knobs: tuple[float, ...] = (0,)

    @property
    def name(self) -> str:
        """See `Learner`."""
        return f"{self.feature} alone"

    def fit(self, train: Panel, knobs: Sequence[float]) -> Sequence[RulePredictor]:
        """See `Learner`."""
        found = RulePredictor(self.feature, fit_logistic(_logarithm(train, self.feature), train.labels))
        return [found for _ in knobs]

    def setting(self, knob: float) -> str:
        """See `Learner`."""
        return f"logistic of log1p({self.feature})"


@dataclass(frozen=True, slots=True)
class BestRuleLearner:
    """The best one-line rule: of all features, the one that ranks the training rows best, refitted by a logistic."""

    name: str = "the best feature alone"
    knobs: tuple[float, ...] = (0,)

    def fit(self, train: Panel, knobs: Sequence[float]) -> Sequence[RulePredictor]:
        """See `Learner`. The feature is chosen by its AUC on these rows, in the direction that the schema states."""
        ranks = [
            auc(spec.direction.constraint * train.column(spec.name).astype(np.float64), train.labels)
            for spec in FEATURES
        ]
        return FeatureLearner(FEATURES[int(np.argmax(ranks))].name).fit(train, knobs)

    def setting(self, knob: float) -> str:
        """See `Learner`."""
        return "the best of all features on the training rows, logistic of its log1p"


def challengers() -> dict[Contender, Learner[Predictor]]:
    """All of them."""
    return {
        Contender.SCORECARD: ScorecardLearner(),
        Contender.LOGISTIC_REGRESSION: LogisticLearner(),
        Contender.HEALTH_FACTOR: FeatureLearner(),
        Contender.ONE_LINE_RULE: BestRuleLearner(),
    }


def _regressions(x: npt.NDArray[np.float64], train: Panel, knobs: Sequence[float]) -> list[_Linear]:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return [LogisticRegression(C=knob, max_iter=2_000).fit(x, train.labels) for knob in knobs]


def _both_forms(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return np.column_stack([rows, np.log1p(rows - _LOWEST)]).astype(np.float64)


def _logarithm(panel: Panel, feature: str) -> Reals:
    place = PLACE_OF[feature]
    found: Reals = np.log1p(panel.features[:, place].astype(np.float64) - FEATURES[place].lowest)
    return found


def _woe(bins: _Binning, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(bins.transform(rows, metric="woe"), dtype=np.float64)


def _parts(panel: Panel) -> list[npt.NDArray[np.float32]]:
    return [panel.features[start : start + _ROWS_AT_ONCE] for start in range(0, max(len(panel), 1), _ROWS_AT_ONCE)]


def _in_parts(panel: Panel, margins: Callable[[npt.NDArray[np.float32]], Reals]) -> Reals:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return np.concatenate([margins(rows) for rows in _parts(panel)])
