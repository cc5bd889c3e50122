"""Pieces of the page: tables, figures, and numbers as text."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from bonafides_scoring.manifest import Interval

NOT_ENOUGH = "not enough"
"""Stands where a class has too few rows for a number."""


def shown(one: Interval | None, digits: int = 3) -> str:
    """An interval as text."""
    if one is None:
        return NOT_ENOUGH
    return f"{one.value:.{digits}f} [{one.low:.{digits}f},\u00a0{one.high:.{digits}f}]"


def day(timestamp: int) -> str:
    """A date, UTC."""
    return datetime.fromtimestamp(timestamp, UTC).date().isoformat()


def share(one: Interval | None) -> str:
    """An interval of shares as text."""
    return NOT_ENOUGH if one is None else f"{one.value:.2%} [{one.low:.2%},\u00a0{one.high:.2%}]"


def number(value: float | None, digits: int) -> str:
    """A number, or that there is none."""
    return NOT_ENOUGH if value is None else f"{value:.{digits}f}"


def figure(drawn: str, words: str) -> str:
    """A picture with its caption."""
    return f"<figure>{drawn}<figcaption>{words}</figcaption></figure>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls by itself where the screen is narrow."""
    top = "".join(f"<th scope=col>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=wide tabindex=0><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def loud(words: str) -> str:
    """What nobody may overlook."""
    return f"<p class=loud>{escape(words)}</p>"
