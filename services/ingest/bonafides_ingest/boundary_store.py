"""Boundaries in Postgres: written once, sent until the log has them. See `boundaries` for why that holds."""

from dataclasses import dataclass

from bonafides.database import transaction
from bonafides.errors import InvariantViolation
from bonafides.events import Boundary, ForkEpoch
from bonafides.messages import decode, encode
from bonafides.types import ChainId
from sqlalchemy import Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert

from bonafides_ingest import tables
from bonafides_ingest.boundaries import BoundaryPlan, SentBoundaries
from bonafides_ingest.lease import Lease, hold_lease


@dataclass(frozen=True, slots=True)
class StoredBoundary:
    """A boundary that may still have to be sent."""

    boundary: Boundary
    message: bytes
    partitions: tuple[int, ...]


class BoundaryStore:
    """The boundaries and fork epochs of one chain."""

    def __init__(self, engine: Engine, chain_id: ChainId, lease_s: float) -> None:
        self._engine, self._chain_id, self._lease_s = engine, chain_id, lease_s

    def write(self, lease: Lease, boundary: Boundary, plan: BoundaryPlan, now: float) -> tuple[Lease, StoredBoundary]:
        """Write a boundary, once and for ever; from here on it will be sent. Raises LeaseLost."""
        message = encode(boundary)
        with transaction(self._engine) as connection:
            hold_lease(connection, self._chain_id, lease, self._lease_s, {"pending_partitions": []})
            connection.execute(
                insert(tables.boundary).values(
                    chain_id=self._chain_id,
                    number=boundary.number,
                    message=message,
                    partitions=list(plan.partitions),
                    block_number=boundary.block.number,
                    is_scoring=plan.is_scoring,
                    is_to_all=plan.is_to_all,
                    is_sent=False,
                    made_at=now,
                )
            )
        kept = Lease(lease.token, lease.epoch, lease.tip, frozenset())
        return kept, StoredBoundary(boundary, message, plan.partitions)

    def mark_sent(self, number: int) -> None:
        """The boundary of this number was flushed."""
        table = tables.boundary
        with transaction(self._engine) as connection:
            connection.execute(
                update(table)
                .where((table.c.chain_id == self._chain_id) & (table.c.number == number))
                .values(is_sent=True)
            )

    def unsent(self) -> list[StoredBoundary]:
        """Boundaries that were written and perhaps not sent, in order."""
        table = tables.boundary
        query = select(table.c.message, table.c.partitions).where(
            (table.c.chain_id == self._chain_id) & ~table.c.is_sent
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.number)).all()
        found = []
        for message, partitions in rows:
            boundary = decode(message)
            if not isinstance(boundary, Boundary):
                raise InvariantViolation("a stored boundary holds another message: the table was changed by hand")
            found.append(StoredBoundary(boundary, message, tuple(partitions)))
        return found

    def sent(self) -> SentBoundaries:
        """What of the boundaries so far the next one depends on."""
        table = tables.boundary
        mine = table.c.chain_id == self._chain_id
        with transaction(self._engine) as connection:
            number, block, to_all_at, scored_at, scored_block = connection.execute(
                select(
                    func.coalesce(func.max(table.c.number), 0),
                    func.coalesce(func.max(table.c.block_number), -1),
                    func.max(table.c.made_at).filter(table.c.is_to_all),
                    func.max(table.c.made_at).filter(table.c.is_scoring),
                    func.coalesce(func.max(table.c.block_number).filter(table.c.is_scoring), -1),
                ).where(mine)
            ).one()
        return SentBoundaries(number, block, to_all_at, scored_at, scored_block)

    def epochs_above(self, block_number: int) -> list[ForkEpoch]:
        """Epochs opened at a block above this one, ascending."""
        table = tables.fork_epoch
        query = select(table.c.epoch, table.c.fork_block).where(
            (table.c.chain_id == self._chain_id) & (table.c.fork_block > block_number)
        )
        with transaction(self._engine) as connection:
            return [ForkEpoch(epoch, fork) for epoch, fork in connection.execute(query.order_by(table.c.epoch))]
