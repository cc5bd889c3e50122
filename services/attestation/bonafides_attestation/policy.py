"""What is attested, and what never is. Pure: the same score, rules and chain time give the same answer.

The rules are applied twice: when a batch is closed, to leave out what must not be attested, and again by the attester
on the very message it signs, because whoever can write the database must not be able to have a document signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bonafides.messages import ScoreIssued
from bonafides.types import ATTESTABLE_FLAGS, DEVELOPMENT_CHAINS, Digest, ModelClass, ScoreFlag, band_of
from bonafides.verify.chain import KeyRecord
from bonafides.verify.leaves import ScoreFacts
from bonafides.verify.typed_data import Domain, ScoreAttestation

from bonafides_attestation.states import Refusal


@dataclass(frozen=True, slots=True)
class IssuingRules:
    """What this issuer signs."""

    domain: Domain
    allowed_models: Mapping[Digest, ModelClass]
    validity_s: int
    """Life of every document, from its as-of time."""


def facts_of(score: ScoreIssued) -> ScoreFacts:
    """What the leaves of a score say; its id is the digest of its receipt."""
    return ScoreFacts(
        score=score.score,
        pd_bps=score.pd_bps,
        receipt_digest=score.score_id,
        coverage_digest=score.coverage_digest,
        reasons=score.reasons,
    )


def refusal_of_score(score: ScoreIssued, rules: IssuingRules, at: int, key: KeyRecord) -> Refusal | None:
    """Why this score gets no document; None when it does.

    Args:
        score: as the scorer issued it.
        rules: the issuer's own.
        at: Unix seconds of the registry chain's newest block: no wall clock decides.
        key: the registry's record of the attester key.
    """
    if score.band is not band_of(score.score):
        return Refusal.INCONSISTENT
    return (
        _refusal_of_model(score.model_id, score.model_class, rules)
        or _refusal_of_flags(score.flags)
        or refusal_of_times(score.as_of.time, score.as_of.time + rules.validity_s, at, key)
    )


def refusal_of_message(message: ScoreAttestation, model_class: ModelClass, rules: IssuingRules) -> Refusal | None:
    """Why the attester does not sign this message; None when it does. Time is the issuer's to check, with a chain."""
    times = {message.as_of_time, message.issued_at, message.valid_from}
    if len(times) != 1:
        return Refusal.INCONSISTENT  # what is issued takes its times from the as-of block
    if message.valid_until <= message.valid_from:
        return Refusal.EXPIRED
    if message.valid_until - message.valid_from > rules.validity_s:
        return Refusal.LIFE_TOO_LONG
    if message.flags != int(ScoreFlag(message.flags) & ATTESTABLE_FLAGS):
        return Refusal.FLAG_NOT_ATTESTABLE
    return _refusal_of_model(message.model_id, model_class, rules)


def _refusal_of_model(model_id: Digest, model_class: ModelClass, rules: IssuingRules) -> Refusal | None:
    allowed = rules.allowed_models.get(model_id)
    is_development = rules.domain.chain_id in DEVELOPMENT_CHAINS
    if ModelClass.SYNTHETIC in (model_class, allowed) and not is_development:
        return Refusal.SYNTHETIC_ON_LIVE_CHAIN
    if allowed is not model_class:
        return Refusal.MODEL_NOT_ALLOWED
    return None


def _refusal_of_flags(flags: ScoreFlag) -> Refusal | None:
    return Refusal.FLAG_NOT_ATTESTABLE if flags & ~ATTESTABLE_FLAGS else None


def refusal_of_times(issued_at: int, valid_until: int, at: int, key: KeyRecord) -> Refusal | None:
    """Why a document of these times gets no signature of this key; None when it does.

    Asked again just before signing: the key may be another one than when the batch was closed, and time went on.
    """
    if valid_until <= at:
        return Refusal.EXPIRED
    if not key.valid_from <= issued_at < key.valid_until:
        return Refusal.KEY_NOT_VALID
    return None
