"""What was known at an as-of: its boundaries, the market there, and the events of wallets up to it.

The worker asks while it scores, the API when it shows what a score was made from: the same rows, the same answer.
"""

from bonafides.events import LendingEvent
from bonafides.types import Address, ChainId
from sqlalchemy import Connection

from bonafides_scoring.folding import BEFORE_ALL
from bonafides_scoring.market import MarketView, market_view
from bonafides_scoring.store import events, market
from bonafides_scoring.store.market import LoggedBoundary


def as_of_boundaries(
    connection: Connection, called: LoggedBoundary, chain_ids: tuple[ChainId, ...]
) -> tuple[LoggedBoundary, ...] | None:
    """The boundary of every chain that an as-of names, by chain: the one that called, and of each other chain the
    newest finalized one that stood before it in `market.v1`. None when a chain has none."""
    found: list[LoggedBoundary] = []
    for chain_id in chain_ids:
        if chain_id == called.boundary.block.chain_id:
            found.append(called)
            continue
        other = market.newest_finalized(connection, chain_id, below_offset=called.log_offset)
        if other is None:
            return None
        found.append(other)
    return tuple(found)


def view_at(connection: Connection, logged: LoggedBoundary, below_offset: int) -> MarketView:
    """The market of one chain at a boundary, as it was known below an offset of `market.v1`."""
    block = logged.boundary.block
    epochs = market.epochs_until(connection, block.chain_id, logged.boundary.number)
    return market_view(market.latest_points(connection, block, below_offset=below_offset, epochs=epochs), block)


def histories_at(
    connection: Connection, wallets: list[Address], boundaries: tuple[LoggedBoundary, ...], event_offset: int
) -> dict[Address, list[LendingEvent]]:
    """All events of each wallet up to these boundaries, as they were known below an offset of its partition."""
    found: dict[Address, list[LendingEvent]] = {}
    for logged in boundaries:
        block = logged.boundary.block
        known = events.events_known(
            connection,
            dict.fromkeys(wallets, BEFORE_ALL),
            block.chain_id,
            to_block=block.number,
            below_offset=event_offset,
            epochs=market.epochs_until(connection, block.chain_id, logged.boundary.number),
        )
        for wallet, history in known.items():
            found.setdefault(wallet, []).extend(history)
    return found
