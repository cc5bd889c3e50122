"""`bonafides lab marginals`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bonafides_lab.market.marginals.bounds import BOUNDS
from bonafides_lab.market.marginals.decoded import read_decoded
from bonafides_lab.market.marginals.measures import measure
from bonafides_lab.market.marginals.real import read_real, real_aggregates
from bonafides_lab.market.marginals.report import compare, report_html, report_json

HTML_FILE, JSON_FILE = "marginals.html", "marginals.json"


def marginals_command(
    decoded: Annotated[Path, typer.Argument(help="A folder that `bonafides ingest decode` wrote.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for marginals.html and marginals.json.")],
    real: Annotated[
        Path | None,
        typer.Option(help="Parquet of real Aave V2 events; the aggregates that ship with the lab unless given."),
    ] = None,
) -> None:
    """Hold a synthetic market's liquidations against the real ones: how often, how large, how soon again, how bunched.

    The bounds are part of the code. What lies outside is named, and is no error.

    Example:

      bonafides lab simulate --borrowers 3000 --days 900 --out build/market
      bonafides ingest decode build/market --out build/decoded \\
          --deployments build/market/deployments.yaml
      bonafides lab marginals build/decoded --out build/marginals
    """
    theirs = real_aggregates()
    if real is not None:
        sample = read_real(real)
        theirs = measure(sample, sample.span_days)
    ours = measure(read_decoded(decoded), theirs.window_days)
    out.mkdir(parents=True, exist_ok=True)
    (out / HTML_FILE).write_text(report_html(ours, theirs), "utf-8")
    (out / JSON_FILE).write_text(report_json(ours, theirs), "utf-8")
    table = Table(title="Marginals of the synthetic market")
    for column in ("number", "synthetic", "real", "compared", ""):
        table.add_column(column, justify="left" if column in ("number", "") else "right")
    for verdict in compare(ours, theirs):
        comparison = BOUNDS[verdict.measure].comparison
        table.add_row(
            verdict.measure.value,
            f"{verdict.synthetic:,.4g}",
            f"{verdict.real:,.4g}",
            f"{comparison} {verdict.compared:.3g}",
            "inside" if verdict.is_inside else "OUTSIDE",
        )
    Console(stderr=True).print(table)
