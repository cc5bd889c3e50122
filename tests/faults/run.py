"""THE RUN: a world under load, one fault after another, and the count.

```
world ─► processes ─► [ fault ─► work goes on ] × runs ─► load ends ─► final ─► drained ─► checker
```
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from bonafides.crashpoints import CRASH_POINTS
from bonafides.types import address_text
from bonafides_lab.stack.anvil_rpc import AnvilRpc
from bonafides_lab.system.processes import Service

from tests.faults.checker import Report, check
from tests.faults.crew import Crew
from tests.faults.injection import Injector
from tests.faults.node_proxy import Mode
from tests.faults.progress import Gauge, Stuck
from tests.faults.schedule import Fault, Kind, draw_faults
from tests.faults.world import SLOTS_IN_AN_EPOCH, World

INGEST_POINTS = sorted(point for point in CRASH_POINTS if point.startswith("ingest."))
WORKER_POINTS = sorted(point for point in CRASH_POINTS if point.startswith(("worker.", "outbox.")))
BLOCKS_TO_FINALITY = 2 * SLOTS_IN_AN_EPOCH + 1


@dataclass
class Outcome:
    """What a run came to."""

    injected: Counter[Kind] = field(default_factory=Counter)
    reorg_depth: int = 0
    """The deepest."""
    stuck: list[str] = field(default_factory=list)
    """Where work did not go on."""
    surprises: list[str] = field(default_factory=list)
    """Processes that ended by themselves."""
    seconds: float = 0.0
    report: Report | None = None

    @property
    def is_clean(self) -> bool:
        return self.report is not None and self.report.is_clean and not self.stuck and not self.surprises


@dataclass(frozen=True)
class Injected:
    """One line of a run's story."""

    fault: Fault
    detail: str
    seconds: float
    """Until work went on."""
    cursor: int


def run_faults(world: World, seed: int, runs: int, on_fault: Callable[[Injected], None] = lambda _: None) -> Outcome:
    """Start the processes, inject, wait for the end, count. The world's processes still run afterwards."""
    outcome, began = Outcome(), time.monotonic()
    crew = Crew(world.system, outcome.surprises)
    gauge = Gauge(world.database.address, world.broker.address, crew.look_after)
    injector = Injector(world, crew, gauge)
    world.load.start()
    crew.fill(Service.INGEST, 1 + seed % 2)
    crew.fill(Service.SCORING_WORKER)
    try:
        gauge.wait_blocks(1)  # the first faults meet the history
        for fault in draw_faults(seed, runs, INGEST_POINTS, WORKER_POINTS):
            gauge.wait_blocks(fault.after_blocks)
            outcome.injected[fault.kind] += 1
            detail = injector.inject(fault)
            healed = time.monotonic()
            now = gauge.wait_past(gauge.wait_read())
            on_fault(Injected(fault, detail, time.monotonic() - healed, now.cursor))
    except Stuck as exc:
        outcome.stuck.append(str(exc))
    world.proxy.set_mode(Mode.PASS)
    world.load.stop()
    final = _finalize(world)
    try:
        gauge.wait_drained(final)
    except Stuck as exc:
        outcome.stuck.append(str(exc))
    outcome.report = count(world)
    outcome.reorg_depth = max(world.load.reorgs, default=0)
    outcome.seconds = time.monotonic() - began
    return outcome


def count(world: World) -> Report:
    """What the checker says of the tables now."""
    with psycopg.connect(world.database.address) as connection:
        return check_in(connection, world)


def check_in(connection: "psycopg.Connection[tuple[object, ...]]", world: World) -> Report:
    """The same, as the transaction of this connection sees the tables."""
    deployment = world.deployment
    return check(connection, world.rpc_url, address_text(deployment.pool), address_text(deployment.configurator))


def logs_of(world: World) -> Path:
    """Where the processes' logs are."""
    return world.system.folder / "logs"


def _finalize(world: World) -> int:
    """Empty blocks until everything is final; the finalized block."""
    rpc = AnvilRpc(world.rpc_url)
    try:
        rpc.mine(BLOCKS_TO_FINALITY, 1)
        return rpc.block_number() - 2 * SLOTS_IN_AN_EPOCH
    finally:
        rpc.close()
