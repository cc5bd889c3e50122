"""backfill_rpc.*: our reading over JSON-RPC against windows of a fixed size, on one chain, throttled and bare.

```
 recorded node (a process) ◄── bare ────────────────────┐
      ▲                                                 ├─ ours, then theirs, in turn: scan, decode
 throttled provider (a process) ◄── throttled ──────────┘
```
Timed is everything from the question for the chain's end to the last decoded event, in one process, without Kafka and
PostgreSQL: `reading.read_deployments`, window after window, as the flow reads. What both sides made of the chain is
compared first, event by event.
"""

import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bonafides.json_rpc import JsonRpc
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.simulate import DEPLOYMENTS_FILE, simulate
from bonafides_lab.processes import Process, free_port
from bonafides_lab.stack.node_tools import aave_artifacts_folder

from benchmarks.fixed_window import WINDOW_BLOCKS, FixedWindowSource
from benchmarks.harness import FEWEST_RUNS, Baseline, Better, Result, check_same, interleaved, median_ratio
from benchmarks.our_source import open_our_source
from benchmarks.recorded_chain import RecordedChain, load_recorded_chain
from benchmarks.rpc_reading import ReadChain, read_chain
from benchmarks.simulator import CHAIN, SEED
from benchmarks.throttled_provider import ProviderLimits

ROOT = Path(__file__).parent.parent
READY_WITHIN_S = 60.0
TIMEOUT_S = 60.0
MAX_ANSWER_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class ChainShape:
    """A market, and the pace of the chain that it lies on."""

    name: str
    borrowers: int
    days: int
    block_s: int


QUIET = ChainShape("quiet", 60, 500, 450)
"""About one block in 50 holds logs, as of a deployment used 150 times a day on a chain of 12-second blocks."""
BUSY = ChainShape("busy", 200, 300, 1_800)
"""About one block in 5 does."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """A running node of a recorded chain, and the provider in front of it."""

    deployments_file: Path
    bare_url: str
    throttled_url: str
    contracts: frozenset[str]
    """Everybody who logged."""
    chain: str
    """For the results file."""


def measure(runs: int = FEWEST_RUNS, shapes: Sequence[ChainShape] = (QUIET, BUSY)) -> list[Result]:
    """Both results, from the quiet chain; what the busy one gives stands in their notes.

    Raises:
        InvariantViolation: the two sides made different events of the chain.
    """
    throttled: dict[str, _Compared] = {}
    bare: dict[str, _Compared] = {}
    for shape in shapes:
        with TemporaryDirectory(prefix="bonafides-bench-") as folder, recorded_nodes(shape, Path(folder)) as nodes:
            bare[shape.name] = _compare(nodes, nodes.bare_url, runs, per_second=None)
            per_second = ProviderLimits().calls_per_s
            throttled[shape.name] = _compare(nodes, nodes.throttled_url, runs, per_second, is_new=False)
    main, *others = shapes
    timed = "timed: scan and decode, without Kafka and PostgreSQL; both sides' events compared first"
    return [
        _result("backfill_rpc.vs_fixed_window", throttled, main, others, f"{ProviderLimits().told}; {timed}"),
        _result("backfill_rpc.unthrottled_vs_fixed", bare, main, others, f"the bare node on this machine; {timed}"),
    ]


@contextmanager
def recorded_nodes(shape: ChainShape, folder: Path) -> Iterator[Nodes]:
    """Simulate the market, serve it as a chain, and put the provider in front."""
    market = folder / "market"
    simulate(
        Artifacts(aave_artifacts_folder() / "contracts"),
        market,
        borrowers=shape.borrowers,
        days=shape.days,
        seed=SEED,
        chain_id=CHAIN,
        actions_per_block=1,
    )
    bare, throttled = free_port(), free_port()
    chain = load_recorded_chain(market, shape.block_s)
    with (
        _serving("recorded_node", [str(market), str(shape.block_s), str(bare)], bare, folder) as bare_url,
        _serving("throttled_provider", [str(bare), str(throttled)], throttled, folder) as throttled_url,
    ):
        yield Nodes(market / DEPLOYMENTS_FILE, bare_url, throttled_url, chain.contracts, _told(shape, chain))


@dataclass(frozen=True, slots=True)
class _Compared:
    chain: str
    ratio: float
    runs: int
    ours_per_s: float
    theirs_per_s: float

    @property
    def told(self) -> str:
        return f"{self.ours_per_s:,.0f} events/s against {self.theirs_per_s:,.0f} = {self.ratio:.2f}"


def _compare(nodes: Nodes, url: str, runs: int, per_second: int | None, *, is_new: bool = True) -> _Compared:
    """Both sides in turn. Of a chain that is new both read it once before, untimed, and what they made of it is
    compared; after the last round it is compared in any case."""
    read: dict[str, ReadChain] = {}

    def ours(_: int) -> None:
        with open_our_source(url, per_second) as (source, most_blocks):
            read["ours"] = read_chain(source, nodes.deployments_file, source.finalized(), most_blocks)

    def theirs(_: int) -> None:
        with closing(JsonRpc(url, TIMEOUT_S, max_answer_bytes=MAX_ANSWER_BYTES)) as rpc:
            source = FixedWindowSource(rpc, CHAIN)
            read["theirs"] = read_chain(source, nodes.deployments_file, source.finalized(), WINDOW_BLOCKS)

    sides: Mapping[str, Callable[[int], None]] = {"ours": ours, "theirs": theirs}
    if is_new:
        for side in sides.values():  # whatever is made at first use is made here
            side(0)
        _check(read["ours"], read["theirs"])
    seconds = interleaved(sides, range(runs))
    _check(read["ours"], read["theirs"])
    count = len(read["ours"].events)
    speed = {name: statistics.median(count / taken for taken in seconds[name]) for name in sides}
    ratio = median_ratio(seconds["theirs"], seconds["ours"])
    return _Compared(nodes.chain, ratio, runs, speed["ours"], speed["theirs"])


def _check(ours: ReadChain, theirs: ReadChain) -> None:
    check_same("events of a fixed window", ours.events, theirs.events)
    check_same("market facts of a fixed window", ours.points, theirs.points)


def _result(
    identifier: str, compared: Mapping[str, _Compared], main: ChainShape, others: Sequence[ChainShape], note: str
) -> Result:
    of_main = compared[main.name]
    beside = [f"on {compared[shape.name].chain}: {compared[shape.name].told}" for shape in others]
    return Result(
        identifier,
        of_main.ratio,
        "ratio",
        Better.HIGHER,
        of_main.runs,
        "; ".join((f"{of_main.chain}: {of_main.told}", *beside, note)),
        Baseline(f"fixed window of {WINDOW_BLOCKS:,} blocks", "1", of_main.theirs_per_s),
    )


def _told(shape: ChainShape, chain: RecordedChain) -> str:
    return (
        f"the {shape.name} chain ({chain.head:,} blocks, {chain.active_blocks:,} with logs, {chain.log_count:,} "
        "logs, of a simulated market)"
    )


@contextmanager
def _serving(module: str, arguments: Sequence[str], port: int, folder: Path) -> Iterator[str]:
    """A module of ours as a server, ready; its URL."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    url = f"http://127.0.0.1:{port}"
    process = Process.start(module, command, {}, folder / "logs", cwd=ROOT)
    try:
        process.wait_http(url, READY_WITHIN_S)
        yield url
    finally:
        process.terminate()
