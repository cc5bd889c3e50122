"""Ingest and a scoring worker on a chain that forks: real sources, real PostgreSQL, the bus in memory, no process.

Whatever happens in between, `settle` finalizes the chain and lets everything run to its end; then `forking_checks` says
whether it came to what a replay of the chain comes to.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from uuid import uuid4

from bonafides import database
from bonafides.errors import Unavailable
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from bonafides.topics import WALLET_EVENTS, partition_of
from bonafides_ingest import tables
from bonafides_ingest.boundaries import BoundaryPace
from bonafides_ingest.chain_stores import ChainStores
from bonafides_ingest.feed_store import FeedStore
from bonafides_ingest.indexer import Indexer
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.sources.rpc import RpcSource
from bonafides_lab.stack.postgres import create_database, drop_database
from bonafides_scoring.worker import GROUP, ScoringWorker
from sqlalchemy import Engine, func, text, update

from tests.support.forking_chain import ForkingChain
from tests.support.forking_dangers import Danger, DangerousProducer, Dangers, PowerCut, endanger
from tests.support.forking_market import EVERYBODY, MARKETS
from tests.support.forking_node import ForkingNode, Orphans
from tests.support.ingest_logs import CHAIN
from tests.support.scoring_service import WITH_DEAD_LETTERS, as_role, make_worker

PACE = BoundaryPace(boundary_interval_s=300, scoring_interval_s=60)
LEASE_S = 600.0  # ended by hand (`end_leases`): no test waits for the clock of the database
WINDOW_BLOCKS = 4
BLOOM_CHECK_BLOCKS = 50
MOST_TURNS = 200


@dataclass
class ManualClock:
    """Stands still until it is told."""

    time: float = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass(frozen=True, repr=False)
class ForkDatabase:
    """One database for many examples: each begins with empty tables."""

    owner: Engine
    ingest: Engine
    scoring: Engine
    tables: tuple[str, ...]
    ingest_dangers: Dangers = field(default_factory=Dangers)
    scoring_dangers: Dangers = field(default_factory=Dangers)

    def empty(self) -> None:
        """Deleting is quicker than truncating where there is little. Foreign keys are not looked at."""
        with database.transaction(self.owner) as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for table in self.tables:
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 # names from the catalogue


@contextmanager
def fork_database(admin_url: str) -> Iterator[ForkDatabase]:
    """A migrated database, with the rights of each service's role alone."""
    name = f"forks_{uuid4().hex[:8]}"
    url = create_database(admin_url, name)
    owner = database.connect(url)
    try:
        database.migrate(owner, schemas=["ingest", "scoring"])
        with database.transaction(owner) as connection:
            connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
            query = (
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('ingest', 'scoring')"
            )
            tables = tuple(t for t in connection.scalars(text(query)) if not t.endswith("alembic_version"))
        with as_role(url, "bonafides_ingest") as ingest, as_role(url, "bonafides_scoring_worker") as scoring:
            made = ForkDatabase(owner, ingest, scoring, tables)
            endanger(ingest, made.ingest_dangers)
            endanger(scoring, made.scoring_dangers)
            yield made
    finally:
        owner.dispose()
        drop_database(admin_url, name)


@dataclass
class BrokerOfFewWallets(MemoryBroker):
    """Gives the worker the partitions that hold one of our wallets, and the topics of one partition; those of all the
    others, which tell nothing, belong to other members. Two thirds of an example's time went there."""

    def rebalance(self, group: str) -> None:
        super().rebalance(group)
        ours = {partition_of(wallet, WALLET_EVENTS) for wallet in EVERYBODY}
        for member in self.members.get(group, []):
            member.dealt = {at for at in member.dealt if at.topic != WALLET_EVENTS.name or at.partition in ours}


def _broker() -> MemoryBroker:
    broker = BrokerOfFewWallets()
    MemoryAdmin(broker).ensure_topics(WITH_DEAD_LETTERS, 1)
    return broker


