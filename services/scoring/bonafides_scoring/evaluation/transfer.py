"""Trained on synthetic rows, tested on real ones: Aave V2 re-liquidations, where only liquidation records exist.

The real rows hold liquidations and nothing else, so two models can be asked: the whole one, with every other feature at
the value that stands for "never happened"; and a small one, trained on the synthetic rows of the same population
(liquidated within the last 180 days) with the features that exist. Neither sees a real row in training.
"""

import os
from pathlib import Path

import numpy as np
import xgboost

from bonafides_scoring.backtest.histories import DAY, LOOK_BACK, Histories, Task
from bonafides_scoring.backtest.tables import Rows, read_events, read_labels
from bonafides_scoring.evaluation.ranking import Ints, Ranking, Reals
from bonafides_scoring.evaluation.report import FEWEST, NotMeasured, Transfer, TransferStanding
from bonafides_scoring.evaluation.resampling import Draws, resample
from bonafides_scoring.evaluation.standing import counts_of
from bonafides_scoring.features.schema import FEATURES, PLACE_OF
from bonafides_scoring.training.panels.panel import Floats, Panel

DATA_VARIABLE = "BONAFIDES_DATA"
EVENTS_FILE, LABELS_FILE = "events.parquet", "labels_aave_H30.csv"
SHARED = ("liquidation_days", "days_since_liquidation")
"""Features that a record of liquidations alone can fill."""
_TREES, _DEPTH, _RATE = 100, 3, 0.05
"""Small and untuned: two features, and no real row may choose."""


def data_folder() -> Path | None:
    """The folder of real data, if this machine has it."""
    named = os.environ.get(DATA_VARIABLE)
    return Path(named) if named else None


def transfer_of(
    folder: Path | None, booster: xgboost.Booster, training: Panel | None, seed: int, draws: int
) -> Transfer | NotMeasured:
    """Measure on the real labels.

    Raises:
        InvalidInput: the folder lacks a file, or one of another shape.
    """
    if folder is None:
        return NotMeasured(not_measured=f"trained on synthetic, tested on real: {DATA_VARIABLE} is not set")
    if any(name not in PLACE_OF for name in SHARED):
        return NotMeasured(not_measured="trained on synthetic, tested on real: this feature schema lacks the record")
    rows = read_labels(folder / LABELS_FILE)
    histories = Histories.of(read_events(folder / EVENTS_FILE), Task.RELIQUIDATION)
    features = real_features(histories, rows)
    labels, wallets = np.asarray(rows.labels, dtype=np.int64), _codes(rows.wallets)
    recency = -features[:, PLACE_OF["days_since_liquidation"]].astype(np.float64)
    contenders: list[tuple[str, str, Reals]] = [
        ("recency", "recency: minus days since the last liquidation (no training)", recency),
        ("whole_model", "the model, all other features absent", _margins(booster, features)),
    ]
    fitted = None if training is None else small_model(training, seed)
    if fitted is not None:
        margins = _margins(fitted, features[:, [PLACE_OF[name] for name in SHARED]])
        contenders.append(("small_model", "trained on synthetic with the shared features alone", margins))
    return Transfer(
        data="Aave V2 on Ethereum, 2021: liquidated again within 30 days, of those liquidated in the last 180",
        features=SHARED,
        absent_features=len(FEATURES) - len(SHARED),
        counts=counts_of(labels, wallets),
        training_rows=0 if training is None else len(training),
        standings=_standings(contenders, labels, _codes(rows.cutoffs), Draws(wallets, seed, draws)),
    )


def real_features(histories: Histories, rows: Rows) -> Floats:
    """One vector per row: the record of liquidations strictly before the cut-off, all else absent."""
    found = np.tile(np.array([spec.absent for spec in FEATURES], dtype=np.float32), (len(rows.wallets), 1))
    days_place, since_place = (PLACE_OF[name] for name in SHARED)
    for row, (wallet, cutoff) in enumerate(zip(rows.wallets, rows.cutoffs.tolist(), strict=True)):
        history = histories.by_wallet.get(wallet.lower())
        count = history.before(cutoff) if history else 0
        if history is None or not count:
            continue
        times = history.times[:count]
        found[row, days_place] = min(len(np.unique(times // DAY)), FEATURES[days_place].highest)
        found[row, since_place] = min((cutoff - int(times[-1])) // DAY, FEATURES[since_place].highest)
    return found


def small_model(training: Panel, seed: int) -> xgboost.Booster | None:
    """Monotone trees on the shared features of the synthetic rows of the same population; None when too few."""
    since = training.column("days_since_liquidation")
    rows = training.where((since <= LOOK_BACK[Task.RELIQUIDATION] // DAY) & (training.column("liquidation_days") > 0))
    if min(rows.labels.sum(), len(rows) - rows.labels.sum()) < FEWEST:
        return None
    places = [PLACE_OF[name] for name in SHARED]
    signs = ",".join(str(FEATURES[place].direction.constraint) for place in places)
    return xgboost.train(
        {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": _DEPTH,
            "eta": _RATE,
            "monotone_constraints": f"({signs})",
            "seed": seed,
            "nthread": 1,
        },
        xgboost.DMatrix(rows.features[:, places], label=rows.labels.astype(np.float32), nthread=1),
        num_boost_round=_TREES,
    )


def _standings(
    contenders: list[tuple[str, str, Reals]], labels: Ints, dates: Ints, draws: Draws
) -> tuple[TransferStanding, ...]:
    rankings = [(Ranking.of(scores, labels), Ranking.of(scores, labels, dates)) for _, _, scores in contenders]

    def numbers(weights: Reals) -> Reals:
        return np.array([one.auc(one.tally(weights)) for pair in rankings for one in pair])

    sample = resample(numbers, draws)
    return tuple(
        TransferStanding(
            name=name,
            words=words,
            auc=sample.interval(2 * place),
            within_date_auc=sample.interval(2 * place + 1),
            lift_within=sample.difference(2 * place + 1, 1) if place else None,
        )
        for place, (name, words, _) in enumerate(contenders)
    )


def _margins(booster: xgboost.Booster, features: Floats) -> Reals:
    frame = xgboost.DMatrix(features, nthread=1)
    return np.asarray(booster.predict(frame, output_margin=True).astype(np.float64))


def _codes(values: object) -> Ints:
    _, codes = np.unique(np.asarray(values), return_inverse=True)
    return codes.astype(np.int64)
