"""Reads a wallet's events, page by page, and the bundle that replays a score."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from bonafides.consent import ConsentMode
from bonafides.digests import event_set_digest, market_digest
from bonafides.errors import InvalidInput, InvariantViolation, NotFound
from bonafides.events import LendingEvent, MarketPoint
from bonafides.topics import WALLET_EVENTS, partition_of
from bonafides.types import Address, BlockRef, ChainId, Digest
from sqlalchemy import Connection

from bonafides_scoring.api import schemas
from bonafides_scoring.api.answers import blocks_of, coverage_of, explanation_of, hex_text, model_of, score_row
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.knowledge import as_of_boundaries, histories_at, view_at
from bonafides_scoring.market import points_used
from bonafides_scoring.store import events, market
from bonafides_scoring.store.market import LoggedBoundary
from bonafides_scoring.store.progress import progress_of

_CURSOR = re.compile(r"(\d{1,19})\.(\d{1,19})\.(\d{1,10})\.(\d{1,10})\.(\d{1,5})", re.ASCII)
_HIGHEST_BLOCK = 2**63 - 1
_NO_OFFSET = 2**62
"""Above every offset: all that is known now."""


class Cursor(NamedTuple):
    """The place of the last event of a page: the next page starts after it."""

    chain_id: ChainId
    block: int
    tx_index: int
    log_index: int
    sub_index: int

    @property
    def text(self) -> str:
        """As it stands in `next` and `after`."""
        return ".".join(str(part) for part in self)


def parse_cursor(text: str) -> Cursor:
    """The cursor in `after`. Raises InvalidInput."""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise InvalidInput("after: expected the value of `next` of the page before")
    chain_id, block, tx_index, log_index, sub_index = (int(part) for part in match.groups())
    if block > _HIGHEST_BLOCK:
        raise InvalidInput("after: no block has this number")
    return Cursor(ChainId(chain_id), block, tx_index, log_index, sub_index)


def events_answer(
    connection: Connection, wallet: Address, after: Cursor | None, limit: int, mode: ConsentMode
) -> schemas.EventsAnswer:
    """A page of a wallet's events up to the newest finalized block that was read for it on each chain.

    Raises NotFound for a wallet without any event.
    """
    partition = partition_of(wallet, WALLET_EVENTS)
    progress = progress_of(connection, [partition])[partition]
    read = [
        logged
        for chain_id in sorted(progress)
        if (
            logged := market.newest_finalized(
                connection, chain_id, below_offset=_NO_OFFSET, up_to_number=progress[chain_id].number
            )
        )
    ]
    found = _events_after(connection, wallet, read, after, limit + 1)  # one more says whether there is a next page
    if not found and (after is None or not _events_after(connection, wallet, read, None, 1)):
        raise NotFound("no event of this address is known up to the newest finalized blocks")
    page = found[:limit]
    return schemas.EventsAnswer(
        consent_mode=mode,
        wallet=hex_text(wallet),
        as_of=[_block(logged.boundary.block) for logged in read],
        events=[event_view(event) for event in page],
        next=_cursor_of(page[-1]).text if len(found) > limit else None,
    )


def _events_after(
    connection: Connection, wallet: Address, read: Sequence[LoggedBoundary], after: Cursor | None, limit: int
) -> list[LendingEvent]:
    """At most `limit` events after a cursor, chain by chain, each up to its boundary's block."""
    found: list[LendingEvent] = []
    for logged in read:
        block = logged.boundary.block
        if len(found) >= limit or (after is not None and block.chain_id < after.chain_id):
            continue
        found += events.events_page(
            connection,
            wallet,
            block.chain_id,
            to_block=block.number,
            epochs=market.epochs_until(connection, block.chain_id, logged.boundary.number),
            after=after[1:] if after is not None and block.chain_id == after.chain_id else None,
            limit=limit - len(found),
        )
    return found


