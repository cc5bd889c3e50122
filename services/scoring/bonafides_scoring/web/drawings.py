"""Geometry of the page's drawings: a gauge and a waterfall. Pure; the templates only write the numbers down."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bonafides.types import BAND_FLOORS, Band

FLOOR, CEILING = 300, 850
GAUGE_RADIUS = 100.0
GAUGE_CENTRE = (120.0, 118.0)
_GAP_DEGREES = 1.6
ROW_HEIGHT = 46


@dataclass(frozen=True, slots=True)
class Arc:
    """One band of the gauge."""

    band: Band
    path: str
    label_x: float
    label_y: float
    is_own: bool


@dataclass(frozen=True, slots=True)
class Gauge:
    """The whole gauge, in a view box of 240 by 150."""

    arcs: tuple[Arc, ...]
    needle_x: float
    needle_y: float


@dataclass(frozen=True, slots=True)
class Step:
    """One line to be drawn: where the sum stood before and after it."""

    label: str
    value: str
    kind: str
    """`total`, `up`, `down` or `none`: also the CSS class."""
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of the waterfall. Horizontal places are per cent of the width, vertical ones are pixels."""

    step: Step
    top: int
    left: float
    width: float
    end: float
    """Where the sum stands after this row, and where the line down to the next row is drawn."""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All rows."""

    bars: tuple[Bar, ...]
    height: int


def gauge(score: int, band: Band) -> Gauge:
    """A half circle from 300 (left) to 850 (right), one arc per band, with a marker at the score."""
    floors = sorted((floor, name) for name, floor in BAND_FLOORS.items())
    ends = [floor for floor, _ in floors[1:]] + [CEILING]
    arcs = []
    for (start, name), end in zip(floors, ends, strict=True):
        first = _angle(start) - (_GAP_DEGREES / 2 if start != FLOOR else 0)
        last = _angle(end) + (_GAP_DEGREES / 2 if end != CEILING else 0)
        (x1, y1), (x2, y2) = _on_circle(first), _on_circle(last)
        label_x, label_y = _on_circle((first + last) / 2, GAUGE_RADIUS - 21)
        path = f"M{x1:.2f} {y1:.2f}A{GAUGE_RADIUS:g} {GAUGE_RADIUS:g} 0 0 1 {x2:.2f} {y2:.2f}"
        arcs.append(Arc(name, path, round(label_x, 2), round(label_y + 4, 2), name is band))
    needle_x, needle_y = _on_circle(_angle(score))
    return Gauge(tuple(arcs), round(needle_x, 2), round(needle_y, 2))


def waterfall(steps: Sequence[Step]) -> Waterfall:
    """Rows from the start to the score; each bar begins where the one above it ended."""
    stops = [stop for step in steps for stop in (step.before, step.after)]
    low, high = min(stops), max(stops)
    margin = max(4, (high - low) // 8)
    low, high = low - margin, high + margin

    def place(points: int) -> float:
        return round(100 * (points - low) / (high - low), 3)

    bars = []
    for row, step in enumerate(steps):
        # A total is drawn as a mark: a bar from an axis that does not start at 0 would lie about its size.
        left, right = sorted((place(step.after if step.kind == "total" else step.before), place(step.after)))
        bars.append(Bar(step, row * ROW_HEIGHT, left, max(round(right - left, 3), 0.4), place(step.after)))
    return Waterfall(tuple(bars), len(steps) * ROW_HEIGHT)


def _angle(score: int) -> float:
    """Degrees, 180 at the left end and 0 at the right."""
    return 180 * (1 - (score - FLOOR) / (CEILING - FLOOR))


def _on_circle(degrees: float, radius: float = GAUGE_RADIUS) -> tuple[float, float]:
    x, y = GAUGE_CENTRE
    return x + radius * math.cos(math.radians(degrees)), y - radius * math.sin(math.radians(degrees))
