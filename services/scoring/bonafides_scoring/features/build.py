"""Computes the feature vector of a subject: one function for training, serving, what-if and replay.

Integers all the way; each feature is clamped to its bounds and cast to float32 once, at the end. Nothing after the
as-of blocks can enter: a state that has seen more is refused.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bonafides.digests import feature_digest
from bonafides.errors import InvariantViolation
from bonafides.types import AsOf, ChainId, Digest

from bonafides_scoring.features.schema import CAPPED_BPS, FEATURES, PLACE_OF, RECENT_DAYS, RECORD_DAYS, SCHEMA_HASH
from bonafides_scoring.fold import settle
from bonafides_scoring.market import BASE_UNIT, Account, MarketMissing, MarketView, accounts
from bonafides_scoring.reference import ReferencePosition
from bonafides_scoring.wallet_state import SECONDS_PER_DAY, AssetFlow, AssetKey, AssetState, DayTally, WalletState

OPEN_DEBT_FLOOR_BASE = BASE_UNIT
"""Debt under one dollar is dust left by rounding, not an open position."""
THIN_DAYS = 60
THIN_ACTIONS = 3
_WAD_PER_BPS = 10**14


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
        MarketMissing: an asset of an open position, or one that was ever borrowed, cannot be valued.
        InvariantViolation: a state has seen an event after its chain's as-of block, or a view is of another block.
    """
    by_chain = {view.block.chain_id: view for view in views}
    for block in as_of.blocks:
        view = by_chain.get(block.chain_id)
        if view is None or view.block != block:
            raise InvariantViolation(f"the market view of chain {block.chain_id} is not of the as-of block")
    settled = [settle(_checked(state, by_chain)) for state in states]
    exposed = open_accounts(settled, views)
    record = _Record(settled, by_chain, as_of.time)
    values = _record_values(record)
    values |= _position_values(exposed, record) if exposed else _reference_values(reference)
    return FeatureVector(
        values=tuple(_float32(max(spec.lowest, min(spec.highest, values[spec.name]))) for spec in FEATURES),
        is_reference_position=not exposed,
        is_thin=values["days_in_debt"] < THIN_DAYS or record.credit_actions < THIN_ACTIONS,
    )


class _Record:
    """What the settled states say, in integers and at as-of prices."""

    def __init__(self, states: Sequence[WalletState], views: Mapping[ChainId, MarketView], now: int) -> None:
        self.states, self.now = states, now
        self._views = views
        self.credit_actions = sum(state.borrow_count + state.repayment_count for state in states)

    def days_since(self, time: int | None, name: str) -> int:
        """Whole days since then; the feature's value for "never" when there was none."""
        return FEATURES[PLACE_OF[name]].absent if time is None else max(0, self.now - time) // SECONDS_PER_DAY

    def check_debts(self) -> None:
        """Raise MarketMissing where an asset that was ever borrowed has no price: left out, it would be a loan that was
        never liquidated, or never repaid. What was only collateral needs none."""
        for state in self.states:
            for key, asset in state.assets:
                has_owed = asset.borrowed or asset.liquidated or asset.bad_debt
                if has_owed and key not in self._views[state.chain_id].reserves:
                    raise MarketMissing(
                        f"an asset of {key.deployment} that was borrowed has no price at the as-of block"
                    )

    def total_base(self, amount: Callable[[AssetState], int]) -> int:
        """Value of a whole-life total over the assets whose price is known."""
        return sum(
            self._value(state.chain_id, key, amount(asset)) for state in self.states for key, asset in state.assets
        )

    def recent_base(self, amount: Callable[[AssetFlow], int]) -> int:
        """Value of what flowed in the last `RECENT_DAYS`."""
        return sum(
            self._value(state.chain_id, flow.key, amount(flow))
            for state, tally in self._tallies(RECENT_DAYS)
            for flow in tally.flows
        )

    def count_days(self, holds: Callable[[DayTally], bool]) -> int:
        """Distinct days of the last `RECORD_DAYS` for which this holds."""
        return len({tally.day for _, tally in self._tallies(RECORD_DAYS) if holds(tally)})

    def _tallies(self, days: int) -> list[tuple[WalletState, DayTally]]:
        first = self.now // SECONDS_PER_DAY - days
        return [(state, tally) for state in self.states for tally in state.days if tally.day > first]

    def _value(self, chain_id: ChainId, key: AssetKey, amount: int) -> int:
        reserve = self._views[chain_id].reserves.get(key) if amount else None
        return reserve.base_value(amount) if reserve is not None else 0


