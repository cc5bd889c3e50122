"""What ingest remembers of price feeds, in Postgres: who answered for each, and how far that is known."""

from collections.abc import Sequence

from bonafides.database import transaction
from bonafides.types import Address, ChainId
from sqlalchemy import Connection, Engine, delete, insert, select

from bonafides_ingest import tables
from bonafides_ingest.feeds import KnownPhase, all_that_is_known
from bonafides_ingest.lease import add_chain, lock_chain


class FeedStore:
    """`feeds.PhaseMemory` of one chain. Several replicas may write: each adds what it saw at final blocks."""

    def __init__(self, engine: Engine, chain_id: ChainId) -> None:
        self._engine, self._chain_id = engine, chain_id

    def phases(self, feed: Address) -> tuple[KnownPhase, ...]:
        with transaction(self._engine) as connection:
            return self._phases(connection, feed)

    def remember(self, feed: Address, phases: Sequence[KnownPhase]) -> None:
        table = tables.feed_phase
        with transaction(self._engine) as connection:
            add_chain(connection, self._chain_id)
            lock_chain(connection, self._chain_id)
            rows = [
                {
                    "chain_id": self._chain_id,
                    "feed": feed,
                    "from_block": phase.from_block,
                    "known_to": phase.known_to,
                    "number": phase.number,
                    "aggregator": phase.aggregator,
                }
                for phase in all_that_is_known(self._phases(connection, feed), phases)
            ]
            connection.execute(delete(table).where((table.c.chain_id == self._chain_id) & (table.c.feed == feed)))
            if rows:
                connection.execute(insert(table), rows)

    def _phases(self, connection: Connection, feed: Address) -> tuple[KnownPhase, ...]:
        table = tables.feed_phase
        query = (
            select(table)
            .where((table.c.chain_id == self._chain_id) & (table.c.feed == feed))
            .order_by(table.c.from_block)
        )
        return tuple(
            KnownPhase(row.from_block, row.known_to, row.number, Address(bytes(row.aggregator)))
            for row in connection.execute(query)
        )
