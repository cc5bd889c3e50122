"""Every feature: name, family, unit, direction, bounds, definition. See `spec` for what a missing one holds.

Counts and days are integers; shares are basis points (10,000 = all), capped as said. Values of money are taken at the
prices of the as-of block. `bonafides scoring features` prints this, and docs/features.md is made from it.
"""

from bonafides_scoring.features.families import Direction, Family
from bonafides_scoring.features.spec import FeatureSpec
from bonafides_scoring.wallet_state import DAYS_KEPT

NEVER_DAYS = 1_095
"""Ages are capped at three years, which also stands for "never"."""
RECORD_DAYS = DAYS_KEPT
"""Window of the behaviour counts: 180 days."""
RECENT_DAYS = 30
NEWEST_DAYS = 7
CAPPED_BPS = 10_000
LEVERAGE_CAP_BPS = 20_000
HEALTH_FACTOR_CAP_BPS = 100_000
"""A health factor of 10: above it nothing changes."""
RECORD_COUNT_CAP = 20
"""More of the same act proves no more: it would let a record be bought."""
APART_DAYS = 30
"""Acts that speak for the borrower count once in so many days, and the first of the window not at all: one act costs
cents, but nobody can buy months."""
ACTS_CAP = (RECORD_DAYS - 1) // APART_DAYS
"""The most that fit into the window, less the first."""
DEBT_CAP_USD = 16_000_000
"""Below 2**24, so that float32 holds every whole dollar."""

_RISES, _FALLS = Direction.RISK_RISES, Direction.RISK_FALLS
_SHARE, _COUNT, _ACTS, _AGE = (0, CAPPED_BPS), (0, RECORD_COUNT_CAP), (0, ACTS_CAP), (0, NEVER_DAYS)


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
    best, worst = (highest, lowest) if direction is _FALLS else (lowest, highest)
    absent = best if absent_is_best else worst
    return FeatureSpec(name, family, unit, direction, lowest, highest, actionable, absent, definition)


def _risk(
    name: str, family: Family, unit: str, bounds: tuple[int, int], definition: str, *, actionable: bool = True
) -> FeatureSpec:
    """Something bad, whose absence is good."""
    return _spec(name, family, unit, _RISES, bounds, definition, actionable=actionable, absent_is_best=True)


