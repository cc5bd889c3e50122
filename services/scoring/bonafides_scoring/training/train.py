"""THE FLOW of training: decoded events to a model bundle that a service will load.

events, market, blocks ──► panel ──► split ──► boosters of the origins ──► calibration ──► evaluation ──► bundle
                                               └─ the last one ships
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xgboost
from bonafides.errors import InvalidInput
from bonafides.event_files import read_blocks, read_events, read_market_points
from bonafides.types import ModelClass

from bonafides_scoring.evaluation.card import model_card
from bonafides_scoring.evaluation.measure import evaluate
from bonafides_scoring.features.schema import FEATURE_NAMES, SCHEMA_HASH
from bonafides_scoring.manifest import Evaluation, Manifest, ReferencePart, ScalePart, TrainingRecord
from bonafides_scoring.model import BOOSTER_FILE, CARD_FILE, GOLDEN_FILE, ModelBundle, render_golden
from bonafides_scoring.training.bundle_writer import base_margin_of, file_hashes, golden_vectors, write_bundle
from bonafides_scoring.training.calibrate import Calibration, calibrate
from bonafides_scoring.training.fit import FitPlan, fit_booster, margins_of
from bonafides_scoring.training.panels.build import build_panel
from bonafides_scoring.training.panels.panel import HORIZON_DAYS, Panel
from bonafides_scoring.training.split import ORIGINS, split_panel
from bonafides_scoring.wallet_state import FOLD_VERSION

Progress = Callable[[str, int, int], None]
"""Called with the step's name, what is done and what there is."""

REFERENCE = ReferencePart(asset="WETH", debt_usd=5_000, liquidation_threshold_bps=8_300, health_factor_bps=16_000)
"""A middling loan: the median of the synthetic market's open positions, rounded."""
POPULATION = "accounts on Aave V3 with at least one dollar of open debt, whose collateral covers it"
DEFAULT_FIT = FitPlan()
RESCORE_STEP_BPS = 500
"""Five per cent of the health factor."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What to train."""

    name: str
    model_class: ModelClass
    source: str
    """What the data is, in words; stands on the card."""
    step_days: int = 7
    warm_up_days: int = 60
    """History before the first cut-off, so that the first rows are not all of newcomers."""
    fit: FitPlan = DEFAULT_FIT


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training."""

    bundle: ModelBundle
    unseen: Evaluation
    """Later time, wallets that the model never saw. The manifest holds this one."""
    known: Evaluation
    """Later time, wallets seen at earlier times."""


def train(events_dir: Path, out: Path, plan: TrainingPlan, *, replace: bool = False, progress: Progress) -> Trained:
    """Train a model on the decoded files of one chain and write its bundle to `out`.

    Raises:
        InvalidInput: a file missing or of another layout, too short a time, a part without one of the classes, or a
            bundle at `out` already.
    """
    progress("reading blocks", 0, 1)
    blocks = list(read_blocks(events_dir))
    if not blocks:
        raise InvalidInput("blocks.parquet holds no blocks")
    progress("reading blocks", 1, 1)
    panel = build_panel(
        read_events(events_dir),
        read_market_points(events_dir),
        blocks,
        REFERENCE.position(),
        step_days=plan.step_days,
        warm_up_days=plan.warm_up_days,
        progress=lambda done, total: progress("features at cut-offs", done, total),
    )
    return train_on(panel, out, plan, replace=replace, progress=progress)


def train_on(panel: Panel, out: Path, plan: TrainingPlan, *, replace: bool = False, progress: Progress) -> Trained:
    """Train on a panel. See `train`."""
    split = split_panel(panel)
    boosters = []
    for done, origin in enumerate(split.origins):
        progress("fitting", done, ORIGINS + 1)
        boosters.append(fit_booster(origin.train, plan.fit))
    booster = boosters[-1]  # its origin's rows are all of `split.train`
    calibration = calibrate(boosters, split.origins)
    platt = calibration.platt
    scale = ScalePart(
        base_points=600,
        base_odds=30,
        pdo=40,
        floor=300,
        ceiling=850,
        horizon_days=HORIZON_DAYS,
        slope=platt.slope.hex(),
        intercept=platt.intercept.hex(),
    )
    rate = float(split.train.labels.mean())
    unseen, known = (
        evaluate(part, platt.slope * margins_of(booster, part) + platt.intercept, rate, plan.fit.seed)
        for part in (split.test, split.test_known_wallets)
    )
    progress("fitting", ORIGINS, ORIGINS + 1)
    record = _record(panel, split.train, calibration, plan)
    card = model_card(plan.name, plan.model_class, POPULATION, scale, REFERENCE, record, unseen, known)
    files = {
        BOOSTER_FILE: bytes(booster.save_raw("ubj")),
        GOLDEN_FILE: render_golden(golden_vectors(booster, split.train, scale.scale())),
        CARD_FILE: card.encode(),
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
        base_margin=base_margin_of(booster).hex(),
        scale=scale,
        reference_position=REFERENCE,
        rescore_step_bps=RESCORE_STEP_BPS,
        files=file_hashes(files),
        training=record,
        evaluation=unseen,
    )
    bundle = write_bundle(out, manifest, files, replace=replace)
    progress("fitting", ORIGINS + 1, ORIGINS + 1)
    return Trained(bundle, unseen, known)


def _record(panel: Panel, training: Panel, calibration: Calibration, plan: TrainingPlan) -> TrainingRecord:
    return TrainingRecord(
        source=plan.source,
        data_digest=panel.digest.hex(),
        rows=len(training),
        wallets=len(set(training.wallets)),
        positives=int(training.labels.sum()),
        first_cutoff=int(training.cutoffs.min()),
        last_cutoff=int(training.cutoffs.max()),
        calibration=calibration.windows,
        embargo_days=HORIZON_DAYS,
        trees=plan.fit.trees,
        depth=plan.fit.depth,
        learning_rate=plan.fit.learning_rate,
        seed=plan.fit.seed,
    )
