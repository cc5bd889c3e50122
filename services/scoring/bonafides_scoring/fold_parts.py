"""The parts of a state while a fold works on them, and how one transaction is netted."""

from bonafides_scoring.wallet_state import AssetFlow, AssetKey, AssetState, PendingFlow

SUBSTANTIAL_PERCENT = 2
"""A repayment or top-up under this share of the balance is dust: it would let a record be bought with cents."""


class Flow:
    """`PendingFlow` while it grows."""

    __slots__ = ("borrowed", "debt_delta", "repaid", "supplied", "supply_delta", "transferred_out", "withdrawn")

    def __init__(self) -> None:
        self.supplied = self.withdrawn = self.transferred_out = self.borrowed = self.repaid = 0
        self.supply_delta = self.debt_delta = 0


class Asset:
    """`AssetState` while it grows."""

    __slots__ = AssetState.__slots__

    def __init__(self, state: AssetState) -> None:
        self.scaled_supply, self.scaled_debt = state.scaled_supply, state.scaled_debt
        self.is_collateral = state.is_collateral
        self.supplied, self.withdrawn = state.supplied, state.withdrawn
        self.borrowed, self.repaid = state.borrowed, state.repaid
        self.liquidated, self.seized, self.bad_debt = state.liquidated, state.seized, state.bad_debt

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
