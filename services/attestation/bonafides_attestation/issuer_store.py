"""What the issuer writes: results to batches, batches to signed documents. Each function is a step of a transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from bonafides.errors import InvariantViolation
from bonafides.messages import AttestationChanged, ScoreIssued, decode
from bonafides.types import Address, AttestationStatus, Digest
from bonafides.verify.typed_data import Domain
from sqlalchemy import Connection, bindparam, func, select, text

from bonafides_attestation.drafts import BatchSpan, Draft
from bonafides_attestation.records import StoredDocument, document_values, stored_document
from bonafides_attestation.spans import UNFINISHED, has_own_index, is_of
from bonafides_attestation.states import BatchState, DocumentState, Refusal, ResultState, RevocationReason
from bonafides_attestation.statuses import StatusChange, put_statuses, refused, status_partition_of
from bonafides_attestation.tables import batches, documents, issuer_outbox, leaf_hashes, results, seeds, withdrawals
from bonafides_attestation.withdrawals import ask_revocation, drop_revocations, withdrawn_of

_LIVE = [DocumentState.BUILT.value, DocumentState.SIGNED.value]

# A subject is asked for when one of its wallets opted in: linking them took a signature of each.
_WAITING = """
    FROM attestation.results
    WHERE state = 'waiting' AND (:for_all OR EXISTS (
        SELECT FROM generate_series(0, length(wallets) / 20 - 1) AS place
        JOIN attestation.opt_ins ON opt_ins.wallet = substring(results.wallets FROM place * 20 + 1 FOR 20)
        WHERE opt_ins.ended_at IS NULL
    ))
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a batch."""

    count: int
    oldest_s: float
    """Seconds that the oldest one has waited, by the database's clock; 0 when nothing waits."""


@dataclass(frozen=True, slots=True)
class UnsignedMember:
    """One document of a closed batch, with its seed."""

    document: StoredDocument
    seed: bytes
    is_withdrawn: bool
    """Its score was disputed or recalled since."""


@dataclass(frozen=True, slots=True)
class SignedMember:
    """What became of one document of a batch: signed, or refused and a tombstone."""

    document: StoredDocument
    leaf_hash: Digest
    signature: bytes | None
    refusal: Refusal | None


def waiting(connection: Connection, *, for_all: bool) -> Waiting:
    """How much waits, and how long."""
    question = text(f"SELECT count(*), coalesce(extract(epoch FROM now() - min(waiting_since)), 0) {_WAITING}")  # noqa: S608 constant
    count, oldest_s = connection.execute(question, {"for_all": for_all}).one()
    return Waiting(count, max(0.0, float(oldest_s)))


def oldest_unfinished_s(connection: Connection, domain: Domain) -> float:
    """Seconds since the oldest batch that is neither final nor stuck was closed; 0 when there is none."""
    age = func.extract("epoch", func.now() - func.min(batches.c.closed_at))
    found = connection.scalar(select(age).where(is_of(domain), batches.c.state.in_(UNFINISHED)))
    return 0.0 if found is None else float(found)


def take_waiting(connection: Connection, limit: int, *, for_all: bool) -> list[ScoreIssued]:
    """The results that waited longest, locked until the transaction ends.

    A score that has a live document already, because an older message came again, is settled here and not given out;
    so is one that was withdrawn by a transaction that could not see it yet.
    """
    question = text(f"SELECT payload {_WAITING} ORDER BY waiting_since, subject_key LIMIT :limit FOR UPDATE OF results")
    payloads = connection.scalars(question, {"for_all": for_all, "limit": limit}).all()
    scores = [cast("ScoreIssued", decode(payload)) for payload in payloads]
    known = select(documents.c.score_id).where(
        documents.c.score_id.in_([score.score_id for score in scores]), documents.c.state.in_(_LIVE)
    )
    already = {bytes(score_id) for score_id in connection.scalars(known)}
    set_results(connection, list(already), ResultState.ISSUED)
    withdrawn = withdrawn_of(connection, [score.score_id for score in scores])
    set_results(connection, list(withdrawn), ResultState.WITHDRAWN)
    return [score for score in scores if score.score_id not in already | withdrawn]


def refuse_scores(connection: Connection, refusals: Sequence[tuple[ScoreIssued, Refusal]]) -> None:
    """Say why, in the database and on the status topic."""
    for score, refusal in refusals:
        set_results(connection, [score.score_id], ResultState.REFUSED, refusal)
    put_statuses(connection, issuer_outbox, [refused(score.score_id, score.wallets) for score, _ in refusals])


def store_batch(
    connection: Connection, domain: Domain, span: BatchSpan, drafts: Sequence[Draft], closed_at_block: int
) -> int:
    """Close a batch: members in order, indexes, seeds. Returns its id."""
    batch_id: int | None = connection.scalar(
        batches.insert()
        .values(
            chain_id=domain.chain_id,
            registry=domain.registry,
            first_index=span.first_index,
            size=span.size,
            state=BatchState.BUILT.value,
            closed_at_block=closed_at_block,
        )
        .returning(batches.c.id)
    )
    if batch_id is None:
        raise InvariantViolation("the database gave no id to a new batch")
    rows = [document_values(draft, batch_id, position) for position, draft in enumerate(drafts)]
    connection.execute(documents.insert(), rows)
    connection.execute(
        seeds.insert(), [{"attestation_id": draft.attestation_id, "seed": draft.seed} for draft in drafts]
    )
    set_results(connection, [draft.score.score_id for draft in drafts], ResultState.ISSUED)
    put_statuses(
        connection,
        issuer_outbox,
        [
            _change(draft.attestation_id, draft.score.score_id, draft.score.wallets, draft, AttestationStatus.BUILT)
            for draft in drafts
        ],
    )
    return batch_id


