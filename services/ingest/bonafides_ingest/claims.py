"""Claims: which replica reads which final blocks.

```
             deployment a ├──────── done ────────┤▒▒ claim of replica 1 ▒▒┤   missing …
             deployment b ├── done ──┤▒▒ claim of replica 2 ▒▒┤               missing …
             links        ├──────────── done ─────────────────────────────┤   missing …
                                                                  final_number ┘
```
What is known of a deployment comes from its earlier logs, so one replica at a time reads it on; several share a chain
by its entries. A claim and its commit both lock the chain's row, so no two replicas hold one entry, and the commit of
one that took too long, and whose claim another holds now, changes nothing.

Final blocks never change, and all replicas that get claims have the registry of the lease's holder: what a block says
is sent with the same ids and content by whoever reads it. A range that was sent and not committed is sent again, and
counts once. Live blocks are the lease holder's alone: while it follows the head, nobody takes a block as final before
the holder says so (`live_store.graduate`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from bonafides.database import transaction
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.types import BlockRef, ChainId, Digest
from sqlalchemy import Connection, Engine, RowMapping, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from bonafides_ingest import tables
from bonafides_ingest.lease import lock_chain, tip_of, until
from bonafides_ingest.windows import Work, complete_to, gaps_in, merge_ranges, plan_work, share_of, up_to

log = structlog.get_logger(__name__)


class ClaimLost(Unavailable):
    """Another replica reads these blocks now: nothing was written; look again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to read a range of some entries."""

    token: UUID
    work: Work
    epoch: int
    """Fork epoch to send under."""
    done: Mapping[str, tuple[BlockRange, ...]]
    """What was read of every entry when it was given."""
    parent: BlockRef | None
    """The block before the range, as it was read; None where nothing was."""
    registry: bytes = b""
    """Digest of the registry that it is read by."""


@dataclass(frozen=True, slots=True)
class ClaimInProgress:
    """A claim as others see it."""

    deployment: str
    range: BlockRange
    token: UUID


class ClaimStore:
    """The claims of one chain."""

    def __init__(self, engine: Engine, chain_id: ChainId, lease_s: float, registry: bytes = b"") -> None:
        self._engine, self._chain_id, self._lease_s, self._registry = engine, chain_id, lease_s, registry
        self._is_waiting = False
        """Whether it was said that another registry reads the chain."""

    def take(
        self,
        token: UUID,
        spans: Mapping[str, BlockRange],
        links: Mapping[str, BlockRange],
        finalized: int,
        window_blocks: int,
    ) -> Claim | None:
        """Claim what is to be read next; None where nothing is missing that nobody reads. An earlier claim of the same
        replica is given back.

        A replica with another registry than the holder of the lease gets nothing: the same log would be told in two
        ways under one epoch. It waits until it holds the lease itself, or ends.

        `finalized` is what the node says. It is taken as final here, before anything of it is sent, unless the head is
        followed: then the holder of the lease says how far.
        """
        with transaction(self._engine) as connection:
            row = lock_chain(connection, self._chain_id)
            self._give_back(connection, token)
            if self._waits(row["registry"]):
                self._leave(connection, token)
                return None
            replicas = self._show_up(connection, token)
            last = self._final_number(connection, row, finalized)
            done = done_ranges(connection, self._chain_id)
            taken = frozenset(claim.deployment for claim in self._running(connection))
            ranges = {name: tuple(one.range for one in found) for name, found in done.items()}
            # No node is believed about blocks that it does not call final itself.
            work = plan_work(spans, ranges, min(last, finalized), window_blocks, links, taken)
            if work is None:
                return None
            of_kind = links if work.deployments[0] in links else spans
            missing = sum(bool(gaps_in(ranges.get(name, ()), up_to(span, last))) for name, span in of_kind.items())
            work = share_of(work, missing, replicas)
            self._write(connection, token, work)
            return Claim(token, work, row["epoch"], ranges, _parent(work, done), self._registry)

    def release(self, token: UUID) -> None:
        """Give back what this replica reads, so that others need not wait."""
        with transaction(self._engine) as connection:
            lock_chain(connection, self._chain_id)
            self._give_back(connection, token)
            self._leave(connection, token)

    def give_back(self, token: UUID) -> None:
        """Leave what this replica claimed to the others."""
        with transaction(self._engine) as connection:
            lock_chain(connection, self._chain_id)
            self._give_back(connection, token)

    def has_others(self, token: UUID) -> bool:
        """Whether another replica of the chain is alive that could read in this one's place: of the same registry."""
        table, chain = tables.replica, tables.chain
        is_other = (table.c.chain_id == self._chain_id) & (table.c.token != token) & (table.c.seen_until >= func.now())
        is_ours = (chain.c.chain_id == self._chain_id) & (chain.c.registry == self._registry)
        with transaction(self._engine) as connection:
            return bool(connection.scalar(select(exists().where(is_other) & exists().where(is_ours))))

    def in_progress(self) -> list[ClaimInProgress]:
        """What is being read now, by deployment."""
        with transaction(self._engine) as connection:
            return self._running(connection)

    def _waits(self, registry: bytes) -> bool:
        """Whether the holder of the lease reads the chain by another registry than this replica."""
        is_waiting = registry != self._registry
        if is_waiting and not self._is_waiting:
            log.warning("the chain is read by another registry: this replica waits until it holds the lease itself")
        self._is_waiting = is_waiting
        return is_waiting

    def _leave(self, connection: Connection, token: UUID) -> None:
        """Count as alive no more."""
        table = tables.replica
        connection.execute(delete(table).where(table.c.chain_id == self._chain_id, table.c.token == token))

    def _show_up(self, connection: Connection, token: UUID) -> int:
        """Count as alive; returns how many are."""
        table = tables.replica
        connection.execute(delete(table).where(table.c.chain_id == self._chain_id, table.c.seen_until < func.now()))
        row = insert(table).values(chain_id=self._chain_id, token=token, seen_until=until(self._lease_s))
        connection.execute(
            row.on_conflict_do_update(
                index_elements=["chain_id", "token"], set_={"seen_until": row.excluded.seen_until}
            )
        )
        count = connection.scalar(select(func.count()).select_from(table).where(table.c.chain_id == self._chain_id))
        return count or 1

    def _give_back(self, connection: Connection, token: UUID) -> None:
        table = tables.claim
        is_over = (table.c.token == token) | (table.c.until < func.now())
        connection.execute(delete(table).where(table.c.chain_id == self._chain_id, is_over))

    def _running(self, connection: Connection) -> list[ClaimInProgress]:
        table = tables.claim
        query = select(table).where(table.c.chain_id == self._chain_id, table.c.until >= func.now())
        return [
            ClaimInProgress(row.deployment, BlockRange(row.first_block, row.last_block), row.token)
            for row in connection.execute(query.order_by(table.c.deployment))
        ]

    def _final_number(self, connection: Connection, row: RowMapping, finalized: int) -> int:
        """Up to where blocks are final, with what the node says now."""
        known: int = -1 if row["final_number"] is None else row["final_number"]
        is_live = connection.scalar(select(exists().where(tables.live_block.c.chain_id == self._chain_id)))
        if is_live or finalized <= known:
            return known
        table = tables.chain
        connection.execute(update(table).where(table.c.chain_id == self._chain_id).values(final_number=finalized))
        return finalized

    def _write(self, connection: Connection, token: UUID, work: Work) -> None:
        rows = [
            {
                "chain_id": self._chain_id,
                "deployment": name,
                "first_block": work.range.first,
                "last_block": work.range.last,
                "token": token,
                "until": until(self._lease_s),
            }
            for name in work.deployments
        ]
        connection.execute(insert(tables.claim).values(rows))


