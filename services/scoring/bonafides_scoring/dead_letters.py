"""Records that nobody can read are put aside with all that another reader needs, and counted: many are no accident."""

from dataclasses import dataclass, field
from hashlib import sha256

import structlog
from bonafides import messages, outbox
from bonafides.bus import Record, TopicPartition
from bonafides.errors import InvariantViolation
from bonafides.topics import TOPICS, dead_letter_topic
from sqlalchemy import Connection

from bonafides_scoring.store.tables import outbox as outbox_table

DECODER_VERSION = 1
"""Of this reader of messages; stands in dead letters, so that a mended reader can find what to read again."""
LONGEST_ORIGINAL_BYTES = 512 * 1024
"""Of a dead letter: half of what a broker takes by default, so that a letter is never larger than what it may carry."""
LONGEST_REASON = 300
"""Characters: a reason may quote the message."""
_BY_NAME = {topic.name: topic for topic in TOPICS}

log = structlog.get_logger(__name__)


@dataclass
class DeadLetters:
    """Buries records of the topics that the worker reads."""

    limit: int
    """So many unreadable records since start are no accident: the worker stops."""
    buried: list[str] = field(default_factory=list)
    """Topics of this poll's."""
    _dead: set[tuple[TopicPartition, int]] = field(default_factory=set)

    def bury(self, connection: Connection, record: Record, reason: str, original: bytes | None = None) -> None:
        """Put a record, or a part of it, aside. Raises InvariantViolation at the limit."""
        letters = dead_letter_topic(_BY_NAME[record.at.topic])
        original, reason = _fit(record.value if original is None else original, cut_reason(reason))
        letter = messages.DeadLetter(
            original=original,
            reason=reason,
            topic=record.at.topic,
            partition=record.at.partition,
            offset=record.offset,
            decoder_version=DECODER_VERSION,
        )
        outbox.put(connection, outbox_table, letters, record.at.partition % letters.partitions, letter)
        self._dead.add((record.at, record.offset))
        self.buried.append(record.at.topic)
        log.warning(
            "message refused",
            topic=record.at.topic,
            partition=record.at.partition,
            offset=record.offset,
            reason=reason,
        )
        if len(self._dead) > self.limit:
            raise InvariantViolation(
                f"{len(self._dead)} records could not be read since start, more than the "
                f"{self.limit} allowed: wrong topic, or a producer of a newer version; upgrade this worker"
            )


def cut_reason(reason: str) -> str:
    """At most `LONGEST_REASON` characters, and none that a database refuses."""
    return reason[:LONGEST_REASON].replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _fit(original: bytes, reason: str) -> tuple[bytes, str]:
    """What a dead letter carries of a message: all of it, or its beginning and what names the whole."""
    if len(original) <= LONGEST_ORIGINAL_BYTES:
        return original, reason
    digest = sha256(original).hexdigest()
    return (
        original[:LONGEST_ORIGINAL_BYTES],
        f"{reason}; cut to {LONGEST_ORIGINAL_BYTES} of {len(original)} bytes, sha256 {digest}",
    )
