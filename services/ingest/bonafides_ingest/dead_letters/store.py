"""The dead letters of one chain, in Postgres."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bonafides.database import transaction
from bonafides.types import Address, ChainId, Digest
from sqlalchemy import ColumnElement, Engine, func, select, update

from bonafides_ingest import tables
from bonafides_ingest.accounts.store import put_wallets
from bonafides_ingest.lease import lock_chain


class Place(NamedTuple):
    """Where a log stands."""

    block_hash: Digest
    log_index: int


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A log that could not be read."""

    deployment: str
    """Or source of account links."""
    block_number: int
    place: Place
    reason: str
    """Of the last attempt."""
    decoder_version: int
    """Under which it was met first, and what stands around it was sent."""
    is_wallet_known: bool
    is_mended: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """Letters of one deployment whose events are in the log now, acknowledged."""

    deployment: str
    places: Collection[Place]
    partitions: frozenset[int]
    """Of wallet-events.v1, that got something."""
    wallets: frozenset[Address]
    """Whose events were sent."""


class DeadLetterStore:
    """Lists the letters of a chain, and settles them."""

    def __init__(self, engine: Engine, chain_id: ChainId) -> None:
        self._engine, self._chain_id = engine, chain_id

    def letters(
        self, *, deployment: str | None = None, reason: str | None = None, with_mended: bool = False
    ) -> tuple[StoredLetter, ...]:
        """In the order of the chain. `reason` is a part of it, in any case."""
        table = tables.dead_letter
        query = select(table).where(table.c.chain_id == self._chain_id)
        if deployment is not None:
            query = query.where(table.c.deployment == deployment)
        if reason is not None:
            query = query.where(table.c.reason.icontains(reason, autoescape=True))
        if not with_mended:
            query = query.where(table.c.mended_at.is_(None))
        query = query.order_by(table.c.block_number, table.c.log_index, table.c.deployment)
        with transaction(self._engine) as connection:
            return tuple(
                StoredLetter(
                    row.deployment,
                    row.block_number,
                    Place(Digest(bytes(row.block_hash)), row.log_index),
                    row.reason,
                    row.decoder_version,
                    row.is_wallet_known,
                    row.mended_at is not None,
                )
                for row in connection.execute(query)
            )

    def deployments(self) -> frozenset[str]:
        """Those that have letters, mended or not: the registry may not name them any more."""
        table = tables.dead_letter
        query = select(table.c.deployment).where(table.c.chain_id == self._chain_id).distinct()
        with transaction(self._engine) as connection:
            return frozenset(connection.scalars(query))

    def epoch(self) -> int:
        """The fork epoch to send under. Dead letters are of final blocks, which no later epoch makes void."""
        table = tables.chain
        with transaction(self._engine) as connection:
            found = connection.scalar(select(table.c.epoch).where(table.c.chain_id == self._chain_id))
        return found or 0

    def settle(self, settled: Settled) -> None:
        """Remember that these letters are mended, after the flush, and have the next boundary tell their partitions.
        Doing it twice changes nothing."""
        table, chain = tables.dead_letter, tables.chain
        with transaction(self._engine) as connection:
            row = lock_chain(connection, self._chain_id)
            pending = sorted(settled.partitions.union(row["pending_partitions"]))
            mine = chain.c.chain_id == self._chain_id
            connection.execute(update(chain).where(mine).values(pending_partitions=pending))
            put_wallets(connection, self._chain_id, settled.wallets)
            for place in settled.places:
                connection.execute(
                    update(table)
                    .where(self._is(settled.deployment, place), table.c.mended_at.is_(None))
                    .values(mended_at=func.now())
                )

    def still_unreadable(self, deployment: str, reasons: Mapping[Place, str]) -> None:
        """Keep why today's decoder cannot mend these. Their version stays: it is that of what was sent around them."""
        table = tables.dead_letter
        with transaction(self._engine) as connection:
            for place, reason in reasons.items():
                connection.execute(
                    update(table).where(self._is(deployment, place), table.c.mended_at.is_(None)).values(reason=reason)
                )

    def _is(self, deployment: str, place: Place) -> ColumnElement[bool]:
        table = tables.dead_letter
        return (
            (table.c.chain_id == self._chain_id)
            & (table.c.deployment == deployment)
            & (table.c.block_hash == place.block_hash)
            & (table.c.log_index == place.log_index)
        )