@dataclass
class ForkSystem:
    """Replicas of ingest, by number, and a worker. A replica that died starts again at its next turn."""

    stored: ForkDatabase
    chain: ForkingChain = field(default_factory=ForkingChain)
    orphans: Orphans = Orphans.KEPT
    broker: MemoryBroker = field(default_factory=_broker)
    clock: ManualClock = field(default_factory=ManualClock)
    markets: int = 1
    """How many of `MARKETS` the registry lists."""
    is_scoring: bool = True
    """Whether a worker reads along."""
    node: ForkingNode = field(init=False)
    replicas: dict[int, Indexer] = field(default_factory=dict)
    deaths: int = 0
    failures: list[Unavailable] = field(default_factory=list)
    nonces: Iterator[int] = field(default_factory=lambda: count(1))
    """Of acts."""
    when_asleep: Callable[[], None] = lambda: None
    """Happens while a replica sleeps, before another one takes over."""
    _worker: ScoringWorker | None = None
    _consumer: MemoryConsumer | None = None

    def __post_init__(self) -> None:
        self.stored.empty()
        self.stored.ingest_dangers.arm(None)
        self.stored.scoring_dangers.arm(None)
        self.node = ForkingNode(self.chain, self.orphans)

    @property
    def options(self) -> IndexerOptions:
        deployments = tuple(market.deployment for market in MARKETS[: self.markets])
        return IndexerOptions(CHAIN, deployments, self.markets, WINDOW_BLOCKS, PACE, dead_letter_limit=1_000)

    def replica(self, number: int) -> Indexer:
        """This replica, started when it is not running."""
        if number not in self.replicas:
            self.replicas[number] = self._start()
        return self.replicas[number]

    def turn(self, number: int = 0, danger: Danger | None = None) -> bool:
        """One turn of a replica, in which a danger may strike; returns whether it says that there is more to do."""
        dangers = self.stored.ingest_dangers
        dangers.arm(danger)
        dangers.while_asleep = lambda: self._take_over(number)
        self.clock.time += 1
        try:
            return self.replica(number).turn()
        except PowerCut:
            self.kill(number)
        except Unavailable as exc:
            self.failures.append(exc)
        finally:
            dangers.arm(None)
            self.node.forget_waiting()
        return True

    def kill(self, number: int = 0) -> None:
        """The process is gone, with all that it remembered."""
        self.deaths += self.replicas.pop(number, None) is not None

    def stop(self, number: int = 0) -> None:
        """It ends in order, and gives its lease back."""
        if number in self.replicas:
            self.replicas.pop(number).release()

    def register_market(self) -> None:
        """The second deployment is entered into the registry, and ingest is started again."""
        self.markets = len(MARKETS)
        for number in list(self.replicas):
            self.stop(number)

    def end_leases(self) -> None:
        """As if the time of every lease and claim had passed."""
        past = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, 1)
        ends = ((tables.chain, "lease_until"), (tables.claim, "until"), (tables.replica, "seen_until"))
        with database.transaction(self.stored.owner) as connection:
            for table, column in ends:
                connection.execute(update(table).where(table.c[column].is_not(None)).values({column: past}))

    def work(self, danger: Danger | None = None) -> bool:
        """One turn of the worker; returns whether there was anything to do."""
        if not self.is_scoring:
            return False
        dangers = self.stored.scoring_dangers
        dangers.arm(danger)
        try:
            return self._running_worker().turn()
        except PowerCut:
            self.restart_worker()
        except Unavailable as exc:
            self.failures.append(exc)
        finally:
            dangers.arm(None)
        return True

    def restart_worker(self) -> None:
        """Its next turn is a new process."""
        if self._consumer is not None:
            self._consumer.close()
        self._worker = self._consumer = None

    def run(self, number: int = 0, is_done: Callable[[], bool] = lambda: True) -> None:
        """Turn a replica until it has nothing more to do and the claim holds."""
        for _ in range(MOST_TURNS):
            if not self.turn(number) and is_done():
                return
        last = self.failures[-1] if self.failures else None
        raise AssertionError(f"ingest is still busy after {MOST_TURNS} turns; the last failure: {last!r}")

    def run_worker(self) -> None:
        """Until it has nothing more to do."""
        for _ in range(MOST_TURNS):
            if not self.work():
                return
        raise AssertionError(f"the worker is still busy after {MOST_TURNS} turns")

    def settle(self) -> None:
        """The chain stands still, all of it becomes final, and everything runs to its end."""
        self.end_leases()
        self.run()
        self.run_worker()
        self.chain.extend(())  # what was entered into the registry last is scored at the next block
        self.chain.finalize(self.chain.head.number)
        for _ in range(2):  # a boundary at the end, and a scoring one where it was too early for that
            self.clock.time += max(PACE.boundary_interval_s, PACE.scoring_interval_s) + 1
            self.run()
        self.run_worker()

    def close(self) -> None:
        """Nothing of it goes on."""
        self.restart_worker()
        self.replicas.clear()

    def _start(self) -> Indexer:
        source = RpcSource(
            self.node, CHAIN, window_blocks=WINDOW_BLOCKS, bloom_check_blocks=BLOOM_CHECK_BLOCKS, random=Random(1)
        )
        engine = self.stored.ingest
        stores = ChainStores.of(engine, CHAIN, LEASE_S)
        stores.store.check_starts(self.options.entries)
        return Indexer(
            self.options,
            uuid4(),
            source,
            DangerousProducer(self.broker, self.stored.ingest_dangers),
            stores,
            self.clock,
            feeds=source.feeds(FeedStore(engine, CHAIN), {}),
            head_source=source,
        )

    def _take_over(self, sleeper: int) -> None:
        """While a replica sleeps its lease ends, and another one reads on."""
        self.when_asleep()
        self.end_leases()
        other = self.replica(sleeper + 1)
        for _ in range(3):
            with suppress(Unavailable):
                other.turn()

    def _running_worker(self) -> ScoringWorker:
        if self._worker is None:
            consumer = MemoryConsumer(self.broker, GROUP)
            worker = make_worker(self.stored.scoring, consumer, MemoryAdmin(self.broker), MemoryProducer(self.broker))
            worker.start()  # it may fail; then the next turn starts another one
            self._worker, self._consumer = worker, consumer
        return self._worker


def newest_read(system: ForkSystem) -> tuple[int, bytes]:
    """Number and hash of the newest block that is in the log, live or final."""
    owner = system.stored.owner
    for query in (
        "SELECT number, hash FROM ingest.live_block ORDER BY number DESC LIMIT 1",
        "SELECT tip_number AS number, tip_hash AS hash FROM ingest.chain WHERE tip_number IS NOT NULL",
    ):
        for row in rows(owner, query):
            return int(str(row["number"])), bytes(row["hash"])  # type: ignore[call-overload]
    return -1, b""


type Rows = list[Mapping[str, object]]


def rows(engine: Engine, query: str) -> Rows:
    """Rows of a query."""
    with database.transaction(engine) as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]
