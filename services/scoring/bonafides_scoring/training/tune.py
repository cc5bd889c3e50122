"""Chooses hyper-parameters on inner folds: earlier windows than those of calibration and of the test.

The measure is the log loss of all windows together after one Platt calibration over them, as in service: it asks for
the ranking and for the shape of the probabilities, not for their level, which Platt's two numbers set anyway. The list
begins with the simplest, and the first of it wins that is not worse than the best by more than one standard error: what
is gained beyond that is the windows' noise, and a simpler model gives steadier reasons. Every contender is tuned on the
same folds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from bonafides.errors import InvalidInput, InvariantViolation
from bonafides.hashing import sha256

from bonafides_scoring.training.fit import FitPlan, PlattFit, Reals, fit_platt
from bonafides_scoring.training.learners import BoosterLearner, Engine, Learner, Predictor
from bonafides_scoring.training.panels.panel import Ints, Panel
from bonafides_scoring.training.split import Origin
from bonafides_scoring.training.work import WorkFolder

DEPTHS = (1, 2, 3, 4)
"""Depth 1 is an additive model, a scorecard of stumps: if that is enough, that is what ships."""
LEARNING_RATES = (0.05, 0.1)
SHRINKAGES = ((10.0, 5.0), (50.0, 20.0))
"""Pairs of min_child_weight and l2. A wallet's rows are alike, so a leaf of ten rows may be one wallet."""
TREES = (60.0, 120.0, 180.0, 240.0, 300.0)
"""At most 300: exact explanations cost time in proportion."""
MOST_ROWS = 60_000
"""Of a fold's training. More rows move the choice by less than the weather of the windows does."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Grid:
    """What the model is tuned over."""

    plans: tuple[FitPlan, ...]
    """Simplest first; their own number of trees does not count."""
    trees: tuple[float, ...] = TREES


@dataclass(frozen=True)
class Fold:
    """One inner fold, in memory."""

    train: Panel
    window: Panel

    @cached_property
    def digest(self) -> bytes:
        """Names the rows."""
        return sha256(b"bonafides/fold/1", self.train.digest, self.window.digest)


@dataclass(frozen=True, slots=True)
class Choice[P: Predictor]:
    """What was chosen for one contender."""

    learner: Learner[P]
    knob: float
    log_loss: float
    candidates: int

    @property
    def setting(self) -> str:
        """In words."""
        return self.learner.setting(self.knob)


def default_grid() -> Grid:
    """The grid of every training, fixed before any market was trained on: 16 fits a fold, 80 candidates."""
    plans = product(DEPTHS, LEARNING_RATES, SHRINKAGES)
    return Grid(tuple(FitPlan(depth=d, learning_rate=r, min_child_weight=w, l2=l2) for d, r, (w, l2) in plans))


def fold_of(origin: Origin, most_rows: int = MOST_ROWS) -> Fold:
    """The fold of an origin; of a large one a share of the wallets, by their hash, is learned from."""
    train = origin.train
    share = most_rows / len(train)
    if share < 1:
        places = {
            wallet: int.from_bytes(sha256(b"bonafides/fold-share/1", wallet)[:8]) for wallet in set(train.wallets)
        }
        kept = [places[wallet] < share * 2**64 for wallet in train.wallets]
        train = train.where(np.array(kept))
    return Fold(train, origin.window)


def booster_learners(grid: Grid, engine: Engine) -> list[BoosterLearner]:
    """The model's learners."""
    return [BoosterLearner(plan, engine, grid.trees) for plan in grid.plans]


def fold_margins(
    learners: Sequence[Learner[Predictor]],
    folds: Sequence[Fold],
    at_once: int,
    work: WorkFolder,
    progress: Progress,
) -> Mapping[str, tuple[Reals, ...]]:
    """Per learner's name, the windows' margins in order of folds: one column for each knob.

    What the work folder holds is not fitted again.
    """
    jobs = [(learner, place) for learner in learners for place in range(len(folds))]
    found: dict[tuple[str, int], Reals] = {}
    with ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(_margins, learner, folds[place], work): (learner.name, place) for learner, place in jobs}
        try:
            for done, future in enumerate(as_completed(running), 1):
                found[running[future]] = future.result()
                progress(done, len(jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {learner.name: tuple(found[learner.name, place] for place in range(len(folds))) for learner in learners}


def choose[P: Predictor](
    learners: Sequence[Learner[P]],
    margins: Mapping[str, tuple[Reals, ...]],
    folds: Sequence[Fold],
    fit: PlattFit = fit_platt,
) -> Choice[P]:
    """The first candidate whose log loss after calibration by `fit` is within one standard error of the lowest.

    The error is that of the paired difference, added up per wallet, since rows of one wallet repeat each other.

    Raises:
        InvalidInput: none can be calibrated: with `fit_platt`, every candidate ranks the windows backwards.
    """
    labels = np.concatenate([fold.window.labels for fold in folds])
    wallets = np.array([wallet for fold in folds for wallet in fold.window.wallets], dtype=object)
    _, wallet_of_row = np.unique(wallets, return_inverse=True)
    best: Reals | None = None
    candidates = 0
    for _, _, found in _candidates(learners, margins):
        candidates += 1
        losses = _log_losses(found, labels, fit)
        if losses is not None and (best is None or losses.mean() < best.mean()):
            best = losses
    if best is None:
        raise InvalidInput(f"none of {candidates} settings ranks later rows better than a coin: nothing to learn here")
    for learner, knob, found in _candidates(learners, margins):
        losses = _log_losses(found, labels, fit)
        if losses is not None and _is_as_good(losses, best, wallet_of_row):
            return Choice(learner, knob, float(losses.mean()), candidates)
    raise InvariantViolation("the best candidate is not as good as itself")


def calibrated_log_loss(margins: Reals, labels: Ints, fit: PlattFit = fit_platt) -> float | None:
    """Mean log loss after Platt's calibration on the same rows; None where there is none."""
    losses = _log_losses(margins, labels, fit)
    return None if losses is None else float(losses.mean())


def _log_losses(margins: Reals, labels: Ints, fit: PlattFit) -> Reals | None:
    try:
        platt = fit(margins, labels)
    except InvalidInput:
        return None
    log_odds = platt.slope * margins + platt.intercept
    losses: Reals = np.logaddexp(0, np.where(labels == 1, -log_odds, log_odds))
    return losses


def _is_as_good(losses: Reals, best: Reals, wallet_of_row: Ints) -> bool:
    """Whether rows lose at most one standard error more than with the best."""
    worse = np.bincount(wallet_of_row, weights=losses - best)
    error = worse.std(ddof=1) * np.sqrt(len(worse)) if len(worse) > 1 else 0.0
    return bool(worse.sum() <= error)


def _candidates[P: Predictor](
    learners: Sequence[Learner[P]], margins: Mapping[str, tuple[Reals, ...]]
) -> Iterator[tuple[Learner[P], float, Reals]]:
    for learner in learners:
        together = np.concatenate(margins[learner.name])
        for column, knob in enumerate(learner.knobs):
            yield learner, knob, together[:, column]


def _margins(learner: Learner[Predictor], fold: Fold, work: WorkFolder) -> Reals:
    key = sha256(b"bonafides/fold-margins/1", fold.digest, f"{learner.name} {learner.knobs}".encode())
    kept = work.margins(key, (len(fold.window), len(learner.knobs)))
    if kept is not None:
        return kept
    predictors = learner.fit(fold.train, learner.knobs)
    margins = np.column_stack([predictor.margins(fold.window) for predictor in predictors])
    work.keep_margins(key, margins)
    return margins
