"""Which revocation indexes the batches of a registry hold, as issuer and publisher both ask."""

from bonafides.verify.typed_data import Domain
from sqlalchemy import ColumnElement, Connection, func, select

from bonafides_attestation.drafts import BatchSpan
from bonafides_attestation.states import BatchState
from bonafides_attestation.tables import batches

UNFINISHED = (BatchState.BUILT.value, BatchState.QUEUED.value, BatchState.SENT.value, BatchState.MINED.value)


def unfinished_spans(connection: Connection, domain: Domain, *, is_locking: bool = False) -> list[BatchSpan]:
    """Batches of this registry that are neither final nor stuck, in their order.

    Locking, nobody moves or strands one of them until the transaction ends.
    """
    question = (
        select(batches.c.first_index, batches.c.size)
        .where(is_of(domain), batches.c.state.in_(UNFINISHED))
        .order_by(batches.c.id)
    )
    rows = connection.execute(question.with_for_update() if is_locking else question)
    return [BatchSpan(row.first_index, row.size) for row in rows]


def index_after_final(connection: Connection, domain: Domain) -> int:
    """One after the highest index of a final batch; 0 when there is none. No honest registry counts less."""
    highest = func.max(batches.c.first_index + batches.c.size)
    found: int | None = connection.scalar(
        select(highest).where(is_of(domain), batches.c.state == BatchState.FINAL.value)
    )
    return 0 if found is None else found


def has_own_index(revocation_index: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a stuck batch's root is published, and covers this index: a verifier accepts such a document."""
    return (
        (batches.c.state == BatchState.STUCK.value)
        & (revocation_index >= batches.c.root_first_index)
        & (revocation_index < batches.c.root_first_index + batches.c.root_count)
    )


def is_of(domain: Domain) -> ColumnElement[bool]:
    """Batches of this registry."""
    return (batches.c.chain_id == domain.chain_id) & (batches.c.registry == domain.registry)
