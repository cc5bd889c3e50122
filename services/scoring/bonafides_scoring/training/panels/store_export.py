"""The event store as decoded files: what the scoring database knows of one chain, up to its newest finalized block.

    scoring.event, scoring.market_point ──► events.parquet, market.parquet ──► the same builder as for decoded files
    scoring.boundary, and the blocks of both ──► blocks.parquet

A panel takes long to fold, and a database should not be kept waiting; so its rows are read once, in order, a few
thousand in memory. What the worker would not score from is not written: copies that a better one replaced, events
that a fork made void, wallets with a log that nobody could read. A store with holes is refused.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from bonafides.errors import InvalidInput
from bonafides.event_files import BLOCKS, BLOCKS_FILE, EVENTS, EVENTS_FILE, MARKET, MARKET_FILE, Layout, RowWriter
from bonafides.events import Boundary, ForkEpoch
from bonafides.messages import decode
from bonafides.runtime import connect_database
from bonafides.types import Address, BlockRef, ChainId, Digest
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Table, and_, func, not_, select, tuple_, union

from bonafides_scoring.settings import ScoringSettings
from bonafides_scoring.store.events import dead_letters_known, event_of
from bonafides_scoring.store.market import epochs_until, newest_finalized, point_of
from bonafides_scoring.store.tables import boundary as boundary_table
from bonafides_scoring.store.tables import event as event_table
from bonafides_scoring.store.tables import market_point, unreadable_record, wallet_dead_letter
from bonafides_scoring.training.panels.folder import Progress

ROWS_AT_ONCE = 5_000
ALL_OFFSETS = 2**62
COMPLETE = "store.json"


def exported_store(folder: Path, *, resume: bool, progress: Progress) -> Path:
    """Export the store that the settings name into a folder, and return the folder.

    With `resume` a finished export is taken as it is, so that the panel goes on with the same rows.

    Raises:
        InvalidInput: settings that name several chains, or what `export_chain` refuses.
    """
    if resume and (folder / COMPLETE).exists():
        return folder
    settings = ScoringSettings.load()
    if len(settings.chain_ids) != 1:
        raise InvalidInput(
            f"a panel is of one chain, {ScoringSettings.variable('chain_ids')} names {len(settings.chain_ids)}"
        )
    engine = connect_database(settings, pool_size=1)
    try:
        with engine.connect() as connection:
            export_chain(connection, ChainId(settings.chain_ids[0]), folder, progress)
    finally:
        engine.dispose()
    return folder


def export_chain(connection: Connection, chain_id: ChainId, folder: Path, progress: Progress) -> BlockRef:
    """Write what the store knows of a chain up to its newest finalized boundary; returns that boundary's block.

    Raises:
        InvalidInput: no finalized boundary; a gap in what was scanned; a record of the log that could not be read.
    """
    connection = connection.execution_options(isolation_level="REPEATABLE READ")  # one moment for all of the rows
    logged = newest_finalized(connection, chain_id, below_offset=ALL_OFFSETS)
    if logged is None:
        raise InvalidInput(f"the store holds no finalized boundary of chain {chain_id}")
    boundary, block = logged.boundary, logged.boundary.block
    _check_whole(connection, boundary)
    shutil.rmtree(folder, ignore_errors=True)
    epochs = epochs_until(connection, chain_id, boundary.number)
    letters = _wallets_with_dead_letters(connection, block)
    events = _valid(event_table, block, epochs).where(event_table.c.wallet.not_in(letters))
    points = _valid(market_point, block, epochs)
    _write(connection, events, folder, EVENTS_FILE, EVENTS, event_of, progress)
    _write(connection, points, folder, MARKET_FILE, MARKET, point_of, progress)
    _write_blocks(connection, block, epochs, folder)
    (folder / COMPLETE).write_text(json.dumps({"block": block.number, "wallets_left_out": len(letters)}))
    return block


def _write[T](
    connection: Connection,
    query: Select[tuple[object, ...]],
    folder: Path,
    name: str,
    layout: Layout[T],
    read: Callable[[RowMapping], T],
    progress: Progress,
) -> None:
    total = connection.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    done = 0
    with RowWriter(folder / name, layout) as writer:
        for rows in _streamed(connection, query):
            writer.write(read(row) for row in rows)
            done += len(rows)
            progress(f"reading the store: {name}", done, total)


def _write_blocks(connection: Connection, block: BlockRef, epochs: tuple[ForkEpoch, ...], folder: Path) -> None:
    """Blocks of boundaries that are final, and of all rows that were written: of others, nothing is known."""
    places = [
        _valid(table, block, epochs)
        .with_only_columns(table.c.block_number, table.c.block_hash, table.c.block_timestamp)
        .order_by(None)
        for table in (event_table, market_point)
    ]
    known: dict[int, BlockRef] = {}
    for rows in _streamed(connection, union(*places).order_by("block_number")):  # type: ignore[arg-type]
        for row in rows:
            number = row["block_number"]
            known[number] = BlockRef(block.chain_id, number, Digest(bytes(row["block_hash"])), row["block_timestamp"])
    for final in _final_blocks(connection, block):
        known[final.number] = final
    with RowWriter(folder / BLOCKS_FILE, BLOCKS) as writer:
        writer.write(known[number] for number in sorted(known))


def _final_blocks(connection: Connection, block: BlockRef) -> Iterator[BlockRef]:
    table = boundary_table
    records = connection.scalars(
        select(table.c.record).where(table.c.chain_id == block.chain_id, table.c.finality == "finalized")
    )
    for record in records:
        boundary = decode(bytes(record))
        if isinstance(boundary, Boundary) and boundary.block.number <= block.number:
            yield boundary.block


def _valid(table: Table, block: BlockRef, epochs: tuple[ForkEpoch, ...]) -> Select[tuple[object, ...]]:
    """Rows of a chain up to a block in canonical order: the best copy of each, and none that a fork made void."""
    other = table.alias("other")
    better = tuple_(other.c.fork_epoch, other.c.decoder_version) > tuple_(table.c.fork_epoch, table.c.decoder_version)
    order: list[ColumnElement[int]] = [
        table.c.block_number,
        table.c.tx_index,
        table.c.log_index,
        table.c.sub_index,
        table.c.id,
    ]
    return (
        select(table)
        .where(
            table.c.chain_id == block.chain_id,
            table.c.block_number <= block.number,
            ~select(other.c.id).where(other.c.id == table.c.id, better).exists(),
            *(not_(and_(table.c.fork_epoch < one.epoch, table.c.block_number >= one.fork_block)) for one in epochs),
        )
        .order_by(*order)
    )


def _streamed(connection: Connection, query: Select[tuple[object, ...]]) -> Iterator[list[RowMapping]]:
    with connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query) as result:
        for rows in result.mappings().partitions():
            yield list(rows)


def _wallets_with_dead_letters(connection: Connection, block: BlockRef) -> list[Address]:
    table = wallet_dead_letter
    asked = select(table.c.wallet).distinct().where(table.c.chain_id == block.chain_id)
    wallets = [Address(bytes(wallet)) for wallet in connection.scalars(asked)]
    known = dead_letters_known(
        connection,
        wallets,
        block.chain_id,
        to_block=block.number,
        below_offset=ALL_OFFSETS,
    )
    return sorted(known)


def _check_whole(connection: Connection, boundary: Boundary) -> None:
    """Where something was not read, "never liquidated" and "not scanned" would look alike."""
    for row in boundary.coverage:
        if row.gaps or row.complete_to < boundary.block.number or row.dead_letters:
            raise InvalidInput(
                f"{row.deployment} was not read whole up to block {boundary.block.number}: {len(row.gaps)} gaps, "
                f"complete to block {row.complete_to}, {row.dead_letters} dead letters of unknown wallets; backfill it"
            )
    lost = connection.scalar(
        select(func.count()).select_from(unreadable_record).where(unreadable_record.c.mended_offset.is_(None))
    )
    if lost:
        raise InvalidInput(
            f"{lost} records of the log could not be read and are not mended: whose they were is unknown"
        )
