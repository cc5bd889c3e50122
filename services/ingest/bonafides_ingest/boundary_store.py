"""Boundaries in Postgres: written once, sent until the log has them. See `boundaries` for why that holds."""

from dataclasses import dataclass, replace

from bonafides.database import transaction
from bonafides.errors import InvariantViolation
from bonafides.events import Boundary, ForkEpoch
from bonafides.messages import decode, encode
from bonafides.types import ChainId, Finality
from sqlalchemy import Connection, Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert

from bonafides_ingest import tables
from bonafides_ingest.boundaries import BoundaryPlan, SentBoundaries, Told
from bonafides_ingest.lease import Lease, hold_lease, lock_chain


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
            told = lock_chain(connection, self._chain_id)["pending_partitions"]
            pending = sorted(set(told) - set(plan.partitions))
            hold_lease(connection, self._chain_id, lease, self._lease_s, {"pending_partitions": pending})
            connection.execute(
                insert(tables.boundary).values(
                    chain_id=self._chain_id,
                    number=boundary.number,
                    message=message,
                    partitions=list(plan.partitions),
                    block_number=boundary.block.number,
                    is_scoring=plan.is_scoring,
                    is_to_all=plan.is_to_all,
                    is_final=boundary.finality is Finality.FINALIZED,
                    epoch=lease.epoch,
                    is_sent=False,
                    made_at=now,
                )
            )
        kept = replace(lease, pending_partitions=frozenset(pending))
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
        with transaction(self._engine) as connection:
            number, epoch = connection.execute(
                select(func.coalesce(func.max(table.c.number), 0), func.coalesce(func.max(table.c.epoch), 0)).where(
                    table.c.chain_id == self._chain_id
                )
            ).one()
            return SentBoundaries(number, epoch, self._told(connection, True), self._told(connection, False))

    def _told(self, connection: Connection, is_final: bool) -> Told:
        table = tables.boundary
        newest = (
            select(table.c.block_number, table.c.made_at)
            .where(table.c.chain_id == self._chain_id, table.c.is_final == is_final)
            .order_by(table.c.number.desc())
            .limit(1)
        )
        last = connection.execute(newest).one_or_none()
        to_all = connection.execute(newest.where(table.c.is_to_all)).one_or_none()
        scored = connection.execute(newest.where(table.c.is_scoring)).one_or_none()
        return Told(
            block_number=last.block_number if last else -1,
            to_all_at=to_all.made_at if to_all else None,
            scored_at=scored.made_at if scored else None,
            scored_block=scored.block_number if scored else -1,
        )

    def epochs_to_list(self, sent: SentBoundaries) -> list[ForkEpoch]:
        """Epochs opened above the last final boundary, and those that no boundary has listed, ascending."""
        table = tables.fork_epoch
        is_due = (table.c.fork_block > sent.final.block_number) | (table.c.epoch > sent.epoch)
        query = select(table.c.epoch, table.c.fork_block).where(table.c.chain_id == self._chain_id, is_due)
        with transaction(self._engine) as connection:
            return [ForkEpoch(epoch, fork) for epoch, fork in connection.execute(query.order_by(table.c.epoch))]
