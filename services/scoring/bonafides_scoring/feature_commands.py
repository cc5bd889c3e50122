"""`bonafides scoring features`: what the model sees."""

from typing import Annotated

import typer


def features_command(
    markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown: docs/features.md.")] = False,
) -> None:
    """List every feature with its family, definition, unit, range, direction, and what it holds where nothing happened.

    Example: bonafides scoring features
    """
    from rich.console import Console
    from rich.table import Table

    from bonafides_scoring.features.document import catalogue_markdown, row_of
    from bonafides_scoring.features.schema import FEATURES, SCHEMA_HASH

    if markdown:
        typer.echo(catalogue_markdown(), nl=False)
        return
    columns = (
        "feature",
        "family",
        "reason code",
        "definition",
        "unit",
        "range",
        "risk",
        "never happened",
        "actionable",
    )
    table = Table(*columns, title=f"{len(FEATURES)} features", caption=f"schema {SCHEMA_HASH.hex()}", show_lines=True)
    for spec in FEATURES:
        name, family, *rest = row_of(spec)
        table.add_row(name, family, spec.reason.value, *rest)
    Console().print(table)
