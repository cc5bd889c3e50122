"""Who owns what, as logs say it: logs encoded by eth_abi from the committed ABI."""

from typing import Any

import pytest
from bonafides.accounts import AccountFact
from bonafides.hashing import keccak
from bonafides.types import AccountKind, Address, Digest
from bonafides_ingest.accounts import link_events as abi
from bonafides_ingest.accounts.kinds import kind_of_code
from bonafides_ingest.accounts.link_sources import topics_anywhere
from bonafides_ingest.accounts.links import MOST_OWNERS, read_links
from bonafides_ingest.accounts.urns import urn_of
from bonafides_ingest.decoders import EventCodec
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ingest_accounts import (
    CDP_MANAGER,
    PROXIES,
    PROXY_FACTORY,
    SAFE_FACTORY,
    SAFES,
    SINGLETON,
    SOURCES,
    owners_told,
    read,
)
from tests.support.ingest_logs import ChainOfLogs, address, block_at, encode_event

pytestmark = pytest.mark.unit

ALICE, BOB, CAROL = sorted(address(name) for name in ("alice", "bob", "carol"))
PROXY, SAFE, CACHE = address("proxy"), address("safe"), address("cache")
ZERO = Address(bytes(20))


@pytest.fixture
def chain() -> ChainOfLogs:
    return ChainOfLogs()


def _build_proxy(chain: ChainOfLogs, block: int, owner: Address = ALICE) -> None:
    """As DSProxyFactory.build does: the proxy is its factory's until the factory gives it away."""
    chain.emit(block, 0, PROXY, abi.LOG_SET_OWNER, PROXY_FACTORY)
    chain.emit(block, 0, PROXY_FACTORY, abi.DS_PROXY_CREATED, address("sender"), owner, PROXY, CACHE)
    chain.emit(block, 0, PROXY, abi.LOG_SET_OWNER, owner)


def _make_safe(
    chain: ChainOfLogs, block: int, owners: tuple[Address, ...] = (ALICE, BOB), threshold: int = 2, *, old: bool = False
) -> None:
    """As createProxyWithNonce does: the setup first."""
    chain.emit(block, 0, SAFE, abi.SAFE_SETUP, SAFE_FACTORY, owners, threshold, ZERO, ZERO)
    chain.emit(block, 0, SAFE_FACTORY, abi.PROXY_CREATION_1_3 if old else abi.PROXY_CREATION, SAFE, SINGLETON)


# DSProxy


def test_read_links__proxy_built_and_given_away__tells_each_owner_once(chain: ChainOfLogs) -> None:
    _build_proxy(chain, 5)
    chain.emit(9, 0, PROXY, abi.LOG_SET_OWNER, BOB)

    facts = read(chain.logs).facts

    assert owners_told(facts) == [(5, (ALICE,), 1), (9, (BOB,), 1)]
    assert {(fact.kind, fact.account, fact.source) for fact in facts} == {(AccountKind.DS_PROXY, PROXY, PROXIES.id)}
    assert facts[0].log_index == 1  # the factory's word; the proxy's own says nothing new


def test_read_links__proxy_given_to_nobody__has_no_owner(chain: ChainOfLogs) -> None:
    _build_proxy(chain, 5)
    chain.emit(9, 0, PROXY, abi.LOG_SET_OWNER, ZERO)

    assert owners_told(read(chain.logs).facts)[1:] == [(9, (), 0)]


def test_read_links__strangers_set_owners__are_not_believed(chain: ChainOfLogs) -> None:
    chain.emit(5, 0, address("somebody's contract"), abi.LOG_SET_OWNER, ALICE)
    chain.emit(6, 0, address("another factory"), abi.DS_PROXY_CREATED, BOB, ALICE, PROXY, CACHE)

    assert read(chain.logs) == read([])


# Safe