def bundle_answer(connection: Connection, score_id: Digest, mode: ConsentMode) -> schemas.BundleAnswer:
    """A score's receipt with the events and market points it used.

    Raises:
        NotFound: no score of this id.
        InvariantViolation: what is in the database is not what the receipt was made from.
    """
    row = score_row(connection, score_id)
    kept = explanation_of(row)
    wallets = [Address(bytes(wallet)) for wallet in row["wallets"]]
    blocks = blocks_of(row["as_of"])
    called = market.boundary_of(connection, ChainId(row["chain_id"]), row["boundary_number"])
    chain_ids = tuple(ChainId(block.chain_id) for block in blocks)
    boundaries = None if called is None else as_of_boundaries(connection, called, chain_ids)
    if called is None or boundaries is None:
        raise InvariantViolation("the boundary of a score is not in the database")
    histories = histories_at(connection, wallets, boundaries, row["event_offset"])
    history = [event for wallet in wallets for event in histories.get(wallet, [])]
    views = tuple(view_at(connection, one, called.log_offset) for one in boundaries)
    folded = [
        fold(empty_state(wallet, chain_id), own)
        for wallet in wallets
        for chain_id in chain_ids
        if (own := [event for event in histories.get(wallet, []) if event.position.block.chain_id == chain_id])
    ]
    points = points_used(folded, views)
    if (
        event_set_digest(history) != bytes(row["event_set_digest"])
        or market_digest(points).hex() != (kept["market_digest"])
    ):
        raise InvariantViolation("a score's events or market points are not those of its receipt any more")
    return schemas.BundleAnswer(
        consent_mode=mode,
        score_id=hex_text(score_id),
        score=row["score"],
        code_version=row["code_version"],
        model=model_of(row),
        receipt=schemas.ReceiptView(
            encoding=hex_text(row["receipt"]),
            wallets=[hex_text(wallet) for wallet in wallets],
            as_of=blocks,
            coverage=coverage_of(row["coverage"]),
            event_set_digest=hex_text(row["event_set_digest"]),
            market_digest="0x" + kept["market_digest"],
            feature_digest="0x" + kept["feature_digest"],
            feature_schema_hash="0x" + kept["feature_schema_hash"],
            fold_version=kept["fold_version"],
            model_id=hex_text(row["model_id"]),
            margin=kept["margin"],
            families=[line["contribution"] for line in kept["families"]],
            base_points=kept["base_points"],
            family_points=[line["points"] for line in kept["families"]],
            clip=kept["clip"],
        ),
        events=[event_view(event) for event in history],
        market=[_point_view(point) for point in points],
    )


def event_view(event: LendingEvent) -> schemas.Event:
    """An event as JSON tells it."""
    return schemas.Event(
        event_id=hex_text(event.id),
        position=_position(event),
        sub_index=event.sub_index,
        protocol=event.protocol,
        deployment=event.deployment,
        type=event.type,
        role=event.role,
        wallet=hex_text(event.wallet),
        counterparty=event.counterparty and hex_text(event.counterparty),
        asset=hex_text(event.asset),
        amount=str(event.amount),
        second_asset=event.second_asset and hex_text(event.second_asset),
        second_amount=str(event.second_amount),
        scaled_delta=str(event.scaled_delta),
        index_ray=str(event.index_ray),
        market=hex_text(event.market),
    )


def _cursor_of(event: LendingEvent) -> Cursor:
    return Cursor(event.position.block.chain_id, *event.order)


def _position(located: LendingEvent | MarketPoint) -> schemas.Position:
    position = located.position
    return schemas.Position(
        block=_block(position.block),
        tx_hash=hex_text(position.tx_hash),
        tx_index=position.tx_index,
        log_index=position.log_index,
    )


def _block(block: BlockRef) -> schemas.Block:
    return schemas.Block(
        chain_id=block.chain_id, number=block.number, hash=hex_text(block.hash), timestamp=block.timestamp
    )


def _point_view(point: MarketPoint) -> schemas.MarketFact:
    return schemas.MarketFact(
        position=_position(point),
        sub_index=point.sub_index,
        deployment=point.deployment,
        kind=point.kind,
        asset=hex_text(point.asset),
        category=point.category,
        values=[str(value) for value in point.values],
        market=hex_text(point.market),
    )
