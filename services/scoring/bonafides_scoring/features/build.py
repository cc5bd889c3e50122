"""Computes the feature vector of a subject: one function for training, serving, what-if and replay.

Integers all the way; each feature is clamped to its bounds and cast to float32 once, at the end. Nothing after the
as-of blocks can enter: a state that has seen more is refused.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bonafides.digests import feature_digest
from bonafides.errors import InvariantViolation
from bonafides.types import AsOf, ChainId, Digest

from bonafides_scoring.features.catalogue import CAPPED_BPS, LEVERAGE_CAP_BPS, NEVER_DAYS
from bonafides_scoring.features.recent import RecentFlows
from bonafides_scoring.features.record import RecordDays
from bonafides_scoring.features.schema import FEATURES, SCHEMA_HASH
from bonafides_scoring.features.shares import share_bps
from bonafides_scoring.fold import settle
from bonafides_scoring.market import BASE_UNIT, Account, MarketView, accounts
from bonafides_scoring.reference import ReferencePosition
from bonafides_scoring.wallet_state import SECONDS_PER_DAY, SETTLING_S, AssetKey, WalletState

OPEN_DEBT_FLOOR_BASE = BASE_UNIT
"""Debt under one dollar is dust left by rounding, not an open position."""
THIN_DAYS = 60
THIN_ACTIONS = 3
_WAD_PER_BPS = 10**14
_BOUNDS = tuple((spec.name, spec.lowest, spec.highest) for spec in FEATURES)
_FLOAT32 = struct.Struct(f">{len(FEATURES)}f")
"""The one cast. Every feature's bounds lie where float32 is exact."""


@dataclass(frozen=True, slots=True)
class FeatureVector:
    """What the model sees."""

    values: tuple[float, ...]
    """Exact in float32, in the order of `schema.FEATURES`, never NaN."""
    is_reference_position: bool
    """The position features are those of the reference position: the subject has no open debt."""
    is_thin: bool
    """Less history than `THIN_DAYS` of debt or fewer than `THIN_ACTIONS` borrowings and repayments."""

    @property
    def digest(self) -> Digest:
        """Feature digest of the receipt."""
        return feature_digest(SCHEMA_HASH, self.values)


def has_credit_history(states: Sequence[WalletState]) -> bool:
    """Whether any of the wallets ever borrowed something that stayed borrowed beyond its transaction, or owes now."""
    return any(settle(state).borrow_count > 0 or state.has_open_debt for state in states)


def open_accounts(states: Sequence[WalletState], views: Sequence[MarketView]) -> list[Account]:
    """The subject's accounts that owe at least a dollar.

    Raises:
        MarketMissing: an asset of a position cannot be valued.
    """
    by_chain = {view.block.chain_id: view for view in views}
    return [
        account
        for state in states
        for account in accounts(state, by_chain[state.chain_id], only_indebted=True)
        if account.debt_base >= OPEN_DEBT_FLOOR_BASE
    ]


def feature_vector(
    states: Sequence[WalletState], views: Sequence[MarketView], as_of: AsOf, reference: ReferencePosition
) -> FeatureVector:
    """Features of the subject that these states make up, as of these blocks.

    `states` holds one state per wallet and chain with any history; `views` one view per chain of the AsOf.

    Raises:
        MarketMissing: an asset of an open position, or one borrowed in the last 30 days, cannot be valued.
        InvariantViolation: a state has seen an event after its chain's as-of block, or a view is of another block.
    """
    by_chain = {view.block.chain_id: view for view in views}
    for block in as_of.blocks:
        view = by_chain.get(block.chain_id)
        if view is None or view.block != block:
            raise InvariantViolation(f"the market view of chain {block.chain_id} is not of the as-of block")
    settled = [settle(_checked(state, by_chain)) for state in states]
    exposed = open_accounts(settled, views)
    values = _record_values(settled, as_of.time)
    flows = RecentFlows.of(settled, by_chain, as_of.time)
    values |= _position_values(exposed, flows) if exposed else _reference_values(reference, flows)
    clamped = [low if (value := values[name]) < low else high if value > high else value for name, low, high in _BOUNDS]
    credit_actions = sum(state.borrow_count + state.repayment_count for state in settled)
    return FeatureVector(
        values=_FLOAT32.unpack(_FLOAT32.pack(*clamped)),
        is_reference_position=not exposed,
        is_thin=values["days_in_debt"] < THIN_DAYS or credit_actions < THIN_ACTIONS,
    )


def _record_values(states: Sequence[WalletState], now: int) -> dict[str, int]:
    days = RecordDays.of(states, now)
    first_loan = _oldest([_first_loan(state) for state in states])
    return {
        "liquidation_days": sum(state.liquidation_days for state in states),
        "days_since_liquidation": _days_since(
            _newest([state.liquidated_at[-1] for state in states if state.liquidated_at]), now, never=NEVER_DAYS
        ),
        "days_since_first_loan": _days_since(first_loan, now, never=0),
        "days_in_debt": max((_indebted_seconds(state, now) for state in states), default=0) // SECONDS_PER_DAY,
        "repayments_180d": days.repaid,
        "loans_closed": sum(state.closed_count for state in states),
        "days_since_borrow": _days_since(_newest([state.last_borrow for state in states]), now, never=0),
        "top_ups_180d": days.topped_up,
        "averted_180d": days.averted,
        "borrow_days_180d": days.borrowed,
        "loop_days_180d": days.looped,
        "flash_days_180d": days.flashed,
        "days_funded": _days_since(_oldest([state.supplied_since for state in states]), now, never=0),
    }


