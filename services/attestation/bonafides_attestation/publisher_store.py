"""What the publisher reads and writes: batches, leaf hashes, attempts, revocations. It has no wallet, score or salt."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bonafides.messages import AttestationChanged
from bonafides.types import Address, AttestationStatus, Digest
from bonafides.verify.typed_data import Domain
from sqlalchemy import ColumnElement, Connection, Row, Table, func, select

from bonafides_attestation.drafts import BatchSpan
from bonafides_attestation.fees import Fees
from bonafides_attestation.publication import Attempt, Progress, Receipt
from bonafides_attestation.spans import has_own_index
from bonafides_attestation.states import BatchState, RevocationReason
from bonafides_attestation.statuses import StatusChange, put_statuses
from bonafides_attestation.tables import attempts, batches, leaf_hashes, publisher_outbox, revocation_runs, revocations

MAX_REVOCATIONS_PER_RUN = 500  # about 25,000,000 gas if each stood in a fresh word: half a block of Ethereum
_IN_FLIGHT = [BatchState.SENT.value, BatchState.MINED.value]


class JobKind(StrEnum):
    """What a transaction is for."""

    PUBLISH = "publish"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class Job:
    """The one thing that the publisher works on."""

    kind: JobKind
    id: int
    """Batch id, or id of the revocation run."""
    progress: Progress
    span: BatchSpan
    """Indexes of the batch; empty for a revocation."""
    root: Digest
    """Root of the batch as the issuer built it; zero for a revocation."""
    indexes: tuple[int, ...]
    """Indexes to revoke; empty for a batch."""
    closed_at_block: int
    """Head when the batch was closed; 0 for a revocation."""


def current_job(connection: Connection, domain: Domain) -> Job | None:
    """What is in flight; else the oldest batch, if it is signed; else revocations. One thing at a time."""
    for kind, table in ((JobKind.PUBLISH, batches), (JobKind.REVOKE, revocation_runs)):
        if row := _oldest(connection, table, domain, _IN_FLIGHT):
            return _job(connection, kind, row)
    if row := _oldest(connection, revocation_runs, domain, [BatchState.QUEUED.value]):
        return _job(connection, JobKind.REVOKE, row)
    row = _oldest(connection, batches, domain, [BatchState.BUILT.value, BatchState.QUEUED.value])
    if row is None or row.state == BatchState.BUILT.value:
        return None  # a later batch must not overtake one that is not signed yet: its indexes come first
    return _job(connection, JobKind.PUBLISH, row)


def start_revocation_run(connection: Connection, domain: Domain) -> int | None:
    """Gather revocations of published documents in one run; its id, or None when there are none.

    Before its batch is final a document has no index of its own: a foreign root may take it, and then the index comes
    again in another batch, for another borrower.
    """
    waiting = connection.scalars(
        select(revocations.c.attestation_id)
        .join(leaf_hashes, leaf_hashes.c.attestation_id == revocations.c.attestation_id)
        .join(batches, batches.c.id == leaf_hashes.c.batch_id)
        .where(
            _is_of(batches, domain),
            (batches.c.state == BatchState.FINAL.value) | has_own_index(leaf_hashes.c.revocation_index),
            leaf_hashes.c.is_tombstone.is_(False),
            revocations.c.run.is_(None),
        )
        .order_by(leaf_hashes.c.revocation_index)
        .limit(MAX_REVOCATIONS_PER_RUN)
    ).all()
    if not waiting:
        return None
    run: int | None = connection.scalar(
        revocation_runs.insert()
        .values(chain_id=domain.chain_id, registry=domain.registry, state=BatchState.QUEUED.value)
        .returning(revocation_runs.c.id)
    )
    connection.execute(revocations.update().where(revocations.c.attestation_id.in_(waiting)).values(run=run))
    return run


def leaf_hashes_of(connection: Connection, batch_id: int) -> list[Digest]:
    """The leaves of a batch, in order."""
    found = connection.scalars(
        select(leaf_hashes.c.leaf_hash).where(leaf_hashes.c.batch_id == batch_id).order_by(leaf_hashes.c.position)
    )
    return [Digest(leaf) for leaf in found]


def least_nonce(connection: Connection, sender: Address) -> int:
    """The next nonce as the database knows it: one after the highest that is final. 0 when nothing is."""
    final = select(func.max(attempts.c.nonce)).where(
        attempts.c.sender == sender,
        attempts.c.batch_id.in_(select(batches.c.id).where(batches.c.state == BatchState.FINAL.value))
        | attempts.c.revocation_run.in_(
            select(revocation_runs.c.id).where(revocation_runs.c.state == BatchState.FINAL.value)
        ),
    )
    found: int | None = connection.scalar(final)
    return 0 if found is None else found + 1


def store_attempt(connection: Connection, job: Job, sender: Address, attempt: Attempt) -> None:
    """Keep a raw transaction before it is sent; the job is SENT from now on."""
    connection.execute(
        attempts.insert().values(
            batch_id=job.id if job.kind is JobKind.PUBLISH else None,
            revocation_run=job.id if job.kind is JobKind.REVOKE else None,
            sender=sender,
            nonce=attempt.nonce,
            raw_tx=attempt.raw_tx,
            tx_hash=attempt.tx_hash,
            max_fee_wei=attempt.fees.max_fee_wei,
            tip_wei=attempt.fees.tip_wei,
            stored_at_block=attempt.stored_at_block,
        )
    )
    if job.progress.state is not BatchState.SENT:
        move(connection, job, BatchState.SENT)


def mark_sent(connection: Connection, tx_hash: Digest, at: int) -> None:
    """A node took these bytes, Unix seconds."""
    connection.execute(attempts.update().where(attempts.c.tx_hash == tx_hash).values(sent_at=at))


def move(connection: Connection, job: Job, state: BatchState) -> None:
    """Change the state and tell the members."""
    table = _table(job)
    values: dict[str, object] = {"state": state.value}
    if state is BatchState.FINAL:
        values["final_at"] = func.now()
    if state in (BatchState.SENT, BatchState.QUEUED):
        values |= {"tx_hash": None, "block_number": None, "block_hash": None}
    connection.execute(table.update().where(table.c.id == job.id).values(values))
    _tell(connection, job, state)


def mark_mined(
    connection: Connection, job: Job, receipt: Receipt, epoch: int | None = None, published_at: int | None = None
) -> None:
    """The transaction is in a block; for a batch also its epoch and the block's time."""
    move(connection, job, BatchState.MINED)
    table = _table(job)
    values: dict[str, object] = {
        "tx_hash": receipt.tx_hash,
        "block_number": receipt.block_number,
        "block_hash": receipt.block_hash,
    }
    if job.kind is JobKind.PUBLISH:
        values |= {"epoch": epoch, "published_at": published_at}
    connection.execute(table.update().where(table.c.id == job.id).values(values))