FEATURES: tuple[FeatureSpec, ...] = (
    _spec(
        "debt_to_collateral_bps",
        Family.LEVERAGE,
        "bps",
        _RISES,
        (0, LEVERAGE_CAP_BPS),
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
        _SHARE,
        "How far the prices of assets without a dollar peg can move against the account before liquidation.",
    ),
    _spec(
        "price_exposure_bps",
        Family.COLLATERAL_QUALITY,
        "bps",
        _RISES,
        _SHARE,
        "Borrowing capacity of unpegged collateral less unpegged debt, without sign, over all borrowing capacity.",
    ),
    _spec(
        "liquidation_threshold_bps",
        Family.COLLATERAL_QUALITY,
        "bps",
        _FALLS,
        _SHARE,
        "Share of the collateral's value that debt may reach before liquidation: low where the protocol "
        "distrusts the asset.",
    ),
    _spec(
        "largest_collateral_share_bps",
        Family.DIVERSIFICATION,
        "bps",
        _RISES,
        _SHARE,
        "Share of the largest asset in the collateral.",
    ),
    _spec(
        "collateral_concentration_bps",
        Family.DIVERSIFICATION,
        "bps",
        _RISES,
        _SHARE,
        "Sum of the squared shares of the assets in the collateral: one asset gives all, n equal ones an nth.",
    ),
    _risk(
        "liquidation_days",
        Family.LIQUIDATION_RECORD,
        "days",
        _COUNT,
        "Distinct days with a liquidation, ever.",
        actionable=False,
    ),
    _spec(
        "days_since_liquidation",
        Family.LIQUIDATION_RECENCY,
        "days",
        _FALLS,
        _AGE,
        "Whole days since the newest liquidation.",
        absent_is_best=True,
    ),
    _spec(
        "days_since_first_loan",
        Family.TENURE,
        "days",
        _FALLS,
        _AGE,
        "Whole days since the first debt began that was open for over 14 days; without one, since the open debt began.",
        actionable=False,
    ),
    _spec(
        "days_in_debt",
        Family.TENURE,
        "days",
        _FALLS,
        _AGE,
        "Whole days with open debt, ever; only debts that were open for over 14 days without a break.",
        actionable=False,
    ),
    _spec(
        "repayments_180d",
        Family.REPAYMENT_RECORD,
        "count",
        _FALLS,
        _ACTS,
        "Repayments of at least 2 % of an asset's debt in the last 180 days, with nothing borrowed 14 days before and "
        "after; one in 30 days counts, and the first proves nothing.",
    ),
    _spec(
        "loans_closed",
        Family.REPAYMENT_RECORD,
        "count",
        _FALLS,
        _COUNT,
        "Times all debt was repaid after more than 14 days, and none taken for 14 days after.",
    ),
    _spec(
        "days_since_borrow",
        Family.RECENT_BORROWING,
        "days",
        _FALLS,
        _AGE,
        "Whole days since the newest borrowing.",
    ),
    _spec(
        "borrowed_30d_bps",
        Family.RECENT_BORROWING,
        "bps",
        _RISES,
        _SHARE,
        "What was borrowed in the last 30 days over the open debt.",
    ),
    _risk(
        "withdrawn_30d_bps",
        Family.COLLATERAL_OUTFLOW,
        "bps",
        _SHARE,
        "What was withdrawn or moved out in the last 30 days over the collateral before it.",
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
        "top_ups_180d",
        Family.POSITION_CARE,
        "count",
        _FALLS,
        _ACTS,
        "Top-ups of a supply balance by at least 2 % in the last 180 days, during debt, with nothing borrowed or "
        "withdrawn 14 days before and after; one in 30 days counts, and the first proves nothing.",
    ),
    _spec(
        "averted_180d",
        Family.POSITION_CARE,
        "count",
        _FALLS,
        _ACTS,
        "Such repayments and top-ups with no liquidation 7 days before and after: the debt was made safer before there "
        "was trouble, not because of it; one in 30 days counts, and the first proves nothing.",
    ),
    _risk(
        "borrow_days_180d",
        Family.BORROWING_INTENSITY,
        "days",
        _COUNT,
        "Days of the last 180 on which something was borrowed.",
    ),
    _risk(
        "loop_days_180d",
        Family.BORROWING_INTENSITY,
        "days",
        _COUNT,
        "Days of the last 180 that borrowed and added at least 2 % to a supply balance: leverage was built.",
    ),
    _spec(
        "leverage_rise_30d_bps",
        Family.RECENT_CHANGE,
        "bps",
        _RISES,
        (0, LEVERAGE_CAP_BPS),
        "How far debt over collateral stands above its lowest of the last 30 days, by what moved; all at prices of "
        "now.",
    ),
    _spec(
        "debt_rise_7d_bps",
        Family.RECENT_CHANGE,
        "bps",
        _RISES,
        _SHARE,
        "How far debt stands above its lowest of the last 7 days, by what moved, over the debt; prices of now.",
    ),
    _risk(
        "flash_days_180d",
        Family.INTEGRITY,
        "days",
        _COUNT,
        "Days of the last 180 with a transaction that borrowed and repaid the same asset, as a flash loan does.",
    ),
    _risk(
        "churned_30d_bps",
        Family.INTEGRITY,
        "bps",
        _SHARE,
        "Wash cycles: what was borrowed and repaid again in the last 30 days, over that and the open debt.",
    ),
    _spec(
        "days_funded",
        Family.INTEGRITY,
        "days",
        _FALLS,
        _AGE,
        "Fresh funding: whole days since which there has been a supply balance without a break.",
        actionable=False,
    ),
    _risk(
        "sent_away_30d_bps",
        Family.INTEGRITY,
        "bps",
        _SHARE,
        "Sybil likeness: collateral that went to other wallets in the last 30 days, over it and the collateral left.",
    ),
)
"""In the order of the model's columns."""
