"""Adverse reasons in words, with the wallet's own values. The codes are stable; the texts may be improved.

A text speaks only of features that the model was given, and only of what the wallet did or holds.
"""

from bonafides.types import AdverseReason

from bonafides_scoring.features.schema import NEVER_DAYS, PLACE_OF
from bonafides_scoring.prediction import Values


def reason_text(reason: AdverseReason, values: Values) -> str:
    """One sentence for the borrower."""
    shown = _Shown(values)
    match reason:
        case AdverseReason.HIGH_LEVERAGE:
            return f"Your open debt is {shown.percent('debt_to_collateral_bps')} of your collateral."
        case AdverseReason.THIN_SAFETY_MARGIN:
            return (
                f"Your health factor is {shown.ratio('health_factor_bps')}; prices that move against you by "
                f"{shown.percent('price_buffer_bps')} lead to liquidation."
            )
        case AdverseReason.VOLATILE_COLLATERAL:
            return (
                f"{shown.percent('price_exposure_bps')} of your borrowing capacity rises and falls with prices that "
                "have no dollar peg."
            )
        case AdverseReason.CONCENTRATED_COLLATERAL:
            return f"{shown.percent('largest_collateral_share_bps')} of your collateral is one asset."
        case AdverseReason.PAST_LIQUIDATIONS:
            return (
                f"You were liquidated on {shown.count('liquidation_days', 'day')}; liquidations repaid "
                f"{shown.percent('liquidated_share_bps')} of all you ever borrowed."
            )
        case AdverseReason.RECENT_LIQUIDATION:
            return f"Your last liquidation was {shown.ago('days_since_liquidation')}."
        case AdverseReason.SHORT_HISTORY:
            return (
                f"Your first loan was {shown.ago('days_since_first_borrow')}, and you have carried debt for "
                f"{shown.count('days_in_debt', 'day')}."
            )
        case AdverseReason.LITTLE_REPAYMENT:
            return (
                f"You have repaid {shown.percent('repaid_share_bps')} of all you ever borrowed, on "
                f"{shown.count('repayment_days_180d', 'day')} of the last 180."
            )
        case AdverseReason.RECENT_BORROWING:
            return (
                f"You last borrowed {shown.ago('days_since_borrow')}; the last 30 days' loans are "
                f"{shown.percent('borrowed_30d_bps')} of your open debt."
            )
        case AdverseReason.COLLATERAL_WITHDRAWN:
            return f"In the last 30 days you took out {shown.percent('withdrawn_30d_bps')} of your collateral."
        case AdverseReason.LARGE_DEBT:
            return f"Your open debt is {shown.number('open_debt_usd'):,} USD."
        case AdverseReason.LOW_ACTIVITY:
            return (
                f"You last acted {shown.ago('days_since_action')}, on {shown.count('active_days_180d', 'day')} of the "
                "last 180."
            )


class _Shown:
    def __init__(self, values: Values) -> None:
        self._values = values

    def number(self, name: str) -> int:
        return int(self._values[PLACE_OF[name]])

    def percent(self, name: str) -> str:
        return f"{self.number(name) / 100:.0f} %"

    def ratio(self, name: str) -> str:
        return f"{self.number(name) / 10_000:.2f}"

    def count(self, name: str, unit: str) -> str:
        number = self.number(name)
        return f"{number} {unit}" if number == 1 else f"{number} {unit}s"

    def ago(self, name: str) -> str:
        days = self.number(name)
        if days == 0:
            return "today"
        return "never, or over three years ago" if days >= NEVER_DAYS else f"{self.count(name, 'day')} ago"
