"""The training panel: who owed something at a cut-off, what was known then, and what happened after.

    events ≤ cut-off block ──► fold ──► features        the same code as in serving
    events > cut-off block, ≤ cut-off + 30 days ──► label: liquidated, or debt left without collateral behind it

A cut-off T is the last block with timestamp < T. An event at that block is known; one after it can only be the label's.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from bonafides.errors import InvalidInput
from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import Address, AsOf, BlockRef, EventType, Role

from bonafides_scoring.features.build import feature_vector, open_accounts
from bonafides_scoring.features.schema import FEATURE_NAMES
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import Account, MarketMissing, MarketView
from bonafides_scoring.reference import ReferencePosition
from bonafides_scoring.training.market_history import MarketHistory
from bonafides_scoring.training.panels.panel import HORIZON_DAYS, LONG_HORIZON_DAYS, UNKNOWN, Panel, Stratum
from bonafides_scoring.wallet_state import SECONDS_PER_DAY, WalletState


def build_panel(
    events: Iterable[LendingEvent],
    points: Iterable[MarketPoint],
    blocks: Sequence[BlockRef],
    reference: ReferencePosition,
    *,
    step_days: int,
    warm_up_days: int,
    progress: Callable[[int, int], None] | None = None,
) -> Panel:
    """The panel of one chain, with a cut-off every `step_days`, the first `warm_up_days` after the first block.

    The last cut-off leaves a whole horizon of blocks behind it: a label is never cut short.

    Raises:
        InvalidInput: no events, no blocks, several chains, or too short a time for one cut-off.
    """
    per_wallet = _by_wallet(events)
    blocks = _checked_blocks(blocks, per_wallet)
    times = [block.timestamp for block in blocks]
    cutoffs = _cutoffs(times, step_days, warm_up_days)
    history = MarketHistory(points)
    states = {wallet: empty_state(wallet, blocks[0].chain_id) for wallet in per_wallet}
    places = dict.fromkeys(per_wallet, 0)
    rows: list[tuple[Address, int, int, int, tuple[float, ...]]] = []
    for done, cutoff in enumerate(cutoffs):
        block = block_before(blocks, times, cutoff)
        last = block_before(blocks, times, cutoff + HORIZON_DAYS * SECONDS_PER_DAY)
        view, later = history.view(block), history.view(last)
        end = cutoff + LONG_HORIZON_DAYS * SECONDS_PER_DAY
        much_later = history.view(block_before(blocks, times, end)) if end <= times[-1] else None
        as_of = AsOf((block,))
        for wallet, own in per_wallet.items():
            state, place = _advance(states[wallet], own, places[wallet], block.number)
            states[wallet], places[wallet] = state, place
            if not state.has_open_debt:
                continue
            try:
                exposed = open_accounts([state], [view])
                if not exposed or _is_under_water(exposed):
                    continue  # nothing at stake, or the outcome has come already
                vector = feature_vector([state], [view], as_of, reference)
            except MarketMissing:
                continue
            label = _label(state, own, place, later)
            label_90d = UNKNOWN if much_later is None else _label(state, own, place, much_later)
            rows.append((wallet, cutoff, label, label_90d, vector.values))
        if progress is not None:
            progress(done + 1, len(cutoffs))
    if not rows:
        raise InvalidInput("no wallet owed anything at any cut-off: there is nothing to learn from")
    rows.sort()
    return Panel(
        features=np.array([row[4] for row in rows], dtype=np.float32).reshape(len(rows), len(FEATURE_NAMES)),
        labels=np.array([row[2] for row in rows], dtype=np.int64),
        labels_90d=np.array([row[3] for row in rows], dtype=np.int64),
        cutoffs=np.array([row[1] for row in rows], dtype=np.int64),
        wallets=tuple(row[0] for row in rows),
        chains=np.full(len(rows), blocks[0].chain_id, dtype=np.int64),
        strata=np.full(len(rows), Stratum.OPEN_DEBT.value),
    )


def block_before(blocks: Sequence[BlockRef], times: Sequence[int], cutoff: int) -> BlockRef:
    """The last block with timestamp < `cutoff`. Raises InvalidInput when there is none."""
    place = bisect_left(times, cutoff)
    if place == 0:
        raise InvalidInput(f"cut-off {cutoff} is not after the first block")
    return blocks[place - 1]


def _by_wallet(events: Iterable[LendingEvent]) -> dict[Address, list[LendingEvent]]:
    """Events of each wallet in canonical order; wallets in ascending order."""
    found: dict[Address, list[LendingEvent]] = {}
    for event in events:
        found.setdefault(event.wallet, []).append(event)
    if not found:
        raise InvalidInput("the event file holds no events")
    for own in found.values():
        own.sort(key=lambda event: event.order)
    return {wallet: found[wallet] for wallet in sorted(found)}


def _checked_blocks(blocks: Sequence[BlockRef], per_wallet: dict[Address, list[LendingEvent]]) -> tuple[BlockRef, ...]:
    ordered = tuple(sorted(blocks, key=lambda block: block.number))
    chains = {block.chain_id for block in ordered}
    chains |= {own[0].position.block.chain_id for own in per_wallet.values()}
    if len(chains) != 1:
        raise InvalidInput(f"training takes blocks and events of one chain, saw {len(chains)}")
    return ordered


def _cutoffs(times: Sequence[int], step_days: int, warm_up_days: int) -> list[int]:
    first = (times[0] // SECONDS_PER_DAY + warm_up_days) * SECONDS_PER_DAY
    last = times[-1] - HORIZON_DAYS * SECONDS_PER_DAY
    cutoffs = list(range(first, last + 1, step_days * SECONDS_PER_DAY))
    if not cutoffs:
        span = (times[-1] - times[0]) // SECONDS_PER_DAY
        raise InvalidInput(
            f"{span} days of blocks leave no cut-off after {warm_up_days} days with {HORIZON_DAYS} days behind it"
        )
    return cutoffs


def _advance(state: WalletState, own: Sequence[LendingEvent], place: int, last_block: int) -> tuple[WalletState, int]:
    end = place
    while end < len(own) and own[end].position.block.number <= last_block:
        end += 1
    return (fold(state, own[place:end]), end) if end > place else (state, place)


def _label(state: WalletState, own: Sequence[LendingEvent], place: int, later: MarketView) -> int:
    """Whether the outcome came in the blocks after the cut-off's, up to the later view's, inclusive."""
    end = place
    while end < len(own) and own[end].position.block.number <= later.block.number:
        event = own[end]
        if event.role is Role.OWNER and event.type in (EventType.LIQUIDATED, EventType.BAD_DEBT):
            return 1
        end += 1
    try:
        left = open_accounts([fold(state, own[place:end])], [later])
    except MarketMissing:
        return 0
    return int(_is_under_water(left))


def _is_under_water(exposed: Sequence[Account]) -> bool:
    """Whether an account owes more than stands behind it: bad debt, whoever may still book it."""
    return any(account.collateral_base < account.debt_base for account in exposed)
