"""Pictures of a report: SVG that takes its colours from the page, so that it is right in light and in dark.

Each is drawn at the width of a phone, with letters that stay readable there; wide screens show several in a row.
matplotlib draws with stand-in colours, which `_svg` turns into the page's variables.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bonafides_scoring.evaluation.report import Bin, Drift, FairnessGroup, Roc, ScoreBin, Slice, Standing
from bonafides_scoring.manifest import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT = "#010101", "#020202"
COLOURS = ("#030303", "#040404", "#050505", "#060606", "#070707")
_VARIABLES = {
    INK: "var(--ink)",
    FAINT: "var(--line)",
    **{colour: f"var(--c{place})" for place, colour in enumerate(COLOURS)},
}
_WIDTH_IN, _POINTS = 3.6, 9.5
_MARKS = ("o", "s", "^", "D", "v")
"""Besides colours: a reader may not tell these apart."""


def curve_plot(bins: Sequence[Bin]) -> str:
    """What was said and what came, per tenth of the rows."""
    figure, axes = _axes(3.2)
    known = [one for one in bins if one.outcome_rate is not None]
    said = [one.mean_probability for one in known]
    _points(axes, said, [one.outcome_rate for one in known if one.outcome_rate], COLOURS[0])
    top = max([*said, *(one.outcome_rate.high for one in known if one.outcome_rate)], default=1.0) * 1.1
    bottom = max(min([*said, top]) / 2, 1e-5)
    axes.plot([bottom, top], [bottom, top], color=FAINT, lw=1)
    axes.set(xscale="log", yscale="log", xlim=(bottom, top), ylim=(bottom, top))
    axes.set(xlabel="mean probability said", ylabel="outcome rate that came")
    return _svg(figure)


def standings_plot(standings: Sequence[Standing], name: str, words: str) -> str:
    """One measure of all contenders, with intervals."""
    found = [(one.words, getattr(one, name)) for one in standings]
    return _forest(found, words)


def slices_plot(slices: Sequence[Slice], words: str) -> str:
    """Within-date AUC per slice."""
    return _forest([(one.name, one.within_date_auc) for one in slices], words)


def levels_plot(slices: Sequence[Slice]) -> str:
    """What was said and what came, slice by slice."""
    figure, axes = _axes(2.6)
    places = np.arange(len(slices))
    axes.bar(places, [one.counts.outcome_rate for one in slices], color=COLOURS[1], label="came")
    axes.plot(places, [one.mean_probability for one in slices], color=COLOURS[0], marker="o", ms=3, lw=1, label="said")
    step = max(1, len(slices) // 5)
    axes.set_xticks(places[::step], [one.name for one in slices][::step], rotation=25)
    axes.set_ylabel("share of rows")
    _legend(axes)
    return _svg(figure)


def roc_plot(rocs: Sequence[Roc]) -> str:
    """ROC curves of all contenders."""
    figure, axes = _axes(3.4)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1)
    styles = ("-", "--", "-.", ":", (0, (1, 3)))
    for one, colour, style in zip(rocs, COLOURS, styles, strict=False):
        across = [point.false_positive_rate for point in one.points]
        up = [point.true_positive_rate for point in one.points]
        axes.plot(across, up, color=colour, ls=style, lw=1.4, label=one.words)
    axes.set(xlabel="good rows flagged", ylabel="bad rows flagged", xlim=(0, 1), ylim=(0, 1))
    _legend(axes)
    return _svg(figure)


def scores_plot(bins: Sequence[ScoreBin]) -> str:
    """How scores are spread, by outcome."""
    figure, axes = _axes(2.6)
    middles = [(one.from_points + one.to_points) / 2 for one in bins]
    good, bad = sum(one.rows - one.positives for one in bins), sum(one.positives for one in bins)
    axes.step(middles, [(one.rows - one.positives) / max(good, 1) for one in bins], where="mid", color=COLOURS[0])
    axes.step(middles, [one.positives / max(bad, 1) for one in bins], where="mid", color=COLOURS[1], ls="--")
    axes.lines[0].set_label("without the outcome")
    axes.lines[1].set_label("with it")
    axes.set(xlabel="score", ylabel="share of its class")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.3)  # room for the legend
    _legend(axes)
    return _svg(figure)


def drift_plot(drift: Drift) -> str:
    """The stability index of the dozen features that moved most."""
    most = sorted(drift.features, key=lambda one: -one.stability_index)[:12][::-1]
    figure, axes = _axes(0.6 + 0.26 * len(most))
    axes.barh([one.name for one in most], [one.stability_index for one in most], color=COLOURS[0], height=0.6)
    for line in (0.10, 0.25):
        axes.axvline(line, color=FAINT, lw=1, ls="--")
    axes.set_xlabel("stability index (lines at .10 and .25)")
    return _svg(figure)


def approval_plot(groups: Sequence[FairnessGroup]) -> str:
    """Approval rate per group."""
    figure, axes = _axes(0.7 + 0.34 * len(groups))
    names = [one.name for one in groups][::-1]
    axes.barh(names, [one.approval_rate for one in groups][::-1], color=COLOURS[0], height=0.55)
    axes.set(xlabel="share approved", xlim=(0, 1))
    return _svg(figure)


def _forest(found: Sequence[tuple[str, Interval | None]], words: str) -> str:
    known = [(name, one) for name, one in found if one is not None]
    if not known:
        return "<p>Not enough rows for a picture.</p>"
    figure, axes = _axes(0.7 + 0.3 * len(known))
    for place, (_, one) in enumerate(reversed(known)):
        axes.plot([one.low, one.high], [place, place], color=COLOURS[0], lw=1.6)
        axes.plot([one.value], [place], marker="o", ms=5, color=COLOURS[0])
    axes.set_yticks(range(len(known)), [name for name, _ in reversed(known)])
    axes.set_ylim(-0.6, len(known) - 0.4)
    axes.set_xlabel(words)
    axes.locator_params(axis="x", nbins=4)
    return _svg(figure)


def _points(axes: "Axes", across: Sequence[float], up: Sequence[Interval], colour: str) -> None:
    for x, one in zip(across, up, strict=True):
        axes.plot([x, x], [max(one.low, 1e-6), one.high], color=colour, lw=1.2)
        axes.plot([x], [one.value], marker=_MARKS[0], ms=4.5, color=colour)


def _axes(height: float) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, height), layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=_POINTS, color=FAINT, which="both")
    axes.xaxis.label.set(color=INK, fontsize=_POINTS)
    axes.yaxis.label.set(color=INK, fontsize=_POINTS)
    return figure, axes


def _legend(axes: "Axes") -> None:
    axes.legend(fontsize=_POINTS - 1.5, labelcolor=INK, frameon=False)


def _svg(figure: "Figure") -> str:
    """Inline SVG: text as text, no date, the same bytes for the same picture."""
    import matplotlib as mpl

    sink = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bonafides", "font.family": "sans-serif"}):
        figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = sink.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        drawn = drawn.replace(colour, variable)
    return drawn
