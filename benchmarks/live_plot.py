"""The figure of a live run: how long each block's events took, block after block. An SVG, drawn by hand: two lines and
two goals need no library."""

from collections.abc import Callable, Sequence
from math import log
from pathlib import Path

from benchmarks.harness import load_goals
from benchmarks.live_latency import LiveRun, quantile

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 900, 340, 60, 40, 30, 20
_MARKS_MS = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)


def draw_latency(run: LiveRun, path: Path) -> None:
    """Write the figure: median and slowest event of each block, on a logarithmic scale."""
    of_block: dict[int, list[float]] = {}
    for event in run.times:
        of_block.setdefault(event.block, []).append(1_000 * event.from_announced_s)
    blocks = sorted(of_block)
    medians = [quantile(sorted(of_block[block]), 0.5) for block in blocks]
    slowest = [max(of_block[block]) for block in blocks]
    low, high = min(medians), max(slowest)
    marks = [mark for mark in _MARKS_MS if low / 2 <= mark <= high * 2] or [10]
    goals = load_goals()
    bounds = {name: goals[f"live.features_{name}_ms"].bound for name in ("p50", "p95")}
    bottom, top = min(*marks, *bounds.values()), max(*marks, *bounds.values())

    def across(place: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * place / max(len(blocks) - 1, 1)

    def up(milliseconds: float) -> float:
        share = log(min(max(milliseconds, bottom), top) / bottom) / log(top / bottom)
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18">block announced to wallet states committed, ms: median and slowest event of each '
        f"block; dashed: the goals of p50 and p95</text>",
        *(_level(up(mark), f"{mark:,}", "#dddddd", "") for mark in marks),
        *(_level(up(bound), "", "#c0392b", ' stroke-dasharray="6 4"') for bound in bounds.values()),
        _line(slowest, across, up, "#a9cce3"),
        _line(medians, across, up, "#1f618d"),
        f'<text x="{LEFT}" y="{HEIGHT - 12}">block {blocks[0]}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">block {blocks[-1]}, a second each</text>',
        "</svg>",
    ]
    path.write_text("\n".join(parts) + "\n", "utf-8")


def _level(height: float, label: str, colour: str, style: str) -> str:
    line = f'<line x1="{LEFT}" y1="{height:.1f}" x2="{WIDTH - RIGHT}" y2="{height:.1f}" stroke="{colour}"{style}/>'
    return f'{line}<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{label}</text>'


def _line(values: Sequence[float], across: Callable[[float], float], up: Callable[[float], float], colour: str) -> str:
    points = " ".join(f"{across(place):.1f},{up(value):.1f}" for place, value in enumerate(values))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
