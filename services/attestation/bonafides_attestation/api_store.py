"""What attestation-api reads and writes. Holder files are made at each read: salts are stored nowhere but as seeds."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import assert_never

from bonafides.errors import NotFound
from bonafides.types import Address, AttestationStatus, ChainId, Digest
from bonafides.verify.typed_data import Domain
from sqlalchemy import Connection, select

from bonafides_attestation.document import HolderFile, attestation_leaf, make_holder_file, with_inclusion
from bonafides_attestation.merkle import StandardMerkleTree
from bonafides_attestation.records import stored_document
from bonafides_attestation.states import BatchState, DocumentState
from bonafides_attestation.tables import audit, batches, documents, leaf_hashes, revocation_runs, revocations, seeds

_PUBLISHED = (BatchState.MINED.value, BatchState.FINAL.value)


@dataclass(frozen=True, slots=True)
class AttestationSummary:
    """Where one attestation stands."""

    attestation_id: Digest
    score_id: Digest
    status: AttestationStatus
    revocation_index: int
    valid_from: int
    valid_until: int


class TreeCache:
    """The trees of a few batches: making one of 65,536 leaves takes a quarter of a second."""

    def __init__(self, size: int = 8) -> None:
        self._size = size
        self._trees: OrderedDict[int, StandardMerkleTree] = OrderedDict()
        self._lock = Lock()

    def tree(self, connection: Connection, batch_id: int) -> StandardMerkleTree:
        """The tree of a handed-over batch; its leaves never change."""
        with self._lock:
            if batch_id in self._trees:
                self._trees.move_to_end(batch_id)
                return self._trees[batch_id]
        leaves = connection.scalars(select(leaf_hashes.c.leaf_hash).where(leaf_hashes.c.batch_id == batch_id))
        tree = StandardMerkleTree([Digest(leaf) for leaf in leaves])
        with self._lock:
            self._trees[batch_id] = tree
            while len(self._trees) > self._size:
                self._trees.popitem(last=False)
        return tree


def read_holder_file(connection: Connection, attestation_id: Digest, trees: TreeCache) -> HolderFile:
    """The holder file of a signed document, with its place in the root once that is published.

    Raises:
        NotFound: no such document, not signed (yet), stranded or erased. Which of them is nobody's business.
    """
    row = connection.execute(
        select(documents, seeds.c.seed, batches.c.chain_id, batches.c.registry, batches.c.state.label("batch_state"))
        .join(seeds, seeds.c.attestation_id == documents.c.attestation_id)
        .join(batches, batches.c.id == documents.c.batch_id)
        .where(documents.c.attestation_id == attestation_id, documents.c.state == DocumentState.SIGNED.value)
    ).first()
    if row is None:
        raise NotFound("there is no document with this id")
    document = stored_document(row)
    if document.signature is None or document.signer is None:
        raise NotFound("there is no document with this id")
    file = make_holder_file(
        Domain(ChainId(row.chain_id), Address(row.registry)),
        document.message,
        document.signer,
        document.signature,
        document.commitment_with(row.seed),
        document.as_of,
    )
    if row.batch_state not in _PUBLISHED:
        return file
    tree = trees.tree(connection, document.batch_id)
    return with_inclusion(file, tree.root, tree.proof(attestation_leaf(document.message)))


def list_attestations(connection: Connection, score_id: Digest) -> list[AttestationSummary]:
    """Every attestation of a score, newest first."""
    rows = connection.execute(
        select(
            documents.c.attestation_id,
            documents.c.score_id,
            documents.c.state,
            documents.c.revocation_index,
            documents.c.valid_from,
            documents.c.valid_until,
            batches.c.state.label("batch_state"),
            revocation_runs.c.state.label("revocation_state"),
        )
        .join(batches, batches.c.id == documents.c.batch_id)
        .outerjoin(revocations, revocations.c.attestation_id == documents.c.attestation_id)
        # Asked for is not yet revoked: until the transaction is final, chain and verifier may say VALID.
        .outerjoin(revocation_runs, revocation_runs.c.id == revocations.c.run)
        .where(documents.c.score_id == score_id)
        .order_by(documents.c.batch_id.desc())
    )
    return [
        AttestationSummary(
            attestation_id=Digest(row.attestation_id),
            score_id=Digest(row.score_id),
            status=_status(
                DocumentState(row.state), BatchState(row.batch_state), row.revocation_state == BatchState.FINAL.value
            ),
            revocation_index=row.revocation_index,
            valid_from=row.valid_from,
            valid_until=row.valid_until,
        )
        for row in rows
    ]


def _status(document: DocumentState, batch: BatchState, is_revoked: bool) -> AttestationStatus:
    """The document's own state, and once it is signed that of its batch."""
    match document:
        case DocumentState.TOMBSTONE:
            return AttestationStatus.TOMBSTONE
        case DocumentState.STRANDED:
            return AttestationStatus.STUCK
        case DocumentState.ERASED:
            return AttestationStatus.REVOKED
        case DocumentState.BUILT | DocumentState.SIGNED:
            return AttestationStatus.REVOKED if is_revoked else AttestationStatus(batch.value)
    assert_never(document)


def write_audit(
    connection: Connection, route: str, attestation_id: Digest | None, reader: str, consent_mode: str, http_status: int
) -> None:
    """One row of the access log. Inline: asking for the new id would need a right to read the log."""
    connection.execute(
        audit.insert()
        .inline()
        .values(
            route=route,
            attestation_id=attestation_id,
            reader=reader,
            consent_mode=consent_mode,
            http_status=http_status,
        )
    )
