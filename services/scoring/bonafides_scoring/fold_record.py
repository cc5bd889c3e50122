"""A wallet's record while a fold works on it: what each transaction adds, and what it takes back."""

from collections.abc import Mapping

from bonafides_scoring.fold_parts import Asset, Days, Flow, is_substantial, net_flow, repays_substantially
from bonafides_scoring.wallet_state import (
    BORROWED,
    CARED,
    FLASHED,
    LIQUIDATED,
    LIQUIDATIONS_KEPT,
    REPAID,
    SECONDS_PER_DAY,
    SETTLING_DAYS,
    SETTLING_S,
    SUPPLIED,
    TOPPED_UP,
    AssetFlow,
    AssetKey,
    WalletState,
)

type Touched = Mapping[AssetKey, tuple[Flow, Asset]]
"""What a transaction moved, and the assets as it left them."""


class Record:
    """The counts, times and days of a `WalletState` while they grow."""

    __slots__ = (
        "bad_debt_count",
        "borrow_count",
        "closed_at",
        "closed_count",
        "days",
        "debt_since",
        "first_loan",
        "indebted_seconds",
        "is_settled_debt",
        "last_borrow",
        "last_withdrawal",
        "liquidated_at",
        "liquidation_count",
        "liquidation_days",
        "repayment_count",
        "supplied_since",
    )

    def __init__(self, state: WalletState) -> None:
        self.days = Days(state.days)
        self.first_loan, self.debt_since = state.first_loan, state.debt_since
        self.is_settled_debt, self.indebted_seconds = state.is_settled_debt, state.indebted_seconds
        self.last_borrow, self.last_withdrawal = state.last_borrow, state.last_withdrawal
        self.supplied_since = state.supplied_since
        self.borrow_count, self.repayment_count = state.borrow_count, state.repayment_count
        self.closed_count, self.closed_at = state.closed_count, state.closed_at
        self.liquidation_count, self.liquidation_days = state.liquidation_count, state.liquidation_days
        self.liquidated_at, self.bad_debt_count = state.liquidated_at, state.bad_debt_count

    def liquidate(self, now: int) -> None:
        """Count a liquidation."""
        newest = self.liquidated_at[-1] if self.liquidated_at else -1
        self.liquidation_count += 1
        self.liquidation_days += int(newest // SECONDS_PER_DAY < now // SECONDS_PER_DAY)
        self.liquidated_at = (*self.liquidated_at, now)[-LIQUIDATIONS_KEPT:]

    def close_transaction(
        self, now: int, touched: Touched, *, is_liquidation: bool, has_debt: bool, has_supply: bool
    ) -> None:
        """Count a transaction, in its assets too."""
        day = now // SECONDS_PER_DAY
        first = day - SETTLING_DAYS
        marks, is_calm = LIQUIDATED if is_liquidation else 0, _is_before(self.last_borrow, first)
        for flow, _ in touched.values():
            if flow.borrowed:
                marks |= FLASHED if flow.repaid else 0
                is_calm = is_calm and flow.borrowed <= flow.repaid
        moved: list[AssetFlow] = []
        for key, (flow, _) in touched.items():
            net = net_flow(key, flow, is_liquidation=is_liquidation)
            if net is not None:
                moved.append(net)
        if moved:
            marks |= self._count(moved, touched, first, is_calm=is_calm, has_debt=has_debt)
            self._undo(moved, now, first)
        if moved or marks:
            self.days.add(day, marks, moved)
        closes = bool(moved) and not is_liquidation and any(flow.repaid for flow in moved)
        self._follow_debt(now, has_debt=has_debt, closes=closes)
        if not has_supply:
            self.supplied_since = None
        elif self.supplied_since is None:
            self.supplied_since = now

    def _count(self, moved: list[AssetFlow], touched: Touched, first: int, *, is_calm: bool, has_debt: bool) -> int:
        """Count what moved; returns the marks of its day. `first` is the first day that speaks against it."""
        marks, repays, tops_up = 0, False, False
        is_kept = is_calm and _is_before(self.last_withdrawal, first)
        for net in moved:
            flow, asset = touched[net.key]
            if net.supplied:
                asset.supplied += net.supplied
                tops_up = tops_up or is_substantial(flow.supply_delta, asset.scaled_supply, gone=False)
            elif net.withdrawn:
                asset.withdrawn += net.withdrawn
                is_kept = False
            if net.borrowed:
                asset.borrowed += net.borrowed
                marks |= BORROWED
            elif net.repaid:
                asset.repaid += net.repaid
                repays = repays or repays_substantially(net, flow, asset)
        if repays:
            self.repayment_count += 1
            marks |= REPAID if is_calm else 0
        if tops_up:
            marks |= SUPPLIED | (TOPPED_UP if is_kept and has_debt else 0)
        return marks

    def _undo(self, moved: list[AssetFlow], now: int, first: int) -> None:
        """Take back what days from `first` on have counted, if this transaction undoes it."""
        if any(flow.borrowed for flow in moved):
            self.borrow_count += 1
            self.last_borrow = now
            self.days.unmark(first, CARED)
        if any(flow.withdrawn for flow in moved):
            self.last_withdrawal = now
            self.days.unmark(first, TOPPED_UP)

    def _follow_debt(self, now: int, *, has_debt: bool, closes: bool) -> None:
        """Note when debt began or ended. `closes`: the owner repaid, so that its end closes a loan."""
        if has_debt and self.debt_since is None:
            self.debt_since = now
            self.is_settled_debt = self.closed_at is not None and now - self.closed_at <= SETTLING_S
            self.closed_count -= int(self.is_settled_debt)
            self.closed_at = None
        elif not has_debt and self.debt_since is not None:
            lasted = now - self.debt_since
            if lasted > SETTLING_S:
                self.indebted_seconds += lasted
                self.first_loan = self.debt_since if self.first_loan is None else self.first_loan
            if closes and (lasted > SETTLING_S or self.is_settled_debt):
                self.closed_count += 1
                self.closed_at = now
            self.debt_since, self.is_settled_debt = None, False


def _is_before(time: int | None, day: int) -> bool:
    """Whether a time is before a day, or never was."""
    return time is None or time // SECONDS_PER_DAY < day
