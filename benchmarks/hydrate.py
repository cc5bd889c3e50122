"""hydrate.p95_s: one wallet's history on demand, from the request in Kafka to `Hydrated` read from Kafka.

```
 request ─► wallet-history-requested.v1 ─► ingest's lane ─► getLogs, receipts, decode ─► wallet-events.v1 ─► our reader
 clock starts: handed to the producer                                             clock stops: this wallet's Hydrated
```
The wallets asked for are named in 5,000 logs each, on an anvil with a crowd beside them and a block a second, while
ingest follows the head. They were scanned before: what is sent again is recognised by the worker.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from bonafides import messages
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.events import Hydrated
from bonafides.json_rpc import JsonRpc, items
from bonafides.topics import WALLET_EVENTS, WALLET_HISTORY_REQUESTED, partition_of
from bonafides.types import Address, Json, address_text
from bonafides_ingest.hydration.asking import new_request
from bonafides_lab.market.deployment import deployments_yaml
from bonafides_lab.stack.anvil import AnvilOptions
from bonafides_lab.stack.resolver import LocalStack, local_stack
from bonafides_lab.system.processes import Service
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from benchmarks.fixed_window import WINDOW_BLOCKS, FixedWindowSource
from benchmarks.live_latency import CORES, install
from benchmarks.live_market import BLOCK_S, SETUP_S, LiveMarket, live_market
from benchmarks.rpc_reading import read_chain
from benchmarks.simulator import CHAIN
from benchmarks.watch import only_cores

LOGS_OF_A_WALLET = 5_000
TRANSACTIONS_OF_A_WALLET = 1_700
"""Each supply, borrow, repay and withdrawal names its wallet in three logs."""
TRANSACTIONS_OF_THE_CROWD = 2_000
WALLETS = 2
REPETITIONS = 24
IN_A_BLOCK = 25
"""Transactions: with hundreds anvil is slow, which looks through the whole block for each receipt."""
SETTLED_WITHIN_S = 120.0
ANSWERED_WITHIN_S = 60.0
_FOLDED = "SELECT count(*) FROM scoring.hydration WHERE wallet = %s AND block_number = %s"
_ROWS = "SELECT DISTINCT id FROM scoring.event WHERE wallet = %s AND block_number <= %s"
_COMPLETE = "SELECT max(block_number) FROM scoring.boundary WHERE finality = 'finalized'"


@dataclass(frozen=True, slots=True)
class HydrateRun:
    """Times of all requests, ascending, in seconds."""

    hydrated: tuple[float, ...]
    committed: tuple[float, ...]
    """Until the worker's rows were to be read."""
    logs: int
    """That name the wallet, of the one with the fewest."""
    logs_on_chain: int


def run_hydrations(repetitions: int = REPETITIONS) -> HydrateRun:
    """Ask for the wallets in turn, one after another.

    Raises:
        InvariantViolation: the rows of a wallet are not what the chain says, or it is named in too few logs.
        Unavailable: no answer came.
    """
    with TemporaryDirectory(prefix="bonafides-bench-") as raw_folder, only_cores(CORES):
        folder = Path(raw_folder)
        folder.chmod(0o755)  # PostgreSQL runs as another user when we are root
        options = AnvilOptions(start_timestamp=int(time.time()) - SETUP_S)
        with local_stack(folder / "stack", anvil=options) as stack, live_market(stack.rpc_url) as market:
            heavy = market.people[:WALLETS]
            _make_history(market, heavy)
            deployments_file = folder / "deployments.yaml"
            deployments_file.write_text(deployments_yaml(market.deployment), "utf-8")
            system = install(stack, folder, deployments_file, poll_interval_s=str(BLOCK_S))
            try:
                system.start(Service.SCORING_WORKER).wait_ready()
                system.start(Service.INGEST).wait_ready()
                scanned = market.rpc.block_number()
                market.rpc.set_interval_mining(BLOCK_S)
                return _measure(stack, market, deployments_file, heavy, scanned, repetitions)
            finally:
                system.stop()


def _make_history(market: LiveMarket, heavy: Sequence[Address]) -> None:
    crowd = [who for who in market.people if who not in heavy]
    turns = [who for who in heavy for _ in range(TRANSACTIONS_OF_A_WALLET)]
    turns += [crowd[number % len(crowd)] for number in range(TRANSACTIONS_OF_THE_CROWD)]
    for start in range(0, len(turns), IN_A_BLOCK):
        market.act_as(turns[start : start + IN_A_BLOCK])
        market.rpc.mine()


