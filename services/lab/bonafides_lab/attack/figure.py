"""The plot of cost against points gained, as SVG, and the page around it. No script, light and dark."""

import math
import os
from html import escape
from pathlib import Path

from bonafides_lab.attack.report import AttackReport, Attempt, OutcomeKind, Trial

FIGURE_FILE = "attack.svg"
PAGE_FILE = "attack.html"
_PAGE_STYLE = (
    ":root{color-scheme:light dark}body{margin:0;font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:760px;margin:auto;padding:16px}svg{width:100%;height:auto;max-width:640px}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%}"
    "th,td{padding:4px 8px;text-align:right;border-bottom:1px solid #8886}th:first-child{text-align:left}"
)
WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 40, 392, 34, 258
CHEAPEST_SHOWN_USD = 0.1
"""What costs less stands at this edge: a logarithm has no zero."""
_STEPS = (10, 20, 25, 50, 100, 200)
_COLOURS = {OutcomeKind.EMPTY: "empty", OutcomeKind.PARKED: "parked", OutcomeKind.CHANGED: "changed"}
_WORDS = {
    OutcomeKind.EMPTY: "position unchanged",
    OutcomeKind.PARKED: "debt parked elsewhere",
    OutcomeKind.CHANGED: "position changed",
}
_STYLE = """
svg.attack{font:11px system-ui,sans-serif;max-width:720px;width:100%;height:auto;color:#1c2733;background:#fff}
svg.attack text{fill:currentColor}.axis{stroke:currentColor;stroke-opacity:.25}
.wanted{stroke:currentColor;stroke-dasharray:4 3}.empty{fill:#c2410c}.parked{fill:#0f766e}.changed{fill:#6366f1}
.trial{fill-opacity:.55}.chosen{fill:none;stroke:currentColor;stroke-width:1.5}
@media (prefers-color-scheme:dark){svg.attack{color:#e5e9ee;background:#14191f}.empty{fill:#fb923c}
.parked{fill:#2dd4bf}.changed{fill:#a5b4fc}}
"""


def figure_svg(report: AttackReport) -> str:
    """The scatter plot: one mark per strategy and kind, a line at the points wanted, a ring around the cheapest."""
    most_usd = max([report.budget_usd, *(trial.usd for trial in report.trials)])
    gains = [trial.gain for trial in report.trials] or [0]
    lowest, highest = min(0, *gains) - 5, max(report.points_wanted, *gains) + 8
    plot = _Plot(most_usd, lowest, highest)
    parts = [
        f'<svg class="attack" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(report.conclusion, quote=True)}">',
        f"<style>{_STYLE}</style>",
        *plot.axes(),
        f'<line class="wanted" x1="{LEFT}" x2="{RIGHT}" y1="{plot.y(report.points_wanted):.1f}" '
        f'y2="{plot.y(report.points_wanted):.1f}"/>',
        f'<text x="{RIGHT}" y="{plot.y(report.points_wanted) - 4:.1f}" text-anchor="end">'
        f"+{report.points_wanted} points</text>",
    ]
    # The dangerous ones are drawn last, above the others.
    for kind in (OutcomeKind.CHANGED, OutcomeKind.PARKED, OutcomeKind.EMPTY):
        parts += [plot.mark(trial) for trial in report.trials if trial.kind is kind]
    best = report.cheapest.get(OutcomeKind.EMPTY)
    if best is not None:
        parts.append(f'<circle class="chosen" cx="{plot.x(best.usd):.1f}" cy="{plot.y(best.gain):.1f}" r="7"/>')
    parts += _legend(report)
    return "\n".join([*parts, "</svg>\n"])


