"""`make bench-live`: blocks followed live, wallets hydrated on demand, backfills over RPC, logs exported."""

import statistics
from collections.abc import Sequence
from typing import Annotated

import typer
from bonafides.errors import InvalidInput
from rich.console import Console

from benchmarks import backfill_rpc, export_rpc, hydrate
from benchmarks.harness import FEWEST_RUNS, RESULTS_FOLDER, Better, Result, report
from benchmarks.hydrate import HydrateRun
from benchmarks.live_latency import POLL_INTERVAL_S, EventTimes, LiveRun, quantile, run_live
from benchmarks.live_market import ACTING_IN_A_BLOCK
from benchmarks.live_plot import draw_latency

PARTS = ("live", "hydrate", "backfill_rpc", "export_rpc")
MINUTES = 5.0
"""Of blocks that are measured."""

console = Console(stderr=True)


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(PARTS)}; all unless named.")] = None,
    minutes: Annotated[float, typer.Option(min=0.2, help="Of live blocks.")] = MINUTES,
    runs: Annotated[int, typer.Option(min=FEWEST_RUNS, help="Of each reader of a backfill.")] = FEWEST_RUNS,
    name: Annotated[str, typer.Option(help="Of the results file.")] = "live",
) -> None:
    """Measure, write benchmarks/results/NAME.json, and print goals, values, met or missed."""
    wanted = set(parts or PARTS)
    if not wanted <= set(PARTS):
        raise InvalidInput(f"there is no part {', '.join(sorted(wanted - set(PARTS)))}, expected {', '.join(PARTS)}")
    results: list[Result] = []
    if "live" in wanted:
        console.print(f"following the head for {minutes:g} minutes")
        run = run_live(minutes)
        results += live_results(run)
        draw_latency(run, RESULTS_FOLDER / f"{name}.svg")
    if "hydrate" in wanted:
        console.print("hydrating")
        results.append(hydrate_result(hydrate.run_hydrations()))
    if "backfill_rpc" in wanted:
        console.print("reading over RPC")
        results += backfill_rpc.measure(runs)
    if "export_rpc" in wanted:
        console.print("exporting logs")
        results += export_rpc.measure(runs, console.print)
    report(name, results)


def live_results(run: LiveRun) -> list[Result]:
    """Median and 95th percentile over all wallet events of the run."""
    from_announced, from_seen = run.sorted_by(_announced), run.sorted_by(_seen)
    spent = ", ".join(f"{name} {seconds:.0f}" for name, seconds in sorted(run.cpu_seconds.items()))
    blocks = run.last - run.first + 1
    note = (
        f"{len(run.times):,} wallet events in {blocks} blocks of a second ({ACTING_IN_A_BLOCK} people act in each), "
        f"every one compared with the chain; from the node's announcement (looked for every 5 ms; ingest asks every "
        f"{POLL_INTERVAL_S * 1_000:.0f} ms) to the wallet's state read by another connection: {_told(from_announced)}; "
        f"from the moment ingest had the node's answer with the new head: {_told(from_seen)}; "
        f"processor seconds: {spent}; {'; '.join(run.parts)}"
    )
    return [
        Result("live.features_p50_ms", 1_000 * quantile(from_announced, 0.5), "ms", Better.LOWER, 1, note),
        Result("live.features_p95_ms", 1_000 * quantile(from_announced, 0.95), "ms", Better.LOWER, 1, note),
    ]


def hydrate_result(run: HydrateRun) -> Result:
    """The 95th percentile over all requests."""
    note = (
        f"{len(run.hydrated)} requests one after another, for {hydrate.WALLETS} wallets that {run.logs:,} logs or more "
        f"name, of {run.logs_on_chain:,} on the chain; median {statistics.median(run.hydrated):.2f} s; until the "
        f"worker's rows are there: median {statistics.median(run.committed):.2f} s, p95 "
        f"{quantile(run.committed, 0.95):.2f} s; the rows were compared with the chain"
    )
    return Result("hydrate.p95_s", quantile(run.hydrated, 0.95), "s", Better.LOWER, len(run.hydrated), note)


def _announced(event: EventTimes) -> float:
    return event.from_announced_s


def _seen(event: EventTimes) -> float:
    return event.from_seen_s


def _told(ascending: Sequence[float]) -> str:
    shares = ((0.05, "p5"), (0.5, "p50"), (0.95, "p95"), (0.99, "p99"), (1.0, "most"))
    return ", ".join(f"{name} {1_000 * quantile(ascending, share):.0f} ms" for share, name in shares)


if __name__ == "__main__":
    typer.run(main)
