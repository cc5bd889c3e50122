"""What a golden case consists of, and the trust files and chains that cases name."""

from dataclasses import dataclass, replace

from bonafides.types import ChainId, Digest, ModelClass, ScoreFlag, VerificationStatus
from bonafides.verify import KeyRecord, TrustFile

from tests.support.attestation_fixtures import (
    ATTESTER,
    DAY,
    DOMAIN,
    MODEL_ID,
    NOW,
    OTHER_KEY,
    TRUST,
    FakeChain,
    published_score,
    sign_score,
)


@dataclass(frozen=True, slots=True)
class Case:
    """One document, the circumstances, and the answer. Names refer to the file's `trusts` and `chains`."""

    name: str
    layer: str
    expected: VerificationStatus
    document: str
    trust: str = "default"
    chain: str | None = "default"
    holder: str | None = "borrower"
    at: int = NOW
    policy: str = "sig-and-root"


def trusts() -> dict[str, TrustFile]:
    model = TRUST.models[MODEL_ID]
    real = model.model_copy(update={"model_class": ModelClass.REAL})
    live = {"chain_id": 8453}
    return {
        "default": TRUST,
        "unpinned": TRUST.model_copy(update={"attesters": ()}),
        "other pin": TRUST.model_copy(update={"attesters": (OTHER_KEY.address,)}),
        "other model": TRUST.model_copy(update={"models": {Digest(bytes(32)): model}}),
        "accepts reference position": TRUST.model_copy(
            update={"models": {MODEL_ID: model.model_copy(update={"accepted_flags": ("reference_position",)})}}
        ),
        "live chain, synthetic": TRUST.model_copy(update=live),
        "live chain, real": TRUST.model_copy(update=live | {"models": {MODEL_ID: real}}),
    }


def chains() -> dict[str, FakeChain]:
    def fresh(**changes: object) -> FakeChain:
        chain = FakeChain(**changes)  # type: ignore[arg-type]  # fields of FakeChain
        published_score(chain)
        return chain

    default, revoked, silent = fresh(), fresh(revoked={17}), FakeChain()
    flagged, before, after, waiting, short = fresh(), fresh(), fresh(), FakeChain(), fresh()
    published_score(flagged, flags=ScoreFlag.REFERENCE_POSITION)
    before.revoke_key(ATTESTER, NOW - 60)
    after.revoke_key(ATTESTER, NOW - 59)
    waiting.unfinalized = dict(default.roots)
    key = short.keys[ATTESTER.address]
    short.keys[ATTESTER.address] = KeyRecord(key.valid_from, NOW - 60, 0)
    forged, stray, live = fresh(), fresh(), FakeChain(id=ChainId(8453))
    forged.publish([sign_score(17, key=OTHER_KEY)], first_index=17)
    stray.publish([sign_score(400)], first_index=15)
    published_score(live, domain=replace(DOMAIN, chain_id=ChainId(8453)))
    too_short = fresh()
    root = next(iter(too_short.roots))
    too_short.roots[root] = replace(too_short.roots[root], count=2)
    late_key = fresh()
    late_key.keys[ATTESTER.address] = KeyRecord(NOW - 299, NOW + DAY, 0)
    return {
        "default": default,
        "index revoked": revoked,
        "nothing published": silent,
        "with a flagged score": flagged,
        "key revoked when the root was published": before,
        "key revoked after the root was published": after,
        "root not final": waiting,
        "key ended before the root": short,
        "key began after the issue": late_key,
        "unsigned leaves published": forged,
        "stray index published": stray,
        "root owns fewer indexes": too_short,
        "live chain": live,
        "no keys": fresh(keys={}),
    }
