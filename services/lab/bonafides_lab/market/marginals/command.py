"""`bonafides lab marginals`."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bonafides_lab.market.marginals.bounds import BOUNDS, Bound, Comparison
from bonafides_lab.market.marginals.decoded import read_decoded
from bonafides_lab.market.marginals.measures import measure
from bonafides_lab.market.marginals.real import read_real, real_aggregates
from bonafides_lab.market.marginals.report import Verdict, compare, measure_words, number_text, report_html, report_json

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
    console = Console(stderr=True, highlight=False)
    console.print(marginals_table(compare(ours, theirs)))
    console.print(f"pictures and reasons: {out / HTML_FILE}", soft_wrap=True, markup=False)


def marginals_table(verdicts: Sequence[Verdict]) -> Table:
    """The numbers for a terminal of 80 columns: names fold at their words, so that no number is cut."""
    table = Table(
        title="Marginals of the synthetic market",
        caption="compared: x is synthetic over real, without it the difference",
        box=SIMPLE_HEAD,
    )
    table.add_column("number")
    for column in ("synthetic", "real", "compared"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("bounds", no_wrap=True)
    for verdict in verdicts:
        bound = BOUNDS[verdict.measure]
        sign = "x " if bound.comparison is Comparison.RATIO else ""
        table.add_row(
            measure_words(verdict.measure),
            number_text(verdict.synthetic),
            number_text(verdict.real),
            f"{sign}{number_text(verdict.compared)}",
            "inside" if verdict.is_inside else f"[bold yellow]{_outside(verdict.compared, bound)}[/]",
        )
    return table


def _outside(compared: float, bound: Bound) -> str:
    if math.isnan(compared):
        return "NO NUMBER"
    return f"ABOVE {number_text(bound.high)}" if compared > bound.high else f"BELOW {number_text(bound.low)}"