def mark_unmined(connection: Connection, job: Job) -> None:
    """Its block is gone: SENT again, and every stored attempt counts as never sent, since the node forgot them too."""
    connection.execute(attempts.update().where(_attempts_of(job)).values(sent_at=None))
    move(connection, job, BatchState.SENT)


def mark_stuck(
    connection: Connection, domain: Domain, batch_id: int, problem: str, root_span: BatchSpan | None = None
) -> int:
    """This batch and those after it can never be published: a foreign root has their indexes. Returns how many.

    `root_span`: indexes that the registry gave to this batch's own root, when it was published elsewhere after all.
    """
    if root_span is not None:
        connection.execute(
            batches.update()
            .where(batches.c.id == batch_id)
            .values(root_first_index=root_span.first_index, root_count=root_span.size)
        )
    stuck = connection.execute(
        batches.update()
        .where(
            _is_of(batches, domain),
            batches.c.id >= batch_id,
            batches.c.state.in_([BatchState.BUILT.value, BatchState.QUEUED.value, BatchState.SENT.value]),
        )
        .values(state=BatchState.STUCK.value, problem=problem)
        .returning(batches.c.id)
    ).scalars()
    ids = list(stuck)
    for stuck_id in ids:
        _tell_batch(connection, stuck_id, AttestationStatus.STUCK)
    return len(ids)


