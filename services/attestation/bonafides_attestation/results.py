"""Results as they come from `scores-issued.v1`: the issuer keeps the latest of each subject."""

from collections.abc import Callable

import structlog
from bonafides.bus import Record, TopicPartition
from bonafides.consumer import Outcome
from bonafides.errors import InvalidMessage
from bonafides.messages import (
    DeadLetter,
    ScoreIssued,
    ScoreWithdrawn,
    UnscorableIssued,
    decode,
    encode,
)
from bonafides.outbox import put
from bonafides.topics import SCORES_ISSUED, dead_letter_topic
from bonafides.types import Digest
from sqlalchemy import Connection, func
from sqlalchemy.dialects.postgresql import insert

from bonafides_attestation.records import pack_wallets, subject_key_of
from bonafides_attestation.states import ResultState
from bonafides_attestation.tables import issuer_outbox, results
from bonafides_attestation.withdrawals import withdraw_score, withdrawn_of

DECODER_VERSION = 1
log = structlog.get_logger(__name__)


class ResultHandler:
    """`consumer.Handler`. Delivering a message twice changes nothing: results are kept by subject and score id."""

    def __init__(self, on_dead_letter: Callable[[], None]) -> None:
        self._on_dead_letter = on_dead_letter

    def handle(self, connection: Connection, at: TopicPartition, records: list[Record]) -> Outcome:
        for record in records:
            try:
                self._handle_one(connection, record)
            except InvalidMessage as exc:
                self._bury(connection, record, str(exc))
        return Outcome(following=records[-1].offset + 1)

    def before_commit(self, connection: Connection) -> None:
        """Nothing is left for it."""

    def after_commit(self) -> None:
        """Nothing is kept in memory."""

    def _handle_one(self, connection: Connection, record: Record) -> None:
        message = decode(record.value)
        match message:
            case ScoreIssued() | UnscorableIssued():
                keep_result(connection, message)
            case ScoreWithdrawn():
                withdraw_score(connection, message)
            case _:
                raise InvalidMessage(f"{type(message).__name__} does not belong on {SCORES_ISSUED.name}")

    def _bury(self, connection: Connection, record: Record, reason: str) -> None:
        topic = dead_letter_topic(SCORES_ISSUED)
        letter = DeadLetter(record.value, reason, record.at.topic, record.at.partition, record.offset, DECODER_VERSION)
        put(connection, issuer_outbox, topic, record.at.partition % topic.partitions, letter)
        self._on_dead_letter()
        log.warning("message buried", topic=record.at.topic, partition=record.at.partition, offset=record.offset)


def keep_result(connection: Connection, message: ScoreIssued | UnscorableIssued) -> None:
    """Keep a result if it is newer than the one kept: later as-of time, or the same time and another id."""
    result_id, state = _id_and_state(connection, message)
    values = {
        "subject_key": subject_key_of(message.wallets),
        "score_id": result_id,
        "payload": encode(message),
        "wallets": pack_wallets(message.wallets),
        "as_of_time": message.as_of.time,
        "state": state.value,
        "reason": None,
    }
    statement = insert(results).values(**values)
    is_newer = (results.c.as_of_time < statement.excluded.as_of_time) | (
        (results.c.as_of_time == statement.excluded.as_of_time) & (results.c.score_id != statement.excluded.score_id)
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["subject_key"],
            set_={name: statement.excluded[name] for name in values if name != "subject_key"}
            | {"waiting_since": func.now()},
            where=is_newer,
        )
    )


def _id_and_state(connection: Connection, message: ScoreIssued | UnscorableIssued) -> tuple[Digest, ResultState]:
    if isinstance(message, UnscorableIssued):
        return message.result_id, ResultState.UNSCORABLE
    is_withdrawn = bool(withdrawn_of(connection, [message.score_id]))
    return message.score_id, ResultState.WITHDRAWN if is_withdrawn else ResultState.WAITING
