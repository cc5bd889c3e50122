"""Words for people: families, reasons, statuses and values. Codes stay stable; these sentences may get better."""

from datetime import UTC, datetime

from bonafides.types import AdverseReason, AttestationStatus, ModelClass, UnscorableReason

from bonafides_scoring.features.schema import NEVER_DAYS, Family, FeatureSpec
from bonafides_scoring.store.provisional import Origin

SYNTHETIC_NOTICE = (
    "SYNTHETIC: this model was trained on a simulated market. Its number says nothing about a real person or wallet."
)

FAMILY_LABELS = {
    Family.LEVERAGE: "Leverage",
    Family.SAFETY_MARGIN: "Safety margin",
    Family.COLLATERAL_QUALITY: "Price risk of the collateral",
    Family.DIVERSIFICATION: "Spread of the collateral",
    Family.LIQUIDATION_RECORD: "Past liquidations",
    Family.LIQUIDATION_RECENCY: "Time since a liquidation",
    Family.TENURE: "Length of history",
    Family.REPAYMENT_RECORD: "Repayment record",
    Family.RECENT_BORROWING: "Recent borrowing",
    Family.COLLATERAL_OUTFLOW: "Withdrawn collateral",
    Family.DEBT_SIZE: "Size of the debt",
    Family.POSITION_CARE: "Care for the position",
    Family.BORROWING_INTENSITY: "How often it borrows",
    Family.RECENT_CHANGE: "Recent change",
    Family.INTEGRITY: "Pattern of the activity",
}

REASON_TEXTS = {
    AdverseReason.HIGH_LEVERAGE: "The debt is large for the collateral behind it.",
    AdverseReason.THIN_SAFETY_MARGIN: "A small move of prices would lead to liquidation.",
    AdverseReason.VOLATILE_COLLATERAL: "The position moves with the price of assets that swing.",
    AdverseReason.CONCENTRATED_COLLATERAL: "Most of the collateral is one asset.",
    AdverseReason.PAST_LIQUIDATIONS: "The wallet has been liquidated before.",
    AdverseReason.RECENT_LIQUIDATION: "A liquidation was not long ago.",
    AdverseReason.SHORT_HISTORY: "There is little borrowing history to go by.",
    AdverseReason.LITTLE_REPAYMENT: "Few debts were repaid by the borrower, bit by bit or to the end.",
    AdverseReason.RECENT_BORROWING: "Much was borrowed lately.",
    AdverseReason.COLLATERAL_WITHDRAWN: "Collateral was withdrawn lately.",
    AdverseReason.LARGE_DEBT: "The debt is large in itself.",
    AdverseReason.LOW_ACTIVITY: "The wallet has not looked after its position lately.",
    AdverseReason.FREQUENT_BORROWING: "The wallet borrows often, or builds leverage in loops.",
    AdverseReason.RISING_LEVERAGE: "The debt has grown for the collateral behind it lately.",
    AdverseReason.UNUSUAL_PATTERN: "The activity has an unusual pattern: fresh funds, flash loans, borrowing and "
    "repaying in circles, or collateral passed on.",
}

UNSCORABLE_TEXTS = {
    UnscorableReason.NO_CREDIT_HISTORY: "This wallet never had debt that lasted beyond one transaction, so there is "
    "nothing a score could rest on.",
    UnscorableReason.HISTORY_INCOMPLETE: "A part of this wallet's history could not be read. “Not read” must "
    "never look like “never liquidated”, so there is no score until it is read.",
    UnscorableReason.PRICE_UNKNOWN: "An asset of this wallet's open position, or one that it borrowed lately, has no "
    "known price at the as-of block.",
    UnscorableReason.POSITION_UNKNOWN: "This wallet has borrowed in a protocol that does not log what is owed, "
    "so its debt there cannot be told.",
}

