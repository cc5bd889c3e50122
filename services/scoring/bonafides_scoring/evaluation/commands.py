"""`bonafides scoring evaluate`: a model and a panel to a report of one page, and the same as JSON."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from bonafides.errors import InvalidInput, MissingTool

if TYPE_CHECKING:
    from bonafides_scoring.evaluation.report import Report

PAGE_FILE = "report.html"


def evaluate_command(
    model: Annotated[Path, typer.Option("--model", help="Folder of the model bundle.")],
    panel: Annotated[Path, typer.Option("--panel", help="Panel file of `bonafides scoring panel`.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for report.html, report.json and MODEL_CARD.md.")],
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="predictions.parquet of `scoring train`: the challengers.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option("--events", help="Folder with the panel's market.parquet, to tell crash days.")
    ] = None,
    attack: Annotated[Path | None, typer.Option("--attack", help="attack.json of `bonafides lab attack`.")] = None,
    draws: Annotated[int, typer.Option("--draws", min=100, help="Draws of wallets behind each interval.")] = 1_000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draws and of the jitter.")] = 20_260_101,
) -> None:
    """Measure a model on rows it never saw, and write one page with pictures and tables, and JSON.

    Of the model's own panel only the test part is measured; of another panel
    what is later than all that the model learned from, wallets that it never saw
    first.

    Example:

      bonafides scoring evaluate --model build/model \\
          --panel build/panel.parquet --out build/report
    """
    for library in ("fairlearn", "matplotlib", "polars", "pyarrow"):  # now, not after minutes of measuring
        if find_spec(library) is None:
            raise MissingTool(f"{library} is not installed: pip install 'bonafides[training]'")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from bonafides_scoring.evaluation.run import Inputs, run_evaluation, write_report

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.update(tasks[step], completed=done, total=total)

        report = run_evaluation(
            Inputs(model, panel, predictions, events, attack), seed=seed, draws=draws, progress=show
        )
    write_report(report, out)
    Console().print(_summary(report))


def _summary(report: "Report") -> str:
    first = report.parts[0]
    auc, within = first.standings[0].auc, first.standings[0].within_date_auc
    if auc is None or within is None:
        raise InvalidInput(f"{first.words}: too few rows of a class for intervals, so there is nothing to report")
    kind = "synthetic, " if report.subject.is_synthetic else ""
    return (
        f"{report.subject.model} ({kind}{first.counts.rows:,} rows, {first.counts.positives:,} with the outcome): "
        f"AUC {auc.value:.3f}, within-date {within.value:.3f}. Wrote report.html, report.json and MODEL_CARD.md."
    )
