"""Where the attestations of scores stand, as issuer and publisher tell."""

from bonafides.messages import AttestationChanged
from bonafides.types import AttestationStatus, Digest
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from bonafides_scoring.store.tables import attestation

# A status that was sent twice, or by two processes at once, must not take an attestation back. STUCK may be resolved by
# a replacement, so that what comes after it stands as high.
_PROGRESS = {
    AttestationStatus.BUILT: 0,
    AttestationStatus.SIGNED: 1,
    AttestationStatus.QUEUED: 2,
    AttestationStatus.SENT: 3,
    AttestationStatus.STUCK: 3,
    AttestationStatus.MINED: 4,
    AttestationStatus.FINAL: 5,
    AttestationStatus.REFUSED: 6,
    AttestationStatus.TOMBSTONE: 6,
    AttestationStatus.REFUSED: 6,
    AttestationStatus.SUPERSEDED: 6,
    AttestationStatus.REVOKED: 7,
}


def is_progress(kept: AttestationStatus, seen: AttestationStatus) -> bool:
    """Whether `seen` replaces `kept`. From MINED there is a way back: a reorg takes the block."""
    if kept is AttestationStatus.MINED and seen in (AttestationStatus.SENT, AttestationStatus.QUEUED):
        return True
    return _PROGRESS[seen] >= _PROGRESS[kept]


def set_status(connection: Connection, offset: int, changed: AttestationChanged) -> None:
    """Take a status over, unless a later one is known."""
    table = attestation
    kept = connection.scalar(
        select(table.c.status).where(table.c.attestation_id == changed.attestation_id).with_for_update()
    )
    if kept is not None and not is_progress(AttestationStatus(kept), changed.status):
        return
    statement = insert(table).values(
        attestation_id=changed.attestation_id,
        score_id=changed.score_id,
        status=changed.status.value,
        revocation_index=changed.revocation_index,
        valid_until=changed.valid_until,
        log_offset=offset,
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["attestation_id"],
            set_={
                "status": statement.excluded.status,
                "revocation_index": statement.excluded.revocation_index,
                "valid_until": statement.excluded.valid_until,
                "log_offset": statement.excluded.log_offset,
            },
        )
    )


def newest_of(connection: Connection, score_id: Digest) -> AttestationChanged | None:
    """The attestation of a score that counts: the newest that was not superseded; None when there is none."""
    table = attestation
    is_superseded = table.c.status == AttestationStatus.SUPERSEDED.value
    row = connection.execute(
        select(table)
        .where(table.c.score_id == score_id)
        .order_by(is_superseded, table.c.log_offset.desc(), table.c.attestation_id)
        .limit(1)
    ).first()
    if row is None:
        return None
    return AttestationChanged(
        score_id=Digest(bytes(row.score_id)),
        attestation_id=Digest(bytes(row.attestation_id)),
        status=AttestationStatus(row.status),
        revocation_index=row.revocation_index,
        valid_until=row.valid_until,
    )
