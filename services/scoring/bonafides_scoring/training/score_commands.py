"""`bonafides scoring score`: scores of a decoded folder, without a worker, a broker or a database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def score_command(
    events: Annotated[
        Path, typer.Option("--events", help="Folder with events.parquet, market.parquet and blocks.parquet.")
    ],
    model: Annotated[Path, typer.Option("--model", help="Folder of the model bundle.")],
    out: Annotated[Path, typer.Option("--out", help="CSV file of the scores.")],
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            help="Unix seconds, or a time such as 2026-01-31T00:00:00Z: only what came before it "
            "is known. Default: the folder's last block.",
        ),
    ] = None,
    wallets: Annotated[Path | None, typer.Option("--wallets", help="Score these only: one address a line.")] = None,
) -> None:
    """Score the wallets of a decoded folder as of one moment, with the same code as the worker.

    Columns: wallet, score, pd_bps, margin (log-odds before calibration),
    unscorable (the reason), flags (split by |).

    Example:

      bonafides scoring score --events build/decoded --model build/model \\
          --out build/scores.csv
    """
    from bonafides.errors import MissingTool
    from rich.console import Console
    from rich.progress import Progress

    try:
        from bonafides_scoring.model import load_bundle
        from bonafides_scoring.training.scores import read_wallets, score_folder, write_scores
    except ModuleNotFoundError as exc:
        raise MissingTool(f"{exc.name} is not installed: pip install 'bonafides[training]'") from exc

    bundle = load_bundle(model)
    only = None if wallets is None else read_wallets(wallets)
    moment = None if as_of is None else parse_time(as_of)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("scoring", total=None)
        scored, unscorable = write_scores(
            out,
            score_folder(
                events,
                bundle,
                as_of=moment,
                wallets=only,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            ),
        )
    kind = bundle.model_class.value
    Console().print(f"{scored:,} scores by {bundle.manifest.name} ({kind} data), {unscorable:,} wallets unscorable")


def parse_time(text: str) -> int:
    """Unix seconds of a number, or of an ISO time; without a zone it is UTC. Raises InvalidInput."""
    from bonafides.errors import InvalidInput

    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidInput(f"no time: {text!r}, expected Unix seconds or such as 2026-01-31T00:00:00Z") from exc
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