def _measure(
    stack: LocalStack,
    market: LiveMarket,
    deployments_file: Path,
    heavy: Sequence[Address],
    scanned: int,
    repetitions: int,
) -> HydrateRun:
    hydrated_times, committed_times = list[float](), list[float]()
    last: dict[Address, int] = {}
    with _requests(stack.kafka_bootstrap) as ask, psycopg.connect(stack.postgres_url, autocommit=True) as database:
        _wait_until_scanned(database, scanned)
        for number in range(-len(heavy), repetitions):  # each wallet once before any is timed
            wallet = heavy[number % len(heavy)]
            started = time.perf_counter()
            hydrated = ask(wallet)
            answered = time.perf_counter() - started
            while not _count(database, _FOLDED, wallet, hydrated.block.number):
                if time.perf_counter() - started > ANSWERED_WITHIN_S:
                    raise Unavailable("the worker did not take a hydrated wallet in time")
                time.sleep(0.002)
            if number >= 0:
                hydrated_times.append(answered)
                committed_times.append(time.perf_counter() - started)
            last[wallet] = hydrated.block.number
            time.sleep(2 * BLOCK_S)  # so that the next one ends at another block
        market.rpc.set_interval_mining(0)
        rpc = JsonRpc(stack.rpc_url, 60.0, max_answer_bytes=1 << 30)
        read = read_chain(FixedWindowSource(rpc, CHAIN), deployments_file, max(last.values()), WINDOW_BLOCKS)
        for wallet, block in last.items():
            wanted = {
                bytes(event.id)
                for event in read.events
                if event.wallet == wallet and event.position.block.number <= block
            }
            found = {bytes(identifier) for (identifier,) in database.execute(_ROWS, [bytes(wallet), block])}
            if found != wanted:
                raise InvariantViolation(f"a hydrated wallet has {len(found)} events, {len(wanted)} are on the chain")
        fewest = min(_logs_naming(rpc, market, wallet) for wallet in heavy)
        rpc.close()
    if fewest < LOGS_OF_A_WALLET:
        raise InvariantViolation(f"a wallet is named in {fewest} logs, {LOGS_OF_A_WALLET} were meant")
    return HydrateRun(tuple(sorted(hydrated_times)), tuple(sorted(committed_times)), fewest, read.logs)


@contextmanager
def _requests(bootstrap: str) -> "Iterator[_Ask]":
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=0, metrics_enabled=False)
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=50, metrics_enabled=False
    )
    try:
        yield _Ask(producer, consumer)
    finally:
        consumer.close()
        producer.close()


@dataclass(slots=True)
class _Ask:
    producer: KafkaProducer
    consumer: KafkaConsumer

    def __call__(self, wallet: Address) -> Hydrated:
        """Ask for a wallet, and wait for its `Hydrated`."""
        at = TopicPartition(WALLET_EVENTS.name, partition_of(wallet, WALLET_EVENTS))
        self.consumer.assign([at])
        self.consumer.seek_to_end(at)
        self.consumer.position(at)
        request = new_request(CHAIN, wallet, int(time.time()))
        topic = WALLET_HISTORY_REQUESTED
        self.producer.send(topic.name, messages.encode(request), partition=partition_of(wallet, topic))
        deadline = time.monotonic() + ANSWERED_WITHIN_S
        while time.monotonic() < deadline:
            for record in self.consumer.poll(timeout_ms=50).get(at, []):
                message = messages.decode(record.value)
                if isinstance(message, Hydrated) and message.wallet == wallet:
                    return message
        raise Unavailable(f"no Hydrated came in {ANSWERED_WITHIN_S:.0f} s")


def _wait_until_scanned(database: psycopg.Connection, block: int) -> None:
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while (_count(database, _COMPLETE) or -1) < block:
        if time.monotonic() > deadline:
            raise Unavailable(f"the chain was not read to block {block} in {SETTLED_WITHIN_S:.0f} s")
        time.sleep(0.2)


def _count(database: psycopg.Connection, query: str, *values: object) -> int | None:
    row = database.execute(query.encode(), values).fetchone()
    return None if row is None else row[0]


def _logs_naming(rpc: JsonRpc, market: LiveMarket, wallet: Address) -> int:
    """Logs of the market's contracts in which the wallet is a topic."""
    contracts = [address_text(contract) for contract in sorted(market.deployment.logging_contracts)]
    word = "0x" + wallet.rjust(32, b"\0").hex()
    found: set[tuple[str, str]] = set()
    for place in range(1, 4):
        topics: list[Json] = [*[None] * place, word]
        criteria: Json = {"address": [*contracts], "fromBlock": "0x0", "toBlock": "latest", "topics": topics}
        for entry in items(rpc.call("eth_getLogs", criteria)):
            if isinstance(entry, dict):
                found.add((str(entry["blockHash"]), str(entry["logIndex"])))
    return len(found)
