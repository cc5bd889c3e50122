"""Folds a wallet's events on one chain into its state: the same state in one go or event by event.

    events in canonical order ──► fold ──► WalletState ──► settle ──► features
                                    ▲            │
                                    └────────────┘  later events, strictly after `last_order`

The newest transaction stays pending until a later one begins, because an amount that one transaction moves forth and
back must not count: only its end says what it came to. `settle` closes it when the state is read.

What is undone within `SETTLING_DAYS` leaves nothing that could speak for the wallet:

    borrow ── 5 days ── repay          the repayment does not count: something was borrowed just before
    repay  ── 5 days ── borrow         it counts for five days, and is taken back
    owe nothing ── 5 days ── borrow    the loan was not closed, it goes on
"""

from collections.abc import Iterable

from bonafides.errors import InvariantViolation
from bonafides.events import LendingEvent, SubIndexKey, sub_index
from bonafides.types import Address, ChainId, EventType, Protocol, Role

from bonafides_scoring import interest
from bonafides_scoring.fold_parts import Asset, Flow, proves_debt
from bonafides_scoring.fold_record import Record
from bonafides_scoring.state_codec import decode_state, encode_state
from bonafides_scoring.wallet_state import (
    FOLD_VERSION,
    AssetKey,
    AssetState,
    PendingTransaction,
    WalletState,
)

__all__ = ["FOLD_VERSION", "Folder", "WalletState", "decode_state", "empty_state", "encode_state", "fold", "settle"]

PROTOCOLS_WITHOUT_DEBT_LEDGER = frozenset({Protocol.COMPOUND_V3})
"""Comet logs no index: what is owed there, and what a debt cost that was paid back, no log tells."""
LIQUIDATION = sub_index(SubIndexKey(EventType.LIQUIDATED, Role.OWNER))
"""Of the event that is a liquidation, whatever its amount. Other legs tell of further collateral of the same one."""


def empty_state(wallet: Address, chain_id: ChainId) -> WalletState:
    """The state of a wallet of which nothing is known yet."""
    return WalletState(wallet, chain_id)


def fold(state: WalletState, events: Iterable[LendingEvent]) -> WalletState:
    """The state after these events, which stand in canonical order, strictly after `state.last_order`.

    Events of other roles than owner, sender and receiver (payer, recipient, liquidator) move the order and nothing
    else: paying for somebody else says nothing about one's own credit.

    Raises:
        InvariantViolation: an event of another wallet or chain, or out of order.
    """
    folder = Folder(state)
    for event in events:
        folder.take(event)
    return folder.freeze()


def settle(state: WalletState) -> WalletState:
    """The state with its newest transaction counted: what features read. Not to be folded further."""
    if state.pending is None:
        return state
    folder = Folder(state)
    folder.close_transaction()
    return folder.freeze()


