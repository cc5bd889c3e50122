"""The parts of a state while a fold works on them, and how one transaction is netted."""

from bonafides.events import LendingEvent
from bonafides.types import EventType

from bonafides_scoring.wallet_state import (
    DAYS_KEPT,
    FLOW_DAYS_KEPT,
    AssetFlow,
    AssetKey,
    AssetState,
    DayTally,
    PendingFlow,
)

SUBSTANTIAL_PERCENT = 2
"""A repayment or top-up under this share of the balance is dust: it would let a record be bought with cents."""


class Flow:
    """`PendingFlow` while it grows."""

    __slots__ = PendingFlow._fields[1:]

    def __init__(self) -> None:
        self.supplied = self.withdrawn = self.sent = self.transferred_out = self.borrowed = self.repaid = 0
        self.supply_delta = self.debt_delta = 0
        self.sets_stable_debt = False

    @classmethod
    def of(cls, flow: PendingFlow) -> "Flow":
        thawed = cls()
        thawed.supplied, thawed.withdrawn, thawed.sent = flow.supplied, flow.withdrawn, flow.sent
        thawed.transferred_out, thawed.borrowed, thawed.repaid = flow.transferred_out, flow.borrowed, flow.repaid
        thawed.supply_delta, thawed.debt_delta = flow.supply_delta, flow.debt_delta
        thawed.sets_stable_debt = flow.sets_stable_debt
        return thawed

    def freeze(self, key: AssetKey) -> PendingFlow:
        return PendingFlow(
            key,
            self.supplied,
            self.withdrawn,
            self.sent,
            self.transferred_out,
            self.borrowed,
            self.repaid,
            self.supply_delta,
            self.debt_delta,
            self.sets_stable_debt,
        )


class Asset:
    """`AssetState` while it grows."""

    __slots__ = AssetState._fields

    def __init__(self, state: AssetState) -> None:
        (
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
        ) = state

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


class Days:
    """The tallies of a state while the newest day grows."""

    __slots__ = ("_before", "_day", "_flows", "_marks")

    def __init__(self, days: tuple[DayTally, ...]) -> None:
        self._before = list(days)
        self._day = self._marks = -1
        self._flows: dict[AssetKey, AssetFlow] = {}

    def add(self, day: int, marks: int, moved: list[AssetFlow]) -> None:
        """Count something on its day, which is no earlier than any before."""
        if day != self._day:
            self._turn_to(day)
        self._marks |= marks
        flows = self._flows
        for flow in moved:
            before = flows.get(flow.key)
            flows[flow.key] = flow if before is None else _add(before, flow)

    def unmark(self, first: int, marks: int) -> None:
        """Take these marks from all days since `first`."""
        if self._day >= first:
            self._marks &= ~marks
        for place in self._places_since(first):
            tally = self._before[place]
            if tally.marks & marks:
                self._before[place] = tally._replace(marks=tally.marks & ~marks)

    def _places_since(self, first: int) -> range:
        place = len(self._before)
        while place and self._before[place - 1].day >= first:
            place -= 1
        return range(place, len(self._before))

    def freeze(self) -> tuple[DayTally, ...]:
        return (*self._before, self._newest()) if self._day >= 0 else tuple(self._before)

    def _newest(self) -> DayTally:
        flows = self._flows
        ordered = tuple(flows.values()) if len(flows) < 2 else tuple([flows[key] for key in sorted(flows)])
        return DayTally(self._day, self._marks, ordered)

    def _turn_to(self, day: int) -> None:
        before = self._before
        if self._day >= 0:
            before.append(self._newest())
        self._day, self._marks, self._flows = day, 0, {}
        if before and before[-1].day == day:
            newest = before.pop()
            self._marks = newest.marks
            self._flows = {flow.key: flow for flow in newest.flows}
        forgotten = 0
        while forgotten < len(before) and before[forgotten].day <= day - DAYS_KEPT:
            forgotten += 1
        del before[:forgotten]
        place = len(before) - 1
        while place >= 0 and (before[place].day > day - FLOW_DAYS_KEPT or before[place].flows):
            if before[place].day <= day - FLOW_DAYS_KEPT:
                before[place] = DayTally(before[place].day, before[place].marks)
            place -= 1


def proves_debt(event: LendingEvent) -> bool:
    """Whether this event of the owner could not be without a debt, and is nothing that a stranger can bring about.

    Collateral is no sign: anybody can send a wei of it. Nor is a repayment by another: on Comet, two transfers of base
    side by side can look like one. So a debt there that arises by transfers alone is not seen until its owner repays.
    It takes a second account, and whoever has one can owe there unseen anyway.
    """
    if event.type is EventType.REPAID:
        return event.counterparty is None
    return event.type in (EventType.BORROWED, EventType.LIQUIDATED, EventType.BAD_DEBT)


def net_flow(key: AssetKey, flow: Flow, *, is_liquidation: bool) -> AssetFlow | None:
    """What a transaction came to in one reserve; None when that is nothing."""
    # A liquidator's share and the protocol's fee leave as transfers, which are not the wallet's doing.
    transferred = 0 if is_liquidation else flow.transferred_out
    supplied, withdrawn, borrowed, repaid = flow.supplied, flow.withdrawn + transferred, flow.borrowed, flow.repaid
    turned = min(supplied, withdrawn)
    if turned:
        supplied, withdrawn = supplied - turned, withdrawn - turned
    turned = min(borrowed, repaid)
    if turned:
        borrowed, repaid = borrowed - turned, repaid - turned
    if not (supplied or withdrawn or borrowed or repaid):
        return None
    sent = min(flow.sent + transferred, withdrawn) if withdrawn else 0
    return AssetFlow(key, supplied, withdrawn, sent, borrowed, repaid)


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


def _add(left: AssetFlow, right: AssetFlow) -> AssetFlow:
    return AssetFlow(
        left.key,
        left.supplied + right.supplied,
        left.withdrawn + right.withdrawn,
        left.sent + right.sent,
        left.borrowed + right.borrowed,
        left.repaid + right.repaid,
    )
