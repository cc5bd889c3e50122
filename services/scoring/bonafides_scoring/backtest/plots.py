"""The report's pictures, as SVG that reads on light and dark pages: transparent, with colours in the middle."""

import io
import re

import matplotlib as mpl

mpl.use("svg")
from matplotlib.figure import Figure

from bonafides_scoring.backtest.pack import TaskReport

_GREY, _OURS, _SIMPLE, _REAL = "#808080", "#2f8f6f", "#c77f1a", "#3b7dd8"


def lift_picture(report: TaskReport) -> str:
    """Within-date lift over recency of every model, with intervals."""
    rows = [row for row in report.table if row.within.value != 0.5 and row.name != "recency"]
    figure, axes = _axes(6.4, 0.34 * len(rows) + 1.0)
    for place, row in enumerate(reversed(rows)):
        colour = _OURS if row.name == report.headline else _GREY
        axes.plot([row.lift.low, row.lift.high], [place, place], color=colour, linewidth=2)
        axes.plot([row.lift.value], [place], "o", color=colour)
    axes.axvline(0, color=_SIMPLE, linewidth=1)
    axes.set_yticks(range(len(rows)), [row.name for row in reversed(rows)])
    axes.set_xlabel("within-date AUC minus recency's, 95 % over wallets")
    return _svg(figure, f"Lift over recency: {report.title}")


def level_picture(report: TaskReport) -> str:
    """What came and what was said, date by date."""
    figure, axes = _axes(6.4, 3.0)
    places = range(len(report.by_date))
    axes.bar(places, [row.positives / row.rows for row in report.by_date], color=_REAL, alpha=0.45, label="came")
    axes.plot(places, [row.mean_probability for row in report.by_date], "o-", color=_OURS, label=report.headline)
    axes.plot(places, [row.mean_refitted for row in report.by_date], "s--", color=_SIMPLE, label="refitted recency")
    axes.set_xticks(list(places), [row.date[2:] for row in report.by_date], rotation=60)
    axes.set_ylabel("share liquidated in 30 days")
    axes.legend(frameon=False, labelcolor=_GREY)
    return _svg(figure, f"Level by date: {report.title}")


def calibration_picture(report: TaskReport) -> str:
    """Tenths of the rows: said against came."""
    figure, axes = _axes(4.6, 3.4)
    said, came = [tenth.mean_probability for tenth in report.tenths], [tenth.outcome_rate for tenth in report.tenths]
    top = max(*said, *came, 0.01) * 1.05
    axes.plot([0, top], [0, top], color=_GREY, linewidth=1, linestyle=":")
    axes.plot(said, came, "o-", color=_OURS)
    axes.set_xlabel("mean probability of the tenth")
    axes.set_ylabel("share that came")
    return _svg(figure, f"Calibration: {report.title}")


def _axes(width: float, height: float) -> tuple[Figure, "mpl.axes.Axes"]:
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.tick_params(colors=_GREY)
    axes.xaxis.label.set_color(_GREY)
    axes.yaxis.label.set_color(_GREY)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_GREY)
    return figure, axes


def _svg(figure: Figure, title: str) -> str:
    """Without date and random ids, so that the same numbers give the same bytes."""
    with mpl.rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}):
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(<svg[^>]*?) width="[^"]+"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]+"', rf'\1 role="img" aria-label="{title}"', text, count=1)
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
