"""Statuses on their way to `attestation-status.v1`, through the outbox of issuer or publisher."""

from collections.abc import Iterable
from dataclasses import dataclass

from bonafides.hashing import sha256
from bonafides.messages import AttestationChanged, encode
from bonafides.topics import ATTESTATION_STATUS, partition_of
from bonafides.types import Address, AttestationStatus, Digest
from sqlalchemy import Connection, Table


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One message and its partition."""

    partition: int
    message: AttestationChanged


def status_partition_of(wallets: tuple[Address, ...]) -> int:
    """Partition of a subject: that of its first wallet, as on `scores-issued.v1`."""
    return partition_of(wallets[0], ATTESTATION_STATUS)


def refused(score_id: Digest, wallets: tuple[Address, ...]) -> StatusChange:
    """A score gets no attestation. The id is one of the answer: no document has it, and sent twice it is the same."""
    answer_id = sha256(b"bonafides/attestation-refused/1", score_id)
    message = AttestationChanged(score_id, answer_id, AttestationStatus.REFUSED, None, None)
    return StatusChange(status_partition_of(wallets), message)


def put_statuses(connection: Connection, outbox: Table, changes: Iterable[StatusChange]) -> None:
    """Add them to the running transaction and the process's own outbox, in order."""
    rows = [
        {"topic": ATTESTATION_STATUS.name, "partition": change.partition, "payload": encode(change.message)}
        for change in changes
    ]
    if rows:
        connection.execute(outbox.insert(), rows)
