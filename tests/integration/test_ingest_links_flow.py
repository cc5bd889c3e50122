"""Links and accounts through the flow, on a real PostgreSQL: before the deployments, and the same after any failure."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import pytest
from bonafides import database
from bonafides.accounts import AccountFact
from bonafides.errors import InvalidSettings, Unavailable
from bonafides.events import BlockRange, Boundary, is_void
from bonafides.messages import AccountBatch, LogDeadLetter, decode
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryProducer
from bonafides.topics import MARKET, TOPICS, WALLET_EVENTS, dead_letter_topic, partition_of
from bonafides.types import AccountKind, Address, BlockRef
from bonafides_ingest.accounts import link_events as links_abi
from bonafides_ingest.boundaries import BoundaryPace
from bonafides_ingest.boundary_store import BoundaryStore
from bonafides_ingest.indexer import Indexer, IndexerOptions
from bonafides_ingest.lease import LeaseStore
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.store import Store
from sqlalchemy import Engine, text

from tests.support.ingest_accounts import PROXIES, PROXY_FACTORY, SAFE_FACTORY, SAFES, SINGLETON
from tests.support.ingest_logs import (
    CHAIN,
    DEPLOYMENT,
    RAY,
    ChainOfLogs,
    ListedReserve,
    address,
    block_at,
    encode_event,
)
from tests.support.scoring_service import as_role

pytestmark = pytest.mark.integration

ALICE, BOB = sorted((address("alice"), address("bob")))
PROXY, SAFE, GATEWAY, ROBOT = (address(name) for name in ("proxy", "safe", "gateway", "robot"))
PACE = BoundaryPace(boundary_interval_s=30, scoring_interval_s=300)
WITH_GATEWAY = DEPLOYMENT.model_copy(update={"gateways": (GATEWAY,)})


@dataclass
class ManualClock:
    time: float = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Codes:
    """`CodeSource` of a node with a robot's contract on it."""

    contracts: dict[Address, bytes] = field(default_factory=lambda: {ROBOT: b"\x60\x80"})
    is_silent: bool = False
    refusals: int = 0
    asked: list[tuple[Address, int]] = field(default_factory=list)

    def codes(self, accounts: Sequence[Address], block: BlockRef) -> list[bytes]:
        if self.is_silent:
            self.refusals += 1
            raise Unavailable("missing trie node")
        self.asked += [(account, block.number) for account in accounts]
        return [self.contracts.get(account, b"") for account in accounts]


class DyingProducer(MemoryProducer):
    """The process dies after the n-th flush: all of it is in the log, and nobody knows."""

    dies_after: int = 0

    def flush(self) -> None:
        super().flush()
        self.dies_after -= 1
        if self.dies_after == 0:
            raise Unavailable("the process dies")