@pytest.mark.parametrize("old", [True, False], ids=["1.3", "1.4"])
def test_read_links__safe_made__tells_its_owners_at_the_setup(chain: ChainOfLogs, old: bool) -> None:
    _make_safe(chain, 5, old=old)

    (fact,) = read(chain.logs).facts

    assert (fact.account, fact.kind, fact.source) == (SAFE, AccountKind.SAFE, SAFES.id)
    assert (fact.owners, fact.threshold, fact.log_index) == ((ALICE, BOB), 2, 0)


@pytest.mark.parametrize(
    ("added", "removed"),
    [(abi.ADDED_OWNER, abi.REMOVED_OWNER), (abi.ADDED_OWNER_1_3, abi.REMOVED_OWNER_1_3)],
    ids=["1.4", "1.3"],
)
def test_read_links__owners_added_swapped_and_removed__are_told_when_whole(
    chain: ChainOfLogs, added: EventCodec[Any], removed: EventCodec[Any]
) -> None:
    _make_safe(chain, 5, (ALICE,), 1)
    chain.emit(6, 0, SAFE, removed, ALICE)  # swapOwner: for one log the Safe has no owner
    chain.emit(6, 0, SAFE, added, BOB)
    chain.emit(7, 0, SAFE, added, CAROL)  # addOwnerWithThreshold
    chain.emit(7, 0, SAFE, abi.CHANGED_THRESHOLD, 2)
    chain.emit(8, 0, SAFE, removed, BOB)  # removeOwner: for one log it needs more words than it has owners
    chain.emit(8, 0, SAFE, abi.CHANGED_THRESHOLD, 1)

    assert owners_told(read(chain.logs).facts) == [
        (5, (ALICE,), 1),
        (6, (BOB,), 1),
        (7, (BOB, CAROL), 2),
        (8, (CAROL,), 1),
    ]


def test_read_links__safe_set_up_later__has_no_owner_until_then(chain: ChainOfLogs) -> None:
    chain.emit(5, 0, SAFE_FACTORY, abi.PROXY_CREATION, SAFE, SINGLETON)
    chain.emit(6, 0, SAFE, abi.SAFE_SETUP, ALICE, (ALICE,), 1, ZERO, ZERO)

    facts = read(chain.logs).facts

    assert owners_told(facts) == [(5, (), 0), (6, (ALICE,), 1)]
    assert owners_told(read(chain.logs[1:], facts[:1]).facts) == [(6, (ALICE,), 1)]


def test_read_links__proxy_of_other_code__is_no_safe(chain: ChainOfLogs) -> None:
    chain.emit(5, 0, SAFE, abi.SAFE_SETUP, SAFE_FACTORY, (ALICE,), 1, ZERO, ZERO)
    chain.emit(5, 0, SAFE_FACTORY, abi.PROXY_CREATION, SAFE, address("code that emits what it likes"))
    chain.emit(6, 0, SAFE, abi.ADDED_OWNER, BOB)

    assert read(chain.logs) == read([])


def _malformed(codec: EventCodec[Any], *values: Any) -> tuple[tuple[Digest, ...], bytes]:
    topics, payload = encode_event(codec, values)
    return topics, payload + b"\x01"


@pytest.mark.parametrize(
    ("topics", "payload"),
    [
        _malformed(abi.ADDED_OWNER_1_3, BOB),
        ((abi.ADDED_OWNER.topic0, Digest(b"\x01" * 32)), b""),
        encode_event(abi.CHANGED_THRESHOLD, (0,)),
        encode_event(abi.CHANGED_THRESHOLD, (7,)),
        encode_event(abi.REMOVED_OWNER, (ALICE,)),
        encode_event(abi.CHANGED_MASTER_COPY, (address("unlisted"),)),
    ],
    ids=["too long", "dirty", "nobody's word", "more than owners", "none left", "other code"],
)
def test_read_links__safe_says_what_no_safe_would__is_a_mere_contract_from_there_on(
    chain: ChainOfLogs, topics: tuple[Digest, ...], payload: bytes
) -> None:
    _make_safe(chain, 5, (ALICE,), 1)
    chain.emit_raw(6, 0, SAFE, topics, payload)
    chain.emit(7, 0, SAFE, abi.ADDED_OWNER, CAROL)

    found = read(chain.logs)

    assert [(fact.block.number, fact.kind, fact.owners) for fact in found.facts] == [
        (5, AccountKind.SAFE, (ALICE,)),
        (6, AccountKind.CONTRACT, ()),
    ]
    assert found.refused == ()
    assert read(chain.logs[-1:], found.facts) == read([])  # also after a restart


