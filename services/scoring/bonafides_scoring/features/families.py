"""Families of features: what is explained as one line, with one stable reason code each."""

from enum import StrEnum

from bonafides.types import AdverseReason


class Family(StrEnum):
    """Groups of features that are explained as one. Each has one reason code."""

    LEVERAGE = "leverage"
    SAFETY_MARGIN = "safety_margin"
    COLLATERAL_QUALITY = "collateral_quality"
    DIVERSIFICATION = "diversification"
    LIQUIDATION_RECORD = "liquidation_record"
    LIQUIDATION_RECENCY = "liquidation_recency"
    TENURE = "tenure"
    REPAYMENT_RECORD = "repayment_record"
    RECENT_BORROWING = "recent_borrowing"
    COLLATERAL_OUTFLOW = "collateral_outflow"
    DEBT_SIZE = "debt_size"
    POSITION_CARE = "position_care"
    BORROWING_INTENSITY = "borrowing_intensity"
    RECENT_CHANGE = "recent_change"
    INTEGRITY = "integrity"


REASON_OF_FAMILY = {
    Family.LEVERAGE: AdverseReason.HIGH_LEVERAGE,
    Family.SAFETY_MARGIN: AdverseReason.THIN_SAFETY_MARGIN,
    Family.COLLATERAL_QUALITY: AdverseReason.VOLATILE_COLLATERAL,
    Family.DIVERSIFICATION: AdverseReason.CONCENTRATED_COLLATERAL,
    Family.LIQUIDATION_RECORD: AdverseReason.PAST_LIQUIDATIONS,
    Family.LIQUIDATION_RECENCY: AdverseReason.RECENT_LIQUIDATION,
    Family.TENURE: AdverseReason.SHORT_HISTORY,
    Family.REPAYMENT_RECORD: AdverseReason.LITTLE_REPAYMENT,
    Family.RECENT_BORROWING: AdverseReason.RECENT_BORROWING,
    Family.COLLATERAL_OUTFLOW: AdverseReason.COLLATERAL_WITHDRAWN,
    Family.DEBT_SIZE: AdverseReason.LARGE_DEBT,
    Family.POSITION_CARE: AdverseReason.LOW_ACTIVITY,
    Family.BORROWING_INTENSITY: AdverseReason.FREQUENT_BORROWING,
    Family.RECENT_CHANGE: AdverseReason.RISING_LEVERAGE,
    Family.INTEGRITY: AdverseReason.UNUSUAL_PATTERN,
}


class Direction(StrEnum):
    """How the risk moves when the value rises; the model is held to it."""

    RISK_RISES = "risk_rises"
    RISK_FALLS = "risk_falls"

    @property
    def constraint(self) -> int:
        """The monotone constraint on log-odds of the outcome: +1 or -1."""
        return 1 if self is Direction.RISK_RISES else -1


FAMILIES: tuple[Family, ...] = tuple(Family)
"""In the order of receipts and explanations."""
