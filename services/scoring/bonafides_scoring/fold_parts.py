"""The parts of a state while a fold works on them, and how one transaction is netted."""

from dataclasses import dataclass, replace

from bonafides_scoring.wallet_state import AssetFlow, AssetKey, AssetState, PendingFlow, WalletState

SUBSTANTIAL_PERCENT = 2
"""A repayment or top-up under this share of the balance is dust: it would let a record be bought with cents."""


class Flow:
    """`PendingFlow` while it grows."""

    __slots__ = ("borrowed", "debt_delta", "repaid", "supplied", "supply_delta", "transferred_out", "withdrawn")

    def __init__(self) -> None:
        self.supplied = self.withdrawn = self.transferred_out = self.borrowed = self.repaid = 0
        self.supply_delta = self.debt_delta = 0


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
        )


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
    )
