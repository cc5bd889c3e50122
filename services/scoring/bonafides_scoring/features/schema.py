"""The catalogue of features: what the model sees, in this order, and nothing else.

No feature is ever missing. Where something never happened the feature holds the value that `absent` names, so that a
wallet can't gain by hiding: "never repaid" reads like the worst record, not like an unknown one. Only "never
liquidated" reads like the best, and that is honest, because an unread history is refused before it comes here.

Counts and days are integers; shares are basis points (10,000 = all), capped as said. Values of money are taken at the
prices of the as-of block.
"""

import struct
from dataclasses import dataclass

from bonafides.digests import encode_text
from bonafides.hashing import sha256
from bonafides.types import Digest

from bonafides_scoring.features.families import FAMILIES, REASON_OF_FAMILY, Direction, Family

__all__ = [
    "FAMILIES",
    "FEATURES",
    "FEATURE_NAMES",
    "PLACE_OF",
    "REASON_OF_FAMILY",
    "SCHEMA_HASH",
    "Direction",
    "Family",
    "FeatureSpec",
    "schema_hash",
]

NEVER_DAYS = 1_095
"""Ages are capped at three years, which also stands for "never"."""
RECORD_DAYS = 180
"""Window of the behaviour counts."""
RECENT_DAYS = 30
CAPPED_BPS = 10_000
HEALTH_FACTOR_CAP_BPS = 100_000
"""A health factor of 10: above it nothing changes."""
RECORD_COUNT_CAP = 20
"""More of the same act proves no more: it would let a record be bought."""
DEBT_CAP_USD = 16_000_000
"""Below 2**24, so that float32 holds every whole dollar."""


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature."""

    name: str
    family: Family
    unit: str
    direction: Direction
    lowest: int
    highest: int
    """Inclusive bounds: values are clamped to them before they become float32."""
    is_actionable: bool
    """Whether the borrower can move it by what he does within 90 days."""
    absent: int
    """Its value where the thing never happened."""
    definition: str

    @property
    def best(self) -> int:
        """The value with the least risk."""
        return self.highest if self.direction is Direction.RISK_FALLS else self.lowest

    @property
    def worst(self) -> int:
        """The value with the most risk."""
        return self.lowest if self.direction is Direction.RISK_FALLS else self.highest


_RISES, _FALLS = Direction.RISK_RISES, Direction.RISK_FALLS


def _spec(
    name: str,
    family: Family,
    unit: str,
    direction: Direction,
    bounds: tuple[int, int],
    definition: str,
    *,
    actionable: bool = True,
    absent_is_best: bool = False,
) -> FeatureSpec:
    lowest, highest = bounds
    best = highest if direction is _FALLS else lowest
    worst = lowest if direction is _FALLS else highest
    return FeatureSpec(
        name, family, unit, direction, lowest, highest, actionable, best if absent_is_best else worst, definition
    )


FEATURES: tuple[FeatureSpec, ...] = (
    _spec(
        "debt_to_collateral_bps",
        Family.LEVERAGE,
        "bps",
        _RISES,
        (0, 20_000),
        "Open debt over collateral in use.",
    ),
    _spec(
        "health_factor_bps",
        Family.SAFETY_MARGIN,
        "bps",
        _FALLS,
        (0, HEALTH_FACTOR_CAP_BPS),
        "Lowest health factor among the accounts with open debt; 10,000 is the liquidation line.",
    ),
    _spec(
        "price_buffer_bps",
        Family.SAFETY_MARGIN,
        "bps",
        _FALLS,
        (0, CAPPED_BPS),
        "How far the prices of assets without a dollar peg can move against the account before liquidation.",
    ),
    _spec(
        "price_exposure_bps",
        Family.COLLATERAL_QUALITY,
        "bps",
        _RISES,
        (0, CAPPED_BPS),
        "Borrowing capacity of unpegged collateral less unpegged debt, without sign, over all borrowing capacity.",
    ),
    _spec(
        "largest_collateral_share_bps",
        Family.CONCENTRATION,
        "bps",
        _RISES,
        (0, CAPPED_BPS),
        "Share of the largest asset in the collateral.",
    ),
    _spec(
        "liquidation_days",
        Family.LIQUIDATION_RECORD,
        "days",
        _RISES,
        (0, RECORD_COUNT_CAP),
        "Distinct days with a liquidation, ever.",
        actionable=False,
        absent_is_best=True,
    ),
    _spec(
        "liquidated_share_bps",
        Family.LIQUIDATION_RECORD,
        "bps",
        _RISES,
        (0, CAPPED_BPS),
        "Debt that liquidators repaid or that went bad, over all that was ever borrowed.",
        actionable=False,
        absent_is_best=True,
    ),
    _spec(
        "days_since_liquidation",
        Family.LIQUIDATION_RECENCY,
        "days",
        _FALLS,
        (0, NEVER_DAYS),
        "Whole days since the newest liquidation.",
        absent_is_best=True,
    ),
    _spec(
        "days_since_first_borrow",
        Family.TENURE,
        "days",
        _FALLS,
        (0, NEVER_DAYS),
        "Whole days since the first borrowing that counts.",
        actionable=False,
    ),
    _spec(
        "days_in_debt",
        Family.TENURE,
        "days",
        _FALLS,
        (0, NEVER_DAYS),
        "Whole days with open debt, ever.",
        actionable=False,
    ),
    _spec(
        "repaid_share_bps",
        Family.REPAYMENT_RECORD,
        "bps",
        _FALLS,
        (0, CAPPED_BPS),
        "Debt repaid by or for the owner over all that was ever borrowed.",
    ),
    _spec(
        "repayment_days_180d",
        Family.REPAYMENT_RECORD,
        "days",
        _FALLS,
        (0, RECORD_COUNT_CAP),
        "Days of the last 180 with a repayment of at least 2 % of an asset's debt.",
    ),
    _spec(
        "loans_closed",
        Family.REPAYMENT_RECORD,
        "count",
        _FALLS,
        (0, RECORD_COUNT_CAP),
        "Times all debt was repaid after at least a week.",
    ),
    _spec(
        "days_since_borrow",
        Family.RECENT_BORROWING,
        "days",
        _FALLS,
        (0, NEVER_DAYS),
        "Whole days since the newest borrowing.",
    ),
    _spec(
        "borrowed_30d_bps",
        Family.RECENT_BORROWING,
        "bps",
        _RISES,
        (0, CAPPED_BPS),
        "What was borrowed in the last 30 days over the open debt.",
    ),
    _spec(
        "withdrawn_30d_bps",
        Family.COLLATERAL_OUTFLOW,
        "bps",
        _RISES,
        (0, CAPPED_BPS),
        "What was withdrawn or moved out in the last 30 days over the collateral before it.",
        absent_is_best=True,
    ),
    _spec(
        "open_debt_usd",
        Family.DEBT_SIZE,
        "USD",
        _RISES,
        (0, DEBT_CAP_USD),
        "Open debt in whole dollars.",
    ),
    _spec(
        "days_since_action",
        Family.POSITION_CARE,
        "days",
        _RISES,
        (0, NEVER_DAYS),
        "Whole days since the wallet itself last moved anything.",
    ),
    _spec(
        "active_days_180d",
        Family.POSITION_CARE,
        "days",
        _FALLS,
        (0, RECORD_COUNT_CAP),
        "Days of the last 180 on which the wallet itself moved something.",
    ),
    _spec(
        "top_up_days_180d",
        Family.POSITION_CARE,
        "days",
        _FALLS,
        (0, RECORD_COUNT_CAP),
        "Days of the last 180 that added at least 2 % to a supply balance while there was debt, without borrowing.",
    ),
)
"""In the order of the model's columns."""

FEATURE_NAMES: tuple[str, ...] = tuple(spec.name for spec in FEATURES)
PLACE_OF = {spec.name: place for place, spec in enumerate(FEATURES)}


def schema_hash(features: tuple[FeatureSpec, ...] = FEATURES) -> Digest:
    """Digest of the catalogue: order, names, families, units, directions, bounds, what absence means, definitions."""
    rows = [
        b"".join(
            (
                encode_text(spec.name),
                encode_text(spec.family.value),
                encode_text(spec.unit),
                encode_text(spec.direction.value),
                struct.pack(">qqq?", spec.lowest, spec.highest, spec.absent, spec.is_actionable),
                encode_text(spec.definition),
            )
        )
        for spec in features
    ]
    return sha256(b"bonafides/feature-schema/1", struct.pack(">I", len(rows)), *rows)


SCHEMA_HASH = schema_hash()
