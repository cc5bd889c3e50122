"""`bonafides scoring predict` and `bonafides scoring backtest`."""

from pathlib import Path
from typing import Annotated

import typer
from bonafides.errors import InvalidInput


def predict_command(
    events: Annotated[Path, typer.Option("--events", help="Events, Parquet.")],
    prices: Annotated[Path, typer.Option("--prices", help="Daily prices by symbol, Parquet.")],
    cutoffs: Annotated[Path, typer.Option("--cutoffs", help="CSV of wallet and cutoff_ts to answer for.")],
    out: Annotated[Path, typer.Option("--out", help="CSV to write: wallet, cutoff_ts, p, status.")],
    train_labels: Annotated[
        Path | None, typer.Option("--train-labels", help="CSV of wallet, cutoff_ts and label_30d to learn from.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="A model folder to score with, in place of --train-labels.")
    ] = None,
) -> None:
    """Predict liquidation within 30 days for wallets at cut-offs, from what was known before each.

    Trains once, on the labels whose window had ended by the earliest cut-off
    asked for. LABELS are of one population (liquidated again, or soft
    liquidation); two in one file are refused. A row of another population is
    answered with outside_population.

    Example:

      bonafides scoring predict --events E.parquet --prices P.parquet \\
          --train-labels L.csv --cutoffs C.csv --out p.csv
    """
    from rich.console import Console

    from bonafides_scoring.backtest.predict import predict_files

    console = Console(stderr=True)
    told: list[str] = []
    if (train_labels is None) == (model is None):
        seen = "neither" if model is None else "both"
        raise InvalidInput(f"give one of --train-labels and --model, found {seen}")
    with console.status("predicting"):
        if model is not None:
            from bonafides_scoring.backtest.shipped import predict_with_model

            counts = predict_with_model(model, events, prices, cutoffs, out, told.append)
        elif train_labels is not None:
            counts = predict_files(events, prices, train_labels, cutoffs, out, told.append)
    for words in told:
        console.print(f"note: {words}", markup=False, highlight=False)
    console.print(", ".join(f"{count:,} {status.value}" for status, count in counts.items()) + f" → {out}")


def backtest_command(
    data: Annotated[Path, typer.Option("--data", help="Folder with the real events, prices and labels.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for report.html and report.json.")],
    model_out: Annotated[
        Path | None, typer.Option("--model-out", help="Also train on all labels, and write the model here.")
    ] = None,
) -> None:
    """Measure on real liquidations: Aave re-liquidation and Curve, by rolling origin, beside one line of recency.

    Example:

      bonafides scoring backtest --data real-data --out build/backtest
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from bonafides_scoring.backtest.outputs import check_out_folder
    from bonafides_scoring.backtest.pack import render_json, run_backtest
    from bonafides_scoring.backtest.page import render_page
    from bonafides_scoring.backtest.shipped import ship

    console = Console(stderr=True)
    for folder in (out, model_out):
        if folder is not None:
            check_out_folder(folder)
    told: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("rolling origins")
        pack = run_backtest(
            data, lambda step, done, of: bar.update(task, description=step, completed=done, total=of), told.append
        )
    for words in told:
        console.print(f"note: {words}", markup=False, highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(render_json(pack), encoding="utf-8")
    (out / "report.html").write_text(render_page(pack), encoding="utf-8")
    if model_out is not None:
        ship(data, pack.aave, model_out)
    console.print(f"report → {out / 'report.html'}")