@dataclass(frozen=True, slots=True)
class DoneRange:
    """Blocks of one entry that were read and flushed."""

    range: BlockRange
    last: BlockRef | None
    """The last of them; None where it was not kept."""


def done_ranges(connection: Connection, chain_id: ChainId) -> dict[str, tuple[DoneRange, ...]]:
    """What was read and flushed, by entry, ascending."""
    table = tables.done_range
    query = select(table).where(table.c.chain_id == chain_id).order_by(table.c.deployment, table.c.first_block)
    done: dict[str, tuple[DoneRange, ...]] = {}
    for row in connection.execute(query).mappings():
        last = None
        if row["last_hash"] is not None:
            last = BlockRef(chain_id, row["last_block"], Digest(bytes(row["last_hash"])), row["last_timestamp"])
        found = DoneRange(BlockRange(row["first_block"], row["last_block"]), last)
        done[row["deployment"]] = (*done.get(row["deployment"], ()), found)
    return done


def end_claim(connection: Connection, chain_id: ChainId, claim: Claim) -> None:
    """Take the claim away with what it was for. Raises ClaimLost: the transaction must be rolled back."""
    table = tables.claim
    if lock_chain(connection, chain_id)["registry"] != claim.registry:
        raise ClaimLost("the chain is read by another registry now")
    gone = connection.execute(
        delete(table).where(
            table.c.chain_id == chain_id,
            table.c.token == claim.token,
            table.c.deployment.in_(claim.work.deployments),
            table.c.first_block == claim.work.range.first,
            table.c.last_block == claim.work.range.last,
        )
    )
    if gone.rowcount != len(claim.work.deployments):
        raise ClaimLost("another replica reads these blocks now")


def add_done(
    connection: Connection, chain_id: ChainId, entries: Sequence[str], read: BlockRange, last: BlockRef
) -> None:
    """These entries were read in this range, whose last block is `last`."""
    table, known = tables.done_range, done_ranges(connection, chain_id)
    for entry in entries:
        ends = {one.range.last: one.last for one in known.get(entry, ())} | {read.last: last}
        merged = merge_ranges([*(one.range for one in known.get(entry, ())), read])
        connection.execute(delete(table).where(table.c.chain_id == chain_id, table.c.deployment == entry))
        rows = []
        for blocks in merged:
            end = ends[blocks.last]
            rows.append(
                {
                    "chain_id": chain_id,
                    "deployment": entry,
                    "first_block": blocks.first,
                    "last_block": blocks.last,
                    "last_hash": end.hash if end else None,
                    "last_timestamp": end.timestamp if end else None,
                }
            )
        connection.execute(insert(table), rows)


def cursor_after(
    connection: Connection, chain_id: ChainId, spans: Mapping[str, BlockRange], final_number: int
) -> BlockRef | None:
    """The block up to which nothing is missing of these entries; the cursor as it was where that is not above it."""
    tip = tip_of(chain_id, lock_chain(connection, chain_id))
    done = done_ranges(connection, chain_id)
    ranges = {name: tuple(one.range for one in found) for name, found in done.items()}
    complete = complete_to([(span, ranges.get(name, ())) for name, span in spans.items()], final_number)
    ends = [one.last for found in done.values() for one in found if one.last and one.last.number <= complete]
    newest = max(ends, key=lambda block: block.number, default=None)
    return newest if newest and (tip is None or newest.number > tip.number) else tip


def _parent(work: Work, done: Mapping[str, Sequence[DoneRange]]) -> BlockRef | None:
    ends = [one.last for name in work.deployments for one in done.get(name, ())]
    return next((last for last in ends if last and last.number == work.range.first - 1), None)