class Folder:
    """A state taken apart, so that a thousand events cost one copy and not a thousand."""

    __slots__ = (
        "_assets",
        "_chain_id",
        "_emodes",
        "_flows",
        "_has_new_asset",
        "_is_liquidation",
        "_last_order",
        "_last_timestamp",
        "_place",
        "_record",
        "_timestamp",
        "_wallet",
    )

    def __init__(self, state: WalletState) -> None:
        self._wallet, self._chain_id = state.wallet, state.chain_id
        self._last_order, self._last_timestamp = state.last_order, state.last_timestamp
        self._assets: dict[AssetKey, Asset | AssetState] = dict(state.assets)  # thawed one by one, at first touch
        self._has_new_asset = False
        self._emodes = dict(state.emodes)
        self._record = Record(state)
        self._flows: dict[AssetKey, Flow] = {}
        self._place: tuple[int, int] | None = None  # (block, tx_index) of the open transaction
        self._timestamp, self._is_liquidation = 0, False
        pending = state.pending
        if pending is not None:
            self._place = (pending.block, pending.tx_index)
            self._timestamp, self._is_liquidation = pending.timestamp, pending.is_liquidation
            self._flows = {flow.key: Flow.of(flow) for flow in pending.flows}

    def take(self, event: LendingEvent) -> None:
        """Add one event, strictly after the last. Raises InvariantViolation."""
        position = event.position
        block = position.block
        order = (block.number, position.tx_index, position.log_index, event.sub_index)
        if event.wallet != self._wallet or block.chain_id != self._chain_id:
            raise InvariantViolation("an event of another wallet or chain reached this wallet's fold")
        if self._last_order is not None and order <= self._last_order:
            raise InvariantViolation(f"events out of canonical order: {order} came after {self._last_order}")
        place = order[:2]
        if self._place != place:
            self.close_transaction()
            self._place, self._timestamp, self._is_liquidation = place, block.timestamp, False
        self._last_order, self._last_timestamp = order, block.timestamp
        role = event.role
        if role is Role.OWNER:
            self._take_owned(event)
        elif role is Role.SENDER and event.type is EventType.TRANSFERRED:
            self._flow(AssetKey(event.deployment, event.asset, event.market)).transferred_out += event.amount

    def _take_owned(self, event: LendingEvent) -> None:
        key, kind = AssetKey(event.deployment, event.asset, event.market), event.type
        if event.protocol in PROTOCOLS_WITHOUT_DEBT_LEDGER and proves_debt(event):
            self._asset(key).has_untold_debt = True
        if kind is EventType.SUPPLY_BALANCE:
            self._asset(key).scaled_supply += event.scaled_delta
            self._flow(key).supply_delta += event.scaled_delta
        elif kind is EventType.DEBT_BALANCE:
            self._asset(key).scaled_debt += event.scaled_delta
            self._flow(key).debt_delta += event.scaled_delta
        elif kind is EventType.SUPPLIED:
            self._flow(key).supplied += event.amount
        elif kind is EventType.WITHDRAWN:
            flow = self._flow(key)
            flow.withdrawn += event.amount
            if event.counterparty is not None:  # where it went, not who called
                flow.sent += event.amount
        elif kind is EventType.BORROWED:
            self._flow(key).borrowed += event.amount
        elif kind is EventType.REPAID:
            self._flow(key).repaid += event.amount
        else:
            self._take_rare(key, event)

    def _take_rare(self, key: AssetKey, event: LendingEvent) -> None:
        match event.type:
            case EventType.DEBT_SET:
                asset, scaled_debt = self._asset(key), interest.ray_div(event.amount, event.index_ray)
                self._flow(key).debt_delta += scaled_debt - asset.scaled_debt
                asset.scaled_debt = scaled_debt
            case EventType.STABLE_DEBT_SET:
                self._asset(key).set_stable_debt(event.amount, event.index_ray, self._timestamp)
                self._flow(key).sets_stable_debt = True
            case EventType.LIQUIDATED:
                self._liquidate(key, event)
            case EventType.BAD_DEBT:
                self._asset(key).bad_debt += event.amount
                self._record.bad_debt_count += 1
            case EventType.COLLATERAL_ENABLED:
                self._asset(key).is_collateral = True
            case EventType.COLLATERAL_DISABLED:
                self._asset(key).is_collateral = False
            case EventType.EMODE_SET:
                self._emodes[event.deployment] = event.amount
            case _:
                pass  # a transfer is told by the ledger entry beside it

    def _liquidate(self, key: AssetKey, event: LendingEvent) -> None:
        self._is_liquidation = True
        if event.second_asset is not None:
            self._asset(AssetKey(event.deployment, event.second_asset, event.market)).seized += event.second_amount
        if event.sub_index == LIQUIDATION:
            self._asset(key).liquidated += event.amount
            self._record.liquidate(self._timestamp)

    def close_transaction(self) -> None:
        """Net the open transaction and count what is left of it."""
        flows, self._flows, self._place = self._flows, {}, None
        if not flows and not self._is_liquidation:
            return
        touched = {key: (flow, self._asset(key)) for key, flow in flows.items()}
        assets = self._assets.values()
        self._record.close_transaction(
            self._timestamp,
            touched,
            is_liquidation=self._is_liquidation,
            has_debt=any(asset.has_debt for asset in assets),
            has_supply=any(asset.scaled_supply > 0 for asset in assets),
        )

    def freeze(self) -> WalletState:
        """The state as a value. The folder may be used further."""
        pending = None
        if self._place is not None:
            flows = tuple([self._flows[key].freeze(key) for key in sorted(self._flows)])
            pending = PendingTransaction(*self._place, self._timestamp, self._is_liquidation, flows)
        assets, record = self._assets, self._record
        keys = sorted(assets) if self._has_new_asset else list(assets)
        return WalletState(
            wallet=self._wallet,
            chain_id=self._chain_id,
            last_order=self._last_order,
            last_timestamp=self._last_timestamp,
            assets=tuple([(key, _frozen(assets[key])) for key in keys]),
            emodes=tuple(sorted((deployment, mode) for deployment, mode in self._emodes.items() if mode)),
            first_loan=record.first_loan,
            last_borrow=record.last_borrow,
            last_withdrawal=record.last_withdrawal,
            supplied_since=record.supplied_since,
            borrow_count=record.borrow_count,
            repayment_count=record.repayment_count,
            closed_count=record.closed_count,
            closed_at=record.closed_at,
            debt_since=record.debt_since,
            is_settled_debt=record.is_settled_debt,
            indebted_seconds=record.indebted_seconds,
            liquidation_count=record.liquidation_count,
            liquidation_days=record.liquidation_days,
            liquidated_at=record.liquidated_at,
            bad_debt_count=record.bad_debt_count,
            days=record.days.freeze(),
            pending=pending,
        )

    def _asset(self, key: AssetKey) -> Asset:
        found = self._assets.get(key)
        if isinstance(found, Asset):
            return found
        self._has_new_asset = self._has_new_asset or found is None
        thawed = self._assets[key] = Asset(found or AssetState())
        return thawed

    def _flow(self, key: AssetKey) -> Flow:
        found = self._flows.get(key)
        if found is None:
            found = self._flows[key] = Flow()
            self._asset(key)  # the bytes of a state name a flow by its asset
        return found


def _frozen(asset: Asset | AssetState) -> AssetState:
    return asset.freeze() if isinstance(asset, Asset) else asset
