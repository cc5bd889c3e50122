"""Records that nobody could read, as rows: what they held is missing, and whose it was is not known."""

from bonafides.bus import TopicPartition
from sqlalchemy import Connection, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from bonafides_scoring.store.tables import unreadable_record


def add_unreadable(connection: Connection, at: TopicPartition, offset: int, reason: str) -> None:
    """Remember that a record of this partition is missing, in whole or in part."""
    connection.execute(
        insert(unreadable_record)
        .values(topic=at.topic, partition=at.partition, log_offset=offset, reason=reason)
        .on_conflict_do_nothing()
    )


def count_unreadable(connection: Connection, at: TopicPartition, below_offset: int) -> int:
    """How many records of a partition were missing as it was known below an offset: none had mended them by then.

    Offsets decide, not the hour at which an operator mended: a replay with the same rows gives the same answers.
    """
    table = unreadable_record
    found = connection.scalar(
        select(func.count()).where(
            table.c.topic == at.topic,
            table.c.partition == at.partition,
            table.c.log_offset < below_offset,
            or_(table.c.mended_offset.is_(None), table.c.mended_offset > below_offset),
        )
    )
    return found or 0
