"""The ring of live blocks in Postgres: which blocks were sent above the final ones, kept across restarts.

While it has rows, the head is followed: no replica takes another block as final but the holder of the lease. Each
change compares the lease first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bonafides import crashpoints
from bonafides.database import transaction
from bonafides.events import BlockRange
from bonafides.types import BlockRef, ChainId, Digest
from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.dialects.postgresql import insert

from bonafides_ingest import tables
from bonafides_ingest.chain import Header
from bonafides_ingest.lease import Lease, LeaseLost, hold_lease, lock_chain, open_epoch
from bonafides_ingest.store import FlushedWindow, Store


class LiveStore:
    """The live blocks of one chain."""

    def __init__(self, engine: Engine, chain_id: ChainId, lease_s: float, store: Store) -> None:
        self._engine, self._chain_id, self._lease_s, self._store = engine, chain_id, lease_s, store

    def ring(self) -> tuple[Header, ...]:
        """The blocks that were sent, ascending, the newest final one first; empty while the head is not followed."""
        table = tables.live_block
        query = select(table).where(table.c.chain_id == self._chain_id).order_by(table.c.number)
        with transaction(self._engine) as connection:
            return tuple(
                Header(
                    BlockRef(self._chain_id, row.number, Digest(bytes(row.hash)), row.timestamp),
                    Digest(bytes(row.parent_hash)),
                )
                for row in connection.execute(query)
            )

    def begin(self, lease: Lease, base: Header, *, opens_epoch: bool) -> Lease:
        """Follow the head from this final block on; from here nobody else takes a block as final.

        `opens_epoch` makes void what was sent of live blocks so far. Raises LeaseLost, also when more was taken as
        final meanwhile.
        """
        with transaction(self._engine) as connection:
            lease = self._next_epoch(connection, lease, lease.final_number + 1) if opens_epoch else lease
            self._hold(connection, lease, {})
            self._clear(connection)
            self._insert(connection, [base])
        return lease

    def end(self, lease: Lease, *, opens_epoch: bool) -> Lease:
        """Follow the head no more: its blocks will be read when they are final. Raises LeaseLost."""
        with transaction(self._engine) as connection:
            lease = self._next_epoch(connection, lease, lease.final_number + 1) if opens_epoch else lease
            self._hold(connection, lease, {})
            self._clear(connection)
        return lease

    def append(self, lease: Lease, headers: Sequence[Header], partitions: frozenset[int]) -> Lease:
        """These blocks were sent, and these partitions got something. Raises LeaseLost."""
        with transaction(self._engine) as connection:
            pending = self._hold(connection, lease, {}, partitions)
            self._insert(connection, headers)
            crashpoints.reach("ingest.before_commit")
        return replace(lease, pending_partitions=pending)

    def rewind(self, lease: Lease, above: int, partitions: frozenset[int]) -> Lease:
        """Take back the blocks above a number under a new epoch, in one compare-and-set. `partitions` got something
        that is void now, and are told at once. Raises LeaseLost."""
        table = tables.live_block
        with transaction(self._engine) as connection:
            lease = self._next_epoch(connection, lease, above + 1)
            pending = self._hold(connection, lease, {}, partitions)
            connection.execute(delete(table).where(table.c.chain_id == self._chain_id, table.c.number > above))
        return replace(lease, pending_partitions=pending)

    def graduate(
        self,
        lease: Lease,
        windows: Sequence[FlushedWindow],
        entries: Sequence[str],
        spans: Mapping[str, BlockRange],
        dead_letter_limit: int,
        partitions: frozenset[int],
    ) -> Lease:
        """The blocks of these windows are final: remember what they said, for good. `partitions` got dead letters.

        Raises:
            LeaseLost: another replica holds the lease.
            InvariantViolation: more dead letters than the limit.
        """
        table, last = tables.live_block, windows[-1].last
        with transaction(self._engine) as connection:
            pending = self._hold(connection, lease, {"final_number": last.number}, partitions)
            for window in windows:
                read = [name for name in entries if name in window.read]
                self._store.put_window(connection, window, read, dead_letter_limit)
            self._store.move_cursor(connection, spans, last.number, {})
            connection.execute(delete(table).where(table.c.chain_id == self._chain_id, table.c.number < last.number))
        for window in windows:
            self._store.accounts.have_rows(window.wallets)
        return replace(lease, final_number=last.number, pending_partitions=pending)

    def _next_epoch(self, connection: Connection, lease: Lease, fork_block: int) -> Lease:
        hold_lease(connection, self._chain_id, lease, self._lease_s, {"epoch": lease.epoch + 1})
        open_epoch(connection, self._chain_id, lease.epoch + 1, fork_block)
        return replace(lease, epoch=lease.epoch + 1)

    def _hold(
        self,
        connection: Connection,
        lease: Lease,
        values: Mapping[str, object],
        partitions: frozenset[int] = frozenset(),
    ) -> frozenset[int]:
        """Compare first; these partitions got something, too. Returns all that did since the last boundary."""
        row = lock_chain(connection, self._chain_id)
        pending = partitions.union(row["pending_partitions"])
        hold_lease(connection, self._chain_id, lease, self._lease_s, {**values, "pending_partitions": sorted(pending)})
        if row["final_number"] != lease.final_number:
            raise LeaseLost("more blocks were taken as final meanwhile")
        return pending

    def _clear(self, connection: Connection) -> None:
        connection.execute(delete(tables.live_block).where(tables.live_block.c.chain_id == self._chain_id))

    def _insert(self, connection: Connection, headers: Sequence[Header]) -> None:
        rows = [
            {
                "chain_id": self._chain_id,
                "number": header.ref.number,
                "hash": header.ref.hash,
                "parent_hash": header.parent_hash,
                "timestamp": header.ref.timestamp,
            }
            for header in headers
        ]
        connection.execute(insert(tables.live_block), rows)
