"""Consumer offsets in the service's own schema, written in the transaction that writes what was read.

This is what makes a consumer effectively-once: a crash between the two cannot happen, and a zombie that lost its
partition finds that its expected offset is not there any more and changes nothing.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, Text, select
from sqlalchemy.dialects.postgresql import insert

from bonafides.bus import LogIdentity, TopicPartition
from bonafides.errors import InvariantViolation, Unavailable


class LostPartition(Unavailable):
    """Another member has read on from our offset: give the partition up and ask the group again."""


def offsets_table(metadata: MetaData, schema: str) -> Table:
    """The table of one schema."""
    return Table(
        "consumer_offset",
        metadata,
        Column("consumer_group", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("next_offset", BigInteger, nullable=False),
        Column("cluster_id", Text, nullable=False),
        Column("topic_id", Text, nullable=False),
        schema=schema,
    )


def read_offsets(
    connection: Connection,
    table: Table,
    group: str,
    partitions: Iterable[TopicPartition],
    identities: Mapping[str, LogIdentity],
) -> dict[TopicPartition, int]:
    """The next offset of each partition; 0 for one never read.

    Raises InvariantViolation when a stored offset belongs to another cluster or another incarnation of the topic.
    """
    rows = connection.execute(select(table).where(table.c.consumer_group == group)).mappings()
    stored = {TopicPartition(row["topic"], row["partition"]): row for row in rows}
    found: dict[TopicPartition, int] = {}
    for at in partitions:
        row = stored.get(at)
        identity = identities[at.topic]
        if row and (row["cluster_id"], row["topic_id"]) != (identity.cluster_id, identity.topic_id):
            raise InvariantViolation(
                f"the offset of {at.topic}/{at.partition} belongs to cluster {row['cluster_id']}, topic "
                f"{row['topic_id']}, but this is cluster {identity.cluster_id}, topic {identity.topic_id}: it means "
                "nothing here; restore the right broker, or empty this schema and replay"
            )
        found[at] = row["next_offset"] if row else 0
    return found


def advance_offset(
    connection: Connection,
    table: Table,
    group: str,
    at: TopicPartition,
    *,
    expected: int,
    following: int,
    identity: LogIdentity,
) -> None:
    """Compare-and-set from `expected` to `following`. Raises LostPartition when another member was faster."""
    values = {
        "consumer_group": group,
        "topic": at.topic,
        "partition": at.partition,
        "next_offset": following,
        "cluster_id": identity.cluster_id,
        "topic_id": identity.topic_id,
    }
    key = (table.c.consumer_group == group) & (table.c.topic == at.topic) & (table.c.partition == at.partition)
    updated = connection.execute(
        table.update().where(key & (table.c.next_offset == expected)).values(next_offset=following)
    )
    if updated.rowcount == 1:
        return
    first = insert(table).values(**values).on_conflict_do_nothing().returning(table.c.next_offset)
    if expected == 0 and connection.execute(first).first():
        return
    raise LostPartition(f"{at.topic}/{at.partition} was read on from {expected} by another member of {group}")
