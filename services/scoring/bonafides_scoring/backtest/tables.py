"""Reads the four files of the real-data task, and refuses what is wrong with the file, the row and the reason."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from bonafides.errors import InvalidInput

Ints = npt.NDArray[np.int64]

STREAM_ACTIONS = ("liquidationcall", "liquidation", "hard_liquidation", "soft_liq_episode")
"""What the task looks at. Deposits, borrows and loans of the same file say nothing about re-liquidation."""
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
_ROW = {"wallet": pl.String, "cutoff_ts": pl.Int64}
_FIRST_SECOND, _LAST_SECOND = 1_400_000_000, 4_102_444_800
"""2014 to 2100: a time outside is in another unit, or garbage."""
_FIRST_DATE, _LAST_DATE = date(2014, 5, 14), date(2099, 12, 31)
"""The whole days between. A single price far off would stretch every price's days as far."""
_ADDRESS = "^0[xX][0-9a-fA-F]{40}$"


@dataclass(frozen=True, slots=True)
class Rows:
    """Wallets at cut-offs, as asked for, and the outcomes where they are known."""

    wallets: tuple[str, ...]
    cutoffs: Ints
    labels: Ints
    """0 or 1; all 0 where none were asked for."""

    def __len__(self) -> int:
        return len(self.wallets)

    def where(self, mask: npt.NDArray[np.bool_]) -> "Rows":
        """The rows that `mask` names, in their order."""
        keep = np.flatnonzero(mask)
        return Rows(tuple(self.wallets[place] for place in keep), self.cutoffs[keep], self.labels[keep])


def read_events(path: Path) -> pl.DataFrame:
    """Liquidations of all kinds, in the order of time and id.

    Raises:
        InvalidInput: a file that is not Parquet, a column missing or of another type, an id twice, a value missing.
    """
    frame = _typed(path, _parquet(path), _EVENTS)
    frame = frame.with_row_index("row", offset=1)
    for name in ("event_id", "wallet", "timestamp", "action"):
        _no_nulls(path, frame, name)
    twice = frame.filter(pl.col("event_id").is_duplicated())
    if len(twice):
        raise InvalidInput(f"{path}: row {twice['row'][-1]}: event_id {twice['event_id'][-1]!r} stands there twice")
    _check_times(path, frame, "timestamp")
    frame = frame.filter(pl.col("action").is_in(STREAM_ACTIONS))
    return frame.with_columns(pl.col("wallet").str.to_lowercase()).drop("row").sort("timestamp", "event_id")


def read_prices(path: Path) -> pl.DataFrame:
    """Daily closes by symbol.

    Raises:
        InvalidInput: as for events; a price that is not above 0; a symbol with two prices on a day.
    """
    frame = _typed(path, _parquet(path), _PRICES).with_row_index("row", offset=1)
    for name in _PRICES:
        _no_nulls(path, frame, name)
    days = frame.with_columns(pl.col("date").str.to_date("%Y-%m-%d", strict=False).alias("day"))
    bad = days.filter(pl.col("day").is_null())
    if len(bad):
        raise InvalidInput(f"{path}: row {bad['row'][0]}: {bad['date'][0]!r} is no date YYYY-MM-DD")
    bad = days.filter(~pl.col("day").is_between(_FIRST_DATE, _LAST_DATE))
    if len(bad):
        span = f"before {_FIRST_DATE} or after {_LAST_DATE}"
        raise InvalidInput(f"{path}: row {bad['row'][0]}: {bad['date'][0]} lies {span}")
    bad = days.filter(~(pl.col("close_usd").is_finite() & (pl.col("close_usd") > 0)))
    if len(bad):
        raise InvalidInput(f"{path}: row {bad['row'][0]}: close_usd {bad['close_usd'][0]} is not above 0")
    bad = days.filter(pl.struct("day", "symbol").is_duplicated())
    if len(bad):
        raise InvalidInput(f"{path}: row {bad['row'][-1]}: {bad['symbol'][-1]} has two prices on {bad['date'][-1]}")
    return days.select(pl.col("day").cast(pl.Int32).cast(pl.Int64), "symbol", "close_usd").sort("symbol", "day")


