"""THE FLOW of training: decoded events or a panel to a model bundle that a service will load.

events ──► panel ──► split ──► settings, on inner folds ──► fits of the origins ──► calibration ──► test ──► bundle
                               of the model and of every challenger  └─ the model's last one ships
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xgboost
from bonafides.errors import InvalidInput
from bonafides.events import MarketPoint
from bonafides.types import ModelClass

from bonafides_scoring.evaluation.card import model_card
from bonafides_scoring.evaluation.flow import Machine
from bonafides_scoring.evaluation.measure import evaluate
from bonafides_scoring.evaluation.report import REPORT_FILE, Making, report_json
from bonafides_scoring.evaluation.trained import training_report
from bonafides_scoring.features.schema import FEATURE_NAMES, SCHEMA_HASH
from bonafides_scoring.manifest import Evaluation, Manifest, ReferencePart, ScalePart
from bonafides_scoring.model import BOOSTER_FILE, CARD_FILE, GOLDEN_FILE, MANIFEST_FILE, ModelBundle, render_golden
from bonafides_scoring.training.bundle_writer import base_margin_of, file_hashes, golden_vectors, write_bundle
from bonafides_scoring.training.contenders import Contenders, fit_contenders
from bonafides_scoring.training.fit import Reals
from bonafides_scoring.training.learners import Engine, LocalEngine
from bonafides_scoring.training.panels.panel import HORIZON_DAYS, Panel
from bonafides_scoring.training.panels.plan import REFERENCE_POSITION
from bonafides_scoring.training.predictions import (
    PREDICTIONS_FILE,
    Contender,
    Predictions,
    PredictionsHeader,
    TestPart,
    gather,
    write_predictions,
)
from bonafides_scoring.training.records import training_record
from bonafides_scoring.training.split import Split, at_horizon, split_panel
from bonafides_scoring.training.tune import Grid, default_grid
from bonafides_scoring.training.work import WorkFolder
from bonafides_scoring.wallet_state import FOLD_VERSION

Progress = Callable[[str, int, int], None]
"""Called with the step's name, what is done and what there is."""

REFERENCE = ReferencePart(
    asset=REFERENCE_POSITION.asset,
    debt_usd=REFERENCE_POSITION.debt_usd,
    liquidation_threshold_bps=REFERENCE_POSITION.liquidation_threshold_bps,
    health_factor_bps=REFERENCE_POSITION.health_factor_bps,
)
POPULATION = (
    "accounts on Aave V3 with at least one dollar of open debt, whose collateral covers it; and wallets that borrow "
    "again after a week or more without debt, at the reference position"
)
RESCORE_STEP_BPS = 500
"""Five per cent of the health factor."""
DEFAULT_ENGINE = LocalEngine()


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What to train."""

    name: str
    model_class: ModelClass
    source: str
    """What the data is, in words; stands on the card."""
    horizon_days: int = HORIZON_DAYS
    grid: Grid = field(default_factory=lambda: default_grid())


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training."""

    bundle: ModelBundle
    unseen: Evaluation
    """Later time, wallets that the model never saw. The manifest holds this one."""
    known: Evaluation
    """Later time, wallets seen at earlier times."""
    predictions: Predictions
    """Of the model and its challengers; also in the work folder."""