def _first_loan(state: WalletState) -> int | None:
    return state.debt_since if state.first_loan is None else state.first_loan


def _indebted_seconds(state: WalletState, now: int) -> int:
    lasted = 0 if state.debt_since is None else now - state.debt_since
    return state.indebted_seconds + (lasted if lasted > SETTLING_S else 0)


def _position_values(exposed: Sequence[Account], flows: RecentFlows) -> dict[str, int]:
    collateral = sum([account.collateral_base for account in exposed])
    debt = sum([account.debt_base for account in exposed])
    capacity = sum([account.capacity_base for account in exposed])
    exposures = [_net_exposure(account) for account in exposed]
    per_asset: dict[AssetKey, int] = {}
    for account in exposed:
        for holding in account.holdings:
            per_asset[holding.key] = per_asset.get(holding.key, 0) + holding.collateral_base
    squares = sum([value * value for value in per_asset.values()])
    return {
        "debt_to_collateral_bps": share_bps(debt, collateral, of_nothing=LEVERAGE_CAP_BPS, cap=LEVERAGE_CAP_BPS),
        "health_factor_bps": min([account.health_factor_wad for account in exposed]) // _WAD_PER_BPS,
        "price_buffer_bps": min(
            [_price_buffer_bps(account, exposure) for account, exposure in zip(exposed, exposures, strict=True)]
        ),
        "price_exposure_bps": share_bps(sum([abs(one) for one in exposures]), capacity, of_nothing=CAPPED_BPS),
        "liquidation_threshold_bps": share_bps(capacity, collateral, of_nothing=0),
        "largest_collateral_share_bps": share_bps(max(per_asset.values()), collateral, of_nothing=CAPPED_BPS),
        "collateral_concentration_bps": share_bps(squares, collateral * collateral, of_nothing=CAPPED_BPS),
        "borrowed_30d_bps": share_bps(flows.borrowed, debt, of_nothing=CAPPED_BPS),
        "withdrawn_30d_bps": share_bps(flows.withdrawn, collateral + flows.withdrawn, of_nothing=0),
        "open_debt_usd": debt // BASE_UNIT,
        "leverage_rise_30d_bps": flows.leverage_rise_bps(debt, collateral),
        "debt_rise_7d_bps": flows.debt_rise_bps(debt),
        "churned_30d_bps": share_bps(flows.churned, flows.churned + debt, of_nothing=0),
        "sent_away_30d_bps": share_bps(flows.sent, flows.sent + collateral, of_nothing=0),
    }


def _reference_values(reference: ReferencePosition, flows: RecentFlows) -> dict[str, int]:
    """The position as if it were opened now: the loan is new, and all of it has just been borrowed."""
    debt, collateral = reference.debt_usd * BASE_UNIT, reference.collateral_usd * BASE_UNIT
    return {
        "debt_to_collateral_bps": reference.debt_to_collateral_bps,
        "health_factor_bps": reference.health_factor_bps,
        "price_buffer_bps": reference.price_buffer_bps,
        "price_exposure_bps": CAPPED_BPS,
        "liquidation_threshold_bps": reference.liquidation_threshold_bps,
        "largest_collateral_share_bps": CAPPED_BPS,
        "collateral_concentration_bps": CAPPED_BPS,
        "borrowed_30d_bps": CAPPED_BPS,
        "withdrawn_30d_bps": 0,
        "open_debt_usd": reference.debt_usd,
        "days_since_borrow": 0,
        "leverage_rise_30d_bps": reference.debt_to_collateral_bps,
        "debt_rise_7d_bps": CAPPED_BPS,
        "churned_30d_bps": share_bps(flows.churned, flows.churned + debt, of_nothing=0),
        "sent_away_30d_bps": share_bps(flows.sent, flows.sent + collateral, of_nothing=0),
    }


def _net_exposure(account: Account) -> int:
    """How much the free borrowing capacity loses when all unpegged prices fall by all; negative for a short."""
    return sum(
        [
            holding.collateral_base * holding.threshold_bps // CAPPED_BPS - holding.debt_base
            for holding in account.holdings
            if not holding.is_pegged
        ]
    )


def _price_buffer_bps(account: Account, exposure: int) -> int:
    free = account.capacity_base - account.debt_base
    return share_bps(free, abs(exposure), of_nothing=CAPPED_BPS) if free > 0 else 0


def _days_since(time: int | None, now: int, *, never: int) -> int:
    return never if time is None else max(0, now - time) // SECONDS_PER_DAY


def _newest(times: Sequence[int | None]) -> int | None:
    return max([time for time in times if time is not None], default=None)


def _oldest(times: Sequence[int | None]) -> int | None:
    return min([time for time in times if time is not None], default=None)


def _checked(state: WalletState, views: Mapping[ChainId, MarketView]) -> WalletState:
    view = views.get(state.chain_id)
    if view is None:
        raise InvariantViolation(f"a wallet has history on chain {state.chain_id}, which the AsOf does not name")
    if state.last_order is not None and state.last_order[0] > view.block.number:
        raise InvariantViolation(
            f"a wallet state has seen block {state.last_order[0]}, after the as-of block {view.block.number}"
        )
    return state
