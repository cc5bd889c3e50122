"""What was known at an as-of: its boundaries, the market there, and the events of wallets up to it.

The worker asks while it scores, the API when it shows what a score was made from: the same rows, the same answer.
"""

from collections.abc import Sequence
from itertools import batched

from bonafides.bus import TopicPartition
from bonafides.digests import event_set_digest
from bonafides.events import LendingEvent
from bonafides.topics import MARKET, WALLET_EVENTS
from bonafides.types import Address, ChainId, Digest
from sqlalchemy import Connection

from bonafides_scoring.folding import BEFORE_ALL, states_at
from bonafides_scoring.market import MarketView, market_view
from bonafides_scoring.store import events, market
from bonafides_scoring.store.market import LoggedBoundary
from bonafides_scoring.store.unreadable import count_unreadable
from bonafides_scoring.wallet_state import WalletState

HISTORIES_AT_ONCE = 50
"""Wallets whose events are in memory together while their digests are made."""


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


def event_set_digests(
    connection: Connection, wallets: Sequence[Address], boundaries: tuple[LoggedBoundary, ...], event_offset: int
) -> dict[Address, Digest]:
    """The digest of each wallet's events, as `histories_at` gives them."""
    found: dict[Address, Digest] = {}
    for few in batched(wallets, HISTORIES_AT_ONCE):
        histories = histories_at(connection, list(few), boundaries, event_offset)
        found |= {wallet: event_set_digest(histories.get(wallet, ())) for wallet in few}
    return found


def states_by_wallet(
    connection: Connection, wallets: Sequence[Address], boundaries: tuple[LoggedBoundary, ...], event_offset: int
) -> dict[Address, tuple[WalletState, ...]]:
    """States with any history, per wallet, ascending by chain."""
    found: dict[Address, tuple[WalletState, ...]] = {}
    for logged in boundaries:
        block = logged.boundary.block
        epochs = market.epochs_until(connection, block.chain_id, logged.boundary.number)
        on_chain = states_at(
            connection, wallets, block.chain_id, block.number, epochs=epochs, below_offset=event_offset
        )
        for wallet, state in on_chain.items():
            if state.last_order is not None:
                found[wallet] = (*found.get(wallet, ()), state)
    return found


def dead_letters_by_wallet(
    connection: Connection, wallets: Sequence[Address], boundaries: tuple[LoggedBoundary, ...], event_offset: int
) -> dict[Address, int]:
    """How many dead letters of each wallet nothing has mended; a wallet without any is left out."""
    found: dict[Address, int] = {}
    for logged in boundaries:
        block = logged.boundary.block
        known = events.dead_letters_known(
            connection, wallets, block.chain_id, to_block=block.number, below_offset=event_offset
        )
        for wallet, count in known.items():
            found[wallet] = found.get(wallet, 0) + count
    return found


def unreadable_records(connection: Connection, partition: int, *, event_offset: int, market_offset: int) -> int:
    """Records of the two logs that were missing then: any of them may have been about any wallet of the partition."""
    own, shared = TopicPartition(WALLET_EVENTS.name, partition), TopicPartition(MARKET.name, 0)
    return count_unreadable(connection, own, event_offset) + count_unreadable(connection, shared, market_offset)
