"""What is attested, under which index, and what the attester signs."""

from dataclasses import replace

import pytest
from bonafides.digests import as_of_digest
from bonafides.errors import InvalidInput, InvariantViolation, Unavailable
from bonafides.messages import ScoreIssued
from bonafides.types import Address, Band, Digest, ModelClass, ScoreFlag
from bonafides.verify.chain import KeyRecord
from bonafides.verify.leaves import Leaf
from bonafides.verify.merkle import batch_leaf
from bonafides.verify.signature import recover_signer
from bonafides.verify.typed_data import attestation_digest, struct_hash
from bonafides_attestation.document import attestation_leaf
from bonafides_attestation.drafts import (
    BatchSpan,
    attestation_id_of,
    draft_document,
    first_index_of_next_batch,
    ordered_members,
    tombstone_leaf,
)
from bonafides_attestation.issuer import BatchRules
from bonafides_attestation.issuer_store import Waiting
from bonafides_attestation.merkle import StandardMerkleTree
from bonafides_attestation.policy import IssuingRules, refusal_of_message, refusal_of_score
from bonafides_attestation.records import (
    facts_from_json,
    leaf_values_to_json,
    pack_as_of,
    pack_wallets,
    unpack_as_of,
    unpack_wallets,
)
from bonafides_attestation.signer import Attester, NotAttestable
from bonafides_attestation.states import Refusal

from tests.support.attestation_service_samples import (
    AS_OF_TIME,
    DOMAIN,
    KEY_RECORD,
    LIVE_DOMAIN,
    MODELS,
    REAL_MODEL,
    RULES,
    SIGNER,
    SYNTHETIC_MODEL,
    WEEK_S,
    sample_score,
)

pytestmark = pytest.mark.unit

SEED = bytes(range(32))
LIVE_RULES = IssuingRules(LIVE_DOMAIN, MODELS, WEEK_S)


@pytest.mark.parametrize(
    ("score", "rules", "at", "key", "expected"),
    [
        (sample_score(), RULES, AS_OF_TIME, KEY_RECORD, None),
        (sample_score(), LIVE_RULES, AS_OF_TIME, KEY_RECORD, None),
        (
            sample_score(model_id=SYNTHETIC_MODEL, model_class=ModelClass.SYNTHETIC),
            RULES,
            AS_OF_TIME,
            KEY_RECORD,
            None,
        ),
        (
            sample_score(model_id=SYNTHETIC_MODEL, model_class=ModelClass.SYNTHETIC),
            LIVE_RULES,
            AS_OF_TIME,
            KEY_RECORD,
            Refusal.SYNTHETIC_ON_LIVE_CHAIN,
        ),
        # A scorer that calls a synthetic model real does not get it past us: our list knows what it is.
        (
            sample_score(model_id=SYNTHETIC_MODEL, model_class=ModelClass.REAL),
            LIVE_RULES,
            AS_OF_TIME,
            KEY_RECORD,
            Refusal.SYNTHETIC_ON_LIVE_CHAIN,
        ),
        (
            sample_score(model_id=SYNTHETIC_MODEL, model_class=ModelClass.REAL),
            RULES,
            AS_OF_TIME,
            KEY_RECORD,
            Refusal.MODEL_NOT_ALLOWED,
        ),
        (sample_score(model_id=Digest(bytes(32))), RULES, AS_OF_TIME, KEY_RECORD, Refusal.MODEL_NOT_ALLOWED),
        (sample_score(flags=ScoreFlag.REFERENCE_POSITION | ScoreFlag.THIN_FILE), RULES, AS_OF_TIME, KEY_RECORD, None),
        (sample_score(flags=ScoreFlag.STALE), RULES, AS_OF_TIME, KEY_RECORD, Refusal.FLAG_NOT_ATTESTABLE),
        (sample_score(flags=ScoreFlag.PARTIAL_COVERAGE), RULES, AS_OF_TIME, KEY_RECORD, Refusal.FLAG_NOT_ATTESTABLE),
        (sample_score(band=Band.A), RULES, AS_OF_TIME, KEY_RECORD, Refusal.INCONSISTENT),
        (sample_score(), RULES, AS_OF_TIME + WEEK_S - 1, KEY_RECORD, None),
        (sample_score(), RULES, AS_OF_TIME + WEEK_S, KEY_RECORD, Refusal.EXPIRED),
        (sample_score(), RULES, AS_OF_TIME, KeyRecord(AS_OF_TIME + 1, AS_OF_TIME + 9, 0), Refusal.KEY_NOT_VALID),
        (sample_score(), RULES, AS_OF_TIME, KeyRecord(0, AS_OF_TIME, 0), Refusal.KEY_NOT_VALID),
    ],
)
def test_refusal_of_score__each_rule__gives_its_own_reason(
    score: ScoreIssued, rules: IssuingRules, at: int, key: KeyRecord, expected: Refusal | None
) -> None:
    assert refusal_of_score(score, rules, at, key) is expected


