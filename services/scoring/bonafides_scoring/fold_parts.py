"""The parts of a state while a fold works on them, and how one transaction is netted."""

from dataclasses import dataclass, replace

from bonafides.events import LendingEvent
from bonafides.types import EventType

from bonafides_scoring.wallet_state import (
    DAYS_KEPT,
    AssetFlow,
    AssetKey,
    AssetState,
    DayTally,
    PendingFlow,
    WalletState,
)

SUBSTANTIAL_PERCENT = 2
"""A repayment or top-up under this share of the balance is dust: it would let a record be bought with cents."""


class Flow:
    """`PendingFlow` while it grows."""

    __slots__ = (
        "borrowed",
        "debt_delta",
        "repaid",
        "sets_stable_debt",
        "supplied",
        "supply_delta",
        "transferred_out",
        "withdrawn",
    )

    def __init__(self) -> None:
        self.supplied = self.withdrawn = self.transferred_out = self.borrowed = self.repaid = 0
        self.supply_delta = self.debt_delta = 0
        self.sets_stable_debt = False


@dataclass(slots=True)
class Totals:
    """The counts and times of a `WalletState` while they grow."""

    first_action: int | None
    last_action: int | None
    first_borrow: int | None
    last_borrow: int | None
    last_repayment: int | None
    borrow_count: int
    repayment_count: int
    closed_count: int
    debt_since: int | None
    indebted_seconds: int
    liquidation_count: int
    liquidation_days: int
    liquidated_at: tuple[int, ...]
    bad_debt_count: int

    @classmethod
    def of(cls, state: WalletState) -> "Totals":
        """Those of a state."""
        return cls(
            state.first_action,
            state.last_action,
            state.first_borrow,
            state.last_borrow,
            state.last_repayment,
            state.borrow_count,
            state.repayment_count,
            state.closed_count,
            state.debt_since,
            state.indebted_seconds,
            state.liquidation_count,
            state.liquidation_days,
            state.liquidated_at,
            state.bad_debt_count,
        )

    def put_into(self, state: WalletState) -> WalletState:
        """A state with these."""
        return replace(
            state,
            first_action=self.first_action,
            last_action=self.last_action,
            first_borrow=self.first_borrow,
            last_borrow=self.last_borrow,
            last_repayment=self.last_repayment,
            borrow_count=self.borrow_count,
            repayment_count=self.repayment_count,
            closed_count=self.closed_count,
            debt_since=self.debt_since,
            indebted_seconds=self.indebted_seconds,
            liquidation_count=self.liquidation_count,
            liquidation_days=self.liquidation_days,
            liquidated_at=self.liquidated_at,
            bad_debt_count=self.bad_debt_count,
        )


class Asset:
    """`AssetState` while it grows."""

    __slots__ = AssetState.__slots__

    def __init__(self, state: AssetState) -> None:
        self.scaled_supply, self.scaled_debt = state.scaled_supply, state.scaled_debt
        self.is_collateral = state.is_collateral
        self.supplied, self.withdrawn = state.supplied, state.withdrawn
        self.borrowed, self.repaid = state.borrowed, state.repaid
        self.liquidated, self.seized, self.bad_debt = state.liquidated, state.seized, state.bad_debt
        self.has_untold_debt = state.has_untold_debt
        self.stable_principal, self.stable_rate_ray = state.stable_principal, state.stable_rate_ray
        self.stable_since = state.stable_since

    @property
    def has_debt(self) -> bool:
        return self.scaled_debt > 0 or self.stable_principal > 0

    def set_stable_debt(self, principal: int, rate_ray: int, now: int) -> None:
        """Take what a log says of a debt at a stable rate. A rate of 0 leaves the one that is known."""
        self.stable_principal = principal
        self.stable_rate_ray = (rate_ray or self.stable_rate_ray) if principal else 0
        self.stable_since = now if principal else 0

    def freeze(self) -> AssetState:
        return AssetState(
            self.scaled_supply,
            self.scaled_debt,
            self.is_collateral,
            self.supplied,
            self.withdrawn,
            self.borrowed,
            self.repaid,
            self.liquidated,
            self.seized,
            self.bad_debt,
            self.has_untold_debt,
            self.stable_principal,
            self.stable_rate_ray,
            self.stable_since,
        )