def train_on(
    panel: Panel,
    out: Path,
    plan: TrainingPlan,
    *,
    work: Path,
    engine: Engine = DEFAULT_ENGINE,
    market: Iterable[MarketPoint] | None = None,
    replace: bool = False,
    progress: Progress,
) -> Trained:
    """Train a model on a panel, measure it, and write its bundle to `out`.

    `work` keeps the results of fits, so that a run which was stopped goes on, and `predictions.parquet`. By the panel's
    `market` the card tells crash days from calm ones.

    Raises:
        InvalidInput: too short a time, a part without one of the classes, nothing to learn, or a bundle at `out`
            already and `replace` is false.
    """
    if (out / MANIFEST_FILE).exists() and not replace:  # before the work, not after
        raise InvalidInput(f"{out.name} holds a model already: give another --out, or --replace to overwrite it")
    panel = at_horizon(panel, plan.horizon_days)
    split = split_panel(panel, plan.horizon_days)
    contenders = fit_contenders(
        split,
        plan.grid,
        engine,
        WorkFolder(work),
        tuned=lambda done, total: progress("choosing settings", done, total),
        fitted=lambda done, total: progress("fitting and calibrating", done, total),
    )
    progress("measuring", 0, 2)
    predictions = _predictions(panel, split, contenders, plan)
    write_predictions(work / PREDICTIONS_FILE, predictions)
    model, rate = contenders.model, float(split.train.labels.mean())
    seed = plan.grid.plans[0].seed
    unseen, known = (
        evaluate(part, model.log_odds(part), rate, seed) for part in (split.test, split.test_known_wallets)
    )
    progress("measuring", 1, 2)
    scale = _scale(contenders, plan)
    record = training_record(panel, split, contenders, predictions, plan.source, engine.name)
    booster = model.final.booster
    base_margin = base_margin_of(booster)
    making = Making(scale=scale, reference=REFERENCE, training=record)
    machine = Machine(plan.name, plan.model_class.value, POPULATION, booster, base_margin, making)
    report = training_report(machine, split, predictions, market, seed)
    files = {
        BOOSTER_FILE: bytes(booster.save_raw("ubj")),
        GOLDEN_FILE: render_golden(golden_vectors(booster, split.train, scale.scale())),
        CARD_FILE: model_card(report).encode(),
    }
    manifest = Manifest(
        format=1,
        name=plan.name,
        model_class=plan.model_class,
        outcome="liquidation_or_bad_debt",
        population=POPULATION,
        xgboost_version=xgboost.__version__,
        fold_version=FOLD_VERSION,
        feature_schema_hash=SCHEMA_HASH.hex(),
        features=FEATURE_NAMES,
        base_margin=base_margin.hex(),
        scale=scale,
        reference_position=REFERENCE,
        rescore_step_bps=RESCORE_STEP_BPS,
        files=file_hashes(files),
        training=record,
        evaluation=unseen,
    )
    bundle = write_bundle(out, manifest, files, replace=replace)
    (out / REPORT_FILE).write_text(report_json(report), "utf-8")
    progress("measuring", 2, 2)
    return Trained(bundle, unseen, known, predictions)


def _scale(contenders: Contenders, plan: TrainingPlan) -> ScalePart:
    platt = contenders.model.calibration.platt
    return ScalePart(
        base_points=600,
        base_odds=30,
        pdo=40,
        floor=300,
        ceiling=850,
        horizon_days=plan.horizon_days,
        slope=platt.slope.hex(),
        intercept=platt.intercept.hex(),
    )


def _predictions(panel: Panel, split: Split, contenders: Contenders, plan: TrainingPlan) -> Predictions:
    parts = [(TestPart.UNSEEN_WALLETS, split.test), (TestPart.KNOWN_WALLETS, split.test_known_wallets)]
    everybody = {Contender.MODEL: contenders.model, **contenders.challengers}
    header = PredictionsHeader(
        model=plan.name,
        horizon_days=plan.horizon_days,
        panel_digest=panel.digest.hex(),
        training_base_rate=float(split.train.labels.mean()),
        settings={contender.value: fitted.setting for contender, fitted in everybody.items()},
    )
    return gather(
        header,
        parts,
        [contenders.model.final.margins(rows) for _, rows in parts],
        {name: [_probabilities(one.log_odds(rows)) for _, rows in parts] for name, one in everybody.items()},
    )


def _probabilities(log_odds: Reals) -> Reals:
    found: Reals = 1 / (1 + np.exp(-log_odds))
    return found
