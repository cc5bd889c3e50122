"""The shape of `report.json`: everything that was measured, with what was not and why. The page and the card render it.

A number that could not be measured is null beside the counts that say why; a part that was not measured is a
`NotMeasured` with its reason. Probabilities and rates are shares of 1, times are unix seconds, ranges are inclusive.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bonafides_scoring.manifest import Interval, ReferencePart, ScalePart, TrainingRecord

FORMAT: Literal["bonafides/evaluation/1"] = "bonafides/evaluation/1"
REPORT_FILE = "report.json"
FEWEST = 20
"""Rows of each class below which a slice is shown as "not enough"."""


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NotMeasured(_Shape):
    """A part of the report that is missing, said loudly."""

    not_measured: str
    """Why."""


class Counts(_Shape):
    """Of what rows."""

    rows: int
    wallets: int
    positives: int
    outcome_rate: float


class Standing(_Shape):
    """One model's or challenger's measures on one set of rows. Level and slope are of its probabilities."""

    name: str
    words: str
    auc: Interval | None
    within_date_auc: Interval | None
    pr_auc: Interval | None
    ks: Interval | None
    brier: Interval | None
    log_loss: Interval | None
    mean_probability: float
    level: Interval | None
    """Calibration in the large: outcomes that came over outcomes that were said; above 1 it said too little."""
    slope: Interval | None
    """Calibration slope; see `probabilities.Line`."""
    calibration_error: float


class Lift(_Shape):
    """The model against one challenger on the same draws. Every number is better when higher."""

    challenger: str
    words: str
    auc: Interval | None
    within_date_auc: Interval | None
    pr_auc: Interval | None
    ks: Interval | None
    brier: Interval | None
    """Challenger less model: what the model saves."""
    log_loss: Interval | None


class Bin(_Shape):
    """One bin of a calibration curve, with the interval of its outcome rate over wallets."""

    rows: int
    positives: int
    mean_probability: float
    outcome_rate: Interval | None


class ScoreBin(_Shape):
    """Rows whose score lies in [from_points, to_points)."""

    from_points: int
    to_points: int
    rows: int
    positives: int


class RocPoint(_Shape):
    """One point of a ROC curve."""

    false_positive_rate: float
    true_positive_rate: float


class Roc(_Shape):
    """A ROC curve, thinned to what a picture can show."""

    name: str
    words: str
    points: tuple[RocPoint, ...]


class Part(_Shape):
    """Measurements on one set of rows, over all of them."""

    name: str
    words: str
    counts: Counts
    first_cutoff: int
    last_cutoff: int
    horizon_days: int
    standings: tuple[Standing, ...]
    """The model first."""
    lifts: tuple[Lift, ...]
    brier_training_rate: float | None
    """Of telling everyone the training rows' outcome rate; null when that is not known."""
    curve: tuple[Bin, ...]
    """Of the model, from the safest tenth to the riskiest: the table by decile."""


class Slice(_Shape):
    """Rows of one kind."""

    name: str
    counts: Counts
    auc: Interval | None
    within_date_auc: Interval | None
    brier: Interval | None
    brier_rule: float | None
    """Of the refitted one-line rule on the same rows."""
    mean_probability: float
    level: Interval | None
    slope: float | None


class Partition(_Shape):
    """All rows of the first part, by one question."""

    name: str
    rule: str
    """How rows are told apart, stated before the run."""
    slices: tuple[Slice, ...]


class LongHorizon(_Shape):
    """The same scores against the outcome within the long horizon: ranking alone, since the level is for the short."""

    horizon_days: int
    counts: Counts
    auc: Interval | None
    within_date_auc: Interval | None
    pr_auc: Interval | None
    ks: Interval | None


class FeatureDrift(_Shape):
    """One feature, training rows against the rows measured."""

    name: str
    stability_index: float
    absent_training: float
    """Share of rows with the value that stands for "never happened"."""
    absent_measured: float


class Drift(_Shape):
    """Population and characteristic stability."""

    score_stability_index: float
    bins: int
    features: tuple[FeatureDrift, ...]


class FairnessGroup(_Shape):
    """One group of rows. Approved: a score at the cut-off or above."""

    name: str
    rows: int
    positives: int
    approval_rate: float
    approval_ratio: float | None
    """Over the approval rate of the group with the highest; null when nobody is approved."""
    refused_though_good: float | None
    """False positives: share of rows without the outcome that are below the cut-off."""
    approved_though_bad: float | None
    """False negatives: share of rows with the outcome at or above the cut-off."""
    calibration_error: float
    auc: float | None


class Fairness(_Shape):
    """Groups by one attribute."""

    attribute: str
    rule: str
    cutoff_points: int
    lowest_approval_ratio: float | None
    groups: tuple[FairnessGroup, ...]


class Steadiness(_Shape):
    """What small errors of the inputs do to what a borrower is told."""

    rows: int
    jitter_share: float
    same_first_reason: float
    """Share of rows whose first adverse reason stays the same."""
    same_reason_set: float
    points_moved_median: float
    points_moved_p95: float
    seed: int


class Transfer(_Shape):
    """Trained on synthetic rows, tested on real ones, with the features that the real rows have."""

    data: str
    features: tuple[str, ...]
    absent_features: int
    counts: Counts
    training_rows: int
    standings: tuple["TransferStanding", ...]


class TransferStanding(_Shape):
    """Ranking alone: nothing about the level carries over."""

    name: str
    words: str
    auc: Interval | None
    within_date_auc: Interval | None
    lift_within: Interval | None
    """Over recency, paired; null for recency itself."""


class Manipulation(_Shape):
    """From `bonafides lab attack`."""

    model: str
    seed: int
    points_wanted: int
    budget_usd: float
    most_days: int
    strategies_tried: int
    usd_for_points: float | None
    days_for_points: int | None
    conclusion: str
    limits: tuple[str, ...]


class Subject(_Shape):
    """What was measured, and on what."""

    model: str
    model_class: str
    is_synthetic: bool
    population: str
    booster_sha256: str
    panel_digest: str
    training_digest: str
    is_own_panel: bool
    """Whether the rows measured are the test part of the panel that the model was trained from."""
    draws: int
    seed: int


class Making(_Shape):
    """How the model came about, from its manifest."""

    scale: ScalePart
    reference: ReferencePart
    training: TrainingRecord


class Report(_Shape):
    """The whole report."""

    format: Literal["bonafides/evaluation/1"] = FORMAT
    subject: Subject
    making: Making
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    """The honest one first: later time, wallets that the model never saw."""
    partitions: tuple[Partition | NotMeasured, ...]
    """Of the first part."""
    long_horizon: LongHorizon | NotMeasured
    scores: tuple[ScoreBin, ...]
    rocs: tuple[Roc, ...]
    drift: Drift | NotMeasured
    fairness: tuple[Fairness | NotMeasured, ...]
    steadiness: Steadiness
    transfer: Transfer | NotMeasured
    manipulation: Manipulation | NotMeasured


def report_json(report: Report) -> str:
    """The text of `report.json`."""
    return report.model_dump_json(indent=1) + "\n"
