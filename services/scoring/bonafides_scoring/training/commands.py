"""`bonafides scoring train`: from a panel or decoded files to a model bundle, with its honest numbers printed."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from bonafides.errors import InvalidInput
from bonafides.types import ModelClass

if TYPE_CHECKING:
    from rich.table import Table

    from bonafides_scoring.manifest import Interval
    from bonafides_scoring.training.learners import Engine
    from bonafides_scoring.training.train import Progress, Trained

INSTALL = "training needs the extra training: pip install 'bonafides[training]'"


class EngineKind(StrEnum):
    """Where boosters are fitted."""

    LOCAL = "local"
    DASK = "dask"


def train_command(
    out: Annotated[Path, typer.Option("--out", help="Folder of the new model bundle.")],
    panel: Annotated[
        Path | None, typer.Option("--panel", help="A panel file of `bonafides scoring panel`; or --events.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option("--events", help="Folder with events.parquet, market.parquet and blocks.parquet.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the model; that of --out unless given.")] = None,
    model_class: Annotated[
        ModelClass,
        typer.Option("--class", help="What the data is; a synthetic model is never attested on live chains."),
    ] = ModelClass.SYNTHETIC,
    source: Annotated[
        str, typer.Option("--source", help="The data in words, for the model card.")
    ] = "A synthetic market of made-up borrowers on real Aave V3 bytecode",
    horizon: Annotated[int, typer.Option("--horizon", help="Days after a cut-off that count: 30 or 90.")] = 30,
    step_days: Annotated[int, typer.Option("--step-days", min=1, help="With --events: days between cut-offs.")] = 7,
    warm_up_days: Annotated[
        int, typer.Option("--warm-up-days", min=1, help="With --events: days before the first cut-off.")
    ] = 60,
    work: Annotated[
        Path | None,
        typer.Option("--work", help="Keeps panel, fits and predictions, so that a stopped run goes on; OUT-work."),
    ] = None,
    engine: Annotated[
        EngineKind, typer.Option("--engine", help="local: this process; dask: a cluster, needs the extra dask.")
    ] = EngineKind.LOCAL,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="With --engine dask: address of a running one; else two local workers."),
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", min=1, help="Fits at the same time; the model is the same for any number.")
    ] = 2,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite a model at --out.")] = False,
) -> None:
    """Train a credit model and measure it, beside four simpler ones, on a later time and on wallets it never saw.

    Examples:

      bonafides scoring train --events build/decoded --out build/model

      bonafides scoring train --panel build/panel.parquet --out build/model \\
          --engine dask
    """
    if (panel is None) == (events is None):
        raise InvalidInput("give one of --panel and --events")
    if scheduler is not None and engine is not EngineKind.DASK:
        raise InvalidInput("--scheduler goes with --engine dask")
    try:
        from bonafides.event_files import read_market_points

        from bonafides_scoring.training.panel_source import panel_of_events
        from bonafides_scoring.training.panels.files import read_panel
        from bonafides_scoring.training.panels.plan import PanelPlan
        from bonafides_scoring.training.train import TrainingPlan, train_on
    except ModuleNotFoundError as exc:
        raise InvalidInput(f"{exc.name} is not installed: {INSTALL}") from exc
    from rich.console import Console

    plan = TrainingPlan(name or out.resolve().name, model_class, source, horizon)
    folder = work or out.with_name(f"{out.resolve().name}-work")
    with _progress() as show:
        if panel is not None:
            show("reading the panel", 0, 1)
            rows = read_panel(panel)
            show("reading the panel", 1, 1)
        else:
            assert events is not None  # noqa: S101 - for the type checker: one of the two was given
            asked = PanelPlan(source, step_days, warm_up_days)
            rows = panel_of_events(events, folder, asked, workers=threads, progress=show)
        market = None if events is None else read_market_points(events)
        with _engine(engine, scheduler, threads) as chosen:
            trained = train_on(
                rows, out, plan, work=folder, engine=chosen, market=market, replace=replace, progress=show
            )
    Console().print(trained_table(trained))


@contextmanager
def _engine(kind: EngineKind, scheduler: str | None, threads: int) -> "Iterator[Engine]":
    from bonafides_scoring.training.dask_engine import DaskEngine
    from bonafides_scoring.training.learners import LocalEngine

    if kind is EngineKind.LOCAL:
        yield LocalEngine(threads)
        return
    with DaskEngine(scheduler) as cluster:
        yield cluster


@contextmanager
def _progress() -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.update(tasks[step], completed=done, total=total)

        yield show


def trained_table(trained: "Trained") -> "Table":
    """The measurements, as a table for a terminal."""
    from rich.table import Table

    from bonafides_scoring.evaluation.ranking import auc
    from bonafides_scoring.training.panels.panel import Stratum
    from bonafides_scoring.training.predictions import CHALLENGERS, Contender, TestPart

    manifest, predictions = trained.bundle.manifest, trained.predictions
    kind, record = manifest.model_class.value, manifest.training
    chosen = f"{record.trees} trees of depth {record.depth}, rate {record.learning_rate}"
    caption = f"{chosen}; model id {trained.bundle.id.hex()}"
    days = manifest.scale.horizon_days
    table = Table(title=f"{manifest.name} ({kind} data), {days} days ahead, out of time", caption=caption)
    table.add_column("measure")
    table.add_column("unseen wallets", justify="right")
    table.add_column("known wallets", justify="right")
    unseen, known = trained.unseen, trained.known
    table.add_row("rows (with the outcome)", *(f"{part.rows:,} ({part.positives:,})" for part in (unseen, known)))
    table.add_row("AUC, model", _shown(unseen.auc), _shown(known.auc))
    parts = [predictions.parts == part.value for part in (TestPart.UNSEEN_WALLETS, TestPart.KNOWN_WALLETS)]
    for stratum in Stratum:
        cells = []
        for part in parts:
            rows = part & (predictions.strata == stratum.value)
            labels = predictions.labels[rows]
            found = auc(predictions.pds[Contender.MODEL][rows], labels) if 0 < labels.sum() < len(labels) else None
            cells.append("no outcome" if found is None else f"{found:.3f} ({int(labels.sum()):,} of {len(labels):,})")
        table.add_row(f"… {stratum.value.replace('_', ' ')}", *cells)
    for contender in CHALLENGERS:
        aucs = [auc(predictions.pds[contender][rows], predictions.labels[rows]) for rows in parts]
        briers = [float(((predictions.pds[contender] - predictions.labels)[rows] ** 2).mean()) for rows in parts]
        shown = (f"{rank:.3f} ({brier:.4f})" for rank, brier in zip(aucs, briers, strict=True))
        table.add_row(f"AUC (Brier), {contender.value.replace('_', ' ')}", *shown)
    table.add_row("lift over the health factor, paired", _shown(unseen.auc_lift), _shown(known.auc_lift))
    table.add_row("Brier, model", *(f"{part.brier.value:.4f}" for part in (unseen, known)))
    table.add_row("Brier, training rate", *(f"{part.brier_base_rate:.4f}" for part in (unseen, known)))
    table.add_row("mean PD", *(f"{part.mean_pd:.2%}" for part in (unseen, known)))
    table.add_row("outcome rate", *(f"{part.base_rate:.2%}" for part in (unseen, known)))
    return table


def _shown(interval: "Interval") -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
