"""live.*: from a block on anvil through ingest, Kafka and the worker to the folded states of its wallets.

```
 anvil mines ─► the head is asked for ─► seen ─► sent, flushed, committed ─► boundary ─► worker folds ─► COMMIT ─► read
 announced: our own look, every 5 ms     └ ingest's own log line                      folded: NOTIFY to our reader ┘
```
Times are of each wallet event of each block of the run: the first snapshot of its wallet at or above its block. Before
any is reported, the rows are compared with what a plain reader makes of the same chain.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.events import LendingEvent
from bonafides.json_rpc import JsonRpc
from bonafides.types import Address
from bonafides_lab.market.deployment import deployments_yaml
from bonafides_lab.stack.anvil import AnvilOptions
from bonafides_lab.stack.resolver import LocalStack, local_stack
from bonafides_lab.system.preparation import prepare_database, prepare_topics
from bonafides_lab.system.processes import Service, System

from benchmarks.fixed_window import WINDOW_BLOCKS, FixedWindowSource
from benchmarks.live_market import BLOCK_S, SETUP_S, LiveMarket, live_market, run_blocks
from benchmarks.live_watch import Folds, watch_folds, watch_node
from benchmarks.rpc_reading import read_chain
from benchmarks.simulator import CHAIN
from benchmarks.watch import Watch, only_cores, pids_of

CORES = 2
SLOTS_IN_AN_EPOCH = 32
"""anvil calls the head less two epochs final: 64 blocks, as on Ethereum."""
POLL_INTERVAL_S = 0.02
"""How often ingest asks for the head: with the default of a second, waiting would be most of the time since a block was
announced."""
WARM_UP_BLOCKS = 30
SETTLED_WITHIN_S = 60.0
SEEN_LINE = "live blocks sent"
"""ingest's line for live blocks, at level debug: `seen_at` is when it had their headers."""
_ROWS = "SELECT DISTINCT id FROM scoring.event WHERE block_number BETWEEN %s AND %s"


