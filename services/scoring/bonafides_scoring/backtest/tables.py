"""Reads the four files of the real-data task, and refuses what is wrong with the file, the row and the reason."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from bonafides.errors import InvalidInput

from bonafides_scoring.backtest.episodes import episode_end, parse_extra
from bonafides_scoring.backtest.reading import (
    check_times,
    check_wallets,
    instead_of,
    read_columns,
    read_fields,
    refuse_gaps,
    refuse_repeats,
    refuse_where,
)

Ints = npt.NDArray[np.int64]
Note = Callable[[str], None]
"""Takes a sentence for the user: what was passed over, and why an answer is none."""

STREAM_ACTIONS = ("liquidationcall", "liquidation", "hard_liquidation", "soft_liq_episode")
"""What the task looks at. Deposits, borrows and loans of the same file say nothing about re-liquidation."""
OTHER_ACTIONS = (
    *("deposit", "redeemunderlying", "borrow", "repay"),
    *("loan_default_maturity", "loan_liquidation_price"),
)
_AMOUNTS = ("amount", "amount_usd", "collateral_amount")
_EVENTS = {
    "event_id": pl.String,
    "wallet": pl.String,
    "timestamp": pl.Int64,
    "action": pl.String,
    "asset_symbol": pl.String,
    "amount": pl.Float64,
    "amount_usd": pl.Float64,
    "collateral_symbol": pl.String,
    "collateral_amount": pl.Float64,
    "extra": pl.String,
}
_PRICES = {"date": pl.String, "symbol": pl.String, "close_usd": pl.Float64}
_FIRST_DATE, _LAST_DATE = date(2014, 5, 14), date(2099, 12, 31)
"""The whole days between. A single price far off would stretch every price's days as far."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Wallets at cut-offs, as asked for, and the outcomes where they are known."""

    wallets: tuple[str, ...]
    cutoffs: Ints
    labels: Ints
    """0 or 1; all 0 where none were asked for."""
    lines: Ints | None = None
    """Rows of the file they came from, to name one of them; none for rows of no file."""

    def __len__(self) -> int:
        return len(self.wallets)

    def where(self, mask: npt.NDArray[np.bool_]) -> "Rows":
        """The rows that `mask` names, in their order."""
        keep = np.flatnonzero(mask)
        lines = None if self.lines is None else self.lines[keep]
        return Rows(tuple(self.wallets[place] for place in keep), self.cutoffs[keep], self.labels[keep], lines)


def read_events(path: Path, note: Note = lambda _: None) -> pl.DataFrame:
    """Liquidations of all kinds, in the order of time and id. Events of unknown actions are passed over, with a note.

    Raises:
        InvalidInput: a file that is not Parquet or holds no row, a column missing or of another type, an id twice, a
            value missing, a wallet that is no address, an amount below 0 or not finite, an `extra` that is no JSON, no
            action that is known.
    """
    frame = read_columns(path, _EVENTS)
    if not len(frame):
        raise InvalidInput(f"{path}: holds no row, expected events")
    refuse_gaps(path, frame, ("event_id", "wallet", "timestamp", "action"))
    check_wallets(path, frame)
    check_times(path, frame, "timestamp")
    known = STREAM_ACTIONS + OTHER_ACTIONS
    unknown = frame.filter(~pl.col("action").is_in(known))
    if len(unknown) == len(frame):
        raise InvalidInput(f"{path}: row 1: action is {frame['action'][0]!r}, expected one of {', '.join(known)}")
    if len(unknown):
        first = f"the first is {unknown['action'][0]!r} in row {unknown['row'][0]}"
        note(f"{path}: {len(unknown):,} of {len(frame):,} events have an unknown action and are passed over; {first}")
    for name in _AMOUNTS:
        bad = (pl.col(name) < 0) | ~pl.col(name).is_finite()
        refuse_where(path, frame, bad, instead_of(name, "0 or more, or null where it is unknown"))
    _check_extras(path, frame)
    refuse_repeats(path, frame, ["event_id"], lambda seen: f"event_id {seen['event_id']!r} stands there twice")
    frame = frame.filter(pl.col("action").is_in(STREAM_ACTIONS))
    return frame.with_columns(pl.col("wallet").str.to_lowercase()).drop("row").sort("timestamp", "event_id")


