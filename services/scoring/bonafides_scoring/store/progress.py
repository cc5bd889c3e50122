"""How far each partition is on each chain, as rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bonafides.types import ChainId
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, func, select
from sqlalchemy.dialects.postgresql import insert

from bonafides_scoring.store.tables import metadata

partition_progress = Table(
    "partition_progress",
    metadata,
    Column("partition", Integer, primary_key=True),
    Column("chain_id", BigInteger, primary_key=True),
    Column("boundary_number", BigInteger, nullable=False, comment="the newest boundary whose mark was read"),
    Column(
        "final_block",
        BigInteger,
        nullable=False,
        server_default="-1",
        comment="of the newest finalized boundary that was folded to; -1: none",
    ),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition is on one chain."""

    number: int = 0
    """Of the newest boundary whose mark was handled; 0 before the first."""
    final_block: int = -1
    """Of the newest finalized boundary that was folded to; -1 before the first."""


def progress_of(connection: Connection, partitions: Iterable[int]) -> dict[int, dict[ChainId, Progress]]:
    """How far these partitions are, each per chain."""
    table = partition_progress
    found: dict[int, dict[ChainId, Progress]] = {partition: {} for partition in partitions}
    rows = connection.execute(
        select(table.c.partition, table.c.chain_id, table.c.boundary_number, table.c.final_block).where(
            table.c.partition.in_(list(found))
        )
    )
    for row in rows:
        found[row.partition][ChainId(row.chain_id)] = Progress(row.boundary_number, row.final_block)
    return found


def save_progress(connection: Connection, moved: Mapping[tuple[int, ChainId], Progress]) -> None:
    """The marks of these boundaries were read, by partition and chain, and everything up to them is folded."""
    if not moved:
        return
    table = partition_progress
    statement = insert(table)
    columns = ("boundary_number", "final_block")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["partition", "chain_id"],
            set_={name: func.greatest(table.c[name], statement.excluded[name]) for name in columns},
        ),
        [
            {
                "partition": partition,
                "chain_id": chain_id,
                "boundary_number": progress.number,
                "final_block": progress.final_block,
            }
            for (partition, chain_id), progress in sorted(moved.items())
        ],
    )