def next_built_batch(connection: Connection, domain: Domain) -> int | None:
    """The oldest batch that is not signed yet."""
    question = select(func.min(batches.c.id)).where(is_of(domain), batches.c.state == BatchState.BUILT.value)
    found: int | None = connection.scalar(question)
    return found


def batch_members(connection: Connection, batch_id: int) -> list[UnsignedMember]:
    """The members of a batch, in order."""
    rows = connection.execute(
        select(documents, seeds.c.seed, withdrawals.c.kind.is_not(None).label("is_withdrawn"))
        .join(seeds, seeds.c.attestation_id == documents.c.attestation_id)
        .outerjoin(withdrawals, withdrawals.c.score_id == documents.c.score_id)
        .where(documents.c.batch_id == batch_id)
        .order_by(documents.c.position)
    ).all()
    return [UnsignedMember(stored_document(row), row.seed, row.is_withdrawn) for row in rows]


def hand_over(
    connection: Connection, batch_id: int, root: Digest, signer: Address, members: Sequence[SignedMember]
) -> bool:
    """Store signatures and leaf hashes and give the batch to the publisher. False when it is not BUILT any more."""
    moved = connection.execute(
        batches.update()
        .where(batches.c.id == batch_id, batches.c.state == BatchState.BUILT.value)
        .values(state=BatchState.QUEUED.value, root=root, handed_over_at=func.now())
    )
    if moved.rowcount != 1:
        return False
    connection.execute(
        documents.update()
        .where(documents.c.attestation_id == bindparam("id"))
        .values(
            state=bindparam("to_state"),
            signature=bindparam("by_signature"),
            signer=bindparam("by_signer"),
            refusal=bindparam("with_refusal"),
        ),
        [_signed_values(member, signer) for member in members],
    )
    connection.execute(leaf_hashes.insert(), [_leaf_values(batch_id, member) for member in members])
    drop_revocations(connection, [member.document.attestation_id for member in members if member.signature is None])
    for member in members:
        if member.refusal is not None:
            set_results(connection, [member.document.score_id], ResultState.REFUSED, member.refusal)
    put_statuses(connection, issuer_outbox, [_status_after_signing(member) for member in members])
    return True


def take_back_stuck(connection: Connection, domain: Domain) -> int:
    """Put the scores of stuck batches back, to be issued again in another batch; returns how many documents.

    What was to be revoked of them is dropped: nobody can show them as published, and their indexes are given out again.
    Those whose index the batch's own root covers, published elsewhere, are revoked: each score has one document.
    """
    stranded = connection.execute(
        documents.update()
        .where(
            documents.c.batch_id == batches.c.id,
            is_of(domain),
            batches.c.state == BatchState.STUCK.value,
            documents.c.state.in_(_LIVE),
        )
        .values(state=DocumentState.STRANDED.value)
        .returning(
            documents.c.score_id,
            documents.c.attestation_id,
            func.coalesce(has_own_index(documents.c.revocation_index), False).label("is_published"),
        )
    ).all()
    score_ids = [bytes(row.score_id) for row in stranded]
    drop_revocations(connection, [row.attestation_id for row in stranded if not row.is_published])
    for row in stranded:
        if row.is_published:
            ask_revocation(connection, row.attestation_id, RevocationReason.SUPERSEDED)
    connection.execute(
        results.update()
        .where(results.c.score_id.in_(score_ids), results.c.state == ResultState.ISSUED.value)
        .values(state=ResultState.WAITING.value)
    )
    return len(score_ids)


def set_results(
    connection: Connection, score_ids: Sequence[bytes], state: ResultState, refusal: Refusal | None = None
) -> None:
    """Settle the results with these score ids; a result that was replaced meanwhile is another score, and stays."""
    if score_ids:
        connection.execute(
            results.update()
            .where(results.c.score_id.in_(score_ids), results.c.state != ResultState.WITHDRAWN.value)
            .values(state=state.value, reason=None if refusal is None else refusal.value)
        )


def _signed_values(member: SignedMember, signer: Address) -> Mapping[str, object]:
    is_signed = member.signature is not None
    return {
        "id": member.document.attestation_id,
        "to_state": (DocumentState.SIGNED if is_signed else DocumentState.TOMBSTONE).value,
        "by_signature": member.signature,
        "by_signer": signer if is_signed else None,
        "with_refusal": None if member.refusal is None else member.refusal.value,
    }


def _leaf_values(batch_id: int, member: SignedMember) -> Mapping[str, object]:
    document = member.document
    return {
        "batch_id": batch_id,
        "position": document.position,
        "revocation_index": document.message.revocation_index,
        "leaf_hash": member.leaf_hash,
        "is_tombstone": member.signature is None,
        "score_id": document.score_id,
        "attestation_id": document.attestation_id,
        "valid_until": document.message.valid_until,
        "status_partition": status_partition_of(document.wallets),
    }


def _status_after_signing(member: SignedMember) -> StatusChange:
    document = member.document
    status = AttestationStatus.TOMBSTONE if member.signature is None else AttestationStatus.QUEUED
    return _change(document.attestation_id, document.score_id, document.wallets, document, status)


def _change(
    attestation_id: Digest,
    score_id: Digest,
    wallets: tuple[Address, ...],
    of: Draft | StoredDocument,
    status: AttestationStatus,
) -> StatusChange:
    message = AttestationChanged(score_id, attestation_id, status, of.message.revocation_index, of.message.valid_until)
    return StatusChange(status_partition_of(wallets), message)