def test_draft_document__of_a_score__takes_every_time_from_the_as_of_block() -> None:
    score = sample_score()

    message = draft_document(score, SEED, 41, WEEK_S).message

    assert (message.as_of_time, message.issued_at, message.valid_from) == (AS_OF_TIME, AS_OF_TIME, AS_OF_TIME)
    assert message.valid_until == AS_OF_TIME + WEEK_S
    assert message.as_of_digest == as_of_digest(score.as_of)
    assert message.revocation_index == 41


def test_draft_document__same_seed__same_document_and_another_seed_shares_nothing() -> None:
    first, again, other = (draft_document(sample_score(), seed, 0, WEEK_S) for seed in (SEED, SEED, bytes(32)))

    assert first == again
    assert first.message.commitment != other.message.commitment
    assert first.message.subject != other.message.subject
    assert first.attestation_id != other.attestation_id
    assert not {leaf.salt for leaf in first.committed.leaves} & {leaf.salt for leaf in other.committed.leaves}


def test_attestation_id__is_no_salt_and_no_part_of_the_document() -> None:
    draft = draft_document(sample_score(), SEED, 0, WEEK_S)

    parts = {leaf.salt for leaf in draft.committed.leaves} | {wallet.salt for wallet in draft.committed.wallets}

    assert attestation_id_of(SEED) not in parts | {draft.message.commitment, struct_hash(draft.message)}


def test_ordered_members__any_order_of_arrival__is_the_same() -> None:
    scores = [sample_score(number) for number in range(5)]

    assert ordered_members(scores) == ordered_members(reversed(scores))


@pytest.mark.parametrize(
    ("last_unfinished", "registry_next_index", "expected"),
    [
        (None, 0, 0),
        (None, 500, 500),  # whatever the database says: the registry gives the indexes
        (BatchSpan(500, 30), 500, 530),  # a batch in flight has its indexes reserved
        (BatchSpan(500, 30), 530, 530),  # mined, not final: counted once
    ],
)
def test_first_index_of_next_batch__follows_what_is_in_flight_else_the_registry(
    last_unfinished: BatchSpan | None, registry_next_index: int, expected: int
) -> None:
    assert first_index_of_next_batch(last_unfinished, registry_next_index, 0) == expected


def test_first_index_of_next_batch__registry_counts_less_than_what_is_final__waits_for_the_node() -> None:
    assert first_index_of_next_batch(None, 530, 530) == 530
    with pytest.raises(Unavailable, match="behind"):
        first_index_of_next_batch(None, 529, 530)


def test_tombstone_leaf__of_an_index__is_the_leaf_of_no_struct_and_leaves_the_others_alone() -> None:
    signed = [attestation_leaf(draft_document(sample_score(n), SEED, n, WEEK_S).message) for n in range(3)]

    with_tombstone = StandardMerkleTree([signed[0], tombstone_leaf(1), signed[2]])

    assert tombstone_leaf(1) == batch_leaf(1, Digest(bytes(32)))
    assert tombstone_leaf(1) not in signed
    assert with_tombstone.proof(signed[2])


@pytest.mark.parametrize(
    ("count", "oldest_s", "expected"), [(0, 0, False), (9, 59, False), (9, 60, True), (10, 0, True), (0, 99, False)]
)
def test_batch_rules__full_or_old__is_due(count: int, oldest_s: float, expected: bool) -> None:
    rules = BatchRules(max_size=10, max_age_s=60, max_in_flight=1, for_all=True)

    assert rules.is_due(Waiting(count, oldest_s)) is expected


