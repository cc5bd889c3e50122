"""Where requests are read from when the oldest of them are gone: the topic keeps them for days, and nobody waits."""

from bonafides.bus import Admin
from bonafides.database import transaction
from bonafides.offsets import advance_offset, read_offsets
from bonafides.topics import WALLET_HISTORY_REQUESTED
from sqlalchemy import Engine

from bonafides_ingest import tables


def skip_what_is_gone(engine: Engine, admin: Admin, group: str) -> None:
    """Move the offsets of a group that lie before the oldest record to it.

    A consumer of ours stops where its next record is gone, since nothing may be missed; a request that old has expired.
    Raises Unavailable, and LostPartition when another replica does the same: look again.
    """
    topic = WALLET_HISTORY_REQUESTED.name
    identity = admin.identity(topic)
    begins = admin.begin_offsets([topic])
    with transaction(engine) as connection:
        known = read_offsets(connection, tables.consumer_offset, group, begins, {topic: identity})
        for at, begin in begins.items():
            if known[at] < begin:
                advance_offset(
                    connection,
                    tables.consumer_offset,
                    group,
                    at,
                    expected=known[at],
                    following=begin,
                    identity=identity,
                )
