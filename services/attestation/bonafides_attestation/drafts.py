"""From finalized scores to the unsigned documents of a batch. Pure but for the seeds, which the caller draws.

A batch is a function of its members: they stand in the order of their score ids, which says nothing about who they are
or when they came, and their revocation indexes are the batch's first one and those that follow.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from bonafides.digests import as_of_digest
from bonafides.errors import Unavailable
from bonafides.messages import ScoreIssued
from bonafides.types import Digest
from bonafides.verify.merkle import batch_leaf
from bonafides.verify.typed_data import ScoreAttestation

from bonafides_attestation.commitment import Commitment, commit
from bonafides_attestation.policy import facts_of

_NOTHING = Digest(bytes(32))


@dataclass(frozen=True, slots=True)
class Draft:
    """One unsigned document."""

    attestation_id: Digest
    seed: bytes
    score: ScoreIssued
    committed: Commitment
    message: ScoreAttestation


@dataclass(frozen=True, slots=True)
class BatchSpan:
    """The revocation indexes of a batch: [first_index, first_index + size)."""

    first_index: int
    size: int

    @property
    def following(self) -> int:
        """First index after it."""
        return self.first_index + self.size

    def covers(self, other: "BatchSpan") -> bool:
        """Whether it holds every index of the other."""
        return self.first_index <= other.first_index and other.following <= self.following


def ordered_members(scores: Iterable[ScoreIssued]) -> list[ScoreIssued]:
    """The members of a batch in their order."""
    return sorted(scores, key=lambda score: score.score_id)


def draft_document(score: ScoreIssued, seed: bytes, revocation_index: int, validity_s: int) -> Draft:
    """The unsigned document of one score.

    Its times are those of the as-of block, so that a replay issues the same but for the seed.

    Raises:
        InvalidInput: a value that no leaf can hold.
    """
    committed = commit(facts_of(score), score.wallets, seed)
    as_of_time = score.as_of.time
    message = ScoreAttestation(
        subject=committed.subject,
        commitment=committed.commitment,
        model_id=score.model_id,
        as_of_digest=as_of_digest(score.as_of),
        as_of_time=as_of_time,
        issued_at=as_of_time,
        valid_from=as_of_time,
        valid_until=as_of_time + validity_s,
        revocation_index=revocation_index,
        flags=int(score.flags),
    )
    return Draft(attestation_id_of(seed), seed, score, committed, message)


def attestation_id_of(seed: bytes) -> Digest:
    """Name of a document in URLs and statuses. It stands in no document and on no chain: it links to neither."""
    return Digest(hmac.digest(seed, b"attestation id", "sha256"))


def first_index_of_next_batch(
    last_unfinished: BatchSpan | None, registry_next_index: int, index_after_final: int
) -> int:
    """Where the next batch's indexes start.

    The registry gives a root the indexes after the last published one, in order of publication; the leaves must hold
    them before that. Batches are published strictly in the order of their making, so the next batch follows the last
    that is not final yet, and the registry's own count when there is none. If a foreign root comes between, the counts
    differ, the publisher's simulation shows it, and the batches in flight are stuck: their scores are issued again.
    Their indexes come again as well, in other documents. No published root of ours holds both, so a revocation is kept
    by document and waits until its batch is final: by index it could hit another borrower.

    Raises:
        Unavailable: the registry's count lies below indexes that are final, so a node answered from an old block.
    """
    if last_unfinished is not None:
        return last_unfinished.following
    if registry_next_index < index_after_final:
        raise Unavailable(f"the node is behind: next index {registry_next_index}, final up to {index_after_final}")
    return registry_next_index


def tombstone_leaf(revocation_index: int) -> Digest:
    """Leaf of a member that was not signed: no struct has the hash zero, so it stands for nothing."""
    return batch_leaf(revocation_index, _NOTHING)