def read_prices(path: Path) -> pl.DataFrame:
    """Daily closes by symbol.

    Raises:
        InvalidInput: as for events; a price that is not above 0; a symbol with two prices on a day.
    """
    frame = read_columns(path, _PRICES)
    if not len(frame):
        raise InvalidInput(f"{path}: holds no row, expected daily prices")
    refuse_gaps(path, frame, _PRICES)
    days = frame.with_columns(pl.col("date").str.to_date("%Y-%m-%d", strict=False).alias("day"))
    refuse_where(path, days, pl.col("day").is_null(), lambda seen: f"{seen['date']!r} is no date YYYY-MM-DD")
    outside = ~pl.col("day").is_between(_FIRST_DATE, _LAST_DATE)
    refuse_where(path, days, outside, lambda seen: f"{seen['date']} lies before {_FIRST_DATE} or after {_LAST_DATE}")
    bad = ~(pl.col("close_usd").is_finite() & (pl.col("close_usd") > 0))
    refuse_where(path, days, bad, lambda seen: f"close_usd {seen['close_usd']} is not above 0")
    refuse_repeats(path, days, ["day", "symbol"], lambda seen: f"{seen['symbol']} has two prices on {seen['date']}")
    return days.select(pl.col("day").cast(pl.Int32).cast(pl.Int64), "symbol", "close_usd").sort("symbol", "day")


def read_labels(path: Path) -> Rows:
    """Wallets, cut-offs and outcomes. May be empty. Raises InvalidInput: see `read_cutoffs`; a label not 0 or 1."""
    frame = _rows(path, ("wallet", "cutoff_ts", "label_30d"))
    bad = ~pl.col("label_30d").is_in([0, 1])
    refuse_where(path, frame, bad, instead_of("label_30d", "0 or 1"))
    return _as_rows(frame, frame["label_30d"].to_numpy().astype(np.int64))


def read_cutoffs(path: Path, learned_until: int = 0) -> Rows:
    """Wallets and cut-offs to answer for, in the file's order. Blank lines are passed over.

    Raises:
        InvalidInput: no CSV, a column missing or named twice, a row of another length than the header, an empty field,
            a wallet that is no address, a time that is none, a row that stands there twice, no row at all; a cut-off
            before `learned_until`, of a model that was trained before.
    """
    frame = _rows(path, ("wallet", "cutoff_ts"))
    if not len(frame):
        raise InvalidInput(f"{path}: holds no row below the header, expected wallets and cut-offs to answer for")
    told = f"lies before {learned_until}, when the model's last training window ended: it would tell what it has seen"
    early = pl.col("cutoff_ts") < learned_until
    refuse_where(path, frame, early, lambda seen: f"cut-off {seen['cutoff_ts']} {told}")
    return _as_rows(frame, np.zeros(len(frame), dtype=np.int64))


def _rows(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    frame = read_fields(path, columns)
    refuse_gaps(path, frame, columns)
    check_wallets(path, frame)
    for name in columns[1:]:
        cast = pl.col(name).cast(pl.Int64, strict=False)
        refuse_where(path, frame, cast.is_null(), instead_of(name, "a whole number"))
        frame = frame.with_columns(cast)
    check_times(path, frame, "cutoff_ts")
    same = frame.with_columns(pl.col("wallet").str.to_lowercase())
    refuse_repeats(
        path, same, ["wallet", "cutoff_ts"], lambda seen: f"this wallet and cut-off {seen['cutoff_ts']} stand twice"
    )
    return frame


def _as_rows(frame: pl.DataFrame, labels: Ints) -> Rows:
    times, lines = frame["cutoff_ts"].to_numpy().astype(np.int64), frame["row"].to_numpy().astype(np.int64)
    return Rows(tuple(frame["wallet"].to_list()), times, labels, lines)


def _check_extras(path: Path, frame: pl.DataFrame) -> None:
    told = frame.filter(pl.col("extra").is_not_null()).select("row", "action", "extra", "timestamp")
    for row, action, extra, start in told.iter_rows():
        try:
            if action == "soft_liq_episode":
                episode_end(extra, start)
            else:
                parse_extra(extra)
        except ValueError as exc:
            raise InvalidInput(f"{path}: row {row}: {exc}") from exc
