"""Owners on the real bytecode: every fact told is what the contracts themselves say, after every transaction.

Safe 1.3.0 and 1.4.1 come from their npm packages; DSProxy, its factory and the CdpManager from Maker's test chain.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bonafides.accounts import AccountFact
from bonafides.types import ZERO_ADDRESS, AccountKind, Address, address_text, parse_address
from bonafides_ingest.accounts.link_sources import LinkKind, LinkSource
from bonafides_ingest.chain import Log
from bonafides_lab.market.artifacts import AbiValue, Artifact, function_calldata
from bonafides_lab.market.calldata import Method, word_as_address
from bonafides_lab.stack.node_tools import NODE_MODULES
from eth_abi.abi import decode

from tests.support.compound_chain import EvmChain, artifact, compound_artifacts_or_skip, wallet
from tests.support.ingest_accounts import link_source, read
from tests.support.maker_chain import MakerChain, addresses, signed_call

pytestmark = pytest.mark.integration

OWNERS = [wallet(f"owner {number}") for number in range(6)]
SENTINEL = Address((1).to_bytes(20))  # OwnerManager.sol: head of the linked list of owners


@dataclass
class Told:
    """What ingest was told so far: each transaction is a window of its own."""

    sources: Sequence[LinkSource]
    newest: dict[Address, AccountFact] = field(default_factory=dict)

    def hear(self, logs: Sequence[Log]) -> tuple[AccountFact, ...]:
        emitters = {log.address for log in logs}
        found = read(logs, [fact for fact in self.newest.values() if fact.account in emitters], self.sources)
        assert found.refused == ()
        self.newest |= {fact.account: fact for fact in found.facts}
        return found.facts


# Safe


@dataclass
class Safes:
    """A factory and the Safes of one singleton."""

    chain: EvmChain
    safe: Artifact
    factory_artifact: Artifact
    factory: Address
    singleton: Address
    told: Told

    @classmethod
    def deploy(cls, folder: Path, safe: str, factory: str) -> "Safes":
        chain, deployer = EvmChain(), wallet("deployer")
        safe_artifact, factory_artifact = artifact(folder, safe), artifact(folder, factory)
        singleton = chain.deploy(deployer, safe_artifact)
        made = chain.deploy(deployer, factory_artifact)
        source = link_source(LinkKind.SAFE_FACTORY, made, singletons=[singleton])
        return cls(chain, safe_artifact, factory_artifact, made, singleton, Told([source]))

    def setup_call(self, owners: Sequence[Address], threshold: int) -> bytes:
        zero = address_text(ZERO_ADDRESS)
        values = ([address_text(owner) for owner in owners], threshold, zero, b"", zero, zero, 0, zero)
        return function_calldata(self.safe, "setup", values)

    def create(
        self, initializer: bytes, salt: int, singleton: Address | None = None
    ) -> tuple[Address, tuple[Log, ...]]:
        code = address_text(singleton or self.singleton)
        calldata = function_calldata(self.factory_artifact, "createProxyWithNonce", [code, initializer, salt])
        evm, before = self.chain.evm, self.chain.evm.snapshot()
        returned = evm.message_call(address_text(OWNERS[0]), address_text(self.factory), calldata=calldata)
        evm.revert(before)
        logs = self.chain.send(OWNERS[0], self.factory, calldata)
        return word_as_address(int.from_bytes(bytes(returned[:32]))), logs

    def execute(self, safe: Address, function: str, *arguments: AbiValue) -> tuple[Log, ...]:
        """Have the Safe call itself, with the word of as many owners as it needs."""
        owners, threshold = self.state(safe)
        signers = owners[:threshold]
        zero = address_text(ZERO_ADDRESS)
        inner = function_calldata(self.safe, function, arguments)
        fields: list[AbiValue] = [address_text(safe), 0, inner, 0, 0, 0, 0, zero, zero]
        digest = self.view(safe, function_calldata(self.safe, "getTransactionHash", [*fields, self.nonce(safe)]))
        for signer in signers[1:]:
            self.chain.send(signer, safe, function_calldata(self.safe, "approveHash", [digest]))
        # v = 1: the word of an owner who is the sender, or has approved the hash (Safe.sol, checkNSignatures)
        signatures = b"".join(signer.rjust(32, b"\0") + bytes(32) + b"\x01" for signer in signers)
        call = function_calldata(self.safe, "execTransaction", [*fields, signatures])
        return self.chain.send(signers[0], safe, call)

    def view(self, safe: Address, calldata: bytes) -> bytes:
        reader = address_text(ZERO_ADDRESS)
        return bytes(self.chain.evm.message_call(reader, address_text(safe), calldata=calldata, is_static=True))

    def nonce(self, safe: Address) -> int:
        return self.chain.view(safe, Method("nonce()"))

    def linked_owners(self, safe: Address) -> list[Address]:
        (found,) = decode(["address[]"], self.view(safe, Method("getOwners()")()))
        return [parse_address(owner) for owner in found]

    def state(self, safe: Address) -> tuple[list[Address], int]:
        """Owners, ascending, and threshold, as the Safe says."""
        return sorted(self.linked_owners(safe)), self.chain.view(safe, Method("getThreshold()"))

    def check(self, safe: Address) -> None:
        fact = self.told.newest[safe]
        assert (list(fact.owners), fact.threshold) == self.state(safe)
        assert (fact.account, fact.kind) == (safe, AccountKind.SAFE)


VERSIONS = {
    "1.3.0": ("@gnosis.pm", "GnosisSafe", "GnosisSafeProxyFactory"),
    "1.3.0 L2": ("@gnosis.pm", "GnosisSafeL2", "GnosisSafeProxyFactory"),
    "1.4.1": ("@safe-global", "Safe", "SafeProxyFactory"),
    "1.4.1 L2": ("@safe-global", "SafeL2", "SafeProxyFactory"),
}


@pytest.fixture(params=list(VERSIONS.values()), ids=list(VERSIONS))
def safes(request: pytest.FixtureRequest) -> Safes:
    compound_artifacts_or_skip()
    scope, safe, factory = request.param
    return Safes.deploy(NODE_MODULES / scope / "safe-contracts" / "build" / "artifacts", safe, factory)


def test_safe__made_for_two_of_three__is_told_with_its_owners(safes: Safes) -> None:
    safe, logs = safes.create(safes.setup_call(OWNERS[:3], 2), 1)

    (fact,) = safes.told.hear(logs)

    assert (fact.account, fact.owners, fact.threshold) == (safe, tuple(sorted(OWNERS[:3])), 2)
    safes.check(safe)


def test_safe__owners_come_go_and_are_swapped_for_long__each_fact_is_what_the_safe_says(safes: Safes) -> None:
    rng = random.Random(4)  # no secret
    safe, logs = safes.create(safes.setup_call(OWNERS[:1], 1), 1)
    safes.told.hear(logs)
    for _ in range(25):
        linked = safes.linked_owners(safe)
        outside = [owner for owner in OWNERS if owner not in linked]
        leaving = rng.choice(linked)
        before = ([SENTINEL, *linked])[linked.index(leaving)]
        match rng.choice(("add", "swap", "remove", "threshold")):
            case "add" if outside:
                new = address_text(rng.choice(outside))
                logs = safes.execute(safe, "addOwnerWithThreshold", new, rng.randint(1, len(linked) + 1))
            case "swap" if outside:
                new = address_text(rng.choice(outside))
                logs = safes.execute(safe, "swapOwner", address_text(before), address_text(leaving), new)
            case "remove" if len(linked) > 1:
                needed = rng.randint(1, len(linked) - 1)
                logs = safes.execute(safe, "removeOwner", address_text(before), address_text(leaving), needed)
            case _:
                logs = safes.execute(safe, "changeThreshold", rng.randint(1, len(linked)))
        safes.told.hear(logs)
        safes.check(safe)


def test_safe__made_now_and_set_up_later__has_no_owner_until_then(safes: Safes) -> None:
    safe, logs = safes.create(b"", 1)
    (made,) = safes.told.hear(logs)
    assert (made.account, made.owners, made.threshold) == (safe, (), 0)

    safes.told.hear(safes.chain.send(OWNERS[0], safe, safes.setup_call(OWNERS[:2], 1)))

    safes.check(safe)


def test_safe__proxy_of_another_singleton__is_not_told(safes: Safes) -> None:
    unlisted = safes.chain.deploy(wallet("deployer"), safes.safe)

    _, logs = safes.create(safes.setup_call(OWNERS[:1], 1), 1, unlisted)

    assert safes.told.hear(logs) == ()


# DSProxy and urns


@pytest.fixture(scope="module")
def maker() -> MakerChain:
    return MakerChain.replay()


def _owner_of(maker: MakerChain, contract: Address, signature: str, *arguments: object) -> Address:
    calldata = signed_call(signature, *arguments)
    reader = address_text(ZERO_ADDRESS)
    found = maker.chain.evm.message_call(reader, address_text(contract), calldata=calldata, is_static=True)
    return word_as_address(int.from_bytes(bytes(found[:32])))


def test_ds_proxy__built_and_given_away__each_fact_is_what_the_proxy_says(maker: MakerChain) -> None:
    factory, chain = addresses()["PROXY_FACTORY"], maker.chain
    told = Told([link_source(LinkKind.DS_PROXY_FACTORY, factory)])
    alice, bob, carol = OWNERS[:3]

    (built,) = told.hear(chain.send(alice, factory, signed_call("build(address)", bob)))
    proxy = built.account
    assert (built.kind, built.owners, built.threshold) == (AccountKind.DS_PROXY, (bob,), 1)
    assert _owner_of(maker, proxy, "owner()") == bob
    for giver, taker in ((bob, carol), (carol, alice)):
        told.hear(chain.send(giver, proxy, signed_call("setOwner(address)", taker)))
        assert told.newest[proxy].owners == (taker,) == (_owner_of(maker, proxy, "owner()"),)


def test_ds_proxy__built_by_the_registry__belongs_to_whom_it_was_built_for(maker: MakerChain) -> None:
    factory, registry = addresses()["PROXY_FACTORY"], addresses()["PROXY_REGISTRY"]
    told = Told([link_source(LinkKind.DS_PROXY_FACTORY, factory)])

    (built,) = told.hear(maker.chain.send(OWNERS[4], registry, signed_call("build()")))

    assert built.owners == (OWNERS[4],)
    assert _owner_of(maker, registry, "proxies(address)", OWNERS[4]) == built.account


def test_urn__cdps_opened_and_given__each_fact_is_what_the_manager_says(maker: MakerChain) -> None:
    manager, chain = addresses()["CDP_MANAGER"], maker.chain
    told = Told([link_source(LinkKind.MAKER_CDP_MANAGER, manager)])
    alice, bob = OWNERS[:2]
    for _ in range(3):
        (opened,) = told.hear(chain.send(alice, manager, signed_call("open(bytes32,address)", b"ETH-A", bob)))
        cdp = int.from_bytes(
            chain.evm.message_call(
                address_text(alice), address_text(manager), calldata=signed_call("cdpi()"), is_static=True
            )
        )
        assert (opened.kind, opened.owners) == (AccountKind.URN, (bob,))
        assert _owner_of(maker, manager, "urns(uint256)", cdp) == opened.account

        (given,) = told.hear(chain.send(bob, manager, signed_call("give(uint256,address)", cdp, alice)))

        assert given.account == opened.account
        assert given.owners == (alice,) == (_owner_of(maker, manager, "owns(uint256)", cdp),)