def _record_values(record: _Record) -> dict[str, int]:
    record.check_debts()
    states = record.states
    liquidated_at = [time for state in states for time in state.liquidated_at]
    borrowed = record.total_base(lambda asset: asset.borrowed)
    lost = record.total_base(lambda asset: asset.liquidated + asset.bad_debt)
    repaid = record.total_base(lambda asset: asset.repaid)
    in_debt_s = max(
        (
            state.indebted_seconds + (max(0, record.now - state.debt_since) if state.debt_since is not None else 0)
            for state in states
        ),
        default=0,
    )
    return {
        "liquidation_days": sum(state.liquidation_days for state in states),
        "liquidated_share_bps": _share(lost, borrowed, of_nothing=CAPPED_BPS if lost else 0),
        "days_since_liquidation": record.days_since(_newest(liquidated_at), "days_since_liquidation"),
        "days_since_first_borrow": record.days_since(
            _oldest([state.first_borrow for state in states]), "days_since_first_borrow"
        ),
        "days_in_debt": in_debt_s // SECONDS_PER_DAY,
        "repaid_share_bps": _share(repaid, borrowed, of_nothing=0),
        "repayment_days_180d": record.count_days(lambda tally: tally.repayments > 0),
        "loans_closed": sum(state.closed_count for state in states),
        "days_since_borrow": record.days_since(_newest([state.last_borrow for state in states]), "days_since_borrow"),
        "days_since_action": record.days_since(_newest([state.last_action for state in states]), "days_since_action"),
        "active_days_180d": record.count_days(lambda tally: tally.actions > 0),
        "top_up_days_180d": record.count_days(_is_top_up),
    }


def _is_top_up(tally: DayTally) -> bool:
    """A day that borrows as well is a loop or a bigger bet, not care."""
    return tally.top_ups > 0 and not any(flow.borrowed for flow in tally.flows)


def _position_values(open_accounts: Sequence[Account], record: _Record) -> dict[str, int]:
    collateral = sum(account.collateral_base for account in open_accounts)
    debt = sum(account.debt_base for account in open_accounts)
    capacity = sum(account.capacity_base for account in open_accounts)
    per_asset: dict[AssetKey, int] = {}
    for account in open_accounts:
        for holding in account.holdings:
            per_asset[holding.key] = per_asset.get(holding.key, 0) + holding.collateral_base
    withdrawn = record.recent_base(lambda flow: flow.withdrawn)
    return {
        "debt_to_collateral_bps": _share(debt, collateral, of_nothing=FEATURES[0].highest, cap=FEATURES[0].highest),
        "health_factor_bps": min(account.health_factor_wad for account in open_accounts) // _WAD_PER_BPS,
        "price_buffer_bps": min(_price_buffer_bps(account) for account in open_accounts),
        "price_exposure_bps": _share(
            sum(abs(_net_exposure(account)) for account in open_accounts), capacity, of_nothing=CAPPED_BPS
        ),
        "largest_collateral_share_bps": _share(max(per_asset.values()), collateral, of_nothing=CAPPED_BPS),
        "borrowed_30d_bps": _share(record.recent_base(lambda flow: flow.borrowed), debt, of_nothing=CAPPED_BPS),
        "withdrawn_30d_bps": _share(withdrawn, collateral + withdrawn, of_nothing=0),
        "open_debt_usd": debt // BASE_UNIT,
    }


def _reference_values(reference: ReferencePosition) -> dict[str, int]:
    """The position as if it were opened now: the loan is new, and the wallet has just acted."""
    return {
        "debt_to_collateral_bps": reference.debt_to_collateral_bps,
        "health_factor_bps": reference.health_factor_bps,
        "price_buffer_bps": reference.price_buffer_bps,
        "price_exposure_bps": CAPPED_BPS,
        "largest_collateral_share_bps": CAPPED_BPS,
        "borrowed_30d_bps": CAPPED_BPS,
        "withdrawn_30d_bps": 0,
        "open_debt_usd": reference.debt_usd,
        "days_since_borrow": 0,
        "days_since_action": 0,
    }


def _net_exposure(account: Account) -> int:
    """How much the free borrowing capacity loses when all unpegged prices fall by all; negative for a short."""
    return sum(
        holding.collateral_base * holding.threshold_bps // CAPPED_BPS - holding.debt_base
        for holding in account.holdings
        if not holding.is_pegged
    )


def _price_buffer_bps(account: Account) -> int:
    free, exposure = account.capacity_base - account.debt_base, abs(_net_exposure(account))
    if free <= 0:
        return 0
    return _share(free, exposure, of_nothing=CAPPED_BPS)


def _share(part: int, whole: int, *, of_nothing: int, cap: int = CAPPED_BPS) -> int:
    return min(cap, part * CAPPED_BPS // whole) if whole > 0 else of_nothing


def _newest(times: Sequence[int | None]) -> int | None:
    return max((time for time in times if time is not None), default=None)


def _oldest(times: Sequence[int | None]) -> int | None:
    return min((time for time in times if time is not None), default=None)


def _checked(state: WalletState, views: Mapping[ChainId, MarketView]) -> WalletState:
    view = views.get(state.chain_id)
    if view is None:
        raise InvariantViolation(f"a wallet has history on chain {state.chain_id}, which the AsOf does not name")
    if state.last_order is not None and state.last_order[0] > view.block.number:
        raise InvariantViolation(
            f"a wallet state has seen block {state.last_order[0]}, after the as-of block {view.block.number}"
        )
    return state


def _float32(value: int) -> float:
    """The one cast. Every feature's bounds lie where float32 is exact."""
    cast: float = struct.unpack(">f", struct.pack(">f", value))[0]
    return cast
