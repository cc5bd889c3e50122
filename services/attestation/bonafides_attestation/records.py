"""Rows of the schema as values, and back: byte layouts of wallets and as-of blocks, and stored documents."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from bonafides.digests import encode_block
from bonafides.errors import InvariantViolation
from bonafides.hashing import sha256
from bonafides.types import Address, AdverseReason, AsOf, BlockRef, ChainId, Digest, ModelClass
from bonafides.verify.leaves import REASONS, JsonValue, ScoreFacts, value_from_json, value_to_json
from bonafides.verify.typed_data import ScoreAttestation
from sqlalchemy import Row

from bonafides_attestation.commitment import Commitment, commit
from bonafides_attestation.drafts import Draft

_BLOCK = struct.Struct(">QQ32sQ")


def pack_wallets(wallets: Sequence[Address]) -> bytes:
    """20 bytes a wallet, ascending."""
    return b"".join(sorted(wallets))


def unpack_wallets(packed: bytes) -> tuple[Address, ...]:
    """The wallets of `pack_wallets`."""
    return tuple(Address(packed[at : at + 20]) for at in range(0, len(packed), 20))


def subject_key_of(wallets: Sequence[Address]) -> Digest:
    """Key of a subject in this schema: which wallets it is made of."""
    return sha256(b"bonafides/subject-key/1", pack_wallets(wallets))


def pack_as_of(as_of: AsOf) -> bytes:
    """56 bytes a block, ascending by chain id: as they stand in the as-of digest."""
    return b"".join(encode_block(block) for block in as_of.blocks)


def unpack_as_of(packed: bytes) -> AsOf:
    """The blocks of `pack_as_of`."""
    blocks = _BLOCK.iter_unpack(packed)
    return AsOf(tuple(BlockRef(ChainId(chain), number, Digest(h), time) for chain, number, h, time in blocks))


def leaf_values_to_json(facts: ScoreFacts) -> dict[str, JsonValue]:
    """Every leaf value in its JSON form, in the order of the holder file."""
    return {name: value_to_json(value) for name, value in facts.leaf_values().items()}


def facts_from_json(values: Mapping[str, JsonValue]) -> ScoreFacts:
    """The facts behind stored leaf values. Raises InvalidInput when a value cannot be a leaf."""
    read = {name: value_from_json(name, value) for name, value in values.items()}
    return ScoreFacts(
        score=cast("int", read["score"]),
        pd_bps=cast("int", read["pdBps"]),
        receipt_digest=Digest(cast("bytes", read["receiptDigest"])),
        coverage_digest=Digest(cast("bytes", read["coverageDigest"])),
        reasons=tuple(AdverseReason(code) for name in REASONS if (code := cast("str", read[name]))),
    )


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as the database holds it, without its seed."""

    attestation_id: Digest
    score_id: Digest
    batch_id: int
    position: int
    wallets: tuple[Address, ...]
    as_of: AsOf
    facts: ScoreFacts
    message: ScoreAttestation
    model_class: ModelClass
    signer: Address | None
    signature: bytes | None

    def commitment_with(self, seed: bytes) -> Commitment:
        """Salted leaves and wallets. Raises InvariantViolation when they are not those of the stored message."""
        committed = commit(self.facts, self.wallets, seed)
        if (committed.commitment, committed.subject) != (self.message.commitment, self.message.subject):
            raise InvariantViolation("a stored document does not open with its seed: seeds or documents were mixed up")
        return committed


def document_values(draft: Draft, batch_id: int, position: int) -> dict[str, object]:
    """Columns of a new document."""
    message, score = draft.message, draft.score
    return {
        "attestation_id": draft.attestation_id,
        "score_id": score.score_id,
        "subject_key": subject_key_of(score.wallets),
        "batch_id": batch_id,
        "position": position,
        "state": "built",
        "wallets": pack_wallets(score.wallets),
        "as_of": pack_as_of(score.as_of),
        "leaf_values": {leaf.name: value_to_json(leaf.value) for leaf in draft.committed.leaves},
        "subject": message.subject,
        "commitment": message.commitment,
        "model_id": message.model_id,
        "model_class": score.model_class.value,
        "as_of_digest": message.as_of_digest,
        "as_of_time": message.as_of_time,
        "issued_at": message.issued_at,
        "valid_from": message.valid_from,
        "valid_until": message.valid_until,
        "revocation_index": message.revocation_index,
        "flags": message.flags,
    }


def stored_document(row: Row[tuple[object, ...]]) -> StoredDocument:
    """A row of `documents` that is not erased."""
    r = row._mapping
    return StoredDocument(
        attestation_id=Digest(r["attestation_id"]),
        score_id=Digest(r["score_id"]),
        batch_id=r["batch_id"],
        position=r["position"],
        wallets=unpack_wallets(r["wallets"]),
        as_of=unpack_as_of(r["as_of"]),
        facts=facts_from_json(r["leaf_values"]),
        message=ScoreAttestation(
            subject=Digest(r["subject"]),
            commitment=Digest(r["commitment"]),
            model_id=Digest(r["model_id"]),
            as_of_digest=Digest(r["as_of_digest"]),
            as_of_time=r["as_of_time"],
            issued_at=r["issued_at"],
            valid_from=r["valid_from"],
            valid_until=r["valid_until"],
            revocation_index=r["revocation_index"],
            flags=r["flags"],
        ),
        model_class=ModelClass(r["model_class"]),
        signer=None if r["signer"] is None else Address(r["signer"]),
        signature=r["signature"],
    )