def _oldest(
    connection: Connection, table: Table, domain: Domain, states: Sequence[str]
) -> Row[tuple[object, ...]] | None:
    return connection.execute(
        select(table).where(_is_of(table, domain), table.c.state.in_(states)).order_by(table.c.id).limit(1)
    ).first()


def _job(connection: Connection, kind: JobKind, row: Row[tuple[object, ...]]) -> Job:
    r = row._mapping
    progress = Progress(
        state=BatchState(r["state"]),
        attempts=_read_attempts(connection, kind, r["id"]),
        block_number=r["block_number"],
        block_hash=None if r["block_hash"] is None else Digest(r["block_hash"]),
    )
    if kind is JobKind.PUBLISH:
        return Job(
            kind, r["id"], progress, BatchSpan(r["first_index"], r["size"]), Digest(r["root"]), (), r["closed_at_block"]
        )
    indexes = connection.scalars(
        select(leaf_hashes.c.revocation_index)
        .join(revocations, revocations.c.attestation_id == leaf_hashes.c.attestation_id)
        .where(revocations.c.run == r["id"])
        .order_by(leaf_hashes.c.revocation_index)
    )
    return Job(kind, r["id"], progress, BatchSpan(0, 0), Digest(bytes(32)), tuple(indexes), 0)


def _read_attempts(connection: Connection, kind: JobKind, job_id: int) -> list[Attempt]:
    column = attempts.c.batch_id if kind is JobKind.PUBLISH else attempts.c.revocation_run
    rows = connection.execute(select(attempts).where(column == job_id).order_by(attempts.c.id))
    return [
        Attempt(
            nonce=row.nonce,
            raw_tx=row.raw_tx,
            tx_hash=Digest(row.tx_hash),
            fees=Fees(int(row.max_fee_wei), int(row.tip_wei)),
            stored_at_block=row.stored_at_block,
            sent_at=row.sent_at,
        )
        for row in rows
    ]


def _tell(connection: Connection, job: Job, state: BatchState) -> None:
    if job.kind is JobKind.PUBLISH:
        _tell_batch(connection, job.id, AttestationStatus(state.value))
    elif state is BatchState.FINAL:
        rows = connection.execute(
            select(leaf_hashes, revocations.c.reason)
            .join(revocations, revocations.c.attestation_id == leaf_hashes.c.attestation_id)
            .where(revocations.c.run == job.id)
            .order_by(leaf_hashes.c.revocation_index)
        )
        put_statuses(
            connection, publisher_outbox, [_change(row, _status_of(RevocationReason(row.reason))) for row in rows]
        )


def _tell_batch(connection: Connection, batch_id: int, status: AttestationStatus) -> None:
    rows = connection.execute(
        select(leaf_hashes).where(leaf_hashes.c.batch_id == batch_id).order_by(leaf_hashes.c.position)
    )
    put_statuses(connection, publisher_outbox, [_change(row, status) for row in rows if not row.is_tombstone])


def _status_of(reason: RevocationReason) -> AttestationStatus:
    """A superseded document says nothing against its score: another one stands for it."""
    is_superseded = reason is RevocationReason.SUPERSEDED
    return AttestationStatus.SUPERSEDED if is_superseded else AttestationStatus.REVOKED


def _change(row: Row[tuple[object, ...]], status: AttestationStatus) -> StatusChange:
    r = row._mapping
    message = AttestationChanged(
        Digest(r["score_id"]), Digest(r["attestation_id"]), status, r["revocation_index"], r["valid_until"]
    )
    return StatusChange(r["status_partition"], message)


def _table(job: Job) -> Table:
    return batches if job.kind is JobKind.PUBLISH else revocation_runs


def _attempts_of(job: Job) -> ColumnElement[bool]:
    return (attempts.c.batch_id if job.kind is JobKind.PUBLISH else attempts.c.revocation_run) == job.id


def _is_of(table: Table, domain: Domain) -> ColumnElement[bool]:
    return (table.c.chain_id == domain.chain_id) & (table.c.registry == domain.registry)