def test_attester__what_policy_allows__is_signed_by_its_key_and_again_with_the_same_bytes() -> None:
    draft = draft_document(sample_score(), SEED, 3, WEEK_S)
    attester = Attester(SIGNER, RULES)

    signature = attester.attest(draft.message, draft.committed.leaves, ModelClass.REAL)

    assert recover_signer(attestation_digest(DOMAIN, draft.message), signature) == SIGNER.address
    assert signature == attester.attest(draft.message, draft.committed.leaves, ModelClass.REAL)


def test_attester__leaves_that_are_not_those_of_the_message__are_refused() -> None:
    draft = draft_document(sample_score(), SEED, 3, WEEK_S)
    leaves = draft.committed.leaves
    changed = (Leaf("score", 713, leaves[0].salt), *leaves[1:])
    contradictory = tuple(Leaf(x.name, False, x.salt) if x.name == "scoreGte600" else x for x in leaves)
    attester = Attester(SIGNER, RULES)

    for wrong, refusal in (
        (changed, Refusal.NOT_OURS),
        (leaves[1:], Refusal.NOT_OURS),
        (leaves[::-1], Refusal.NOT_OURS),
        (contradictory, Refusal.INCONSISTENT),
    ):
        with pytest.raises(NotAttestable) as caught:
            attester.attest(draft.message, wrong, ModelClass.REAL)
        assert caught.value.refusal is refusal


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"valid_until": AS_OF_TIME + WEEK_S + 1}, Refusal.LIFE_TOO_LONG),
        ({"valid_until": AS_OF_TIME}, Refusal.EXPIRED),
        ({"issued_at": AS_OF_TIME + 1}, Refusal.INCONSISTENT),
        ({"valid_from": AS_OF_TIME - 1}, Refusal.INCONSISTENT),
        ({"flags": int(ScoreFlag.STALE)}, Refusal.FLAG_NOT_ATTESTABLE),
        ({"flags": 8}, Refusal.FLAG_NOT_ATTESTABLE),
        ({"model_id": Digest(bytes(32))}, Refusal.MODEL_NOT_ALLOWED),
    ],
)
def test_refusal_of_message__a_stored_message_was_tampered_with__says_why(
    change: dict[str, int], expected: Refusal
) -> None:
    message = draft_document(sample_score(), SEED, 3, WEEK_S).message

    assert refusal_of_message(message, ModelClass.REAL, RULES) is None
    assert refusal_of_message(replace(message, **change), ModelClass.REAL, RULES) is expected  # type: ignore[arg-type]


class _BadSigner:
    """A raw signer that misbehaves."""

    address: Address = SIGNER.address

    def __init__(self, how: str) -> None:
        self.how = how

    def sign_digest(self, digest: Digest) -> bytes:
        right = SIGNER.sign_digest(digest)
        order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
        match self.how:
            case "high s":
                s = order - int.from_bytes(right[32:64])
                return right[:32] + s.to_bytes(32) + bytes([55 - right[64]])
            case "other digest":
                return SIGNER.sign_digest(Digest(bytes(32)))
            case _:
                return b""


@pytest.mark.parametrize("how", ["high s", "other digest", "empty"])
def test_attester__raw_signer_misbehaves__releases_nothing_and_stops(how: str) -> None:
    draft = draft_document(sample_score(), SEED, 3, WEEK_S)

    with pytest.raises(InvariantViolation):
        Attester(_BadSigner(how), RULES).attest(draft.message, draft.committed.leaves, ModelClass.REAL)


def test_records__of_a_score__read_back_what_was_written() -> None:
    score = sample_score()
    facts = draft_document(score, SEED, 0, WEEK_S).score
    two = (Address(bytes(20)), Address(bytes([1] * 20)))

    assert unpack_as_of(pack_as_of(score.as_of)) == score.as_of
    assert unpack_wallets(pack_wallets(two[::-1])) == two
    assert facts.model_id == REAL_MODEL
    from bonafides_attestation.policy import facts_of

    assert facts_from_json(leaf_values_to_json(facts_of(score))) == facts_of(score)


def test_draft_document__value_out_of_range__is_refused() -> None:
    with pytest.raises(InvalidInput):
        draft_document(replace(sample_score(), pd_bps=0), SEED, 0, WEEK_S)
