"""The manifest of a model bundle: everything that fixes a score, and what is known about the model.

Its SHA-256 is the model id. It lists the hash of every other file of the bundle, so that nothing can change under one
id. Numbers that enter a score stand as hexadecimal floats, which lose no bit.
"""

from typing import Annotated, Literal

from bonafides.errors import InvalidInput
from bonafides.types import ModelClass
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bonafides_scoring.reference import ReferencePosition
from bonafides_scoring.scorecard import ScorecardScale

Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
HexFloat = Annotated[str, StringConstraints(pattern=r"^-?0x[01]\.[0-9a-f]+p[+-][0-9]+$")]
Bps = Annotated[int, Field(ge=0, le=100_000)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class ScalePart(_Part):
    """The scorecard with the calibration folded in."""

    base_points: Annotated[int, Field(ge=1)]
    base_odds: Annotated[int, Field(ge=1)]
    pdo: Annotated[int, Field(ge=1)]
    floor: Annotated[int, Field(ge=300)]
    ceiling: Annotated[int, Field(le=850)]
    horizon_days: Annotated[int, Field(ge=1)]
    slope: HexFloat
    intercept: HexFloat

    def scale(self) -> ScorecardScale:
        """As the scorecard wants it."""
        return ScorecardScale(
            self.base_points,
            self.base_odds,
            self.pdo,
            self.floor,
            self.ceiling,
            self.horizon_days,
            float.fromhex(self.slope),
            float.fromhex(self.intercept),
        )


class ReferencePart(_Part):
    """See `ReferencePosition`."""

    asset: str
    debt_usd: Annotated[int, Field(ge=1)]
    liquidation_threshold_bps: Annotated[int, Field(ge=1, le=10_000)]
    health_factor_bps: Annotated[int, Field(gt=10_000)]

    def position(self) -> ReferencePosition:
        """As the features want it."""
        return ReferencePosition(self.asset, self.debt_usd, self.liquidation_threshold_bps, self.health_factor_bps)


class Interval(_Part):
    """A measured value and its 95 % wallet-bootstrap interval."""

    value: float
    low: float
    high: float


class Evaluation(_Part):
    """What was measured on rows that the model never saw. Synthetic when the model's class says so."""

    rows: Annotated[int, Field(ge=1)]
    wallets: Annotated[int, Field(ge=1)]
    positives: Annotated[int, Field(ge=1)]
    base_rate: float
    first_cutoff: int
    """Unix seconds."""
    last_cutoff: int
    auc: Interval
    auc_health_factor_alone: Interval
    auc_lift: Interval
    """Model minus health factor, paired on the same rows."""
    auc_price_buffer_alone: float
    brier: Interval
    brier_base_rate: float
    """Brier score of always answering the base rate of the training rows."""
    calibration_slope: float
    """1 is perfect; below 1 the spread of the probabilities is too wide."""
    mean_pd: float
    expected_calibration_error: float


class CalibrationWindow(_Part):
    """One window of the calibration: rows later than everything that the model which predicted them was trained on."""

    trained_until: int
    """Unix seconds; last cut-off of that model's training rows."""
    first_cutoff: int
    last_cutoff: int
    rows: Annotated[int, Field(ge=1)]
    positives: Annotated[int, Field(ge=0)]
    """May be 0: a calm window counts as well."""
    mean_pd: float
    """After calibration. Beside the outcome rate it shows how far the market's weather moves the level."""


class TuningWindow(_Part):
    """One inner fold of the tuning; earlier than every window of calibration."""

    trained_until: int
    """Unix seconds; last cut-off of the fold's training rows."""
    first_cutoff: int
    last_cutoff: int
    rows: Annotated[int, Field(ge=1)]
    positives: Annotated[int, Field(ge=0)]


class TuningRecord(_Part):
    """How the hyper-parameters were chosen."""

    windows: Annotated[tuple[TuningWindow, ...], Field(min_length=1)]
    candidates: Annotated[int, Field(ge=1)]
    log_loss: float
    """Of the choice: all windows together, after one calibration over them."""
    min_child_weight: float
    l2: float
    subsample: float
    columns_per_tree: float


class ChallengerRecord(_Part):
    """What stood beside the model: learned from its rows, tuned on its folds, calibrated on its windows."""

    name: str
    setting: str
    """What was chosen for it, in words."""
    tuning_log_loss: float
    auc: float
    """On the rows of `Manifest.evaluation`."""
    brier: float


class StratumRecord(_Part):
    """Rows of one kind among the training rows."""

    name: str
    rows: Annotated[int, Field(ge=0)]
    positives: Annotated[int, Field(ge=0)]


class TrainingRecord(_Part):
    """How the booster came about."""

    source: str
    """What the data is, in words."""
    data_digest: Hex32
    """SHA-256 over the panel's rows: features, labels, wallets, cut-offs."""
    rows: Annotated[int, Field(ge=1)]
    wallets: Annotated[int, Field(ge=1)]
    positives: Annotated[int, Field(ge=1)]
    first_cutoff: int
    last_cutoff: int
    calibration: Annotated[tuple[CalibrationWindow, ...], Field(min_length=1)]
    """In order of time. The last window was predicted by the booster that ships."""
    embargo_days: Annotated[int, Field(ge=0)]
    trees: Annotated[int, Field(ge=1, le=300)]
    depth: Annotated[int, Field(ge=1, le=4)]
    learning_rate: float
    seed: int
    engine: str = "local"
    """Where it was fitted: `local` gives the same bytes again, `dask` the same but for noise."""
    strata: tuple[StratumRecord, ...] = ()
    tuning: TuningRecord | None = None
    """None: the settings were given, not chosen."""
    challengers: tuple[ChallengerRecord, ...] = ()


class Manifest(_Part):
    """The whole manifest."""

    format: Literal[1]
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    model_class: Annotated[ModelClass, Field(strict=False)]
    outcome: Literal["liquidation_or_bad_debt"]
    population: str
    xgboost_version: str
    fold_version: int
    feature_schema_hash: Hex32
    features: tuple[str, ...]
    base_margin: HexFloat
    """Expected margin over the training rows, as TreeSHAP's last column: where an explanation starts."""
    scale: ScalePart
    reference_position: ReferencePart
    rescore_step_bps: Annotated[int, Field(ge=1, le=10_000)]
    """A health factor that moved by this share of itself calls for a new score."""
    files: dict[str, Hex32]
    """SHA-256 of every other file of the bundle, by name."""
    training: TrainingRecord
    evaluation: Evaluation


def parse_manifest(raw: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        InvalidInput: not JSON, a field missing, unknown or out of range.
    """
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"model manifest: {place or 'file'}: {first['msg']}") from exc


def render_manifest(manifest: Manifest) -> bytes:
    """The bytes that are hashed: JSON, two spaces, fields in the order of the class, one newline at the end."""
    return (manifest.model_dump_json(indent=2) + "\n").encode()
