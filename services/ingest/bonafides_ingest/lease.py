"""The lease of a chain: who alone follows its head and makes its boundaries, and under which fork epoch.

Everything that must be true together is written in one transaction that first compares token and epoch (`hold_lease`).
A replica that lost the lease changes nothing. Final blocks are read by claims (`claims`), which need no lease.

A new holder opens a fork epoch above the final blocks: whatever a predecessor sent of live blocks, committed or not, is
void, and sent again. So nobody needs to know what it had decoded. It also says by which registry the chain is read from
now on: replicas that have another one wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bonafides.database import transaction
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.types import BlockRef, ChainId, Digest
from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from bonafides_ingest import tables


class LeaseLost(Unavailable):
    """Another replica holds this chain's lease now: nothing was written; look again."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to follow a chain's head, held until it is not renewed in time."""

    token: UUID
    epoch: int
    """Fork epoch that this holder writes under."""
    tip: BlockRef | None
    """The cursor: a final block; everything up to here, inclusive, is in the log. None before the first block."""
    pending_partitions: frozenset[int]
    """Partitions of wallet-events.v1 that got something since the last boundary."""
    final_number: int = -1
    """Up to here blocks were taken as final; live ones stand above."""


class LeaseStore:
    """Takes and gives back the lease of one chain."""

    def __init__(self, engine: Engine, chain_id: ChainId, lease_s: float, registry: bytes = b"") -> None:
        """`registry`: digest of what says how the chain's logs are read."""
        self._engine, self._chain_id, self.lease_s, self._registry = engine, chain_id, lease_s, registry

    def check(self) -> None:
        """Raise Unavailable when the database or its tables are not there."""
        with transaction(self._engine) as connection:
            if connection.scalar(text("SELECT to_regclass('ingest.chain')")) is None:
                raise Unavailable("the database has no schema ingest yet: run `bonafides operate migrate`")

    def take(self, token: UUID, first_block: int) -> Lease | None:
        """Take the lease, or renew it when it is ours; None while another replica holds it.

        Taking it opens a fork epoch above the final blocks, in the same transaction: what a predecessor sent of live
        ones is void. `first_block` is where the chain's deployments begin.
        """
        chain, now = tables.chain, func.now()
        with transaction(self._engine) as connection:
            add_chain(connection, self._chain_id)
            row = (
                connection.execute(
                    select(chain, (chain.c.lease_until > now).label("is_held"))
                    .where(chain.c.chain_id == self._chain_id)
                    .with_for_update()
                )
                .mappings()
                .one()
            )
            is_ours = row["lease_token"] == token
            if row["is_held"] and not is_ours:
                return None
            tip = tip_of(self._chain_id, row)
            epoch = row["epoch"] if is_ours else row["epoch"] + 1
            connection.execute(
                update(chain)
                .where(chain.c.chain_id == self._chain_id)
                .values(lease_token=token, lease_until=until(self.lease_s), epoch=epoch, registry=self._registry)
            )
            final_number = row["final_number"] if row["final_number"] is not None else first_block - 1
            if not is_ours:
                open_epoch(connection, self._chain_id, epoch, final_number + 1)
            return Lease(token, epoch, tip, frozenset(row["pending_partitions"]), final_number)

    def release(self, token: UUID) -> None:
        """Give the lease back, so that the next holder need not wait for its end."""
        chain = tables.chain
        with transaction(self._engine) as connection:
            connection.execute(
                update(chain)
                .where((chain.c.chain_id == self._chain_id) & (chain.c.lease_token == token))
                .values(lease_token=None, lease_until=None)
            )

    def bind_log(self, identity: str) -> None:
        """Remember which log the cursor speaks of. Raises InvariantViolation when it is another one now."""
        chain = tables.chain
        with transaction(self._engine) as connection:
            add_chain(connection, self._chain_id)
            connection.execute(
                update(chain)
                .where((chain.c.chain_id == self._chain_id) & chain.c.log_identity.is_(None))
                .values(log_identity=identity)
            )
            stored = connection.scalar(select(chain.c.log_identity).where(chain.c.chain_id == self._chain_id))
        if stored != identity:
            raise InvariantViolation(
                f"the cursor says what was sent to log {stored}, but this is log {identity}: events would be missing "
                "there; restore the right broker, or empty the schema ingest and read the chain again"
            )

    def final_view(self) -> tuple[int, int]:
        """The fork epoch that stands now, and the block up to which the chain was taken as final; (0, -1) before any.

        An event of a block up to there, sent under that epoch, is never void: later epochs begin above it. While the
        chain is read by another registry nothing may be sent: then no block is final, either.
        """
        chain = tables.chain
        is_ours = (chain.c.chain_id == self._chain_id) & (chain.c.registry == self._registry)
        query = select(chain.c.epoch, chain.c.final_number).where(is_ours)
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return (row.epoch, -1 if row.final_number is None else row.final_number) if row else (0, -1)

    def final_number(self) -> int:
        """The block up to which the chain was taken as final, by whatever registry; -1 before any."""
        chain = tables.chain
        with transaction(self._engine) as connection:
            found = connection.scalar(select(chain.c.final_number).where(chain.c.chain_id == self._chain_id))
        return -1 if found is None else int(found)

    def tip(self) -> BlockRef | None:
        """The cursor; None before the first block."""
        query = select(tables.chain).where(tables.chain.c.chain_id == self._chain_id)
        with transaction(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
        return tip_of(self._chain_id, row) if row else None


def lock_chain(connection: Connection, chain_id: ChainId) -> RowMapping:
    """The row of a chain, which nobody else changes until the transaction ends."""
    query = select(tables.chain).where(tables.chain.c.chain_id == chain_id).with_for_update()
    return connection.execute(query).mappings().one()


def add_chain(connection: Connection, chain_id: ChainId) -> None:
    """Make sure that the chain has its row, which all others hang on."""
    row = insert(tables.chain).values(chain_id=chain_id, pending_partitions=[])
    connection.execute(row.on_conflict_do_nothing())


def hold_lease(
    connection: Connection, chain_id: ChainId, lease: Lease, lease_s: float, values: Mapping[str, object]
) -> None:
    """Compare-and-set of lease token and epoch in the running transaction; renews the lease and locks the chain's row.

    Raises LeaseLost when one of them is another now: the transaction must be rolled back.
    """
    chain = tables.chain
    done = connection.execute(
        update(chain)
        .where((chain.c.chain_id == chain_id) & (chain.c.lease_token == lease.token) & (chain.c.epoch == lease.epoch))
        .values(lease_until=until(lease_s), **values)
    )
    if done.rowcount != 1:
        raise LeaseLost("another replica holds the lease of this chain now")


def open_epoch(connection: Connection, chain_id: ChainId, epoch: int, fork_block: int) -> None:
    """Make void what was sent under earlier epochs of this block and of those above."""
    connection.execute(insert(tables.fork_epoch).values(chain_id=chain_id, epoch=epoch, fork_block=fork_block))


def until(lease_s: float) -> ColumnElement[datetime]:
    """The end of a lease that starts now, by the database's clock."""
    return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, lease_s)


def tip_of(chain_id: ChainId, row: RowMapping) -> BlockRef | None:
    """The cursor that a row of the chain holds."""
    if row["tip_number"] is None:
        return None
    return BlockRef(chain_id, row["tip_number"], Digest(row["tip_hash"]), row["tip_timestamp"])
