"""What the manifest says about a training."""

from typing import cast

import numpy as np

from bonafides_scoring.evaluation.ranking import auc
from bonafides_scoring.manifest import (
    ChallengerRecord,
    StratumRecord,
    TrainingRecord,
    TuningRecord,
    TuningWindow,
)
from bonafides_scoring.training.contenders import Contenders
from bonafides_scoring.training.learners import BoosterLearner
from bonafides_scoring.training.panels.panel import Panel, Stratum
from bonafides_scoring.training.predictions import CHALLENGERS, Contender, Predictions, TestPart
from bonafides_scoring.training.split import Origin, Split


def training_record(
    panel: Panel, split: Split, contenders: Contenders, predictions: Predictions, source: str, engine: str
) -> TrainingRecord:
    """The record of one training."""
    train, choice = split.train, contenders.model.choice
    plan = cast(BoosterLearner, choice.learner).plan
    return TrainingRecord(
        source=source,
        data_digest=panel.digest.hex(),
        rows=len(train),
        wallets=len(set(train.wallets)),
        positives=int(train.labels.sum()),
        first_cutoff=int(train.cutoffs.min()),
        last_cutoff=int(train.cutoffs.max()),
        calibration=contenders.model.calibration.windows,
        embargo_days=split.horizon_days,
        trees=int(choice.knob),
        depth=plan.depth,
        learning_rate=plan.learning_rate,
        seed=plan.seed,
        engine=engine,
        strata=tuple(_stratum(train, stratum) for stratum in Stratum),
        tuning=TuningRecord(
            windows=tuple(_window(origin) for origin in split.tuning),
            candidates=choice.candidates,
            log_loss=choice.log_loss,
            min_child_weight=plan.min_child_weight,
            l2=plan.l2,
            subsample=plan.subsample,
            columns_per_tree=plan.columns_per_tree,
        ),
        challengers=tuple(_challenger(name, contenders, predictions) for name in CHALLENGERS),
    )


def _challenger(name: Contender, contenders: Contenders, predictions: Predictions) -> ChallengerRecord:
    choice = contenders.challengers[name].choice
    unseen = predictions.parts == TestPart.UNSEEN_WALLETS.value
    pd, labels = predictions.pds[name][unseen], predictions.labels[unseen]
    return ChallengerRecord(
        name=name.value,
        setting=choice.setting,
        tuning_log_loss=choice.log_loss,
        auc=auc(pd, labels),
        brier=float(np.mean((pd - labels) ** 2)),
    )


def _stratum(train: Panel, stratum: Stratum) -> StratumRecord:
    rows = train.strata == stratum.value
    return StratumRecord(name=stratum.value, rows=int(rows.sum()), positives=int(train.labels[rows].sum()))


def _window(origin: Origin) -> TuningWindow:
    cutoffs, labels = origin.panel.cutoffs[origin.window_rows], origin.panel.labels[origin.window_rows]
    return TuningWindow(
        trained_until=int(origin.panel.cutoffs[origin.train_rows].max()),
        first_cutoff=int(cutoffs.min()),
        last_cutoff=int(cutoffs.max()),
        rows=len(labels),
        positives=int(labels.sum()),
    )