@dataclass
class World:
    engine: Engine
    chain: ChainOfLogs
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    clock: ManualClock = field(default_factory=ManualClock)
    codes: Codes = field(default_factory=Codes)
    options: IndexerOptions = field(
        default_factory=lambda: IndexerOptions(CHAIN, (DEPLOYMENT,), 1, 10, PACE, 5, (PROXIES, SAFES))
    )

    def __post_init__(self) -> None:
        topics = (*TOPICS, *(dead_letter_topic(topic) for topic in TOPICS))
        MemoryAdmin(self.broker).ensure_topics(topics, 1)

    def replica(self, token: UUID | None = None) -> Indexer:
        store = Store(self.engine, CHAIN, 60.0)
        store.check_starts(self.options.entries)
        store.accounts.ask_again(self.options.gateways)
        return Indexer(
            self.options,
            token or uuid4(),
            self.chain,
            DyingProducer(self.broker),
            LeaseStore(self.engine, CHAIN, 60.0),
            store,
            BoundaryStore(self.engine, CHAIN, 60.0),
            self.clock,
            codes=self.codes,
        )

    def messages(self, topic: str) -> list[tuple[int, object]]:
        return [(at.partition, decode(v)) for at in self.broker.partitions(topic) for v in self.broker.logs[at]]

    def facts(self) -> list[AccountFact]:
        """As a consumer keeps them: of copies the newest, without those that an epoch made void."""
        epochs = tuple(epoch for boundary in self.boundaries() for epoch in boundary.fork_epochs)
        kept: dict[bytes, AccountFact] = {}
        for partition, message in self.messages(WALLET_EVENTS.name):
            if isinstance(message, AccountBatch):
                for fact in message.facts:
                    assert partition_of(fact.account, WALLET_EVENTS) == partition
                    if not is_void(fact.block.number, fact.fork_epoch, epochs):
                        kept[fact.id] = max(kept.get(fact.id, fact), fact, key=lambda one: one.precedence)
        return sorted(kept.values(), key=lambda fact: (fact.order, fact.account))

    def links(self) -> list[tuple[int, AccountKind, tuple[Address, ...]]]:
        return [(fact.block.number, fact.kind, fact.owners) for fact in self.facts() if fact.source]

    def boundaries(self) -> list[Boundary]:
        return [m for _, m in self.messages(MARKET.name) if isinstance(m, Boundary)]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with database.transaction(self.engine) as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def kinds(self) -> dict[Address, object]:
        rows = self.rows("SELECT account, kind FROM ingest.account")
        return {Address(bytes(account)): kind for account, kind in rows}  # type: ignore[call-overload]

    def end_lease(self) -> None:
        """As if its time had passed."""
        with database.transaction(self.engine) as connection:
            connection.execute(text("UPDATE ingest.chain SET lease_until = now() - interval '1 second'"))


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    """35 blocks: Alice's proxy is Bob's from block 22 on; Alice and Bob make a Safe; both, a robot and Alice supply."""
    owner = database.connect(fresh_database)
    database.migrate(owner, schemas=["ingest"])
    owner.dispose()
    chain = ChainOfLogs(head=35)
    weth = chain.list_reserve(1, "WETH")
    chain.emit(3, 0, PROXY, links_abi.LOG_SET_OWNER, PROXY_FACTORY)
    chain.emit(3, 0, PROXY_FACTORY, links_abi.DS_PROXY_CREATED, ALICE, ALICE, PROXY, address("cache"))
    chain.emit(3, 0, PROXY, links_abi.LOG_SET_OWNER, ALICE)
    chain.emit(14, 0, SAFE, links_abi.SAFE_SETUP, SAFE_FACTORY, (ALICE, BOB), 2, bytes(20), bytes(20))
    chain.emit(14, 0, SAFE_FACTORY, links_abi.PROXY_CREATION, SAFE, SINGLETON)
    chain.emit(22, 0, PROXY, links_abi.LOG_SET_OWNER, BOB)
    for block, wallet in ((5, PROXY), (15, SAFE), (25, ROBOT), (35, ALICE)):
        chain.emit(block, 9, weth.a_token, abi.MINT, wallet, wallet, 100, 0, RAY)
    with as_role(fresh_database, "bonafides_ingest") as engine:
        yield World(engine, chain)


LINKS = [(3, AccountKind.DS_PROXY, (ALICE,)), (14, AccountKind.SAFE, (ALICE, BOB)), (22, AccountKind.DS_PROXY, (BOB,))]


def _run_to_the_end(indexer: Indexer) -> None:
    for _ in range(30):
        with suppress(Unavailable):
            if not indexer.turn():
                return
    raise AssertionError("it never came to the end")


def test_turn__whole_chain__reads_links_before_each_range_and_sends_them(world: World) -> None:
    _run_to_the_end(world.replica())

    assert world.links() == LINKS
    reads = [BlockRange(1, 10), BlockRange(11, 20), BlockRange(21, 30), BlockRange(31, 35)]
    assert list(dict.fromkeys(world.chain.fetches)) == reads
    assert world.rows("SELECT count(*) FROM ingest.link") == [(3,)]
    last = world.boundaries()[-1]
    assert (last.block.number, last.is_scoring) == (35, True)
    assert [(row.deployment, row.gaps) for row in last.coverage] == [
        (DEPLOYMENT.id, ()),
        (PROXIES.id, ()),
        (SAFES.id, ()),
    ]


