"""The rows of one wallet: all of its cut-offs in one pass of the fold.

    events ──► Folder ──┬── as-of block of a cut-off ──► features, if it owes something there
                        └── end of its window ─────────► is it under water? (an outcome that nobody has booked yet)

Grid, returns, and the ends of rows already asked come in the order of their blocks, and the fold stops at each that
matters. What it has seen at a stop is exactly what stands in blocks up to it.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bonafides.events import LendingEvent
from bonafides.types import Address, AsOf, BlockRef, EventType, Role

from bonafides_scoring.features.build import OPEN_DEBT_FLOOR_BASE, feature_vector, has_credit_history, open_accounts
from bonafides_scoring.features.schema import PLACE_OF
from bonafides_scoring.fold import Folder, WalletState, empty_state
from bonafides_scoring.market import Account, MarketMissing, MarketView
from bonafides_scoring.prediction import Values
from bonafides_scoring.reference import ReferencePosition
from bonafides_scoring.training.market_history import MarketHistory
from bonafides_scoring.training.panels.blocks import BlockTable
from bonafides_scoring.training.panels.panel import UNKNOWN, Stratum
from bonafides_scoring.training.panels.pauses import Return, returns
from bonafides_scoring.training.panels.plan import PAUSE_S, Ask, ask_at

_HEALTH_FACTOR = PLACE_OF["health_factor_bps"]
_LIQUIDATION_LINE_BPS = 10_000


@dataclass(slots=True)
class Row:
    """One row while its label is still being found."""

    ask: Ask
    stratum: Stratum
    values: Values
    label: int = UNKNOWN
    label_90d: int = UNKNOWN
    is_lost: bool = False
    """Whether its label cannot be known: no price at the end of its window."""


@dataclass(frozen=True, slots=True)
class RowBuilder:
    """What the rows of every wallet share."""

    grid: Sequence[Ask]
    blocks: BlockTable
    history: MarketHistory
    reference: ReferencePosition

    def rows(self, wallet: Address, events: Sequence[LendingEvent]) -> tuple[list[Row], int]:
        """Rows in ascending order of (cut-off, stratum), and how many were left out because something of them cannot
        be known."""
        return _Pass(self, events, Folder(empty_state(wallet, self.blocks.chain_id))).run(self._asks(events))

    def _asks(self, events: Sequence[LendingEvent]) -> list[tuple[Ask, Return | None]]:
        first = events[0].position.block.number
        start = bisect_right(self.grid, first - 1, key=lambda ask: ask.as_of.number)
        asks: list[tuple[Ask, Return | None]] = [(ask, None) for ask in self.grid[start:]]
        for back in returns(events, PAUSE_S):
            ask = ask_at(back.timestamp, self.blocks) if back.timestamp >= self.grid[0].cutoff else None
            if ask is not None:
                asks.append((ask, back))
        asks.sort(key=lambda asked: (asked[0].cutoff, asked[1] is not None))
        return asks


@dataclass(slots=True)
class _Pass:
    """One pass over the events of one wallet."""

    shared: RowBuilder
    events: Sequence[LendingEvent]
    folder: Folder
    place: int = 0
    state: WalletState | None = None
    """What the folder holds, as a value; None where it has taken more since."""
    outcomes: list[int] = field(default_factory=list)
    """Block numbers of liquidations and bad debts, ascending."""
    skipped: int = 0
    waiting: deque[Row] = field(default_factory=deque)
    waiting_90d: deque[Row] = field(default_factory=deque)

    def run(self, asks: Sequence[tuple[Ask, Return | None]]) -> tuple[list[Row], int]:
        self.outcomes = [event.position.block.number for event in self.events if _is_outcome(event)]
        found: list[Row] = []
        for ask, back in asks:
            self._close_until(ask.as_of.number)
            row = self._ask(ask) if back is None else self._ask_returning(ask, back)
            if row is not None:
                found.append(row)
                self._await(row)
        self._close_until(None)
        known = [row for row in found if not row.is_lost]
        return known, self.skipped + len(found) - len(known)

    def _ask(self, ask: Ask) -> Row | None:
        state = self._state_at(ask.as_of)
        if not state.has_open_debt:
            return None
        if _is_unknowable(state):
            self.skipped += 1
            return None
        view = self._view(ask.as_of)
        try:
            vector = feature_vector([state], [view], AsOf((ask.as_of,)), self.shared.reference)
            if vector.is_reference_position:
                return None  # dust
            if vector.values[_HEALTH_FACTOR] < _LIQUIDATION_LINE_BPS and _is_under_water(state, view):
                return None  # the outcome has come already
        except MarketMissing:
            self.skipped += 1
            return None
        return Row(ask, Stratum.OPEN_DEBT, vector.values)

    def _ask_returning(self, ask: Ask, back: Return) -> Row | None:
        state, view = self._state_at(ask.as_of), self._view(ask.as_of)
        if _is_unknowable(state) or any(key not in view.reserves for key, _ in back.borrowed):
            self.skipped += 1
            return None
        if not has_credit_history([state]):
            return None
        if sum(view.reserves[key].base_value(amount) for key, amount in back.borrowed) < OPEN_DEBT_FLOOR_BASE:
            return None
        try:
            vector = feature_vector([state], [view], AsOf((ask.as_of,)), self.shared.reference)
        except MarketMissing:
            self.skipped += 1
            return None
        return Row(ask, Stratum.RETURNING, vector.values) if vector.is_reference_position else None

    def _await(self, row: Row) -> None:
        ask = row.ask
        if self._has_outcome(ask.as_of, ask.end):
            row.label = 1
        else:
            self.waiting.append(row)
        if ask.long_end is None:
            return
        if row.label == 1 or self._has_outcome(ask.as_of, ask.long_end):
            row.label_90d = 1
        else:
            self.waiting_90d.append(row)

    def _close_until(self, number: int | None) -> None:
        """Settle the labels of all windows that end below block `number`, or of all there are."""
        while True:
            short = self.waiting[0].ask.end if self.waiting else None
            long = self.waiting_90d[0].ask.long_end if self.waiting_90d else None
            ends = [end.number for end in (short, long) if end is not None]
            if not ends or (number is not None and min(ends) >= number):
                return
            if short is not None and short.number == min(ends):
                row = self.waiting.popleft()
                ended = self._is_under_water_at(short)
                row.is_lost, row.label = ended is None, int(ended or False)
            elif long is not None:
                row = self.waiting_90d.popleft()
                ended = self._is_under_water_at(long)
                # Under water after 30 days is an outcome, whatever the price does then.
                row.label_90d = UNKNOWN if ended is None else int(ended or row.label == 1)

    def _has_outcome(self, after: BlockRef, until: BlockRef) -> bool:
        place = bisect_right(self.outcomes, after.number)
        return place < len(self.outcomes) and self.outcomes[place] <= until.number

    def _is_under_water_at(self, block: BlockRef) -> bool | None:
        state = self._state_at(block)
        if not state.has_open_debt:
            return False
        try:
            return _is_under_water(state, self._view(block))
        except MarketMissing:
            return None

    def _state_at(self, block: BlockRef) -> WalletState:
        place, events, folder = self.place, self.events, self.folder
        while place < len(events) and events[place].position.block.number <= block.number:
            folder.take(events[place])
            place += 1
        if place != self.place or self.state is None:
            self.place, self.state = place, folder.freeze()
        return self.state

    def _view(self, block: BlockRef) -> MarketView:
        return self.shared.history.view(block)


def _is_outcome(event: LendingEvent) -> bool:
    return event.role is Role.OWNER and event.type in (EventType.LIQUIDATED, EventType.BAD_DEBT)


def _is_unknowable(state: WalletState) -> bool:
    """What a service would call unscorable: a part of the history missing, or a debt that no log tells."""
    return state.is_impossible or state.has_untold_debt


def _is_under_water(state: WalletState, view: MarketView) -> bool:
    """Whether an account owes more than stands behind it: bad debt, whoever may still book it."""
    return any(_owes_more(account) for account in open_accounts([state], [view]))


def _owes_more(account: Account) -> bool:
    return account.collateral_base < account.debt_base