def test_read_links__safe_stays_with_listed_code__stays_a_safe(chain: ChainOfLogs) -> None:
    _make_safe(chain, 5, (ALICE,), 1)
    chain.emit(6, 0, SAFE, abi.CHANGED_MASTER_COPY, SINGLETON)

    assert owners_told(read(chain.logs).facts) == [(5, (ALICE,), 1)]


def _crowd(count: int) -> tuple[Address, ...]:
    return tuple(sorted(address(f"owner {number}") for number in range(count)))


def test_read_links__safe_of_too_many_owners__is_a_mere_contract(chain: ChainOfLogs) -> None:
    _make_safe(chain, 5, _crowd(MOST_OWNERS), 1)
    chain.emit(6, 0, SAFE, abi.ADDED_OWNER, ALICE)
    chain.emit(7, 0, SAFE, abi.REMOVED_OWNER, ALICE)

    facts = read(chain.logs).facts

    assert [(fact.block.number, fact.kind, len(fact.owners)) for fact in facts] == [
        (5, AccountKind.SAFE, MOST_OWNERS),
        (6, AccountKind.CONTRACT, 0),
    ]


def test_read_links__safe_made_with_too_many_owners__is_a_mere_contract(chain: ChainOfLogs) -> None:
    _make_safe(chain, 5, _crowd(MOST_OWNERS + 1), 1)

    found = read(chain.logs)

    assert [(fact.kind, fact.owners, fact.threshold) for fact in found.facts] == [(AccountKind.CONTRACT, (), 0)]
    assert found.refused == ()


def test_read_links__many_changes_in_one_transaction__are_told_once(chain: ChainOfLogs) -> None:
    crowd = _crowd(100)
    _make_safe(chain, 5, crowd[:1], 1)
    for owner in crowd[1:]:
        chain.emit(6, 0, SAFE, abi.ADDED_OWNER, owner)

    facts = read(chain.logs).facts

    assert owners_told(facts) == [(5, crowd[:1], 1), (6, crowd, 1)]
    assert facts[1].log_index == 98  # the last of 99


def test_read_links__void_place__is_told_again_though_nothing_changed(chain: ChainOfLogs) -> None:
    newer = SAFES.model_copy(update={"id": "newer", "singletons": (SINGLETON, address("newer singleton"))})
    _make_safe(chain, 5, (ALICE,), 1)
    chain.emit(6, 0, SAFE, abi.CHANGED_MASTER_COPY, address("newer singleton"))
    old = read(chain.logs, sources=[SAFES]).facts
    assert [fact.kind for fact in old] == [AccountKind.SAFE, AccountKind.CONTRACT]

    void = [(fact.account, fact.block.number, fact.log_index or 0) for fact in old]
    new = read_links([newer], {}, chain.logs, 2, void).facts

    assert [(fact.id, fact.kind, fact.owners) for fact in new] == [
        (fact.id, AccountKind.SAFE, (ALICE,)) for fact in old
    ]


# Urns