def read_labels(path: Path) -> Rows:
    """Wallets, cut-offs and outcomes. May be empty. Raises InvalidInput: see `read_cutoffs`; a label not 0 or 1."""
    frame = _rows(path, {**_ROW, "label_30d": pl.Int64})
    bad = frame.filter(~pl.col("label_30d").is_in([0, 1]))
    if len(bad):
        raise InvalidInput(f"{path}: row {bad['row'][0]}: label_30d is {bad['label_30d'][0]}, expected 0 or 1")
    return _as_rows(frame, frame["label_30d"].to_numpy().astype(np.int64))


def read_cutoffs(path: Path, learned_until: int = 0) -> Rows:
    """Wallets and cut-offs to answer for, in the file's order. Blank lines are passed over.

    Raises:
        InvalidInput: no CSV, a column missing, an empty field, a wallet that is no address, a time that is none, a row
            that stands there twice; a cut-off before `learned_until`, of a model that was trained before.
    """
    frame = _rows(path, _ROW)
    early = frame.filter(pl.col("cutoff_ts") < learned_until)
    if len(early):
        raise InvalidInput(
            f"{path}: row {early['row'][0]}: cut-off {early['cutoff_ts'][0]} lies before {learned_until}, "
            "when the model's last training window ended: it would tell what it has seen"
        )
    return _as_rows(frame, np.zeros(len(frame), dtype=np.int64))


def _rows(path: Path, columns: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as exc:
        raise InvalidInput(f"{path}: is no CSV file that can be read: {exc}") from exc
    _columns(path, frame, tuple(columns))
    fields = pl.all().str.strip_chars().replace("", None)
    filled = frame.select(fields).with_row_index("row", offset=2)  # the header is row 1
    frame = filled.filter(~pl.all_horizontal(pl.exclude("row").is_null())).select("row", *columns)
    for name, kind in columns.items():
        _no_nulls(path, frame, name)
        if kind != pl.String:
            cast = frame.with_columns(pl.col(name).cast(kind, strict=False).alias("cast"))
            bad = cast.filter(pl.col("cast").is_null())
            if len(bad):
                raise InvalidInput(f"{path}: row {bad['row'][0]}: {name} is {bad[name][0]!r}, expected a whole number")
            frame = frame.with_columns(pl.col(name).cast(kind))
    bad = frame.filter(~pl.col("wallet").str.contains(_ADDRESS))
    if len(bad):
        seen = f"{len(bad['wallet'][0])} characters, expected 0x and 40 hexadecimal digits"
        raise InvalidInput(f"{path}: row {bad['row'][0]}: wallet is no address: {seen}")
    _check_times(path, frame, "cutoff_ts")
    same = frame.with_columns(pl.col("wallet").str.to_lowercase().alias("wallet"))
    twice = same.filter(pl.struct("wallet", "cutoff_ts").is_duplicated())
    if len(twice):
        raise InvalidInput(
            f"{path}: row {twice['row'][-1]}: this wallet and cut-off {twice['cutoff_ts'][-1]} stand twice"
        )
    return frame


def _as_rows(frame: pl.DataFrame, labels: Ints) -> Rows:
    return Rows(tuple(frame["wallet"].to_list()), frame["cutoff_ts"].to_numpy().astype(np.int64), labels)


def _parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as exc:
        raise InvalidInput(f"{path}: is no Parquet file that can be read: {exc}") from exc


def _typed(path: Path, frame: pl.DataFrame, columns: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    _columns(path, frame, tuple(columns))
    for name, kind in columns.items():
        found = frame.schema[name]
        fits = found == kind or found == pl.Null or (kind == pl.Float64 and found.is_numeric())
        if not (fits or (kind == pl.Int64 and found.is_integer())):
            raise InvalidInput(f"{path}: column {name} holds {found}, expected {kind.__name__}")
    return frame.select(pl.col(name).cast(kind) for name, kind in columns.items())


def _columns(path: Path, frame: pl.DataFrame, wanted: tuple[str, ...]) -> None:
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise InvalidInput(f"{path}: column {missing[0]} is missing; found {', '.join(frame.columns)}")


def _no_nulls(path: Path, frame: pl.DataFrame, name: str) -> None:
    bad = frame.filter(pl.col(name).is_null())
    if len(bad):
        raise InvalidInput(f"{path}: row {bad['row'][0]}: {name} is empty")


def _check_times(path: Path, frame: pl.DataFrame, name: str) -> None:
    bad = frame.filter(~pl.col(name).is_between(_FIRST_SECOND, _LAST_SECOND))
    if len(bad):
        raise InvalidInput(f"{path}: row {bad['row'][0]}: {name} {bad[name][0]} is no time in unix seconds")
