"""`python -m tests.faults --seed N --runs N`: faults to a whole system under load, and what they cost."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bonafides.errors import BonafidesError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.faults.run import Injected, Outcome, run_faults
from tests.faults.world import faulty_world

EXIT_FAULTY, EXIT_USAGE = 1, 2
console = Console(highlight=False)


def main() -> int:
    """Run; 0 when nothing was lost, doubled, invented or stuck."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="draws the faults and the people (default: 1)")
    parser.add_argument("--runs", type=int, default=100, help="faults to inject (default: 100)")
    parser.add_argument("--days", type=int, default=90, help="history made before the start (default: 90)")
    parser.add_argument("--keep", type=Path, help="keep the processes' logs in this new folder")
    asked = parser.parse_args()
    if min(asked.seed, asked.runs, asked.days - 1) < 0:
        parser.error("--seed and --runs are at least 0, --days at least 1")
    if asked.keep is not None and asked.keep.exists():
        parser.error(f"{asked.keep} exists already")
    with tempfile.TemporaryDirectory(prefix="bonafides-faults-", ignore_cleanup_errors=True) as folder:
        try:
            outcome = _run(Path(folder), asked.seed, asked.runs, asked.days)
        except BonafidesError as exc:
            console.print(f"[red]no run:[/] {exc}", soft_wrap=True)
            return EXIT_USAGE
        finally:
            if asked.keep is not None and (Path(folder) / "logs").is_dir():
                shutil.copytree(Path(folder) / "logs", asked.keep)
    _show(outcome, asked.seed)
    return 0 if outcome.is_clean else EXIT_FAULTY


def _run(folder: Path, seed: int, runs: int, days: int) -> Outcome:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("broker, database, chain, history", total=runs)

        def on_fault(injected: Injected) -> None:
            progress.update(task, completed=injected.fault.number, description="faults")
            console.print(_line(injected), soft_wrap=True)

        with faulty_world(folder, seed, days) as world:
            for server in (world.broker, world.database):
                console.print(f"[green]✓[/] {server.detail}")
            progress.update(task, description="faults")
            return run_faults(world, seed, runs, on_fault)


def _line(injected: Injected) -> str:
    fault = injected.fault
    return (
        f"{fault.number:4} {fault.kind:34} {injected.detail:38} "
        f"goes on after {injected.seconds:4.1f} s, block {injected.cursor}"
    )


def _show(outcome: Outcome, seed: int) -> None:
    table = Table(title=f"faults injected, seed {seed}", header_style="bold")
    table.add_column("kind")
    table.add_column("times", justify="right")
    for kind, times in sorted(outcome.injected.items()):
        table.add_row(kind, str(times))
    table.add_row("[bold]all[/]", f"[bold]{outcome.injected.total()}[/]")
    console.print(table)
    for what in (*outcome.surprises, *outcome.stuck):
        console.print(f"[red]{what}[/]", soft_wrap=True)
    report = outcome.report
    if report is None:
        return
    counts = Table(title="what the chain says, and what the tables hold", header_style="bold")
    counts.add_column("count")
    counts.add_column("is", justify="right")
    for name, value in (
        ("blocks", report.blocks),
        ("events expected", report.expected),
        ("copies that do not count", report.other_copies),
        ("scores and refusals", report.results),
        ("deepest reorg", outcome.reorg_depth),
        ("seconds", round(outcome.seconds)),
    ):
        counts.add_row(name, str(value))
    for name, value in report.faults.items():
        counts.add_row(name.replace("_", " "), f"[{'red' if value else 'green'}]{value}[/]")
    console.print(counts)


if __name__ == "__main__":
    sys.exit(main())
