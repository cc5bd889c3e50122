"""The four plots, as SVG that takes the colour of the page's text, so that it is readable in light and in dark."""

import io
import re
from collections.abc import Callable

from bonafides.errors import MissingTool

from bonafides_lab.market.marginals.measures import LAST_COUNT, SIZE_EDGES_LOG10, WORST_DAYS, Marginals

SYNTHETIC_COLOUR, REAL_COLOUR = "#d9730d", "#3b82c4"
"""Told apart by colour-blind eyes, and readable on black and on white; the marks differ, too."""
_TEXT = "#010203"
"""Stands for the page's colour until the SVG is written."""
_WIDTH_IN, _HEIGHT_IN = 5.2, 3.2


def draw_marginals(synthetic: Marginals, real: Marginals) -> list[tuple[str, str]]:
    """(caption, SVG) of each marginal. The same numbers give the same bytes.

    Raises:
        MissingTool: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as exc:
        raise MissingTool("plots need matplotlib: pip install 'bonafides[training]'") from exc
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    def lines(axes: Axes, ours: tuple[float, ...], theirs: tuple[float, ...]) -> None:
        for values, name, colour, marker in (
            (theirs, "real", REAL_COLOUR, "o"),
            (ours, "synthetic", SYNTHETIC_COLOUR, "s"),
        ):
            axes.plot(range(1, len(values) + 1), values, marker, ls="-", ms=3, lw=1.5, color=colour, label=name)

    def counts(axes: Axes) -> None:
        places = range(1, LAST_COUNT + 1)
        axes.bar([place - 0.2 for place in places], real.counts_share, 0.4, color=REAL_COLOUR, label="real")
        axes.bar(
            [place + 0.2 for place in places],
            synthetic.counts_share,
            0.4,
            color=SYNTHETIC_COLOUR,
            label="synthetic",
            hatch="///",
            edgecolor=_TEXT,
            linewidth=0.4,
        )
        axes.set_xticks(list(places), [*(str(place) for place in places[:-1]), f"{LAST_COUNT}+"])
        axes.set_xlabel("liquidations of one borrower in a window")
        axes.set_ylabel("share of borrowers")

    def sizes(axes: Axes) -> None:
        edges = [10**edge for edge in SIZE_EDGES_LOG10]
        axes.stairs(real.size_share, edges, color=REAL_COLOUR, lw=1.8, label="real")
        axes.stairs(synthetic.size_share, edges, color=SYNTHETIC_COLOUR, lw=1.8, ls="--", label="synthetic")
        axes.set_xscale("log")
        axes.set_xlabel("debt repaid by one liquidation, USD")
        axes.set_ylabel("share per half decade")

    def again(axes: Axes) -> None:
        lines(axes, synthetic.reliquidated_share, real.reliquidated_share)
        axes.set_ylim(0)
        axes.set_xlabel("days after a liquidation")
        axes.set_ylabel("share liquidated again")

    def worst(axes: Axes) -> None:
        lines(axes, synthetic.worst_days_share, real.worst_days_share)
        axes.axvline(WORST_DAYS, color=_TEXT, lw=0.6, ls=":")
        axes.set_ylim(0)
        axes.set_xlabel("worst days of a window")
        axes.set_ylabel("share of its liquidations")

    def svg(draw: Callable[[Axes], None]) -> str:
        figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
        return _inline(written.getvalue())

    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "bonafides",
            "font.family": "sans-serif",
            "text.color": _TEXT,
            "axes.labelcolor": _TEXT,
            "axes.edgecolor": _TEXT,
            "xtick.color": _TEXT,
            "ytick.color": _TEXT,
            "hatch.color": _TEXT,
        }
    ):
        return [
            ("(a) How often one borrower is liquidated.", svg(counts)),
            ("(b) How large liquidations are.", svg(sizes)),
            ("(c) How soon a liquidated borrower is liquidated again.", svg(again)),
            ("(d) How much of it falls on the worst days.", svg(worst)),
        ]


def _inline(svg: str) -> str:
    """Without the XML header and the fixed size; ids are made the plot's own by matplotlib's hash of the content."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    return body.replace(_TEXT, "currentColor")
