"""Reads daily closes from a Parquet file and checks every row: a wrong price would be learned as a crash.

Columns `date` (a date, or text YYYY-MM-DD), `symbol`, `close_usd`; others are ignored, as are symbols that the market
does not list. A day that is missing keeps the price of the day before, as a feed does, up to `MOST_MISSING_DAYS`.
"""

import datetime
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq
from bonafides.errors import InvalidInput
from bonafides.hashing import sha256

from bonafides_lab.market.reserves import DAI, USDC, WBTC, WETH

RESERVE_OF_SYMBOL: Mapping[str, int] = MappingProxyType(
    {"WETH": WETH, "ETH": WETH, "WBTC": WBTC, "BTC": WBTC, "USDC": USDC, "DAI": DAI}
)
"""A symbol and its wrapped twin are one price; where a file holds both on one day, that is a duplicate."""
COLUMNS = ("date", "symbol", "close_usd")
MOST_MISSING_DAYS = 3
_DAY = datetime.timedelta(days=1)
_NAMES = {WETH: "WETH or ETH", WBTC: "WBTC or BTC", USDC: "USDC", DAI: "DAI"}


@dataclass(frozen=True, slots=True)
class DailySeries:
    """Closes of all reserves on consecutive days."""

    first_day: datetime.date
    closes: tuple[tuple[float, ...], ...]
    """One row per day, one price in USD per reserve of `RESERVES`, all above 0."""
    sha256: str
    """Of the file, in hex: it names the prices without holding them."""

    def __len__(self) -> int:
        return len(self.closes)


def read_daily_series(path: Path) -> DailySeries:
    """The days on which all four assets have a price, from the first to the last.

    Raises:
        InvalidInput: a file that cannot be read, a missing column, a wrong type, a row without a date, with a price
            that is no finite number above 0, or that stands there twice; an asset that is missing, a gap too long.
            The text names the file and, where there is one, the row (the first is 0).
    """
    closes: dict[int, dict[datetime.date, float]] = {reserve: {} for reserve in _NAMES}
    for row, (date, symbol, close) in enumerate(_rows(path)):
        if not isinstance(symbol, str):
            raise InvalidInput(f"{path.name}, row {row}: symbol is {symbol!r}, expected text")
        reserve = RESERVE_OF_SYMBOL.get(symbol)
        if reserve is None:
            continue
        day = _day(path, row, date)
        if not isinstance(close, float) or not math.isfinite(close) or close <= 0:
            raise InvalidInput(f"{path.name}, row {row}: close_usd of {symbol} is {close}, expected a number above 0")
        if day in closes[reserve]:
            raise InvalidInput(f"{path.name}, row {row}: {_NAMES[reserve]} has a price on {day} already")
        closes[reserve][day] = close
    missing = [_NAMES[reserve] for reserve, days in closes.items() if not days]
    if missing:
        raise InvalidInput(f"{path.name} holds no price of {', '.join(missing)}: all four assets are needed")
    first = max(min(days) for days in closes.values())
    last = min(max(days) for days in closes.values())
    if first >= last:
        raise InvalidInput(f"{path.name}: the four assets have no two days in common ({first} to {last})")
    held = [_held_over(path, reserve, closes[reserve], first, last) for reserve in sorted(closes)]
    return DailySeries(first, tuple(zip(*held, strict=True)), sha256(path.read_bytes()).hex())


def _rows(path: Path) -> Iterator[tuple[object, object, object]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as exc:
        raise InvalidInput(f"{path.name} cannot be read: expected a Parquet file of daily prices") from exc
    absent = [column for column in COLUMNS if column not in table.column_names]
    if absent:
        raise InvalidInput(f"{path.name} has no column {', '.join(absent)}: expected {', '.join(COLUMNS)}")
    if not pa.types.is_floating(table.schema.field("close_usd").type):
        kind = table.schema.field("close_usd").type
        raise InvalidInput(f"{path.name}: column close_usd is {kind}, expected a floating-point number")
    columns = [table.column(column).to_pylist() for column in COLUMNS]
    return zip(*columns, strict=True)


def _day(path: Path, row: int, date: object) -> datetime.date:
    if isinstance(date, datetime.datetime):
        return date.date()
    if isinstance(date, datetime.date):
        return date
    try:
        return datetime.date.fromisoformat(date) if isinstance(date, str) else _not_a_date(date)
    except ValueError as exc:
        raise InvalidInput(f"{path.name}, row {row}: date is {date!r}, expected YYYY-MM-DD") from exc


def _not_a_date(value: object) -> datetime.date:
    raise ValueError(f"{value!r} is no text")


def _held_over(
    path: Path, reserve: int, closes: Mapping[datetime.date, float], first: datetime.date, last: datetime.date
) -> list[float]:
    """The closes of every day from first to last, a missing one being that of the day before."""
    # The span may begin inside a hole of this asset: then the price before it still holds.
    price = closes[max(day for day in closes if day <= first)]
    held: list[float] = []
    missing, day = 0, first
    while day <= last:
        missing = 0 if day in closes else missing + 1
        if missing > MOST_MISSING_DAYS:
            raise InvalidInput(
                f"{path.name}: {_NAMES[reserve]} has no price on {missing} days up to {day}; "
                f"{MOST_MISSING_DAYS} are filled, not more"
            )
        price = closes.get(day, price)
        held.append(price)
        day += _DAY
    return held