def test_turn__window_of_links__does_not_move_the_cursor(world: World) -> None:
    indexer = world.replica()

    indexer.turn()

    assert world.links() == LINKS[:1]
    assert world.rows("SELECT tip_number FROM ingest.chain") == [(None,)]
    assert world.boundaries() == []
    indexer.turn()
    assert world.rows("SELECT tip_number FROM ingest.chain") == [(10,)]


def test_turn__links_begin_long_before_the_deployments__move_the_cursor_up_to_there(world: World) -> None:
    late = DEPLOYMENT.model_copy(update={"from_block": 25})
    world.options = replace(world.options, deployments=(late,))
    indexer = world.replica()

    tips = [world.rows("SELECT tip_number FROM ingest.chain")[0][0] for _ in range(5) if indexer.turn() or True]

    assert tips == [10, 20, 24, 24, 34]


@pytest.mark.parametrize("flush", range(1, 12))
def test_turn__process_dies_after_any_flush_and_another_takes_over__same_links(world: World, flush: int) -> None:
    first = world.replica()
    first.producer.dies_after = flush  # type: ignore[attr-defined]
    with suppress(Unavailable):
        while first.turn():
            pass
    world.end_lease()

    _run_to_the_end(world.replica())

    assert world.links() == LINKS
    assert world.rows("SELECT block_number FROM ingest.link ORDER BY 1") == [(3,), (14,), (22,)]
    assert set(world.kinds().values()) == {"ds_proxy", "safe", "contract", "externally_owned"}


def test_turn__new_source_of_links_in_the_registry__is_a_gap_until_it_was_read(world: World) -> None:
    world.options = replace(world.options, links=(PROXIES,))
    _run_to_the_end(world.replica())
    world.end_lease()
    world.clock.time += 1_000
    world.options = replace(world.options, links=(PROXIES, SAFES), registry_version=2)
    indexer = world.replica()
    world.chain.head = 36

    indexer.turn()  # blocks 1 to 10
    indexer.turn()  # and 11 to 20, with news

    (gap,) = [row for row in world.boundaries()[-1].coverage if row.deployment == SAFES.id]
    assert (gap.gaps, gap.registry_version, world.boundaries()[-1].is_scoring) == ((BlockRange(21, 35),), 2, False)
    _run_to_the_end(indexer)
    assert world.links() == LINKS
    assert not any(row.gaps for row in world.boundaries()[-1].coverage)


def test_turn__log_of_a_factory_that_cannot_be_read__is_a_dead_letter_in_its_coverage(world: World) -> None:
    topics, payload = encode_event(links_abi.PROXY_CREATION, (address("another"), SINGLETON))
    world.chain.emit_raw(30, 0, SAFE_FACTORY, topics, payload + b"\x01")

    _run_to_the_end(world.replica())

    letters = [m for _, m in world.messages(f"{WALLET_EVENTS.name}.dlq") if isinstance(m, LogDeadLetter)]
    assert [(letter.deployment, letter.address) for letter in letters] == [(SAFES.id, SAFE_FACTORY)]
    assert [row.dead_letters for row in world.boundaries()[-1].coverage if row.deployment == SAFES.id] == [1]


def test_check_starts__source_of_links_with_another_singleton__is_refused(world: World) -> None:
    _run_to_the_end(world.replica())
    changed = SAFES.model_copy(update={"singletons": (SINGLETON, address("newer singleton"))})
    world.options = replace(world.options, links=(PROXIES, changed))

    with pytest.raises(InvalidSettings, match="other contracts"):
        world.replica()


# Accounts


