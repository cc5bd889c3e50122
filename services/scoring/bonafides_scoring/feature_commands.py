"""`bonafides scoring features`: what the model sees."""

from typing import Annotated

import typer


def features_command(
    markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown: docs/features.md.")] = False,
) -> None:
    """List every feature with its family, definition, unit, range, direction, and what it holds where nothing happened.

    Example:

      bonafides scoring features
    """
    from rich.console import Console
    from rich.table import Table

    from bonafides_scoring.features.document import catalogue_markdown, row_of
    from bonafides_scoring.features.schema import FEATURES, SCHEMA_HASH

    if markdown:
        typer.echo(catalogue_markdown(), nl=False)
        return
    grid = Table.grid(padding=(0, 2, 1, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for spec in FEATURES:
        name, family, definition, unit, values, risk, never, actionable = row_of(spec)
        grid.add_row(
            f"[bold]{name}[/]\n[dim]{family}\n{spec.reason.value}[/]",
            f"{definition}\n[dim]{values} {unit}; risk {risk} with it; never happened: {never}; "
            f"actionable: {actionable}[/]",
        )
    console = Console()
    console.print(f"{len(FEATURES)} features; below each its family and reason code. Schema {SCHEMA_HASH.hex()}\n")
    console.print(grid)
