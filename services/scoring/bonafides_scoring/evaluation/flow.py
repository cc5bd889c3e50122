"""THE FLOW of an evaluation: rows that a model never saw, to the report.

model, rows ──► probabilities ──► standings beside challengers ──► slices ──► drift, fairness, steadiness ──► report
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xgboost
from bonafides.errors import InvalidInput
from bonafides.events import MarketPoint
from bonafides.hashing import sha256

from bonafides_scoring.evaluation import slices
from bonafides_scoring.evaluation.challengers import WORDS, Challenger
from bonafides_scoring.evaluation.crashes import by_weather
from bonafides_scoring.evaluation.drift import drift_of
from bonafides_scoring.evaluation.fairness import fairness_of
from bonafides_scoring.evaluation.ranking import Ints, Ranking, Reals, average_precision, ks, roc_points
from bonafides_scoring.evaluation.report import (
    LongHorizon,
    Making,
    Manipulation,
    NotMeasured,
    Part,
    Partition,
    Report,
    Roc,
    RocPoint,
    ScoreBin,
    Subject,
    Transfer,
)
from bonafides_scoring.evaluation.resampling import DRAWS, Draws, resample
from bonafides_scoring.evaluation.standing import counts_of, curve_of, measure
from bonafides_scoring.evaluation.steadiness import steadiness_of
from bonafides_scoring.scorecard import ScorecardScale
from bonafides_scoring.training.fit import margins_of
from bonafides_scoring.training.panels.panel import LONG_HORIZON_DAYS, UNKNOWN, Panel
from bonafides_scoring.training.predictions import Contender, TestPart

Progress = Callable[[str, int, int], None]
_NO_TRANSFER = NotMeasured(not_measured="trained on synthetic, tested on real: BONAFIDES_DATA is not set")
_NO_ATTACK = NotMeasured(not_measured="manipulation cost: no attack.json was given (`bonafides lab attack` writes one)")
WORDS_OF = {
    TestPart.UNSEEN_WALLETS: "later time, wallets that the model never saw",
    TestPart.KNOWN_WALLETS: "later time, wallets that it saw at earlier times",
}
_ROC_POINTS = 200
_SCORE_STEP = 25


@dataclass(frozen=True, slots=True)
class Machine:
    """What turns features into probabilities and points."""

    name: str
    model_class: str
    population: str
    booster: xgboost.Booster
    base_margin: float
    making: Making

    @property
    def scale(self) -> ScorecardScale:
        """The scorecard."""
        return self.making.scale.scale()

    @property
    def training_digest(self) -> str:
        """Of the panel that the model was trained from, hexadecimal."""
        return self.making.training.data_digest

    def log_odds(self, rows: Panel) -> Reals:
        """Calibrated log-odds of the outcome."""
        return np.asarray(self.scale.slope * margins_of(self.booster, rows) + self.scale.intercept)


@dataclass(frozen=True, slots=True)
class Rows:
    """One set of rows to measure on."""

    name: str
    words: str
    panel: Panel
    challengers: tuple[Challenger, ...] = ()


@dataclass(frozen=True, slots=True)
class Beside:
    """What else the report tells; None where it was not given."""

    training: Panel | None = None
    """The rows that the model learned from."""
    training_rate: float | None = None
    points: Iterable[MarketPoint] | None = None
    """The market of the panel, to tell crash days."""
    transfer: Transfer | NotMeasured = _NO_TRANSFER
    manipulation: Manipulation | NotMeasured = _NO_ATTACK


def evaluate_model(
    machine: Machine,
    parts: Sequence[Rows],
    beside: Beside,
    *,
    panel_digest: str,
    seed: int,
    draws: int = DRAWS,
    progress: Progress = lambda *_: None,
) -> Report:
    """Measure everything; `parts` begins with the honest one: later time, unseen wallets.

    Raises:
        InvalidInput: a part without rows, or the first one with one class only.
    """
    first = parts[0]
    for part in parts:
        if not len(part.panel):
            raise InvalidInput(f"{part.words}: no rows to measure on")
    if first.panel.labels.min() == first.panel.labels.max():
        raise InvalidInput(f"{first.words}: all {len(first.panel)} rows have one outcome, nothing can be ranked")
    measured = [_part(machine, part, beside.training_rate, seed, draws, progress) for part in parts]
    panel, log_odds = first.panel, machine.log_odds(first.panel)
    p = 1 / (1 + np.exp(-log_odds))
    own_draws = Draws.of(panel.wallets, seed, draws)
    dates, _ = slices.date_codes(panel)
    scale = machine.scale
    unclipped = np.floor(scale.offset - scale.factor * log_odds + 0.5)
    points = np.clip(unclipped, scale.floor, scale.ceiling).astype(np.int64)
    return Report(
        subject=Subject(
            model=machine.name,
            model_class=machine.model_class,
            is_synthetic=machine.model_class == "synthetic",
            population=machine.population,
            booster_sha256=sha256(bytes(machine.booster.save_raw("ubj"))).hex(),
            panel_digest=panel_digest,
            training_digest=machine.training_digest,
            is_own_panel=panel_digest == machine.training_digest,
            draws=draws,
            seed=seed,
        ),
        making=machine.making,
        parts=tuple(measured),
        partitions=_partitions(first, p, dates, own_draws, beside, progress),
        long_horizon=_long_horizon(panel, p, dates, seed, draws),
        scores=_score_bins(points, panel.labels),
        rocs=_rocs(first, p),
        drift=NotMeasured(not_measured="drift: the training rows were not given (another panel than the model's own)")
        if beside.training is None
        else drift_of(beside.training, machine.log_odds(beside.training), panel, log_odds),
        fairness=tuple(
            fairness_of(groups, points, panel.labels, p)
            for groups in (slices.by_wallet_size(panel), slices.by_chain(panel), slices.by_age(panel))
        ),
        steadiness=steadiness_of(machine.booster, machine.scale, machine.base_margin, panel, seed),
        transfer=beside.transfer,
        manipulation=beside.manipulation,
    )


def _part(machine: Machine, part: Rows, rate: float | None, seed: int, count: int, progress: Progress) -> Part:
    panel = part.panel
    p = 1 / (1 + np.exp(-machine.log_odds(panel)))
    draws = Draws.of(panel.wallets, seed, count)
    dates, _ = slices.date_codes(panel)
    contenders = (Challenger(Contender.MODEL.value, WORDS[Contender.MODEL], p), *part.challengers)
    found = measure(
        contenders, panel.labels, dates, draws, lambda done, total: progress(f"intervals, {part.words}", done, total)
    )
    return Part(
        name=part.name,
        words=part.words,
        counts=counts_of(panel.labels, draws.wallet_of_row),
        first_cutoff=int(panel.cutoffs.min()),
        last_cutoff=int(panel.cutoffs.max()),
        horizon_days=machine.scale.horizon_days,
        standings=found.standings,
        lifts=found.lifts,
        brier_training_rate=None if rate is None else float(((rate - panel.labels) ** 2).mean()),
        curve=curve_of(p, panel.labels, draws),
    )


def _partitions(
    rows: Rows, p: Reals, dates: Ints, draws: Draws, beside: Beside, progress: Progress
) -> tuple[Partition | NotMeasured, ...]:
    panel = rows.panel
    rule = [one.probabilities for one in rows.challengers if one.name == Contender.ONE_LINE_RULE.value]
    measurable = slices.Measurable(panel.labels, p, rule[0] if rule else None, dates)
    weather = (
        NotMeasured(not_measured="crash and calm days: no market was given (--events, a folder with market.parquet)")
        if beside.points is None
        else by_weather(panel, beside.points)
    )
    questions = (
        slices.by_month(panel),
        slices.by_decile(p),
        slices.by_file(panel),
        slices.by_wallet_size(panel),
        slices.by_stratum(panel),
        weather,
    )
    found = []
    for done, groups in enumerate(questions):
        progress("slices", done, len(questions))
        found.append(slices.partition(groups, measurable, draws))
    progress("slices", len(questions), len(questions))
    return tuple(found)


def _long_horizon(panel: Panel, p: Reals, dates: Ints, seed: int, count: int) -> LongHorizon | NotMeasured:
    known = panel.labels_90d != UNKNOWN
    labels = panel.labels_90d[known]
    if not len(labels) or labels.min() == labels.max():
        return NotMeasured(not_measured=f"{LONG_HORIZON_DAYS} days: too few rows have that time behind them")
    own = panel.where(known)
    draws = Draws.of(own.wallets, seed, count)
    _, groups = np.unique(dates[known], return_inverse=True)
    overall, within = Ranking.of(p[known], labels), Ranking.of(p[known], labels, groups.astype(np.int64))

    def numbers(weights: Reals) -> Reals:
        tally = overall.tally(weights)
        return np.array([overall.auc(tally), within.auc(within.tally(weights)), average_precision(tally), ks(tally)])

    sample = resample(numbers, draws)
    auc, within_date, precision, distance = (sample.interval(place) for place in range(4))
    return LongHorizon(
        horizon_days=LONG_HORIZON_DAYS,
        counts=counts_of(labels, draws.wallet_of_row),
        auc=auc,
        within_date_auc=within_date,
        pr_auc=precision,
        ks=distance,
    )


def _score_bins(points: Ints, labels: Ints) -> tuple[ScoreBin, ...]:
    codes = points // _SCORE_STEP
    return tuple(
        ScoreBin(
            from_points=code * _SCORE_STEP,
            to_points=(code + 1) * _SCORE_STEP,
            rows=int((codes == code).sum()),
            positives=int(labels[codes == code].sum()),
        )
        for code in range(int(codes.min()), int(codes.max()) + 1)
    )


def _rocs(rows: Rows, p: Reals) -> tuple[Roc, ...]:
    contenders = (Challenger(Contender.MODEL.value, WORDS[Contender.MODEL], p), *rows.challengers)
    found = []
    for one in contenders:
        false, true = roc_points(Ranking.of(one.probabilities, rows.panel.labels).tally())
        kept = np.unique(np.searchsorted(false, np.linspace(0, 1, _ROC_POINTS), side="right") - 1)
        points = tuple(
            RocPoint(false_positive_rate=float(false[at]), true_positive_rate=float(true[at]))
            for at in np.unique(np.concatenate([[0], kept]))
        )
        found.append(Roc(name=one.name, words=one.words, points=points))
    return tuple(found)
