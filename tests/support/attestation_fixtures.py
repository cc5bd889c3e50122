"""One small issuer for the tests: fixed keys, fixed seeds, fixed times, so that bytes can be compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import coincurve
from bonafides.digests import as_of_digest
from bonafides.hashing import keccak
from bonafides.types import Address, AdverseReason, AsOf, BlockRef, ChainId, Digest, ModelClass, ScoreFlag
from bonafides.verify import KeyRecord, RegistryFacts, RootRecord, TrustedModel, TrustFile
from bonafides.verify.leaves import ScoreFacts
from bonafides.verify.typed_data import (
    Domain,
    PresentationMessage,
    ScoreAttestation,
    attestation_digest,
    presentation_digest,
)
from bonafides_attestation.commitment import commit
from bonafides_attestation.document import HolderFile, attestation_leaf, make_holder_file, with_inclusion
from bonafides_attestation.merkle import StandardMerkleTree

NOW = 1_800_000_000
DAY = 86_400
DOMAIN = Domain(ChainId(31337), Address(bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")))
MODEL_ID = Digest(keccak(b"model of the tests"))


@dataclass(frozen=True, slots=True)
class TestKey:
    """A key pair that signs digests, low s, deterministic (RFC 6979)."""

    __test__ = False
    secret: bytes

    @property
    def address(self) -> Address:
        public: bytes = coincurve.PublicKey.from_secret(self.secret).format(compressed=False)
        return Address(keccak(public[1:])[12:])

    def sign(self, digest: Digest) -> bytes:
        signature: bytes = coincurve.PrivateKey(self.secret).sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([signature[64] + 27])


ATTESTER = TestKey(keccak(b"attester of the tests"))
OTHER_KEY = TestKey(keccak(b"another key of the tests"))
BORROWER = TestKey(keccak(b"borrower of the tests"))
SECOND_WALLET = TestKey(keccak(b"second wallet of the tests"))
STRANGER = TestKey(keccak(b"stranger of the tests"))

FACTS = ScoreFacts(
    score=712,
    pd_bps=213,
    receipt_digest=Digest(keccak(b"receipt")),
    coverage_digest=Digest(keccak(b"coverage")),
    reasons=(AdverseReason.HIGH_LEVERAGE, AdverseReason.SHORT_HISTORY),
)
AS_OF = AsOf(
    (
        BlockRef(ChainId(1), 21_000_000, Digest(keccak(b"mainnet block")), NOW - 600),
        BlockRef(ChainId(31337), 4_242, Digest(keccak(b"local block")), NOW - 900),
    )
)
TRUST = TrustFile(
    issuer="Tests",
    chain_id=DOMAIN.chain_id,
    registry=DOMAIN.registry,
    attesters=(ATTESTER.address,),
    models={
        MODEL_ID: TrustedModel(
            model_class=ModelClass.SYNTHETIC, outcome="liquidation_or_bad_debt", horizon_days=30, accepted_flags=()
        )
    },
)


def seed_of(number: int) -> bytes:
    """A seed that tests can repeat; never made so elsewhere."""
    return keccak(b"seed of the tests", number.to_bytes(4))


def sign_score(
    index: int = 17,
    facts: ScoreFacts = FACTS,
    wallets: Sequence[Address] = (BORROWER.address, SECOND_WALLET.address),
    key: TestKey = ATTESTER,
    domain: Domain = DOMAIN,
    model_id: Digest = MODEL_ID,
    flags: ScoreFlag = ScoreFlag.NONE,
    issued_at: int = NOW - 300,
) -> HolderFile:
    """A signed attestation, not yet published."""
    committed = commit(facts, wallets, seed_of(index))
    attestation = ScoreAttestation(
        subject=committed.subject,
        commitment=committed.commitment,
        model_id=model_id,
        as_of_digest=as_of_digest(AS_OF),
        as_of_time=AS_OF.time,
        issued_at=issued_at,
        valid_from=issued_at,
        valid_until=issued_at + 7 * DAY,
        revocation_index=index,
        flags=flags,
    )
    signature = key.sign(attestation_digest(domain, attestation))
    return make_holder_file(domain, attestation, key.address, signature, committed, AS_OF)


@dataclass(slots=True)
class FakeChain:
    """A chain with one registry, in memory. Implements `ChainView`."""

    id: ChainId = DOMAIN.chain_id
    roots: dict[Digest, RootRecord] = field(default_factory=dict)
    unfinalized: dict[Digest, RootRecord] = field(default_factory=dict)
    keys: dict[Address, KeyRecord] = field(
        default_factory=lambda: {ATTESTER.address: KeyRecord(NOW - 300 * DAY, NOW + 300 * DAY, 0)}
    )
    revoked: set[int] = field(default_factory=set)
    contract_signatures: set[tuple[Address, Digest, bytes]] = field(default_factory=set)

    def chain_id(self) -> ChainId:
        return self.id

    def registry_facts(self, registry: Address, root: Digest, attester: Address, index: int) -> RegistryFacts:
        assert registry == DOMAIN.registry
        final = self.roots.get(root)
        return RegistryFacts(final, final or self.unfinalized.get(root), self.keys.get(attester), index in self.revoked)

    def is_valid_signature(self, wallet: Address, digest: Digest, signature: bytes) -> bool:
        return (wallet, digest, signature) in self.contract_signatures

    def publish(
        self, files: Sequence[HolderFile], first_index: int, published_at: int = NOW - 60, final: bool = True
    ) -> list[HolderFile]:
        """Publish a batch; the files come back with their place in it."""
        leaves = [attestation_leaf(file.typed_data.message.to_attestation()) for file in files]
        tree = StandardMerkleTree(leaves)
        record = RootRecord(published_at, len(self.roots) + 1, first_index, len(files))
        (self.roots if final else self.unfinalized)[tree.root] = record
        return [with_inclusion(file, tree.root, tree.proof(leaf)) for file, leaf in zip(files, leaves, strict=True)]

    def revoke_key(self, key: TestKey, at: int) -> None:
        self.keys[key.address] = replace(self.keys[key.address], revoked_at=at)


def published_score(chain: FakeChain, **changes: object) -> HolderFile:
    """One signed and published attestation among five; `changes` as in `sign_score`."""
    files = [sign_score(index) for index in (15, 16, 18, 19)]
    files.insert(2, sign_score(17, **changes))  # type: ignore[arg-type]  # the names are those of sign_score
    return chain.publish(files, first_index=15)[2]


def sign_presentation(key: TestKey, message: PresentationMessage, domain: Domain = DOMAIN) -> bytes:
    """A wallet's signature for one lender."""
    return key.sign(presentation_digest(domain, message))
