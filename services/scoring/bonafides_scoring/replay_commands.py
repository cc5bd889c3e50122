"""`bonafides scoring replay`: check a score with nothing of ours running."""

from pathlib import Path
from typing import Annotated

import typer


def replay_command(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="What GET /v1/scores/{id}/bundle answered.")],
    model: Annotated[Path, typer.Option("--model", help="Folder of the model bundle.")],
) -> None:
    """Make a score again from its events, bit for bit, offline and without xgboost. Exit code 1 when anything differs.

    Example:

      bonafides scoring replay score.json \\
          --model services/scoring/bonafides_scoring/models/synthetic-2
    """
    from bonafides.errors import InvalidInput
    from rich.console import Console
    from rich.table import Table

    from bonafides_scoring.replay import read_replay_model, replay
    from bonafides_scoring.replay_document import parse_score_bundle

    try:
        raw = bundle.read_bytes()
    except OSError as exc:
        raise InvalidInput(f"{bundle.name} cannot be read") from exc
    checks = replay(parse_score_bundle(raw), read_replay_model(model))
    table = Table("made again", "same", "difference", title="replay")
    for check in checks:
        table.add_row(check.name, "yes" if check.is_same else "[bold red]no[/]", check.detail)
    Console().print(table)
    if not all(check.is_same for check in checks):
        raise typer.Exit(1)
