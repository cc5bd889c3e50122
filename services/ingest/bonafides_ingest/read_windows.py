"""Which logs of which blocks were read of a deployment, in Postgres: what the audit compares with the chain."""

from collections.abc import Mapping
from dataclasses import dataclass

from bonafides.database import transaction
from bonafides.events import BlockRange
from bonafides.types import Address, ChainId, Digest
from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.dialects.postgresql import insert

from bonafides_ingest import tables
from bonafides_ingest.log_digest import LogFilter, LogSet

MERGED_BLOCKS = 1_000
"""Windows smaller than this grow by what adjoins: else the live tail would leave a row per block and deployment."""


@dataclass(frozen=True, slots=True)
class ReadLogs:
    """What a window read of one deployment or source of links."""

    filter: LogFilter
    """Every log that it takes was asked for in the window."""
    logs: LogSet


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """A range of blocks as it was read of one deployment or source of links."""

    deployment: str
    blocks: BlockRange
    read: ReadLogs


def put_read_windows(
    connection: Connection, chain_id: ChainId, blocks: BlockRange, read: Mapping[str, ReadLogs]
) -> None:
    """Remember what was read of these deployments (by id), in the transaction that commits the window."""
    window, filters = tables.read_window, {part.filter.key: part.filter for part in read.values()}
    for key, wanted in filters.items():
        row = {
            "chain_id": chain_id,
            "key": key,
            "contracts": sorted(wanted.contracts),
            "topics_anywhere": sorted(wanted.topics_anywhere),
        }
        connection.execute(insert(tables.log_filter).values(row).on_conflict_do_nothing())
    if not read:
        return
    mine = (window.c.chain_id == chain_id) & window.c.deployment.in_(read)
    # A source that was listed again is read again: what it left is of no use.
    again = (window.c.first_block <= blocks.last) & (window.c.last_block >= blocks.first)
    connection.execute(delete(window).where(mine, again))
    query = select(window).where(
        mine, window.c.last_block == blocks.first - 1, window.c.first_block > blocks.last - MERGED_BLOCKS
    )
    before = {row.deployment: row for row in connection.execute(query)}
    rows = []
    for deployment, part in sorted(read.items()):
        first, logs, earlier = blocks.first, part.logs, before.get(deployment)
        if earlier is not None and bytes(earlier.filter_key) == part.filter.key:
            first, logs = earlier.first_block, LogSet.from_bytes(earlier.logs, bytes(earlier.digest)) + logs
        rows.append(
            {
                "chain_id": chain_id,
                "deployment": deployment,
                "first_block": first,
                "last_block": blocks.last,
                "logs": logs.count,
                "digest": logs.to_bytes(),
                "filter_key": part.filter.key,
            }
        )
    statement, same = insert(window), ["chain_id", "deployment", "first_block"]
    values = {name: statement.excluded[name] for name in rows[0] if name not in same}
    connection.execute(statement.on_conflict_do_update(index_elements=same, set_=values), rows)


def windows_in(engine: Engine, chain_id: ChainId, wanted: BlockRange) -> tuple[StoredWindow, ...]:
    """The windows that share a block with this range, whole, by first block."""
    window, kept = tables.read_window, tables.log_filter
    query = (
        select(window, kept.c.contracts, kept.c.topics_anywhere)
        .join(kept, (kept.c.chain_id == window.c.chain_id) & (kept.c.key == window.c.filter_key))
        .where(
            (window.c.chain_id == chain_id)
            & (window.c.first_block <= wanted.last)
            & (window.c.last_block >= wanted.first)
        )
        .order_by(window.c.first_block, window.c.deployment)
    )
    filters: dict[bytes, LogFilter] = {}  # most windows share one
    found = []
    with transaction(engine) as connection:
        for row in connection.execute(query):
            key = bytes(row.filter_key)
            if key not in filters:
                filters[key] = LogFilter(
                    frozenset(Address(bytes(contract)) for contract in row.contracts),
                    frozenset(Digest(bytes(topic)) for topic in row.topics_anywhere),
                )
            read = ReadLogs(filters[key], LogSet.from_bytes(row.logs, bytes(row.digest)))
            found.append(StoredWindow(row.deployment, BlockRange(row.first_block, row.last_block), read))
    return tuple(found)
