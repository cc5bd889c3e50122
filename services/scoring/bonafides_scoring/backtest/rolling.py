"""Rolling origin: each tested cut-off is scored by models trained on the labels whose window had ended by then."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xgboost

from bonafides_scoring.backtest.blend import BlendPlan, fit_blend
from bonafides_scoring.backtest.candidates import (
    CANDIDATES,
    DECLARED,
    LOGISTIC_HISTORY,
    PREVALENCE,
    RECENCY,
    REFITTED,
    REPRODUCED,
)
from bonafides_scoring.backtest.features import DIRECTIONS, FEATURES, HISTORY, SIZES
from bonafides_scoring.backtest.histories import HORIZON
from bonafides_scoring.backtest.measures import Forecast
from bonafides_scoring.backtest.price_book import Reals
from bonafides_scoring.backtest.tables import Ints

Model = Callable[[Reals, Ints, Ints, Reals], Reals]
"""Training features, labels and cut-offs, and features to answer for; gives probabilities."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Protocol:
    """Rows, features and outcomes of one task, and which cut-offs are tested."""

    features: Reals
    labels: Ints
    cutoffs: Ints
    wallets: Ints
    tested: tuple[int, ...]

    @property
    def rows(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Which rows are tested."""
        return np.isin(self.cutoffs, self.tested)


def forecasts(protocol: Protocol, reproduce: bool, progress: Progress) -> tuple[Forecast, ...]:
    """The simple rules, the reference's models if asked for, and all candidates, on the tested rows."""
    models: dict[str, Model] = {REFITTED: _refitted_recency, PREVALENCE: _prevalence}
    if reproduce:
        models[LOGISTIC_HISTORY] = _logistic_history
        models |= {name: _reference_trees(features) for name, features in REPRODUCED.items()}
        models[DECLARED.name] = _blend(DECLARED.plan)
    models |= {candidate.name: _blend(candidate.plan) for candidate in CANDIDATES}
    days = protocol.features[protocol.rows, FEATURES.index("log_days")]
    found = [Forecast(RECENCY, -days, None)]
    for done, (name, model) in enumerate(models.items()):
        progress("rolling origins", done, len(models))
        probabilities = np.full(len(protocol.labels), np.nan)
        for cutoff in protocol.tested:
            past, now = protocol.cutoffs + HORIZON <= cutoff, protocol.cutoffs == cutoff
            probabilities[now] = model(
                protocol.features[past], protocol.labels[past], protocol.cutoffs[past], protocol.features[now]
            )
        found.append(Forecast(name, probabilities[protocol.rows], probabilities[protocol.rows]))
    progress("rolling origins", len(models), len(models))
    return tuple(found)


def testable(labels: Ints, cutoffs: Ints, first: int) -> tuple[int, ...]:
    """The cut-offs from `first` on before which both classes had been seen."""
    found = []
    for cutoff in sorted({int(value) for value in cutoffs}):
        past = labels[cutoffs + HORIZON <= cutoff]
        if cutoff >= first and len(past) and past.min() != past.max():
            found.append(cutoff)
    return tuple(found)


def _refitted_recency(past: Reals, labels: Ints, cutoffs: Ints, now: Reals) -> Reals:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    column = [FEATURES.index("log_days")]
    with threadpool_limits(1):  # a sum that is shared out rounds differently with other threads
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(past[:, column], labels)
        found: Reals = model.predict_proba(now[:, column])[:, 1]
    return found


def _logistic_history(past: Reals, labels: Ints, cutoffs: Ints, now: Reals) -> Reals:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    columns = [FEATURES.index(name) for name in HISTORY + SIZES]
    with threadpool_limits(1):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5_000)).fit(past[:, columns], labels)
        found: Reals = model.predict_proba(now[:, columns])[:, 1]
    return found


def _prevalence(past: Reals, labels: Ints, cutoffs: Ints, now: Reals) -> Reals:
    return np.full(len(now), float(labels.mean()))


def _reference_trees(names: tuple[str, ...]) -> Model:
    columns = [FEATURES.index(name) for name in names]

    def model(past: Reals, labels: Ints, cutoffs: Ints, now: Reals) -> Reals:
        parameters = {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": 3,
            "eta": 0.1,
            "monotone_constraints": "(" + ",".join(str(DIRECTIONS.get(name, 0)) for name in names) + ")",
            "seed": 1,
            "nthread": 1,
        }
        frame = xgboost.DMatrix(past[:, columns].astype(np.float32), label=labels, nthread=1)
        booster = xgboost.train(parameters, frame, num_boost_round=150)
        asked = xgboost.DMatrix(now[:, columns].astype(np.float32), nthread=1)
        found: Reals = booster.predict(asked).astype(np.float64)
        return found

    return model


def _blend(plan: BlendPlan) -> Model:
    def model(past: Reals, labels: Ints, cutoffs: Ints, now: Reals) -> Reals:
        return fit_blend(past, labels, cutoffs, plan).probabilities(now)

    return model