def test_urn_of__small_and_large_nonces__is_what_create_gives() -> None:
    # From the yellow paper's rule by hand: keccak(rlp([address, nonce]))[12:].
    #   nonce 1: d6 94 <20 bytes> 01;  nonce 200: d7 94 <20 bytes> 81 c8;  nonce 1024: d8 94 <20 bytes> 82 04 00
    for cdp, tail, length in ((1, "01", 0xD6), (127, "7f", 0xD6), (200, "81c8", 0xD7), (1024, "820400", 0xD8)):
        listed = bytes([length, 0x94]) + CDP_MANAGER + bytes.fromhex(tail)
        assert urn_of(CDP_MANAGER, cdp) == keccak(listed)[12:]


def _give(cdp: int, owner_word: bytes) -> tuple[tuple[Digest, ...], bytes]:
    """LogNote of `give(uint256,address)`: selector, caller, and the arguments as they were sent."""
    selector = bytes.fromhex("fcafcc68")
    topics = (selector.ljust(32, b"\0"), ALICE.rjust(32, b"\0"), cdp.to_bytes(32), owner_word)
    calldata = (selector + topics[2] + topics[3]).ljust(224, b"\0")
    return tuple(Digest(topic) for topic in topics), (32).to_bytes(32) + (224).to_bytes(32) + calldata


def test_read_links__cdp_opened_and_given__its_urn_changes_hands(chain: ChainOfLogs) -> None:
    chain.emit(5, 0, CDP_MANAGER, abi.NEW_CDP, address("caller"), ALICE, 200)
    chain.emit_raw(9, 0, CDP_MANAGER, *_give(200, BOB.rjust(32, b"\0")))

    facts = read(chain.logs).facts

    assert owners_told(facts) == [(5, (ALICE,), 1), (9, (BOB,), 1)]
    assert {(fact.account, fact.kind) for fact in facts} == {(urn_of(CDP_MANAGER, 200), AccountKind.URN)}


def test_read_links__give_with_dirty_bytes__goes_to_whom_the_contract_gives_it(chain: ChainOfLogs) -> None:
    chain.emit_raw(9, 0, CDP_MANAGER, *_give(7, b"\xff" * 12 + BOB))

    assert owners_told(read(chain.logs).facts) == [(9, (BOB,), 1)]


# What cannot be read


@pytest.mark.parametrize(
    ("factory", "codec", "values"),
    [
        (PROXY_FACTORY, abi.DS_PROXY_CREATED, (ALICE, ALICE, PROXY, CACHE)),
        (SAFE_FACTORY, abi.PROXY_CREATION, (SAFE, SINGLETON)),
        (SAFE_FACTORY, abi.PROXY_CREATION_1_3, (SAFE, SINGLETON)),
        (CDP_MANAGER, abi.NEW_CDP, (ALICE, ALICE, 1)),
    ],
)
def test_read_links__log_of_a_factory_too_long__is_a_dead_letter(
    chain: ChainOfLogs, factory: Address, codec: EventCodec[Any], values: tuple[Any, ...]
) -> None:
    log = chain.emit_raw(5, 0, factory, *_malformed(codec, *values))

    found = read(chain.logs)

    assert found.facts == ()
    assert [(refusal.log, refusal.wallets) for refusal in found.refused] == [(log, ())]
    assert "bytes of data" in found.refused[0].reason


def test_read_links__give_without_its_calldata__is_a_dead_letter(chain: ChainOfLogs) -> None:
    topics, payload = _give(7, BOB.rjust(32, b"\0"))
    chain.emit_raw(5, 0, CDP_MANAGER, topics, payload[:-1])
    chain.emit_raw(6, 0, CDP_MANAGER, topics[:3], payload)
    chain.emit_raw(7, 0, CDP_MANAGER, *_give(0, BOB.rjust(32, b"\0")))

    found = read(chain.logs)

    assert [refusal.log.position.block.number for refusal in found.refused] == [5, 6, 7]
    assert found.facts == ()


def test_read_links__outside_the_sources_blocks__says_nothing(chain: ChainOfLogs) -> None:
    late = PROXIES.model_copy(update={"from_block": 6})
    _build_proxy(chain, 5)

    assert read(chain.logs, sources=[late]) == read([])