def test_turn__end_of_the_chain__asks_what_new_wallets_are_and_says_so(world: World) -> None:
    world.options = replace(world.options, deployments=(WITH_GATEWAY,))
    _run_to_the_end(world.replica())

    assert world.kinds() == {
        PROXY: "ds_proxy",
        SAFE: "safe",
        ROBOT: "contract",
        ALICE: "externally_owned",
        GATEWAY: "gateway",
    }
    told = {fact.account: (fact.kind, fact.block.number) for fact in world.facts() if not fact.source}
    assert told == {
        ROBOT: (AccountKind.CONTRACT, 35),
        ALICE: (AccountKind.EXTERNALLY_OWNED, 35),
        GATEWAY: (AccountKind.GATEWAY, 35),
    }
    assert sorted(world.codes.asked) == sorted([(ROBOT, 35), (ALICE, 35)])


def test_turn__wallet_seen_again__is_not_asked_about_again(world: World) -> None:
    indexer = world.replica()
    _run_to_the_end(indexer)
    asked = list(world.codes.asked)
    world.chain.head = 36
    world.chain.emit(36, 0, ListedReserve.of("WETH").a_token, abi.MINT, ALICE, ALICE, 100, 0, RAY)

    _run_to_the_end(indexer)

    assert world.codes.asked == asked


def test_turn__node_does_not_tell__the_chain_goes_on_and_it_is_asked_later(world: World) -> None:
    world.codes.is_silent = True
    indexer = world.replica()
    _run_to_the_end(indexer)
    assert world.boundaries()[-1].is_scoring
    assert world.kinds()[ROBOT] is None
    indexer.turn()
    assert world.codes.refusals == 1  # nothing is gained by asking again about the same block

    world.codes.is_silent = False
    world.chain.head = 36
    _run_to_the_end(indexer)

    assert world.kinds()[ROBOT] == "contract"


def test_turn__without_a_node__leaves_unknown_what_only_a_node_knows(world: World) -> None:
    indexer = world.replica()
    indexer.codes = None

    _run_to_the_end(indexer)

    assert world.kinds() == {PROXY: "ds_proxy", SAFE: "safe", ROBOT: None, ALICE: None}
    world.end_lease()
    _run_to_the_end(world.replica())
    assert world.kinds() == {PROXY: "ds_proxy", SAFE: "safe", ROBOT: "contract", ALICE: "externally_owned"}


def test_turn__wallet_becomes_a_safe_later__is_one_from_there_on(world: World) -> None:
    indexer = world.replica()
    counterfactual = address("safe that will be")
    weth = ListedReserve.of("WETH")
    world.chain.emit(33, 0, weth.a_token, abi.MINT, counterfactual, counterfactual, 100, 0, RAY)
    _run_to_the_end(indexer)
    assert world.kinds()[counterfactual] == "externally_owned"
    world.chain.head = 37
    world.chain.emit(36, 0, counterfactual, links_abi.SAFE_SETUP, ALICE, (ALICE,), 1, bytes(20), bytes(20))
    world.chain.emit(36, 0, SAFE_FACTORY, links_abi.PROXY_CREATION, counterfactual, SINGLETON)

    _run_to_the_end(indexer)

    assert world.kinds()[counterfactual] == "safe"


def test_ask_again__gateway_taken_from_the_registry__is_asked_about_again(world: World) -> None:
    world.options = replace(world.options, deployments=(WITH_GATEWAY,))
    _run_to_the_end(world.replica())
    world.end_lease()
    world.options = replace(world.options, deployments=(DEPLOYMENT,))

    _run_to_the_end(world.replica())

    assert world.kinds()[GATEWAY] == "externally_owned"


def test_newest_links__between_two_changes__is_the_earlier(world: World) -> None:
    _run_to_the_end(world.replica())
    accounts = Store(world.engine, CHAIN, 60.0).accounts

    found = {before: accounts.newest_links([PROXY, ALICE], before) for before in (3, 4, 22, 23)}

    owners = {before: facts[PROXY].owners for before, facts in found.items() if facts}
    assert owners == {4: (ALICE,), 22: (ALICE,), 23: (BOB,)}
    assert found[4][PROXY].block == block_at(3)
