"""Values for the unit tests of the attestation service."""

from bonafides.hashing import keccak
from bonafides.messages import ScoreIssued
from bonafides.types import (
    Address,
    AdverseReason,
    AsOf,
    Band,
    BlockRef,
    ChainId,
    Digest,
    ModelClass,
    ScoreFlag,
)
from bonafides.verify.chain import KeyRecord
from bonafides.verify.typed_data import Domain
from bonafides_attestation.fees import Fees
from bonafides_attestation.policy import IssuingRules
from bonafides_attestation.publication import Attempt
from bonafides_attestation.signer import KeySigner

AS_OF_TIME = 1_800_000_000
WEEK_S = 7 * 86_400
DOMAIN = Domain(ChainId(31337), Address(bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")))
LIVE_DOMAIN = Domain(ChainId(1), DOMAIN.registry)
SYNTHETIC_MODEL, REAL_MODEL = Digest(keccak(b"synthetic")), Digest(keccak(b"real"))
MODELS = {SYNTHETIC_MODEL: ModelClass.SYNTHETIC, REAL_MODEL: ModelClass.REAL}
RULES = IssuingRules(DOMAIN, MODELS, WEEK_S)
KEY_RECORD = KeyRecord(valid_from=0, valid_until=AS_OF_TIME + 1, revoked_at=0)
SIGNER = KeySigner(keccak(b"attester of the service's tests"))


def sample_score(
    number: int = 1,
    *,
    model_id: Digest = REAL_MODEL,
    model_class: ModelClass = ModelClass.REAL,
    flags: ScoreFlag = ScoreFlag.NONE,
    band: Band = Band.B,
    as_of_time: int = AS_OF_TIME,
) -> ScoreIssued:
    """A score of 712."""
    return ScoreIssued(
        score_id=keccak(b"score", number.to_bytes(4)),
        wallets=(Address(keccak(b"wallet", number.to_bytes(4))[:20]),),
        as_of=AsOf((BlockRef(ChainId(1), 21_000_000, keccak(b"block"), as_of_time),)),
        model_id=model_id,
        model_class=model_class,
        score=712,
        band=band,
        pd_bps=213,
        coverage_digest=keccak(b"coverage"),
        reasons=(AdverseReason.HIGH_LEVERAGE, AdverseReason.SHORT_HISTORY),
        flags=flags,
    )


def sample_attempt(number: int = 0, *, nonce: int = 7, stored_at_block: int = 100, sent_at: int | None = 1) -> Attempt:
    """A stored transaction."""
    raw_tx = b"raw" + number.to_bytes(4)
    return Attempt(nonce, raw_tx, keccak(raw_tx), Fees(100, 10), stored_at_block, sent_at)