def proves_debt(event: LendingEvent) -> bool:
    """Whether this event of the owner could not be without a debt, and is nothing that a stranger can bring about.

    Collateral is no sign: anybody can send a wei of it. Nor is a repayment by another: on Comet, two transfers of base
    side by side can look like one. So a debt there that arises by transfers alone is not seen until its owner repays.
    It takes a second account, and whoever has one can owe there unseen anyway.
    """
    if event.type is EventType.REPAID:
        return event.counterparty is None
    return event.type in (EventType.BORROWED, EventType.LIQUIDATED, EventType.BAD_DEBT)


def net_flow(key: AssetKey, flow: Flow, is_liquidation: bool) -> AssetFlow | None:
    """What a transaction came to in one reserve; None when that is nothing."""
    # A liquidator's share and the protocol's fee leave as transfers, which are not the wallet's doing.
    withdrawn = flow.withdrawn + (0 if is_liquidation else flow.transferred_out)
    turned_supply, turned_debt = min(flow.supplied, withdrawn), min(flow.borrowed, flow.repaid)
    net = AssetFlow(
        key,
        flow.supplied - turned_supply,
        withdrawn - turned_supply,
        flow.borrowed - turned_debt,
        flow.repaid - turned_debt,
    )
    return net if net.supplied or net.withdrawn or net.borrowed or net.repaid else None


def is_substantial(moved: int, balance_after: int, *, gone: bool) -> bool:
    before = balance_after + moved if gone else balance_after - moved
    return moved > 0 and moved * 100 >= before * SUBSTANTIAL_PERCENT


def repays_substantially(net: AssetFlow, flow: Flow, asset: Asset) -> bool:
    """Whether a transaction repaid a debt by more than dust; `asset` is what it left."""
    if not net.repaid:
        return False
    if not flow.sets_stable_debt and not asset.stable_principal:
        return is_substantial(-flow.debt_delta, asset.scaled_debt, gone=True)
    # A principal grows by the interest that a log books, and a debt that changes its mode is burnt: neither is a
    # repayment. So the pool's own word counts. Variable debt counts in shares here, which are a little less than it.
    return is_substantial(net.repaid, asset.stable_principal + max(asset.scaled_debt, 0), gone=True)


def tally_day(days: dict[int, DayTally], more: DayTally) -> None:
    """Count something on its day, and forget the days that are too long before it."""
    before = days.get(more.day) or DayTally(more.day, 0, 0, 0, ())
    flows = {flow.key: flow for flow in before.flows}
    for flow in more.flows:
        flows[flow.key] = add_flows(flows[flow.key], flow) if flow.key in flows else flow
    days[more.day] = DayTally(
        more.day,
        before.actions + more.actions,
        before.repayments + more.repayments,
        before.top_ups + more.top_ups,
        tuple(flows[key] for key in sorted(flows)),
    )
    for old in [known for known in days if known <= more.day - DAYS_KEPT]:
        del days[old]


def add_flows(left: AssetFlow, right: AssetFlow) -> AssetFlow:
    return AssetFlow(
        left.key,
        left.supplied + right.supplied,
        left.withdrawn + right.withdrawn,
        left.borrowed + right.borrowed,
        left.repaid + right.repaid,
    )


def thaw_flow(flow: PendingFlow) -> Flow:
    thawed = Flow()
    thawed.supplied, thawed.withdrawn, thawed.transferred_out = flow.supplied, flow.withdrawn, flow.transferred_out
    thawed.borrowed, thawed.repaid = flow.borrowed, flow.repaid
    thawed.supply_delta, thawed.debt_delta = flow.supply_delta, flow.debt_delta
    thawed.sets_stable_debt = flow.sets_stable_debt
    return thawed


def freeze_flow(key: AssetKey, flow: Flow) -> PendingFlow:
    return PendingFlow(
        key,
        flow.supplied,
        flow.withdrawn,
        flow.transferred_out,
        flow.borrowed,
        flow.repaid,
        flow.supply_delta,
        flow.debt_delta,
        flow.sets_stable_debt,
    )
