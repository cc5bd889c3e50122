"""`bonafides scoring train`: from decoded files to a model bundle, with its honest numbers printed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from bonafides.types import ModelClass

if TYPE_CHECKING:
    from rich.table import Table

    from bonafides_scoring.manifest import Interval
    from bonafides_scoring.training.train import Trained


def train_command(
    events: Annotated[
        Path, typer.Option("--events", help="Folder with events.parquet, market.parquet and blocks.parquet.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new model bundle.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model.")] = "synthetic-1",
    model_class: Annotated[
        ModelClass,
        typer.Option("--class", help="What the data is; a synthetic model is never attested on live chains."),
    ] = ModelClass.SYNTHETIC,
    source: Annotated[
        str, typer.Option("--source", help="The data in words, for the model card.")
    ] = "A synthetic market of made-up borrowers on real Aave V3 bytecode",
    step_days: Annotated[int, typer.Option("--step-days", min=1, help="Days between cut-offs.")] = 7,
    warm_up_days: Annotated[int, typer.Option("--warm-up-days", min=1, help="Days before the first cut-off.")] = 60,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite a model at --out.")] = False,
) -> None:
    """Train a credit model on decoded events, and measure it on a later time and on wallets it never saw.

    Example: bonafides scoring train --events build/decoded --out build/synthetic-1
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from bonafides_scoring.training.train import TrainingPlan, train

    console = Console(stderr=True)
    plan = TrainingPlan(name, model_class, source, step_days, warm_up_days)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        tasks = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.update(tasks[step], completed=done, total=total)

        trained = train(events, out, plan, replace=replace, progress=show)
    Console().print(trained_table(trained))


def trained_table(trained: "Trained") -> "Table":
    """The measurements, as a table for a terminal."""
    from rich.table import Table

    manifest = trained.bundle.manifest
    kind = manifest.model_class.value
    table = Table(title=f"{manifest.name} ({kind} data), out of time", caption=f"model id {trained.bundle.id.hex()}")
    table.add_column("measure")
    table.add_column("unseen wallets", justify="right")
    table.add_column("known wallets", justify="right")
    unseen, known = trained.unseen, trained.known
    table.add_row("rows (with the outcome)", *(f"{part.rows:,} ({part.positives:,})" for part in (unseen, known)))
    table.add_row("AUC, model", _shown(unseen.auc), _shown(known.auc))
    table.add_row(
        "AUC, health factor alone", _shown(unseen.auc_health_factor_alone), _shown(known.auc_health_factor_alone)
    )
    table.add_row("lift, paired", _shown(unseen.auc_lift), _shown(known.auc_lift))
    table.add_row("AUC, price buffer alone", *(f"{part.auc_price_buffer_alone:.3f}" for part in (unseen, known)))
    table.add_row("Brier, model", *(f"{part.brier.value:.4f}" for part in (unseen, known)))
    table.add_row("Brier, training rate", *(f"{part.brier_base_rate:.4f}" for part in (unseen, known)))
    table.add_row("mean PD", *(f"{part.mean_pd:.2%}" for part in (unseen, known)))
    table.add_row("outcome rate", *(f"{part.base_rate:.2%}" for part in (unseen, known)))
    return table


def _shown(interval: "Interval") -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
