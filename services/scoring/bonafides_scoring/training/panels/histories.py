"""The events of one wallet after another, from sorted rows."""

from collections.abc import Iterator

import polars as pl
from bonafides.errors import InvalidInput
from bonafides.event_files import EVENTS_FILE
from bonafides.events import LendingEvent, Position
from bonafides.quick import quick
from bonafides.types import ZERO_DIGEST, Address, BlockRef, ChainId, Digest, EventType, Protocol, Role

from bonafides_scoring.training.panels.sorting import ROW

ROWS_AT_ONCE = 10_000
"""Rows as Python objects at a time, beside the events of one wallet."""
_make_event, _make_position, _make_block = quick(LendingEvent), quick(Position), quick(BlockRef)
_TYPES = {word.value: word for word in EventType}
_ROLES = {word.value: word for word in Role}
_PROTOCOLS = {word.value: word for word in Protocol}


def histories(frame: pl.DataFrame, *, only: set[Address] | None = None) -> Iterator[tuple[Address, list[LendingEvent]]]:
    """Each wallet of a sorted bucket with its events in canonical order, wallets ascending.

    Hashes of blocks and transactions are zero where the bucket was cut without them.

    Raises:
        InvalidInput: a word of a row that we do not know.
    """
    if only is not None:
        frame = frame.filter(pl.col("wallet").is_in(sorted(only)))
    wallet: Address | None = None
    own: list[LendingEvent] = []
    for rows in frame.iter_slices(ROWS_AT_ONCE):
        for event in _events(rows):
            if event.wallet != wallet:
                if wallet is not None:
                    yield wallet, own
                wallet, own = event.wallet, []
            own.append(event)
    if wallet is not None:
        yield wallet, own


def _events(rows: pl.DataFrame) -> Iterator[LendingEvent]:
    blocks: dict[int, BlockRef] = {}
    columns = rows.with_columns(pl.col("protocol", "deployment", "type", "role").cast(pl.String)).to_dict(
        as_series=False
    )
    zeros = [ZERO_DIGEST] * len(rows)
    hashes, tx_hashes = columns.get("block_hash", zeros), columns.get("tx_hash", zeros)
    for place, number in enumerate(columns["block_number"]):
        block = blocks.get(number)
        if block is None:
            chain_id, time = ChainId(columns["chain_id"][place]), columns["block_timestamp"][place]
            block = blocks[number] = _make_block(chain_id, number, Digest(hashes[place]), time)
        position = _make_position(block, tx_hashes[place], columns["tx_index"][place], columns["log_index"][place])
        try:
            kind, role = _TYPES[columns["type"][place]], _ROLES[columns["role"][place]]
            protocol = _PROTOCOLS[columns["protocol"][place]]
        except KeyError as exc:
            raise InvalidInput(f"{EVENTS_FILE}, row {columns[ROW][place]}: nobody knows the word {exc}") from exc
        yield _make_event(
            position,
            columns["sub_index"][place],
            columns["fork_epoch"][place],
            columns["decoder_version"][place],
            protocol,
            columns["deployment"][place],
            kind,
            role,
            columns["wallet"][place],
            columns["counterparty"][place],
            columns["asset"][place],
            int.from_bytes(columns["amount"][place]),
            columns["second_asset"][place],
            int.from_bytes(columns["second_amount"][place]),
            int.from_bytes(columns["scaled_delta"][place], signed=True),
            int.from_bytes(columns["index_ray"][place]),
            columns["market"][place],
        )
