"""When an episode of soft liquidation ended, told by the `extra` of its event."""

import json

from bonafides_scoring.backtest.reading import LAST_SECOND

_SHOWN = 40


def episode_end(extra: str | None, start: int) -> int:
    """Unix seconds; the episode's start where no end is told.

    Raises:
        ValueError: `extra` is no JSON object, or its `end_ts` is no time from the start on.
    """
    told = parse_extra(extra)
    if told is None:
        return start
    if not isinstance(told, dict):
        raise ValueError(f"extra is {_short(extra)}, expected a JSON object")  # noqa: TRY004 - the file's text is wrong
    end = told.get("end_ts", start)
    if isinstance(end, bool) or not isinstance(end, int | float) or end != end // 1:
        raise ValueError(f"extra's end_ts is {_short(end)}, expected a whole number of unix seconds")
    if not start <= end <= LAST_SECOND:
        raise ValueError(
            f"extra's end_ts is {_short(end)}, expected the event's timestamp {start} or later, in seconds"
        )
    return int(end)


def parse_extra(extra: str | None) -> object:
    """What the text says; None where there is none. Raises ValueError: it is no JSON."""
    if extra is None or not extra.strip():
        return None
    try:
        return json.loads(extra)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"extra is {_short(extra)}, expected JSON") from exc


def _short(value: object) -> str:
    said = repr(value)
    return said if len(said) <= _SHOWN else said[:_SHOWN] + "…"
