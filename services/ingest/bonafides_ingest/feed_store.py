"""What ingest remembers of price feeds, in Postgres: who answered for each, and how far that is known."""

from collections.abc import Sequence

from bonafides.database import transaction
from bonafides.types import Address, ChainId
from sqlalchemy import Engine, delete, insert, select

from bonafides_ingest import tables
from bonafides_ingest.feeds import KnownPhase
from bonafides_ingest.lease import add_chain


class FeedStore:
    """`feeds.PhaseMemory` of one chain.

    Only the holder of the lease writes, and what it writes is what the chain said at final blocks: a writer that lost
    the lease meanwhile writes the same.
    """

    def __init__(self, engine: Engine, chain_id: ChainId) -> None:
        self._engine, self._chain_id = engine, chain_id

    def phases(self, feed: Address) -> tuple[KnownPhase, ...]:
        table = tables.feed_phase
        query = (
            select(table)
            .where((table.c.chain_id == self._chain_id) & (table.c.feed == feed))
            .order_by(table.c.from_block)
        )
        with transaction(self._engine) as connection:
            return tuple(
                KnownPhase(row.from_block, row.known_to, row.number, Address(bytes(row.aggregator)))
                for row in connection.execute(query)
            )

    def remember(self, feed: Address, phases: Sequence[KnownPhase]) -> None:
        table = tables.feed_phase
        rows = [
            {
                "chain_id": self._chain_id,
                "feed": feed,
                "from_block": phase.from_block,
                "known_to": phase.known_to,
                "number": phase.number,
                "aggregator": phase.aggregator,
            }
            for phase in phases
        ]
        with transaction(self._engine) as connection:
            add_chain(connection, self._chain_id)
            connection.execute(delete(table).where((table.c.chain_id == self._chain_id) & (table.c.feed == feed)))
            if rows:
                connection.execute(insert(table), rows)