class _Plot:
    def __init__(self, most_usd: float, lowest: int, highest: int) -> None:
        self._decades = math.log10(max(most_usd, 10 * CHEAPEST_SHOWN_USD) / CHEAPEST_SHOWN_USD)
        self._lowest, self._highest = lowest, highest

    def x(self, usd: float) -> float:
        share = math.log10(max(usd, CHEAPEST_SHOWN_USD) / CHEAPEST_SHOWN_USD) / self._decades
        return LEFT + share * (RIGHT - LEFT)

    def y(self, gain: float) -> float:
        return BOTTOM - (gain - self._lowest) / (self._highest - self._lowest) * (BOTTOM - TOP)

    def axes(self) -> list[str]:
        parts = []
        for power in range(int(self._decades + 1e-9) + 1):
            usd = CHEAPEST_SHOWN_USD * 10**power
            place = self.x(usd)
            label = f"≤ ${usd:g}" if power == 0 else f"${usd:,.0f}"
            parts.append(f'<line class="axis" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" y2="{BOTTOM}"/>')
            parts.append(f'<text x="{place:.1f}" y="{BOTTOM + 14}" text-anchor="middle">{label}</text>')
        step = next((size for size in _STEPS if (self._highest - self._lowest) / size <= 7), _STEPS[-1])
        for gain in range(math.ceil(self._lowest / step) * step, self._highest + 1, step):
            place = self.y(gain)
            parts.append(f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{place:.1f}" y2="{place:.1f}"/>')
            parts.append(f'<text x="{LEFT - 5}" y="{place + 4:.1f}" text-anchor="end">{_whole(gain)}</text>')
        parts.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 28}" text-anchor="middle">cost in dollars</text>')
        return parts

    def mark(self, trial: Trial) -> str:
        """A shape per kind as well as a colour."""
        x, y, colour = self.x(trial.usd), self.y(trial.gain), _COLOURS[trial.kind]
        return _shape(trial.kind, x, y, f"trial {colour}")


def _shape(kind: OutcomeKind, x: float, y: float, style: str) -> str:
    match kind:
        case OutcomeKind.EMPTY:
            return f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        case OutcomeKind.PARKED:
            return f'<rect class="{style}" x="{x - 2.7:.1f}" y="{y - 2.7:.1f}" width="5.4" height="5.4"/>'
        case OutcomeKind.CHANGED:
            return f'<path class="{style}" d="M{x:.1f} {y - 3.6:.1f}l3.6 6.4h-7.2z"/>'


def _legend(report: AttackReport) -> list[str]:
    parts = [
        f'<text x="4" y="12" font-weight="600">Points gained by manipulation, {escape(report.model)} (synthetic)</text>'
    ]
    place = 8.0
    for kind in OutcomeKind:
        parts.append(_shape(kind, place, 24, _COLOURS[kind]))
        parts.append(f'<text x="{place + 7}" y="28">{_WORDS[kind]}</text>')
        place += 22 + 5.6 * len(_WORDS[kind])
    return parts


def page_html(report: AttackReport) -> str:
    """The plot with its sentence, the cheapest strategy and the families."""
    cells = "".join(
        f"<tr><th scope='row'>{escape(family.family.replace('_', ' '))}</th><td>{family.tried}</td>"
        f"<td>{_whole(family.best_gain)}</td><td>{_dollars(family.best_gain_usd)}</td>"
        f"<td>{_dollars(family.cheapest_usd)}</td></tr>"
        for family in report.families
    )
    best = report.cheapest.get(OutcomeKind.EMPTY)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{escape(report.model)}: what a manipulation costs</title><style>{_PAGE_STYLE}</style></head>"
        f"<body><main><h1>What +{report.points_wanted} points cost (synthetic)</h1>"
        f"<p>{escape(report.conclusion)}</p>{figure_svg(report)}{_told(best)}"
        "<div class='wide'><table><thead><tr><th>family</th><th>tried</th><th>best gain</th><th>for</th>"
        f"<th>+{report.points_wanted} from</th></tr></thead><tbody>{cells}</tbody></table></div><ul>"
        + "".join(f"<li>{escape(limit)}</li>" for limit in report.limits)
        + "</ul></main></body></html>\n"
    )


def _told(best: Attempt | None) -> str:
    if best is None:
        return ""
    steps = "".join(f"<li>{escape(action)}</li>" for action in best.actions)
    return (
        f"<p>The cheapest, on the record “{escape(best.record.replace('_', ' '))}”: {best.control_score} → "
        f"{best.score} points, gas {_dollars(best.cost.gas)}, interest {_dollars(best.cost.interest)}, locked money "
        f"{_dollars(best.cost.capital)}, {best.transactions} transactions, {_dollars(best.cash_usd)} in hand.</p>"
        f"<ol>{steps}</ol>"
    )


def _dollars(usd: float | None) -> str:
    return "–" if usd is None else f"${usd:,.2f}" if usd >= 0 else f"−${-usd:,.2f}"


def _whole(gain: int | None) -> str:
    return "–" if gain is None else f"{gain:+d}" if gain else "0"


def write_figures(report: AttackReport, folder: Path) -> tuple[Path, Path]:
    """Write `attack.svg` and `attack.html` into the folder."""
    paths = folder / FIGURE_FILE, folder / PAGE_FILE
    for path, text in zip(paths, (figure_svg(report), page_html(report)), strict=True):
        unfinished = path.with_name(path.name + ".tmp")
        unfinished.write_text(text, "utf-8")
        os.replace(unfinished, path)
    return paths
