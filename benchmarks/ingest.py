"""`make bench-ingest`: decoding, simulating, and backfilling from Parquet through Kafka into PostgreSQL."""

import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from bonafides.errors import InvalidInput
from rich.console import Console

from benchmarks import decode
from benchmarks.backfill import BackfillRun, expected_sums, run_backfill
from benchmarks.harness import FEWEST_RUNS, Better, Result, report
from benchmarks.log_folders import first_logs
from benchmarks.simulator import logs_with, simulate_market

FOLDER = Path(".stack/benchmarks")
DECODED_LOGS = 200_000
SMALL, LARGE = 100_000, 1_000_000
"""Logs of the two backfills that are compared."""
PARTS = ("simulator", "decode", "backfill")

console = Console(stderr=True)


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(PARTS)}; all unless named.")] = None,
    market: Annotated[Path | None, typer.Option(help="A market simulated before, instead of a new one.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Of each backfill; fewer than five give no ratio.")] = FEWEST_RUNS,
    name: Annotated[str, typer.Option(help="Of the results file.")] = "ingest",
) -> None:
    """Measure, write benchmarks/results/NAME.json, and print goals, values, met or missed."""
    wanted = set(parts or PARTS)
    if not wanted <= set(PARTS):
        raise InvalidInput(f"there is no part {', '.join(sorted(wanted - set(PARTS)))}, expected {', '.join(PARTS)}")
    results: list[Result] = []
    shutil.rmtree(FOLDER, ignore_errors=True)
    if market is None:
        market = FOLDER / "market"
        simulated = simulate_market(market)
        if "simulator" in wanted:
            results.append(simulated)
    if "decode" in wanted:
        console.print("decoding")
        results += decode.measure(list(logs_with(market, decode.wanted_topics(), DECODED_LOGS)))
    if "backfill" in wanted:
        results += _backfills(market, runs)
    shutil.rmtree(FOLDER, ignore_errors=True)
    report(name, results)


def _backfills(market: Path, runs: int) -> list[Result]:
    """The small and the large one in turn, so that a slow moment hits both."""
    sizes = {size: first_logs(market, FOLDER / f"first-{size}", size) for size in (SMALL, LARGE)}
    expected = {size: expected_sums(FOLDER / f"first-{size}") for size in sizes}
    done: dict[int, list[BackfillRun]] = {size: [] for size in sizes}
    for number in range(runs):
        for size, logs in sizes.items():
            run = run_backfill(FOLDER / f"first-{size}", logs, expected[size])
            done[size].append(run)
            console.print(f"backfill {number + 1} of {runs}: {_told(run)}", highlight=False)
    return backfill_results(done[SMALL], done[LARGE])


def backfill_results(small: Sequence[BackfillRun], large: Sequence[BackfillRun]) -> list[Result]:
    """The results of runs that were made in turn."""
    rate = statistics.median(run.events_per_second for run in large)
    typical = min(large, key=lambda run: abs(run.events_per_second - rate))
    runs = len(large)
    told = f"{_told(typical)}; {'; '.join(typical.parts)}"
    results = [
        Result(
            "backfill.events_per_s",
            rate,
            "events/s",
            Better.HIGHER,
            runs,
            f"from the first record produced to the last event row committed, on two cores; median run: {told}",
        ),
        Result(
            "backfill.peak_rss_mb",
            max(run.peak_rss_mb for run in large),
            "MB",
            Better.LOWER,
            runs,
            f"high-water mark of the ingest process, the worst run of {typical.logs:,} logs",
        ),
    ]
    if runs >= FEWEST_RUNS:
        ratio = statistics.median(
            of_large.events_per_second / of_small.events_per_second
            for of_small, of_large in zip(small, large, strict=True)
        )
        note = f"events/s of {typical.logs:,} logs over those of {small[0].logs:,}, runs in turn, each on fresh servers"
        results.append(Result("backfill.rate_1m_over_100k", ratio, "ratio", Better.HIGHER, runs, note))
    return results


def _told(run: BackfillRun) -> str:
    spent = ", ".join(f"{name} {seconds:.1f}" for name, seconds in sorted(run.cpu_seconds.items()))
    return (
        f"{run.logs:,} logs, {run.events:,} events in {run.seconds:.1f} s = {run.events_per_second:,.0f}/s (all "
        f"produced after {run.read_seconds:.1f} s); ingest's peak {run.peak_rss_mb:.0f} MB; processor seconds: {spent}"
    )


if __name__ == "__main__":
    typer.run(main)
