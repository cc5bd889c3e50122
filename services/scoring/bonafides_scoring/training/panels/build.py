"""Builds a panel from what is in memory: small data, and the yardstick of `folder`, which builds from files."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from bonafides.errors import InvalidInput
from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import Address, BlockRef, ChainId

from bonafides_scoring.features.schema import FEATURE_NAMES
from bonafides_scoring.reference import ReferencePosition
from bonafides_scoring.training.market_history import MarketHistory
from bonafides_scoring.training.panels.blocks import BlockTable
from bonafides_scoring.training.panels.panel import Panel
from bonafides_scoring.training.panels.plan import PanelPlan, grid
from bonafides_scoring.training.panels.rows import Row, RowBuilder


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
    """The panel of one chain. See `folder.build_panel_file`.

    Raises:
        InvalidInput: no events, no blocks, several chains, too short a time for one cut-off, or no row.
    """
    per_wallet = _by_wallet(events)
    table = _table(blocks, per_wallet)
    plan = PanelPlan("", step_days, warm_up_days, reference)
    builder = RowBuilder(grid(table, plan), table, MarketHistory.of(points), reference)
    found: list[tuple[Address, list[Row]]] = []
    for done, (wallet, own) in enumerate(per_wallet.items()):
        found.append((wallet, builder.rows(wallet, own)[0]))
        if progress is not None:
            progress(done + 1, len(per_wallet))
    panel = panel_of_rows(found, table.chain_id)
    if not len(panel):
        raise InvalidInput("no wallet owed anything at any cut-off: there is nothing to learn from")
    return panel


def panel_of_rows(found: Sequence[tuple[Address, Sequence[Row]]], chain_id: ChainId) -> Panel:
    """Rows of wallets in ascending order, as a panel."""
    rows = [row for _, own in found for row in own]
    return Panel(
        features=np.array([row.values for row in rows], dtype=np.float32).reshape(len(rows), len(FEATURE_NAMES)),
        labels=np.array([row.label for row in rows], dtype=np.int64),
        labels_90d=np.array([row.label_90d for row in rows], dtype=np.int64),
        cutoffs=np.array([row.ask.cutoff for row in rows], dtype=np.int64),
        wallets=tuple(wallet for wallet, own in found for _ in own),
        chains=np.full(len(rows), chain_id, dtype=np.int64),
        strata=np.array([row.stratum.value for row in rows], dtype=np.str_),
    )


def _by_wallet(events: Iterable[LendingEvent]) -> dict[Address, list[LendingEvent]]:
    """Events of each wallet in canonical order; wallets in ascending order."""
    found: dict[Address, list[LendingEvent]] = {}
    for event in events:
        found.setdefault(event.wallet, []).append(event)
    if not found:
        raise InvalidInput("there are no events")
    for own in found.values():
        own.sort(key=lambda event: event.order)
    return {wallet: found[wallet] for wallet in sorted(found)}


def _table(blocks: Sequence[BlockRef], per_wallet: dict[Address, list[LendingEvent]]) -> BlockTable:
    ordered = sorted(blocks, key=lambda block: block.number)
    chains = {block.chain_id for block in ordered}
    chains |= {own[0].position.block.chain_id for own in per_wallet.values()}
    if len(chains) != 1 or not ordered:
        raise InvalidInput(f"a panel takes blocks and events of one chain, saw {len(chains)}")
    return BlockTable(
        ordered[0].chain_id,
        np.array([block.number for block in ordered], dtype=np.int64),
        np.array([block.timestamp for block in ordered], dtype=np.int64),
        [block.hash for block in ordered],
    )
