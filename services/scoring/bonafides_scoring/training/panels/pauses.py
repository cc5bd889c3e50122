"""Finds where a wallet borrows again after it owed nothing for a while."""

from collections.abc import Sequence
from dataclasses import dataclass

from bonafides.events import LendingEvent
from bonafides.types import EventType, Role

from bonafides_scoring import interest
from bonafides_scoring.wallet_state import AssetKey

_DEBT_TYPES = frozenset({EventType.DEBT_BALANCE, EventType.DEBT_SET, EventType.STABLE_DEBT_SET, EventType.BORROWED})


@dataclass(frozen=True, slots=True)
class Return:
    """The transaction that opens new debt."""

    timestamp: int
    borrowed: tuple[tuple[AssetKey, int], ...]
    """What it borrowed, in the asset's smallest unit."""


@dataclass(slots=True)
class _Ledger:
    """Debt balances as they stand after each transaction."""

    variable: dict[AssetKey, int]
    stable: dict[AssetKey, int]

    def take(self, event: LendingEvent) -> None:
        key = AssetKey(event.deployment, event.asset, event.market)
        if event.type is EventType.DEBT_BALANCE:
            self.variable[key] = self.variable.get(key, 0) + event.scaled_delta
        elif event.type is EventType.DEBT_SET:
            self.variable[key] = interest.ray_div(event.amount, event.index_ray)
        elif event.type is EventType.STABLE_DEBT_SET:
            self.stable[key] = event.amount

    @property
    def has_debt(self) -> bool:
        return any(value > 0 for value in self.variable.values()) or any(value > 0 for value in self.stable.values())


def returns(events: Sequence[LendingEvent], pause_s: int) -> list[Return]:
    """Transactions that leave debt where there was none for `pause_s` seconds, after there had been some.

    What a transaction borrows and repays in one breath opens nothing and ends nothing. However the debt before it
    ended counts: repaid, liquidated or moved.
    """
    ledger = _Ledger({}, {})
    found: list[Return] = []
    had_debt, ended_at = False, None
    for transaction in _transactions([event for event in events if _tells_debt(event)]):
        for event in transaction:
            ledger.take(event)
        time = transaction[0].position.block.timestamp
        has_debt = ledger.has_debt
        if has_debt and ended_at is not None:
            borrowed = tuple(
                (AssetKey(event.deployment, event.asset, event.market), event.amount)
                for event in transaction
                if event.type is EventType.BORROWED
            )
            if borrowed and time - ended_at >= pause_s:
                found.append(Return(time, borrowed))
            ended_at = None
        elif had_debt and not has_debt:
            ended_at = time
        had_debt = has_debt
    return found


def _tells_debt(event: LendingEvent) -> bool:
    return event.role is Role.OWNER and event.type in _DEBT_TYPES


def _transactions(events: Sequence[LendingEvent]) -> list[list[LendingEvent]]:
    found: list[list[LendingEvent]] = []
    last: tuple[int, int] | None = None
    for event in events:
        place = (event.position.block.number, event.position.tx_index)
        if place != last:
            found.append([])
            last = place
        found[-1].append(event)
    return found
