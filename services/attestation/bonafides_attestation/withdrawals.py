"""Scores that were disputed or recalled, and the revocation of documents."""

from collections.abc import Sequence

from bonafides.messages import ScoreWithdrawn, WithdrawalKind
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from bonafides_attestation.states import DocumentState, ResultState, RevocationReason
from bonafides_attestation.tables import documents, results, revocations, withdrawals


def withdraw_score(connection: Connection, message: ScoreWithdrawn) -> None:
    """Never attest this score from now on; revoke the documents that it has.

    The score itself may not be here yet: what is withdrawn is remembered by its id.
    """
    connection.execute(
        insert(withdrawals)
        .values(score_id=message.score_id, kind=message.kind.value)
        .on_conflict_do_nothing(index_elements=["score_id"])
    )
    connection.execute(
        results.update().where(results.c.score_id == message.score_id).values(state=ResultState.WITHDRAWN.value)
    )
    live = select(documents.c.attestation_id).where(
        documents.c.score_id == message.score_id,
        documents.c.state.in_([DocumentState.BUILT.value, DocumentState.SIGNED.value]),
    )
    reason = RevocationReason.DISPUTE if message.kind is WithdrawalKind.DISPUTE else RevocationReason.RECALL
    for attestation_id in connection.scalars(live).all():
        ask_revocation(connection, attestation_id, reason)


def ask_revocation(connection: Connection, attestation_id: bytes, reason: RevocationReason) -> None:
    """Leave a document to the publisher, who revokes it once its index is published; asking twice changes nothing."""
    connection.execute(
        insert(revocations).values(attestation_id=attestation_id, reason=reason.value).on_conflict_do_nothing()
    )


def withdrawn_of(connection: Connection, score_ids: Sequence[bytes]) -> set[bytes]:
    """Which of these scores were disputed or recalled."""
    known = select(withdrawals.c.score_id).where(withdrawals.c.score_id.in_(score_ids))
    return {bytes(score_id) for score_id in connection.scalars(known)}


def drop_revocations(connection: Connection, attestation_ids: Sequence[bytes]) -> None:
    """These documents say nothing to anybody, now and later: there is nothing to revoke."""
    if attestation_ids:
        connection.execute(
            revocations.delete().where(revocations.c.attestation_id.in_(attestation_ids), revocations.c.run.is_(None))
        )