ATTESTATION_TEXTS = {
    AttestationStatus.BUILT: "The signed document is being made.",
    AttestationStatus.SIGNED: "Signed; it waits for its batch.",
    AttestationStatus.QUEUED: "Signed; its batch waits to be published.",
    AttestationStatus.SENT: "Signed; the batch's root is on its way to the chain.",
    AttestationStatus.MINED: "Signed; the batch's root is in a block that is not final yet.",
    AttestationStatus.FINAL: "Signed, and the batch's root is final on the chain.",
    AttestationStatus.STUCK: "Signed, but its batch could not be published; it will be issued again.",
    AttestationStatus.REVOKED: "Revoked: verifiers refuse it.",
    AttestationStatus.SUPERSEDED: "A newer attestation has taken its place.",
    AttestationStatus.REFUSED: "The issuer's policy does not attest this score.",
    AttestationStatus.TOMBSTONE: "It could not be signed; its place in the batch says nothing.",
}
PROVISIONAL_TEXTS = {
    Origin.HEAD: "From blocks that are not final yet: a reorganisation of the chain may take it back.",
    Origin.HYDRATION: "From a history that was read on demand: it may not see all, and the full reading replaces it.",
}
NOT_ATTESTED = "This score has not been attested yet."

FEATURE_LABELS = {
    "debt_to_collateral_bps": "Debt for each dollar of collateral",
    "health_factor_bps": "Lowest health factor (1.00 = liquidation)",
    "price_buffer_bps": "Price move until liquidation",
    "price_exposure_bps": "Borrowing power that swings with prices",
    "liquidation_threshold_bps": "Debt that the collateral may carry",
    "largest_collateral_share_bps": "Largest asset in the collateral",
    "collateral_concentration_bps": "Concentration of the collateral",
    "liquidation_days": "Days with a liquidation, ever",
    "days_since_liquidation": "Since the newest liquidation",
    "days_since_first_loan": "Since the first loan",
    "days_in_debt": "Time with open debt, in all",
    "repayments_180d": "Repayments a month apart, after the first, in 180 days",
    "loans_closed": "Loans closed after at least two weeks",
    "days_since_borrow": "Since the newest loan",
    "borrowed_30d_bps": "Borrowed in 30 days, of the open debt",
    "withdrawn_30d_bps": "Collateral withdrawn in 30 days",
    "open_debt_usd": "Open debt",
    "top_ups_180d": "Top-ups a month apart, after the first, in 180 days",
    "averted_180d": "Months the debt was made safer before trouble, after the first, in 180 days",
    "borrow_days_180d": "Days with a borrowing, of the last 180",
    "loop_days_180d": "Days that built leverage in a loop, of the last 180",
    "leverage_rise_30d_bps": "Rise of the leverage in 30 days",
    "debt_rise_7d_bps": "Rise of the debt in 7 days",
    "flash_days_180d": "Days with a loan inside one transaction, of the last 180",
    "churned_30d_bps": "Borrowed and repaid again in 30 days",
    "days_funded": "Time with collateral, without a break",
    "sent_away_30d_bps": "Collateral sent to other wallets in 30 days",
}


def feature_label(name: str) -> str:
    """A feature's name for people."""
    return FEATURE_LABELS.get(name, name.replace("_", " ").capitalize())


def shown_value(spec: FeatureSpec, value: int) -> str:
    """A feature's value for people, such as `82 %`, `1.43`, `12 days` or `never`."""
    match spec.unit:
        case _ if spec.name == "health_factor_bps":
            return f"{value / 10_000:.2f}" + ("+" if value >= spec.highest else "")
        case "bps":
            return f"{value / 100:.0f} %"
        case "days" if value >= NEVER_DAYS:
            return "never, or over three years"
        case "days":
            return "1 day" if value == 1 else f"{value} days"
        case "USD":
            return f"${value:,}"
        case _:
            return f"{value}" + ("+" if value >= spec.highest else "")


def signed(points: int) -> str:
    """Points with their sign; a true minus, as read aloud."""
    return f"+{points}" if points > 0 else f"−{-points}" if points < 0 else "0"


def shown_time(timestamp: int) -> str:
    """UTC, to the minute."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")


def model_notice(model_class: ModelClass) -> str | None:
    """What must stand beside every number of this model."""
    return SYNTHETIC_NOTICE if model_class is ModelClass.SYNTHETIC else None
