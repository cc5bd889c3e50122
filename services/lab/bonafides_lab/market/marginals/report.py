"""The report: a table of the compared numbers and four plots in one HTML file that needs nothing else, and JSON."""

import html
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from bonafides_lab.market.marginals.bounds import BOUNDS, Measure
from bonafides_lab.market.marginals.measures import Marginals
from bonafides_lab.market.marginals.plots import draw_marginals
from bonafides_lab.market.marginals.real import marginals_fields

REAL_SOURCE = "Aave V2 on Ethereum, 2020-12 to 2021-12"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One number beside its real one."""

    measure: Measure
    synthetic: float
    real: float
    compared: float
    """Ratio or difference, as the bound says."""
    is_inside: bool


def compare(synthetic: Marginals, real: Marginals) -> list[Verdict]:
    """Every measure against its bound, in their order."""
    verdicts = []
    for measure in Measure:
        ours, theirs, bound = synthetic.values[measure], real.values[measure], BOUNDS[measure]
        verdicts.append(
            Verdict(measure, ours, theirs, bound.compare(ours, theirs), is_inside=bound.holds(ours, theirs))
        )
    return verdicts


def report_json(synthetic: Marginals, real: Marginals) -> str:
    """Both sides, the bounds and the verdicts."""
    verdicts = compare(synthetic, real)
    compared = {
        verdict.measure.value: {
            "synthetic": _finite(verdict.synthetic),
            "real": _finite(verdict.real),
            "comparison": BOUNDS[verdict.measure].comparison.value,
            "compared": _finite(verdict.compared),
            "low": BOUNDS[verdict.measure].low,
            "high": BOUNDS[verdict.measure].high,
            "inside": verdict.is_inside,
        }
        for verdict in verdicts
    }
    whole = {
        "outside": [verdict.measure.value for verdict in verdicts if not verdict.is_inside],
        "compared": compared,
        "synthetic": marginals_fields(synthetic),
        "real": {"source": REAL_SOURCE} | marginals_fields(real),
    }
    return json.dumps(whole, indent=1) + "\n"


def report_html(synthetic: Marginals, real: Marginals) -> str:
    """The same for a reader: works offline, on a phone, in light and in dark."""
    verdicts = compare(synthetic, real)
    outside = [measure_words(verdict.measure) for verdict in verdicts if not verdict.is_inside]
    told = f"{len(verdicts) - len(outside)} of {len(verdicts)} numbers are inside their bounds. " + (
        f"Outside: {', '.join(outside)}." if outside else "None is outside."
    )
    return _PAGE.format(
        told=html.escape(told),
        about=html.escape(_about(synthetic, real)),
        rows="\n".join(_row(verdict) for verdict in verdicts),
        reasons="\n".join(
            f"<li>{html.escape(f'{measure_words(measure)}: {bound.reason}')}</li>" for measure, bound in BOUNDS.items()
        ),
        plots="\n".join(
            f"<figure>{svg}<figcaption>{html.escape(caption)}</figcaption></figure>"
            for caption, svg in draw_marginals(synthetic, real)
        ),
    )


def _about(synthetic: Marginals, real: Marginals) -> str:
    shorter = (
        f" The synthetic market is shorter than a window of the real one ({real.window_days} days), so (a) and (d) are "
        "not quite comparable."
        if synthetic.window_days < real.window_days
        else ""
    )
    windows = "window" if synthetic.windows == 1 else "windows"
    return (
        f"Synthetic: {synthetic.liquidations:,} liquidations of {synthetic.liquidated_borrowers:,} made-up borrowers "
        f"on real Aave V3 bytecode, {synthetic.windows} {windows} of {synthetic.window_days} days, "
        f"{synthetic.unpriced:,} without a price. Real: {real.liquidations:,} liquidations of "
        f"{real.liquidated_borrowers:,} borrowers, {REAL_SOURCE}, {real.unpriced:,} without a size.{shorter}"
    )


def _row(verdict: Verdict) -> str:
    bound = BOUNDS[verdict.measure]
    cells: Sequence[str] = (
        measure_words(verdict.measure),
        number_text(verdict.synthetic),
        number_text(verdict.real),
        f"{bound.comparison.value} {number_text(verdict.compared)}",
        f"{number_text(bound.low)} to {number_text(bound.high)}",
        "inside" if verdict.is_inside else "OUTSIDE",
    )
    kind = "" if verdict.is_inside else ' class="outside"'
    # On a phone the row is a block: each number then brings the name of its column.
    shown = zip(cells, ("", "synthetic", "real", "", "bounds", ""), strict=True)
    return (
        f"<tr{kind}>"
        + "".join(f"<td{f' data-column={column}' if column else ''}>{html.escape(cell)}</td>" for cell, column in shown)
        + "</tr>"
    )


def measure_words(measure: Measure) -> str:
    """Such as `(b) liquidation usd median`."""
    letter, _, name = measure.value.partition("_")
    return f"({letter}) {name.replace('_', ' ')}"


def number_text(value: float) -> str:
    """Three digits, or all before the point; `none` for what could not be compared."""
    if not math.isfinite(value):
        return "none"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Marginals of a synthetic market</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .85rem; }}
td, th {{ border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); padding: .3rem .6rem;
  text-align: right; }}
td:first-child, th:first-child, td:last-child {{ text-align: left; }}
.outside td {{ font-weight: bold; }}
.plots {{ display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }}
figure {{ margin: 0; }}
figure svg {{ height: auto; max-width: 100%; width: 100%; }}
figcaption {{ font-size: .9rem; }}
@media (max-width: 40rem) {{
  table, tbody {{ display: block; }}
  thead {{ display: none; }}
  tr {{ border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); display: grid;
    grid-template-columns: 1fr 1fr; padding: .4rem 0; }}
  td {{ border: 0; padding: .05rem 0; text-align: left; }}
  td:first-child {{ font-weight: 600; grid-column: 1 / -1; }}
  td[data-column]::before {{ content: attr(data-column) " "; font-weight: normal; opacity: .75; }}
}}
</style>
</head>
<body>
<h1>Marginals of a synthetic market</h1>
<p><strong>Synthetic data.</strong> {about}</p>
<p>{told} The bounds were stated before the first comparison and are not moved to fit one.</p>
<div class="wide"><table>
<thead>
<tr><th>number</th><th>synthetic</th><th>real</th><th>compared</th><th>bounds</th><th></th></tr>
</thead>
<tbody>
{rows}
</tbody>
</table></div>
<p>Why the bounds are as wide as they are:</p>
<ul>
{reasons}
</ul>
<div class="plots">
{plots}
</div>
</body>
</html>
"""
