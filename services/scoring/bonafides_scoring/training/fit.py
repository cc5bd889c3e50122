"""Fits the booster and its calibration: deterministic, monotone, small.

No `scale_pos_weight`: it destroys the level of the probabilities. Calibration is Platt's, because it is affine in
log-odds: folded into the scorecard, it leaves points additive. `calibrate` says what it is fit on.

Rows go in as quantiles of one byte (`QuantileDMatrix`) and are predicted in place: a million of them need no copy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xgboost
from bonafides.errors import InvalidInput

from bonafides_scoring.features.schema import FEATURES
from bonafides_scoring.training.panels.panel import Panel

Reals = npt.NDArray[np.float64]
GAIN_ERRORS = 3.0
"""Shuffled outcomes reach three standard errors about once in a thousand trainings."""


@dataclass(frozen=True, slots=True)
class FitPlan:
    """How to fit. Fixed before any test row is seen."""

    trees: int = 240
    """At most 300."""
    depth: int = 3
    """At most 4."""
    learning_rate: float = 0.05
    min_child_weight: float = 10.0
    subsample: float = 0.8
    columns_per_tree: float = 0.8
    l2: float = 5.0
    seed: int = 20260101


@dataclass(frozen=True, slots=True)
class Platt:
    """Calibrated log-odds = slope · margin + intercept."""

    slope: float
    intercept: float


type PlattFit = Callable[[Reals, npt.NDArray[np.int64]], Platt]
"""How margins and outcomes become a calibration: `fit_platt`, or `fit_platt_or_flat`."""


def fit_booster(train: Panel, plan: FitPlan, threads: int = 1) -> xgboost.Booster:
    """Train with a fixed seed: the same rows in the same order give the same bytes, on any number of threads."""
    frame = xgboost.QuantileDMatrix(train.features, label=train.labels.astype(np.float32), nthread=threads)
    return xgboost.train(booster_parameters(plan, threads), frame, num_boost_round=plan.trees)


def booster_parameters(plan: FitPlan, threads: int = 1) -> dict[str, str | int | float]:
    """A plan in xgboost's own words."""
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": plan.depth,
        "eta": plan.learning_rate,
        "min_child_weight": plan.min_child_weight,
        "subsample": plan.subsample,
        "colsample_bytree": plan.columns_per_tree,
        "lambda": plan.l2,
        "monotone_constraints": "(" + ",".join(str(spec.direction.constraint) for spec in FEATURES) + ")",
        "seed": plan.seed,
        "nthread": threads,
        "verbosity": 0,
    }


def margins_of(booster: xgboost.Booster, panel: Panel, trees: int = 0) -> Reals:
    """Margins of all rows as float64, by the first `trees` trees; 0: by all."""
    found: Reals = booster.inplace_predict(panel.features, iteration_range=(0, trees), predict_type="margin").astype(
        np.float64
    )
    return found


def fit_logistic(x: Reals, labels: npt.NDArray[np.int64], rounds: int = 50) -> Platt:
    """Maximum-likelihood slope and intercept of P(label = 1) = 1 / (1 + exp(-(slope · x + intercept))), by Newton.

    Raises:
        InvalidInput: one class is empty, or the two are perfectly apart, so that no slope is the best.
    """
    if labels.min() == labels.max():
        raise InvalidInput("cannot calibrate: the rows hold only one class")
    design = np.column_stack([x, np.ones_like(x)])
    beta = np.zeros(2)
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -35, 35)))
        weight = np.maximum(p * (1 - p), 1e-12)
        try:
            step = np.linalg.solve(design.T @ (design * weight[:, None]), design.T @ (labels - p))
        except np.linalg.LinAlgError as exc:
            raise InvalidInput("cannot calibrate: every row has the same value, nothing tells them apart") from exc
        beta = beta + step
        if np.abs(step).max() < 1e-12:
            break
        if not np.isfinite(beta).all() or np.abs(beta).max() > 1e3:
            raise InvalidInput("cannot calibrate: the two classes are perfectly apart")
    return Platt(float(beta[0]), float(beta[1]))


def fit_platt(margins: Reals, labels: npt.NDArray[np.int64]) -> Platt:
    """Calibration of a model on rows it was not trained on.

    Raises:
        InvalidInput: see `fit_logistic`; or the slope is not above 0, so that the model ranks backwards.
    """
    platt = fit_logistic(margins, labels)
    if platt.slope <= 0:
        raise InvalidInput(f"cannot calibrate: the model ranks later rows backwards (slope {platt.slope:.3f})")
    return platt


def fit_platt_or_flat(margins: Reals, labels: npt.NDArray[np.int64]) -> Platt:
    """The best calibration whose slope is not below 0: the base rate for all, where the margins rank backwards.

    Raises:
        InvalidInput: one class is empty, or the two are perfectly apart.
    """
    if labels.min() == labels.max() or np.ptp(margins) > 0:
        platt = fit_logistic(margins, labels)
        if platt.slope > 0:
            return platt
    rate = float(labels.mean())
    return Platt(0.0, float(np.log(rate / (1 - rate))))


def require_gain(margins: Reals, labels: npt.NDArray[np.int64], wallets: Sequence[bytes], platt: Platt) -> None:
    """Refuse a model that says no more of later rows than their base rate does.

    The gain in log likelihood is added up per wallet, since rows of one wallet repeat each other; its mean must lie
    `GAIN_ERRORS` standard errors above 0.

    Raises:
        InvalidInput: it does not.
    """
    log_odds = platt.slope * margins + platt.intercept
    rate = float(labels.mean())
    said = labels * log_odds - np.logaddexp(0, log_odds)
    gain = said - np.where(labels == 1, np.log(rate), np.log(1 - rate))
    _, place = np.unique(np.array(wallets, dtype=object), return_inverse=True)
    of_wallet = np.bincount(place, weights=gain)
    count = len(of_wallet)
    error = float(of_wallet.std(ddof=1) / np.sqrt(count)) if count > 1 else np.inf
    if of_wallet.mean() < GAIN_ERRORS * error:
        raise InvalidInput(
            f"there is nothing to learn here: on later rows the model is better than the base rate by "
            f"{of_wallet.mean():.4f} nats per wallet, {of_wallet.mean() / error:.1f} standard errors over {count:,} "
            f"wallets; expected {GAIN_ERRORS:.0f} or more"
        )
