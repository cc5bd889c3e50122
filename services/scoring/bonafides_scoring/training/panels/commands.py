"""`bonafides scoring panel`: from decoded files, or the event store, to a panel that models are trained on."""

import shutil
from pathlib import Path
from typing import Annotated

import typer


def panel_command(
    out: Annotated[Path, typer.Option("--out", help="The panel file to write.")],
    events: Annotated[
        Path | None, typer.Option("--events", help="Folder with events.parquet, market.parquet and blocks.parquet.")
    ] = None,
    store: Annotated[
        bool,
        typer.Option(
            "--store",
            help="Read the scoring database instead, up to its newest finalized block. Settings: BONAFIDES_SCORING_*.",
        ),
    ] = False,
    source: Annotated[str, typer.Option("--source", help="The data in words.")] = "Decoded events",
    step_days: Annotated[int, typer.Option("--step-days", min=1, help="Days between cut-offs.")] = 7,
    warm_up_days: Annotated[int, typer.Option("--warm-up-days", min=1, help="Days before the first cut-off.")] = 60,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that make rows.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut short.")] = False,
) -> None:
    """Build a panel: who owed something at a cut-off, what was known then, and what happened within 30 and 90 days.

    Example:

      bonafides scoring panel --events build/decoded --out build/panel.parquet
    """
    from bonafides.errors import InvalidInput, MissingTool
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    try:
        from bonafides_scoring.training.panels.folder import build_panel_file
        from bonafides_scoring.training.panels.plan import PanelPlan
    except ModuleNotFoundError as exc:
        raise MissingTool(f"{exc.name} is not installed: pip install 'bonafides[training]'") from exc

    if store is (events is not None):
        raise InvalidInput("give either --events or --store")
    plan = PanelPlan(source, step_days, warm_up_days)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.update(tasks[step], completed=done, total=total)

        if events is None:
            from bonafides_scoring.training.panels.store_export import exported_store

            events = exported_store(out.with_name(f"{out.name}.store"), resume=resume, progress=show)
        header = build_panel_file(events, out, plan, workers=workers, resume=resume, progress=show)
        if store:
            shutil.rmtree(events)  # the export was kept for a run that is cut short
    Console().print(f"{header.rows:,} rows, {header.skipped:,} left out; digest of rows {header.rows_digest}")