# Windows


OWNERS = st.sampled_from((ALICE, BOB, CAROL))
STEPS = st.one_of(
    st.tuples(st.just("proxy"), OWNERS),
    st.tuples(st.just("add"), OWNERS),
    st.tuples(st.just("swap"), OWNERS),
    st.tuples(st.just("remove"), OWNERS),
    st.tuples(st.just("threshold"), st.integers(0, 3)),
    st.tuples(st.just("junk"), st.just(0)),
)


@given(st.lists(STEPS, max_size=14), st.sets(st.integers(2, 15)))
def test_read_links__any_story_in_any_windows__says_what_the_whole_chain_says(
    story: list[tuple[str, Any]], cuts: set[int]
) -> None:
    chain = ChainOfLogs()
    _build_proxy(chain, 1)
    _make_safe(chain, 1, (ALICE,), 1)
    for block, (step, what) in enumerate(story, start=2):
        match step:
            case "proxy":
                chain.emit(block, 0, PROXY, abi.LOG_SET_OWNER, what)
            case "add":
                chain.emit(block, 0, SAFE, abi.ADDED_OWNER, what)
            case "swap":
                chain.emit(block, 0, SAFE, abi.REMOVED_OWNER, what)
                chain.emit(block, 0, SAFE, abi.ADDED_OWNER, CAROL)
            case "remove":
                chain.emit(block, 0, SAFE, abi.REMOVED_OWNER, what)
            case "threshold":
                chain.emit(block, 0, SAFE, abi.CHANGED_THRESHOLD, what)
            case _:
                chain.emit_raw(block, 0, SAFE, *_malformed(abi.ADDED_OWNER_1_3, ALICE))

    newest: dict[Address, AccountFact] = {}
    found: list[AccountFact] = []
    start = 1
    for end in (*sorted(cuts), 99):
        window = [log for log in chain.logs if start <= log.position.block.number < end]
        facts = read(window, list(newest.values())).facts
        found += facts
        newest |= {fact.account: fact for fact in facts}
        start = end

    assert found == list(read(chain.logs).facts)
    assert len({fact.id for fact in found}) == len(found)


def test_topics_anywhere__all_kinds__are_those_that_accounts_emit() -> None:
    # keccak of the signatures, from @safe-global/safe-contracts@1.4.1 and dapphub's ds-auth
    signatures = (
        "LogSetOwner(address)",
        "SafeSetup(address,address[],uint256,address,address)",
        "AddedOwner(address)",
        "RemovedOwner(address)",
        "ChangedThreshold(uint256)",
        "ChangedMasterCopy(address)",
    )

    assert topics_anywhere(SOURCES) == {keccak(signature.encode()) for signature in signatures}


# Code


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (b"", AccountKind.EXTERNALLY_OWNED),
        (bytes.fromhex("ef0100") + ALICE, AccountKind.DELEGATED),
        (bytes.fromhex("ef0100") + ALICE + b"\x00", AccountKind.CONTRACT),
        (bytes.fromhex("ef0101") + ALICE, AccountKind.CONTRACT),
        (b"\x60\x80", AccountKind.CONTRACT),
    ],
)
def test_kind_of_code__by_its_bytes(code: bytes, kind: AccountKind) -> None:
    assert kind_of_code(code) is kind


def test_account_fact_id__names_block_log_and_account() -> None:
    chain = ChainOfLogs()
    _build_proxy(chain, 5)
    (fact,) = read(chain.logs).facts

    assert fact.block == block_at(5)
    # sha256("bonafides/account-fact/1" ‖ u64 31337 ‖ block hash ‖ u32 1 ‖ account)
    import hashlib

    place = (31337).to_bytes(8) + block_at(5).hash + (1).to_bytes(4)
    assert fact.id == hashlib.sha256(b"bonafides/account-fact/1" + place + PROXY).digest()