@dataclass(frozen=True, slots=True)
class EventTimes:
    """One wallet event: its block, and the seconds until its wallet's state with it was to be read."""

    block: int
    from_announced_s: float
    from_seen_s: float


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run of some minutes."""

    times: tuple[EventTimes, ...]
    first: int
    last: int
    transactions: int
    cpu_seconds: Mapping[str, float]
    parts: tuple[str, ...]

    def sorted_by(self, of: Callable[[EventTimes], float]) -> list[float]:
        """All times from one of the two beginnings, ascending."""
        return sorted(of(event) for event in self.times)


def run_live(minutes: float) -> LiveRun:
    """Run everything on fresh servers for so long.

    Raises:
        InvariantViolation: an event is missing, or one too many is there.
        Unavailable: a process ended.
    """
    with TemporaryDirectory(prefix="bonafides-bench-") as raw_folder, only_cores(CORES):
        folder = Path(raw_folder)
        folder.chmod(0o755)  # PostgreSQL runs as another user when we are root
        options = AnvilOptions(start_timestamp=int(time.time()) - SETUP_S, slots_in_an_epoch=SLOTS_IN_AN_EPOCH)
        with local_stack(folder / "stack", anvil=options) as stack, live_market(stack.rpc_url) as market:
            deployments_file = folder / "deployments.yaml"
            deployments_file.write_text(deployments_yaml(market.deployment), "utf-8")
            market.rpc.mine(2 * SLOTS_IN_AN_EPOCH)  # what was set up is final when ingest begins
            system = install(stack, folder, deployments_file)
            try:
                return _measure(stack, system, market, deployments_file, minutes)
            finally:
                system.stop()


def install(stack: LocalStack, folder: Path, deployments_file: Path, **ingest: str) -> System:
    """Ingest and the worker on this stack, nothing started; more settings of ingest by name."""
    access = prepare_database(stack.postgres_url, folder / "secrets")
    prepare_topics(stack.kafka_bootstrap)
    settings = {
        Service.INGEST: {
            "chain_id": str(CHAIN),
            "rpc_url": stack.rpc_url,
            "deployments_file": str(deployments_file),
            "poll_interval_s": str(POLL_INTERVAL_S),
            "log_level": "DEBUG",
            **ingest,
        },
        Service.SCORING_WORKER: {"chain_ids": str(CHAIN)},
    }
    return System(folder, stack.kafka_bootstrap, access, settings)


def _measure(stack: LocalStack, system: System, market: LiveMarket, deployments_file: Path, minutes: float) -> LiveRun:
    worker, ingest = system.start(Service.SCORING_WORKER), system.start(Service.INGEST)
    worker.wait_ready()
    ingest.wait_ready()

    def check() -> None:
        for running in (worker, ingest):
            if not running.process.is_running():
                raise Unavailable(f"{running.process.name} ended; its last lines:\n{running.process.tail()}")

    watch = Watch({"ingest": ingest.process.pid, "worker": worker.process.pid, **pids_of(stack)})
    with watch_node(stack.rpc_url) as announced, watch_folds(stack.postgres_url) as folds:
        market.rpc.set_interval_mining(BLOCK_S)
        head = market.rpc.block_number
        run_blocks(market, head, WARM_UP_BLOCKS, check)
        first, last = run_blocks(market, head, round(minutes * 60 / BLOCK_S), check)
        watch.look()
        expected = _expected(stack.rpc_url, deployments_file, first, last)
        _wait_until_folded(folds, expected, check)
        market.rpc.set_interval_mining(0)
    _check_rows(stack.postgres_url, expected, first, last)
    seen = seen_times(ingest.process.log_path)
    times = event_times(expected, announced.seen, seen, folds)
    transactions = len({event.position.tx_hash for event in expected})
    return LiveRun(times, first, last, transactions, watch.cpu_seconds, stack.describe())


def _expected(rpc_url: str, deployments_file: Path, first: int, last: int) -> list[LendingEvent]:
    """The events of these blocks, by a reader that shares nothing with ingest but the decoders."""
    rpc = JsonRpc(rpc_url, 30.0, max_answer_bytes=1 << 30)
    read = read_chain(FixedWindowSource(rpc, CHAIN), deployments_file, last, WINDOW_BLOCKS)
    rpc.close()
    return [event for event in read.events if first <= event.position.block.number <= last]


def _wait_until_folded(folds: Folds, expected: Sequence[LendingEvent], check: Callable[[], None]) -> None:
    newest: dict[Address, int] = {}
    for event in expected:
        newest[event.wallet] = max(event.position.block.number, newest.get(event.wallet, 0))
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while True:
        reached: dict[Address, int] = {}
        for _, wallet, number in list(folds.seen):
            reached[wallet] = max(number, reached.get(wallet, 0))
        missing = [wallet for wallet, number in newest.items() if reached.get(wallet, -1) < number]
        if not missing:
            return
        check()
        if time.monotonic() > deadline:
            raise InvariantViolation(f"{len(missing)} of {len(newest)} wallets were not folded to their last event")
        time.sleep(0.2)


def _check_rows(database_url: str, expected: Sequence[LendingEvent], first: int, last: int) -> None:
    with psycopg.connect(database_url) as connection:
        found = {bytes(identifier) for (identifier,) in connection.execute(_ROWS, [first, last])}
    wanted = {bytes(event.id) for event in expected}
    if found != wanted:
        raise InvariantViolation(
            f"blocks {first} to {last}: of {len(wanted)} events on the chain {len(wanted - found)} are missing, and "
            f"{len(found - wanted)} are there that are not on it"
        )


def seen_times(log_path: Path) -> dict[int, float]:
    """When ingest had the header of each live block, from its log."""
    seen: dict[int, float] = {}
    for line in log_path.read_text("utf-8").splitlines():
        if SEEN_LINE not in line:
            continue
        entry = json.loads(line)
        number, count = int(entry["block"]), int(entry["blocks"])
        seen.update(dict.fromkeys(range(number - count + 1, number + 1), float(entry["seen_at"])))
    return seen


def event_times(
    expected: Sequence[LendingEvent], announced: Mapping[int, float], seen: Mapping[int, float], folds: Folds
) -> tuple[EventTimes, ...]:
    """For each event the first fold of its wallet at or above its block.

    Raises InvariantViolation when a block was never announced or seen, or a wallet never folded that far.
    """
    of_wallet: dict[Address, list[tuple[float, int]]] = {}
    for at, wallet, number in folds.seen:
        of_wallet.setdefault(wallet, []).append((at, number))
    times = []
    for event in expected:
        block = event.position.block.number
        folded = next((at for at, number in of_wallet.get(event.wallet, []) if number >= block), None)
        if folded is None or block not in announced or block not in seen:
            raise InvariantViolation(
                f"an event of block {block} was not followed: announced {block in announced}, seen {block in seen}, "
                f"folded {folded is not None}"
            )
        times.append(EventTimes(block, folded - announced[block], folded - seen[block]))
    return tuple(times)


def quantile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all are at or below."""
    return ascending[max(0, -(-int(share * 1_000) * len(ascending) // 1_000) - 1)]
