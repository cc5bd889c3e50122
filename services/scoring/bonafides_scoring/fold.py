"""Folds a wallet's events on one chain into its state: the same state in one go or event by event.

    events in canonical order ──► fold ──► WalletState ──► settle ──► features
                                    ▲            │
                                    └────────────┘  later events, strictly after `last_order`

The newest transaction stays pending until a later one begins, because an amount that one transaction moves forth and
back must not count: only its end says what it came to. `settle` closes it when the state is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bonafides.errors import InvariantViolation
from bonafides.events import LendingEvent, SubIndexKey, sub_index
from bonafides.types import Address, ChainId, EventType, Protocol, Role

from bonafides_scoring import interest
from bonafides_scoring.fold_parts import (
    Asset,
    Flow,
    Totals,
    freeze_flow,
    is_substantial,
    net_flow,
    proves_debt,
    repays_substantially,
    tally_day,
    thaw_flow,
)
from bonafides_scoring.state_codec import decode_state, encode_state
from bonafides_scoring.wallet_state import (
    FOLD_VERSION,
    LIQUIDATIONS_KEPT,
    SECONDS_PER_DAY,
    AssetFlow,
    AssetKey,
    AssetState,
    DayTally,
    Order,
    PendingTransaction,
    WalletState,
)

__all__ = ["FOLD_VERSION", "WalletState", "decode_state", "empty_state", "encode_state", "fold", "settle"]

SHORTEST_LOAN_S = 7 * SECONDS_PER_DAY
"""A debt that is closed sooner proves nothing about repaying."""
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
    work = _Work.of(state)
    for event in events:
        work.take(event)
    return work.freeze()


def settle(state: WalletState) -> WalletState:
    """The state with its newest transaction counted: what features read. Not to be folded further."""
    if state.pending is None:
        return state
    work = _Work.of(state)
    work.close_transaction()
    return work.freeze()


@dataclass(slots=True)
class _Work:
    """A state taken apart, so that a thousand events cost one copy and not a thousand."""

    state: WalletState
    totals: Totals
    assets: dict[AssetKey, Asset]
    emodes: dict[str, int]
    days: dict[int, DayTally]
    place: tuple[int, int] | None = None
    """(block, tx_index) of the open transaction."""
    timestamp: int = 0
    is_own: bool = False
    is_liquidation: bool = False
    flows: dict[AssetKey, Flow] | None = None
    last_order: Order | None = None
    last_timestamp: int | None = None

    @classmethod
    def of(cls, state: WalletState) -> "_Work":
        work = cls(
            state=state,
            totals=Totals.of(state),
            assets={key: Asset(asset) for key, asset in state.assets},
            emodes=dict(state.emodes),
            days={tally.day: tally for tally in state.days},
            last_order=state.last_order,
            last_timestamp=state.last_timestamp,
        )
        pending = state.pending
        if pending is not None:
            work.place = (pending.block, pending.tx_index)
            work.timestamp, work.is_own, work.is_liquidation = (
                pending.timestamp,
                pending.is_own,
                pending.is_liquidation,
            )
            work.flows = {flow.key: thaw_flow(flow) for flow in pending.flows}
        return work

    def take(self, event: LendingEvent) -> None:
        """Add one event."""
        state, position = self.state, event.position
        order = event.order
        if event.wallet != state.wallet or position.block.chain_id != state.chain_id:
            raise InvariantViolation("an event of another wallet or chain reached this wallet's fold")
        if self.last_order is not None and order <= self.last_order:
            raise InvariantViolation(f"events out of canonical order: {order} came after {self.last_order}")
        if self.place != (order[0], order[1]):
            self.close_transaction()
            self.place = (order[0], order[1])
            self.timestamp = position.block.timestamp
            self.is_own, self.is_liquidation = False, False
            self.flows = {}
        self.last_order, self.last_timestamp = order, position.block.timestamp
        if event.role is Role.OWNER:
            self._take_owned(event)
        elif event.type is EventType.TRANSFERRED and event.role is Role.SENDER:
            self._flow(event).transferred_out += event.amount
            self.is_own = True

    def _take_owned(self, event: LendingEvent) -> None:
        key = AssetKey(event.deployment, event.asset, event.market)
        if event.protocol in PROTOCOLS_WITHOUT_DEBT_LEDGER and proves_debt(event):
            self._asset(key).has_untold_debt = True
        match event.type:
            case EventType.SUPPLY_BALANCE:
                self._asset(key).scaled_supply += event.scaled_delta
                self._flow(event).supply_delta += event.scaled_delta
                return
            case EventType.DEBT_BALANCE:
                self._asset(key).scaled_debt += event.scaled_delta
                self._flow(event).debt_delta += event.scaled_delta
                return
            case EventType.DEBT_SET:
                asset = self._asset(key)
                scaled_debt = interest.ray_div(event.amount, event.index_ray)
                self._flow(event).debt_delta += scaled_debt - asset.scaled_debt
                asset.scaled_debt = scaled_debt
                return
            case EventType.STABLE_DEBT_SET:
                self._asset(key).set_stable_debt(event.amount, event.index_ray, self.timestamp)
                self._flow(event).sets_stable_debt = True
                return
            case EventType.SUPPLIED:
                self._flow(event).supplied += event.amount
            case EventType.WITHDRAWN:
                self._flow(event).withdrawn += event.amount
                self.is_own = True  # only the holder can: the counterparty is where it went, not who called
            case EventType.BORROWED:
                self._flow(event).borrowed += event.amount
            case EventType.REPAID:
                self._flow(event).repaid += event.amount
            case EventType.LIQUIDATED:
                self._liquidate(key, event)
                return
            case EventType.BAD_DEBT:
                self._asset(key).bad_debt += event.amount
                self.totals.bad_debt_count += 1
                return
            case EventType.COLLATERAL_ENABLED:
                self._asset(key).is_collateral = True
                return
            case EventType.COLLATERAL_DISABLED:
                self._asset(key).is_collateral = False
                return
            case EventType.EMODE_SET:
                self.emodes[event.deployment] = event.amount
                return
            case EventType.TRANSFERRED:
                return  # told from the ledger entry beside it
        self.is_own = self.is_own or event.counterparty is None

    def _liquidate(self, key: AssetKey, event: LendingEvent) -> None:
        totals = self.totals
        self.is_liquidation = True
        if event.second_asset is not None:
            self._asset(AssetKey(event.deployment, event.second_asset, event.market)).seized += event.second_amount
        if event.sub_index != LIQUIDATION:
            return
        self._asset(key).liquidated += event.amount
        is_new_day = not totals.liquidated_at or totals.liquidated_at[-1] // SECONDS_PER_DAY < self._day
        totals.liquidation_count += 1
        totals.liquidation_days += int(is_new_day)
        totals.liquidated_at = (*totals.liquidated_at, self.timestamp)[-LIQUIDATIONS_KEPT:]

    def close_transaction(self) -> None:
        """Net the open transaction and count what is left of it."""
        flows, self.flows, self.place = self.flows, None, None
        if not flows:
            return
        moved: list[AssetFlow] = []
        for key in sorted(flows):
            net = net_flow(key, flows[key], self.is_liquidation)
            if net is not None:
                moved.append(net)
                asset = self._asset(key)
                asset.supplied += net.supplied
                asset.withdrawn += net.withdrawn
                asset.borrowed += net.borrowed
                asset.repaid += net.repaid
        self._count(moved, flows)
        self._follow_debt(moved)

    def _count(self, moved: list[AssetFlow], flows: dict[AssetKey, Flow]) -> None:
        if not moved:
            return
        totals, now = self.totals, self.timestamp
        has_borrowed = any(flow.borrowed for flow in moved)
        has_repaid = any(repays_substantially(flow, flows[flow.key], self.assets[flow.key]) for flow in moved)
        tops_up = (
            not has_borrowed
            and any(asset.has_debt for asset in self.assets.values())
            and any(
                flow.supplied
                and is_substantial(flows[flow.key].supply_delta, self.assets[flow.key].scaled_supply, gone=False)
                for flow in moved
            )
        )
        if self.is_own:
            totals.first_action = now if totals.first_action is None else totals.first_action
            totals.last_action = now
        if has_borrowed:
            totals.first_borrow = now if totals.first_borrow is None else totals.first_borrow
            totals.last_borrow = now
            totals.borrow_count += 1
        if has_repaid:
            totals.last_repayment = now
            totals.repayment_count += 1
        tally_day(self.days, DayTally(self._day, int(self.is_own), int(has_repaid), int(tops_up), tuple(moved)))

    @property
    def _day(self) -> int:
        return self.timestamp // SECONDS_PER_DAY

    def _follow_debt(self, moved: list[AssetFlow]) -> None:
        totals, now = self.totals, self.timestamp
        has_debt = any(asset.has_debt for asset in self.assets.values())
        if has_debt and totals.debt_since is None:
            totals.debt_since = now
        elif not has_debt and totals.debt_since is not None:
            lasted = now - totals.debt_since
            closed = lasted >= SHORTEST_LOAN_S and any(flow.repaid for flow in moved) and not self.is_liquidation
            totals.debt_since = None
            totals.indebted_seconds += lasted
            totals.closed_count += int(closed)

    def freeze(self) -> WalletState:
        """The state as a value."""
        pending = None
        if self.place is not None and self.flows is not None:
            flows = tuple(freeze_flow(key, self.flows[key]) for key in sorted(self.flows))
            pending = PendingTransaction(*self.place, self.timestamp, self.is_own, self.is_liquidation, flows)
        return replace(
            self.totals.put_into(self.state),
            last_order=self.last_order,
            last_timestamp=self.last_timestamp,
            assets=tuple((key, self.assets[key].freeze()) for key in sorted(self.assets)),
            emodes=tuple(sorted((deployment, mode) for deployment, mode in self.emodes.items() if mode)),
            days=tuple(self.days[day] for day in sorted(self.days)),
            pending=pending,
        )

    def _asset(self, key: AssetKey) -> Asset:
        found = self.assets.get(key)
        if found is None:
            found = self.assets[key] = Asset(AssetState())
        return found

    def _flow(self, event: LendingEvent) -> Flow:
        flows = self.flows = {} if self.flows is None else self.flows
        key = AssetKey(event.deployment, event.asset, event.market)
        found = flows.get(key)
        if found is None:
            found = flows[key] = Flow()
        return found
