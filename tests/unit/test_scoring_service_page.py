"""The page's drawings and colours."""

import re
from importlib.resources import files
from itertools import pairwise

import pytest
from bonafides.types import BAND_FLOORS, Band, band_of
from bonafides_scoring.web.drawings import CEILING, FLOOR, GAUGE_CENTRE, GAUGE_RADIUS, Step, gauge, waterfall
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.unit

TEXT, PART = 4.5, 3.0  # WCAG 2.2 AA: 1.4.3 and 1.4.11


@given(st.integers(FLOOR, CEILING))
def test_gauge__any_score__marks_its_own_band_and_stays_on_the_arc(score: int) -> None:
    drawn = gauge(score, band_of(score))

    own = [arc.band for arc in drawn.arcs if arc.is_own]
    distance = ((drawn.needle_x - GAUGE_CENTRE[0]) ** 2 + (drawn.needle_y - GAUGE_CENTRE[1]) ** 2) ** 0.5
    assert own == [band_of(score)]
    assert distance == pytest.approx(GAUGE_RADIUS, abs=0.02)  # two decimals are written
    assert drawn.needle_y <= GAUGE_CENTRE[1]


def test_gauge__ends__stand_left_and_right() -> None:
    lowest, highest = gauge(FLOOR, Band.E), gauge(CEILING, Band.A)

    assert (lowest.needle_x, highest.needle_x) == (20.0, 220.0)
    assert [arc.band for arc in lowest.arcs] == sorted(BAND_FLOORS, reverse=True)


@given(st.lists(st.integers(-120, 120), min_size=1, max_size=14), st.integers(300, 850))
def test_waterfall__any_points__each_bar_begins_where_the_last_ended(points: list[int], start: int) -> None:
    steps, total = [Step("start", "", "total", start, start)], start
    for count in points:
        steps.append(Step("family", "", "up" if count > 0 else "down", total, total + count))
        total += count
    steps.append(Step("score", "", "total", total, total))

    bars = waterfall(steps).bars

    assert all(0 <= bar.left <= 100 and bar.left + bar.width <= 100.5 for bar in bars)
    for above, below in pairwise(bars):
        begins = below.left if below.step.after >= below.step.before else below.left + below.width
        assert begins == pytest.approx(above.end, abs=0.41)  # the thinnest bar is drawn 0.4 wide


def test_waterfall__equal_points__are_equally_wide() -> None:
    drawn = waterfall(
        [Step("a", "", "total", 600, 600), Step("b", "", "up", 600, 640), Step("c", "", "down", 640, 600)]
    )

    assert drawn.bars[1].width == pytest.approx(drawn.bars[2].width, abs=0.002)


def palette(scheme: str) -> dict[str, str]:
    """Colours of one scheme of the style sheet."""
    css = (files("bonafides_scoring.web") / "assets" / "page.css").read_text()
    light, _, rest = css.partition("@media (prefers-color-scheme: dark)")
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light if scheme == "light" else rest))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        ("ink", "page", TEXT),
        ("ink", "card", TEXT),
        ("ink", "track", TEXT),
        ("ink", "info", TEXT),
        ("ink", "bad", TEXT),
        ("soft", "page", TEXT),
        ("soft", "card", TEXT),
        ("link", "page", TEXT),
        ("link", "card", TEXT),
        ("link", "info", TEXT),
        ("warn-ink", "warn", TEXT),
        ("on-brand", "brand", TEXT),
        ("up", "card", TEXT),
        ("down", "card", TEXT),
        ("total", "card", PART),
        ("up", "track", PART),
        ("down", "track", PART),
        ("soft", "track", PART),
        *((band, "card", PART) for band in "abcde"),
    ],
)
def test_page_css__each_pair_of_colours__is_told_apart(scheme: str, front: str, back: str, least: float) -> None:
    colours = palette(scheme)

    assert contrast(colours[front], colours[back]) >= least
