"""backfill.*: log files through ingest, Apache Kafka and the scoring worker into rows of PostgreSQL, on two cores.

```
Parquet ─► bonafides ingest backfill ─► Kafka ─► python -m bonafides_scoring worker ─► scoring.event
           a process                              a process, ready before ingest starts
               └ clock starts: the first record's own timestamp      clock stops: every event's row is committed ┘
```
The processes are the real ones, with the settings of an installation. Committed is what the worker's own offsets in
PostgreSQL say; afterwards the rows are counted and summed, and must be what `bonafides ingest decode` makes of them.
"""

import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from bonafides import event_files
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.topics import WALLET_EVENTS
from bonafides_lab.market.simulate import DEPLOYMENTS_FILE
from bonafides_lab.processes import Process, free_port
from bonafides_lab.stack.resolver import LocalStack, local_stack
from bonafides_lab.system.installation import run_command
from bonafides_lab.system.preparation import prepare_database, prepare_topics
from bonafides_lab.system.processes import Service, System

from benchmarks.log_times import first_record_time, last_event_offsets
from benchmarks.simulator import CHAIN
from benchmarks.watch import Watch, only_cores, pids_of

CORES = 2
BOUNDARY_INTERVAL_S = 600
"""As one sets it for a backfill: at each boundary the worker folds what it has, which is other work than storing it."""
POLL_S = 0.05
WITHIN_S = 1_800.0
"""A backfill that takes longer has got stuck."""
_NEXT_OFFSETS = "SELECT partition, next_offset FROM scoring.consumer_offset WHERE topic = %s"
_SUMS = "SELECT type, count(*), sum(amount), sum(scaled_delta) FROM scoring.event GROUP BY type"

type Sums = Mapping[str, tuple[int, int, int]]
"""Per event type: how many, the sum of amounts, the sum of scaled deltas."""


@dataclass(frozen=True, slots=True)
class BackfillRun:
    """One backfill from its first record to its last row."""

    logs: int
    events: int
    seconds: float
    read_seconds: float
    """Until the ingest process was done."""
    peak_rss_mb: float
    """Of the ingest process."""
    cpu_seconds: Mapping[str, float]
    """User and system time of each part; of what ran before (worker, servers) since ingest was started."""
    parts: tuple[str, ...]
    """Which broker and database ran."""

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds


def expected_sums(logs_folder: Path) -> Sums:
    """What the rows must come to: the files decoded by the command, without broker or database."""
    with TemporaryDirectory(prefix="bonafides-bench-") as folder:
        run_command(["ingest", "decode", logs_folder, "--deployments", logs_folder / DEPLOYMENTS_FILE, "--out", folder])
        counts: Counter[str] = Counter()
        amounts: Counter[str] = Counter()
        deltas: Counter[str] = Counter()
        for event in event_files.read_events(Path(folder)):
            counts[event.type] += 1
            amounts[event.type] += event.amount
            deltas[event.type] += event.scaled_delta
    return {str(kind): (counts[kind], amounts[kind], deltas[kind]) for kind in counts}


def run_backfill(logs_folder: Path, logs: int, expected: Sums) -> BackfillRun:
    """One run on a fresh broker and database.

    Raises:
        InvariantViolation: the rows are not what was expected.
        Unavailable: a process ended, or nothing moves any more.
    """
    with TemporaryDirectory(prefix="bonafides-bench-") as raw_folder, only_cores(CORES):
        folder = Path(raw_folder)
        folder.chmod(0o755)  # PostgreSQL runs as another user when we are root
        with local_stack(folder / "stack", chain=False) as stack:
            system = _install(stack, folder, logs_folder)
            try:
                return _measure(stack, system, logs_folder, logs, expected)
            finally:
                system.stop()


def _install(stack: LocalStack, folder: Path, logs_folder: Path) -> System:
    access = prepare_database(stack.postgres_url, folder / "secrets")
    prepare_topics(stack.kafka_bootstrap)
    chain = str(CHAIN)
    settings = {
        Service.INGEST: {
            "chain_id": chain,
            "deployments_file": str(logs_folder / DEPLOYMENTS_FILE),
            "boundary_interval_s": str(BOUNDARY_INTERVAL_S),
        },
        Service.SCORING_WORKER: {"chain_ids": chain},
    }
    return System(folder, stack.kafka_bootstrap, access, settings)


def _measure(stack: LocalStack, system: System, logs_folder: Path, logs: int, expected: Sums) -> BackfillRun:
    worker = system.start(Service.SCORING_WORKER)
    worker.wait_ready()
    watch = Watch({"worker": worker.process.pid, **pids_of(stack)})
    ingest = _start_ingest(system, logs_folder)
    watch.add("ingest", ingest.pid)
    with psycopg.connect(stack.postgres_url, autocommit=True) as connection:
        seen: list[tuple[float, dict[int, int]]] = []
        deadline = time.monotonic() + WITHIN_S
        last_events: Mapping[int, int] | None = None
        read_at = 0.0
        while last_events is None or not _is_past(seen[-1][1], last_events):
            if not worker.process.is_running() or time.monotonic() > deadline:
                raise Unavailable(f"the worker ended or stands still; its last lines:\n{worker.process.tail()}")
            seen.append((time.time(), dict(connection.execute(_NEXT_OFFSETS, [WALLET_EVENTS.name]).fetchall())))
            watch.look()
            if last_events is None and not ingest.is_running():
                if ingest.wait(1):
                    raise Unavailable(f"ingest failed; its last lines:\n{ingest.tail()}")
                read_at = time.time()
                first_at = first_record_time(stack.kafka_bootstrap)
                last_events = last_event_offsets(stack.kafka_bootstrap)
            time.sleep(POLL_S)
        committed_at = next(at for at, offsets in seen if _is_past(offsets, last_events))
        watch.look()
        found = {kind: (count, int(amount), int(delta)) for kind, count, amount, delta in connection.execute(_SUMS)}
    if found != expected:
        raise InvariantViolation(f"the rows are not what the files hold: {found}, expected {dict(expected)}")
    return BackfillRun(
        logs=logs,
        events=sum(count for count, _, _ in found.values()),
        seconds=committed_at - first_at,
        read_seconds=read_at - first_at,
        peak_rss_mb=watch.peak_rss_mb["ingest"],
        cpu_seconds=watch.cpu_seconds,
        parts=stack.describe(),
    )


def _start_ingest(system: System, logs_folder: Path) -> Process:
    command = [sys.executable, "-c", "from bonafides.command_line import main; main()"]
    environment = system.environment(Service.INGEST, free_port())
    return Process.start("backfill", [*command, "ingest", "backfill", str(logs_folder)], environment, system.folder)


def _is_past(offsets: Mapping[int, int], last: Mapping[int, int]) -> bool:
    """Whether every partition was read beyond its last event."""
    return all(offsets.get(partition, 0) > offset for partition, offset in last.items())
