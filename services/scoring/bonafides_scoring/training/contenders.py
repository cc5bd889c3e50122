"""The model and its challengers, each tuned on the same inner folds, fitted on the same rows, calibrated alike.

folds ──► choice of settings ──► one fit per origin ──► Platt over the origins' windows ──► probabilities of the test
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import xgboost
from bonafides.hashing import sha256

from bonafides_scoring.training.calibrate import Calibration, calibrate
from bonafides_scoring.training.challengers import challengers
from bonafides_scoring.training.fit import FitPlan, PlattFit, Reals, fit_platt, fit_platt_or_flat, require_gain
from bonafides_scoring.training.learners import BoosterLearner, BoosterPredictor, Engine, Learner, Predictor
from bonafides_scoring.training.panels.panel import Panel
from bonafides_scoring.training.predictions import CHALLENGERS, Contender
from bonafides_scoring.training.split import Origin, Split
from bonafides_scoring.training.tune import Choice, Grid, Progress, booster_learners, choose, fold_margins, fold_of
from bonafides_scoring.training.work import WorkFolder


@dataclass(frozen=True, slots=True)
class Fitted[P: Predictor]:
    """One contender, ready to answer."""

    choice: Choice[P]
    final: P
    """Fitted on the last origin's rows."""
    calibration: Calibration

    @property
    def setting(self) -> str:
        """Which hyper-parameters or feature, in words, and whether it ranks at all."""
        is_flat = self.calibration.platt.slope <= 0
        return (
            f"{self.choice.setting}; ranks later rows backwards: says their base rate"
            if is_flat
            else self.choice.setting
        )

    def log_odds(self, panel: Panel) -> Reals:
        """Calibrated log-odds."""
        return self.calibration.log_odds(self.final.margins(panel))


@dataclass(frozen=True, slots=True)
class Contenders:
    """All of them."""

    model: Fitted[BoosterPredictor]
    challengers: dict[Contender, Fitted[Predictor]]


@dataclass(frozen=True, slots=True)
class KeptEngine:
    """An engine whose boosters are kept in the work folder, and taken from there."""

    engine: Engine
    work: WorkFolder

    @property
    def name(self) -> str:
        """The engine's own."""
        return self.engine.name

    @property
    def at_once(self) -> int:
        """The engine's own."""
        return self.engine.at_once

    def fit(self, train: Panel, plan: FitPlan) -> xgboost.Booster:
        """Fit, unless it is kept."""
        words = f"{self.engine.name} xgboost {xgboost.__version__} {plan}"
        key = sha256(b"bonafides/kept-booster/1", train.digest, words.encode())
        booster = self.work.booster(key)
        if booster is None:
            booster = self.engine.fit(train, plan)
            self.work.keep_booster(key, booster)
        return booster


def fit_contenders(
    split: Split, grid: Grid, engine: Engine, work: WorkFolder, *, tuned: Progress, fitted: Progress
) -> Contenders:
    """Tune, fit and calibrate everybody.

    A challenger that ranks later rows backwards says the base rate of all of them, and loses; the model is refused.

    Raises:
        InvalidInput: nothing can be learned, see `choose`, `fit_platt`, `require_gain`.
    """
    folds = [fold_of(origin) for origin in split.tuning]
    learners: list[BoosterLearner] = booster_learners(grid, engine)
    others = challengers()
    total = len(folds) * (len(learners) + len(others))
    margins = dict(
        fold_margins(learners, folds, engine.at_once, work, lambda done, _: tuned(done, total)),
    )
    before = len(folds) * len(learners)
    # One after another: optbinning sets warnings, which threads share.
    margins |= fold_margins(list(others.values()), folds, 1, work, lambda done, _: tuned(before + done, total))
    model: Choice[BoosterPredictor] = choose(learners, margins, folds)
    choices = {contender: choose([others[contender]], margins, folds, fit_platt_or_flat) for contender in CHALLENGERS}
    steps = 1 + len(choices)
    fitted(0, steps)
    kept = KeptEngine(engine, work)
    learner = next(one for one in learners if one.name == model.learner.name)
    chosen = replace(model, learner=replace(learner, engine=kept))
    found, said = _fitted(chosen, split.origins, engine.at_once, fit_platt)
    windows = [origin.window for origin in split.origins]
    require_gain(
        np.concatenate(said),
        np.concatenate([window.labels for window in windows]),
        [wallet for window in windows for wallet in window.wallets],
        found.calibration.platt,
    )
    fitted(1, steps)
    rest: dict[Contender, Fitted[Predictor]] = {}
    for contender, choice in choices.items():
        rest[contender], _ = _fitted(choice, split.origins, 1, fit_platt_or_flat)
        fitted(1 + len(rest), steps)
    return Contenders(found, rest)


def _fitted[P: Predictor](
    choice: Choice[P], origins: Sequence[Origin], at_once: int, fit: PlattFit
) -> tuple[Fitted[P], list[Reals]]:
    """Ready to answer, and what it said of the origins' windows before it was calibrated."""
    with ThreadPoolExecutor(at_once) as pool:
        done = list(pool.map(lambda origin: _one(choice.learner, choice.knob, origin), origins))
    said = [margins for _, margins in done]
    return Fitted(choice, done[-1][0], calibrate(said, origins, fit)), said


def _one[P: Predictor](learner: Learner[P], knob: float, origin: Origin) -> tuple[P, Reals]:
    (predictor,) = learner.fit(origin.train, (knob,))
    return predictor, predictor.margins(origin.window)
