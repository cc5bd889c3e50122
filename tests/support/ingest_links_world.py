"""A chain with a DSProxy, a Safe, a robot and wallets on it, read by the flow on a real PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from bonafides import database
from bonafides.accounts import AccountFact
from bonafides.errors import Unavailable
from bonafides.events import Boundary, is_void
from bonafides.messages import AccountBatch, decode
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryProducer
from bonafides.topics import MARKET, TOPICS, WALLET_EVENTS, dead_letter_topic, partition_of
from bonafides.types import AccountKind, Address, BlockRef
from bonafides_ingest.accounts import link_events as links_abi
from bonafides_ingest.boundaries import BoundaryPace
from bonafides_ingest.chain_stores import ChainStores
from bonafides_ingest.indexer import Indexer
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.protocols.aave_v3 import events as abi
from sqlalchemy import Engine, text

from tests.support.ingest_accounts import PROXIES, PROXY_FACTORY, SAFE_FACTORY, SAFES, SINGLETON
from tests.support.ingest_logs import (
    CHAIN,
    DEPLOYMENT,
    RAY,
    ChainOfLogs,
    address,
)
from tests.support.scoring_service import as_role

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
        stores = ChainStores.of(self.engine, CHAIN, 60.0, self.options.registry_digest)
        stores.store.check_starts(self.options.entries)
        return Indexer(
            self.options,
            token or uuid4(),
            self.chain,
            DyingProducer(self.broker),
            stores,
            self.clock,
            codes=self.codes,
        )

    def messages(self, topic: str) -> list[tuple[int, object]]:
        return [(at.partition, decode(v)) for at in self.broker.partitions(topic) for v in self.broker.logs[at]]

    def facts(self) -> list[AccountFact]:
        """As a consumer keeps them: of copies the newest, without those that an epoch made void."""
        epochs = tuple(epoch for boundary in self.boundaries() for epoch in boundary.fork_epochs)
        kept: dict[bytes, AccountFact] = {}
        for fact in self.facts_told():
            if not is_void(fact.block.number, fact.fork_epoch, epochs):
                kept[fact.id] = max(kept.get(fact.id, fact), fact, key=lambda one: one.precedence)
        return sorted(kept.values(), key=lambda fact: (fact.order, fact.account))

    def facts_told(self) -> list[AccountFact]:
        """All copies in the log, each in the partition of its account."""
        told: list[AccountFact] = []
        for partition, message in self.messages(WALLET_EVENTS.name):
            if isinstance(message, AccountBatch):
                assert {partition_of(fact.account, WALLET_EVENTS) for fact in message.facts} == {partition}
                told += message.facts
        return told

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
            connection.execute(text("UPDATE ingest.claim SET until = now() - interval '1 second'"))
            connection.execute(text("DELETE FROM ingest.replica"))


@contextmanager
def world_of_links(fresh_database: str) -> Iterator[World]:
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


def run_to_the_end(indexer: Indexer) -> None:
    for _ in range(30):
        with suppress(Unavailable):
            if not indexer.turn():
                return
    raise AssertionError("it never came to the end")
