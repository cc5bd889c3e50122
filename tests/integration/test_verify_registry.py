"""The verifier and the registry on a real node: published, revoked, key revoked, not final, wrong chain."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bonafides.errors import InvalidInput, Unavailable
from bonafides.types import Address, VerificationStatus
from bonafides.verify import DealsWith, Policy, RootRecord, TrustFile, Verification, verify
from bonafides.verify.rpc import RpcChainView
from bonafides.verify.typed_data import domain_separator
from bonafides_attestation.document import HolderFile, attestation_leaf, present, with_inclusion
from bonafides_attestation.merkle import StandardMerkleTree
from bonafides_lab.stack.anvil import LocalAnvil

from tests.support.attestation_chain import LiveRegistry
from tests.support.attestation_fixtures import ATTESTER, BORROWER, TRUST, sign_score

pytestmark = pytest.mark.integration

S = VerificationStatus


@pytest.fixture(scope="module")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAnvil]:
    server = LocalAnvil(tmp_path_factory.mktemp("anvil"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass(frozen=True, slots=True)
class Lender:
    """A lender with a trust file and a node."""

    registry: LiveRegistry
    trust: TrustFile
    view: RpcChainView

    def ask(self, file: HolderFile, policy: Policy = Policy.SIG_AND_ROOT) -> Verification:
        raw = present(file, ["score", "scoreGte700"], BORROWER.address).to_json()
        now = self.registry.rpc.timestamp()
        return verify(raw, self.trust, DealsWith(BORROWER.address), now, self.view, policy)

    def sign(self, count: int) -> list[HolderFile]:
        """A batch for the next indexes, signed now."""
        first = int.from_bytes(self.registry.read("nextIndex()"))
        now = self.registry.rpc.timestamp()
        return [sign_score(first + place, domain=self.registry.domain, issued_at=now - 1) for place in range(count)]

    def publish(self, files: list[HolderFile], final: bool = True) -> list[HolderFile]:
        leaves = [attestation_leaf(file.typed_data.message.to_attestation()) for file in files]
        tree = StandardMerkleTree(leaves)
        self.registry.publish(tree.root, len(files), int.from_bytes(self.registry.read("epoch()")) + 1)
        if final:
            self.registry.finalize()
        return [with_inclusion(file, tree.root, tree.proof(leaf)) for file, leaf in zip(files, leaves, strict=True)]


@pytest.fixture
def lender(anvil: LocalAnvil) -> Lender:
    registry = LiveRegistry.deploy(anvil.rpc)
    trust = TRUST.model_copy(update={"registry": registry.domain.registry})
    return Lender(registry, trust, RpcChainView(anvil.address))


def test_domain_separator__of_the_contract__is_ours(lender: Lender) -> None:
    assert lender.registry.read("domainSeparator()") == domain_separator(lender.registry.domain)


def test_verify__published_and_final__is_valid_for_every_member(lender: Lender) -> None:
    answers = [lender.ask(file) for file in lender.publish(lender.sign(5))]

    assert [answer.status for answer in answers] == [S.VALID] * 5


def test_verify__signed_and_not_published__is_not_included_and_valid_by_signature_alone(lender: Lender) -> None:
    file = lender.sign(1)[0]

    assert lender.ask(file).status is S.NOT_INCLUDED
    answer = lender.ask(file, Policy.SIG_ONLY)
    assert (answer.status, [stage.value for stage in answer.unchecked]) == (S.VALID, ["root"])


def test_verify__published_and_not_final__waits(lender: Lender) -> None:
    lender.registry.finalize()
    file = lender.publish(lender.sign(1), final=False)[0]

    waiting = lender.ask(file)
    lender.registry.finalize()

    assert (waiting.status, "not final" in waiting.detail) == (S.ROOT_UNKNOWN, True)
    assert lender.ask(file).status is S.VALID


def test_verify__index_revoked__only_that_one(lender: Lender) -> None:
    files = lender.publish(lender.sign(3))

    lender.registry.send(lender.registry.publisher, "revoke(uint64[])", [files[1].typed_data.message.revocation_index])

    assert [lender.ask(file).status for file in files] == [S.VALID, S.REVOKED, S.VALID]


def test_verify__key_revoked_between_two_roots__only_the_earlier_counts(lender: Lender) -> None:
    early = lender.publish(lender.sign(1))[0]
    lender.registry.rpc.increase_time(10)
    lender.registry.send(lender.registry.guardian, "revokeAttester(address)", "0x" + ATTESTER.address.hex())
    lender.registry.rpc.increase_time(10)
    late = lender.publish(lender.sign(1))[0]

    assert (lender.ask(early).status, lender.ask(late).status) == (S.VALID, S.KEY_REVOKED)


def test_verify__root_of_a_stolen_publisher_key__forges_nothing(lender: Lender) -> None:
    forged = sign_score(0, domain=lender.registry.domain, key=BORROWER, issued_at=lender.registry.rpc.timestamp() - 1)

    answer = lender.ask(lender.publish([forged])[0])

    assert answer.status is S.UNTRUSTED_KEY


def test_registry_facts__after_publishing__are_the_records(lender: Lender) -> None:
    lender.publish(lender.sign(2))
    file = lender.publish(lender.sign(3))[0]
    assert file.inclusion is not None

    facts = lender.view.registry_facts(lender.registry.domain.registry, file.inclusion.root, ATTESTER.address, 2)

    assert facts.root == facts.root_at_head
    assert facts.root is not None
    assert facts.root == RootRecord(facts.root.published_at, epoch=2, first_index=2, count=3)
    assert (facts.key is not None, facts.revoked) == (True, False)


def test_registry_facts__no_contract_there__is_the_lenders_mistake(lender: Lender) -> None:
    file = lender.sign(1)[0]

    with pytest.raises(InvalidInput, match="no contract"):
        lender.view.registry_facts(
            Address(bytes(19) + b"\x99"), file.typed_data.message.commitment, ATTESTER.address, 0
        )


def test_verify__node_of_another_chain__is_the_lenders_mistake(lender: Lender) -> None:
    registry = lender.registry.domain.registry
    elsewhere = TRUST.model_copy(update={"registry": registry, "chain_id": 1337})
    domain = type(lender.registry.domain)(elsewhere.domain.chain_id, registry)
    raw = present(sign_score(0, domain=domain), ["score"], BORROWER.address).to_json()

    with pytest.raises(InvalidInput, match="chain 31337, the trust file names chain 1337"):
        verify(raw, elsewhere, None, 0, lender.view)


def test_chain_view__nobody_listens__is_unavailable() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        RpcChainView("http://127.0.0.1:9", timeout_s=2).chain_id()


def test_is_valid_signature__a_wallet_without_code__is_no(lender: Lender) -> None:
    file = lender.sign(1)[0]

    assert not lender.view.is_valid_signature(BORROWER.address, file.typed_data.message.commitment, bytes(65))


def test_gas__publish_and_revoke__stay_within_the_goals(lender: Lender, tmp_path: Path) -> None:
    registry = lender.registry
    gas = {
        "first publishRoot": registry.publish(lender.sign(1)[0].typed_data.message.commitment, 10_000, 1),
        "later publishRoot": registry.publish(lender.sign(1)[0].typed_data.message.commitment, 10_000, 2),
        "revoke in a fresh word": registry.send(registry.publisher, "revoke(uint64[])", [5]),
        "revoke in a used word": registry.send(registry.publisher, "revoke(uint64[])", [6]),
    }

    goals = {
        "first publishRoot": 54_000,
        "later publishRoot": 54_000,
        "revoke in a fresh word": 49_000,
        "revoke in a used word": 31_000,
    }
    assert {name: used for name, used in gas.items() if used > goals[name]} == {}
