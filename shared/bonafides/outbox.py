"""The outbox: messages written in the transaction that makes them true, sent afterwards, in order.

A process that writes Postgres *and* produces uses this. A crash between produce and `mark` sends a message twice; every
consumer dedupes by message id. Sent rows stay for a while, so that an outbox can send again from an id.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    select,
    text,
)

from bonafides import crashpoints
from bonafides.bus import Producer
from bonafides.database import transaction
from bonafides.messages import Message, encode
from bonafides.topics import Topic


def outbox_table(metadata: MetaData, schema: str, name: str = "outbox") -> Table:
    """An outbox of one schema, with its index. Processes that may not read each other's messages have one each."""
    table = Table(
        name,
        metadata,
        Column("id", BigInteger, primary_key=True, autoincrement=True),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("sent_at", DateTime(timezone=True), nullable=True),
        schema=schema,
    )
    # Sent rows stay for a while: without this every turn would read them all.
    Index(f"{name}_unsent", table.c.id, postgresql_where=table.c.sent_at.is_(None))
    return table


def put(connection: Connection, table: Table, topic: Topic, partition: int, message: Message) -> None:
    """Add a message to the running transaction."""
    connection.execute(table.insert().values(topic=topic.name, partition=partition, payload=encode(message)))


def put_all(connection: Connection, table: Table, topic: Topic, messages: Sequence[tuple[int, Message]]) -> None:
    """Add messages with their partitions to the running transaction, in this order."""
    rows = [
        {"topic": topic.name, "partition": partition, "payload": encode(message)} for partition, message in messages
    ]
    if rows:
        connection.execute(table.insert(), rows)


@dataclass(frozen=True, slots=True)
class Outbox:
    """Sends what one outbox holds."""

    engine: Engine
    table: Table
    producer: Producer
    batch: int = 500

    def relay(self) -> int:
        """Send one batch in the order of its ids; returns how many. One relay at a time: a second one sends nothing.

        Raises Unavailable when the broker or the database does not answer; then nothing is marked, all is sent again.
        """
        with transaction(self.engine) as connection:
            lock = text("SELECT pg_try_advisory_xact_lock(hashtext(:name))")
            if not connection.scalar(lock, {"name": f"{self.table.schema}.{self.table.name}"}):
                return 0
            rows = connection.execute(
                select(self.table).where(self.table.c.sent_at.is_(None)).order_by(self.table.c.id).limit(self.batch)
            ).all()
            if not rows:
                return 0
            for row in rows:
                self.producer.send(row.topic, row.partition, row.payload)
            self.producer.flush()
            crashpoints.reach("outbox.after_produce")
            connection.execute(
                self.table.update().where(self.table.c.id.in_([row.id for row in rows])).values(sent_at=func.now())
            )
        crashpoints.reach("outbox.after_commit")
        return len(rows)

    def relay_all(self) -> int:
        """Send until nothing is left; returns how many."""
        total = 0
        while sent := self.relay():
            total += sent
        return total

    def send_again(self, from_id: int) -> int:
        """Mark everything from this id as not sent, for a broker that lost it; returns how many."""
        with transaction(self.engine) as connection:
            return connection.execute(
                self.table.update().where(self.table.c.id >= from_id).values(sent_at=None)
            ).rowcount
