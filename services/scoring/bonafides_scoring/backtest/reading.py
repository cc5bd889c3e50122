"""Opens CSV and Parquet files, and refuses what is wrong with the file, the row and the reason.

Rows count from 1 as a spreadsheet shows them: in a CSV file the header is row 1 and a blank line counts; in a Parquet
file, which has no header row, the first record is row 1.
"""

import csv
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import polars as pl
from bonafides.errors import InvalidInput

Seen = Mapping[str, object]
"""One record by the names of its columns, with its `row`."""

_ADDRESS = "^0[xX][0-9a-fA-F]{40}$"
FIRST_SECOND, LAST_SECOND = 1_400_000_000, 4_102_444_800
"""2014 to 2100: a time outside is in another unit, or garbage."""


def read_fields(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """`row` and the columns asked for, as text without spaces around it; blank fields are null, blank lines skipped.

    Raises:
        InvalidInput: no UTF-8 text, no CSV, a column missing or named twice, a row of another length than the header.
    """
    records = _records(path)
    if not records:
        raise InvalidInput(f"{path}: is empty, expected a header with {', '.join(columns)}")
    header = [name.strip() for name in records[0]]
    check_columns(path, header, columns)
    twice = next((name for name in columns if header.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(f"{path}: row 1: column {twice} is named {header.count(twice)} times, expected once")
    rows: list[int] = []
    kept: list[list[str]] = []
    for row, record in enumerate(records[1:], start=2):
        fields = [field.strip() for field in record]
        if not any(fields):
            continue
        if len(fields) != len(header):
            raise InvalidInput(f"{path}: row {row}: holds {len(fields)} fields, expected {len(header)} as the header")
        rows.append(row)
        kept.append(fields)
    found = {name: [fields[header.index(name)] or None for fields in kept] for name in columns}
    return pl.DataFrame({"row": rows, **found}, schema={"row": pl.Int64, **dict.fromkeys(columns, pl.String)})


def read_columns(path: Path, columns: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """`row` and the columns asked for, of the types asked for, from a Parquet file.

    Raises:
        InvalidInput: no Parquet file that can be read, a column missing or of another type, a number too large.
    """
    check_file(path, "a Parquet file")
    try:
        # The name is taken as it is: a star in it is no pattern, and "month=1" in its path is no column.
        frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as exc:
        raise InvalidInput(f"{path}: is no Parquet file that can be read: {_first_line(exc)}") from exc
    check_columns(path, frame.columns, tuple(columns))
    frame = frame.select(*columns).with_row_index("row", offset=1)
    for name, kind in columns.items():
        found = frame.schema[name]
        fits = found in (kind, pl.Null) or (kind == pl.Float64 and found.is_numeric())
        if not (fits or (kind == pl.Int64 and found.is_integer())):
            raise InvalidInput(f"{path}: column {name} holds {found}, expected {kind.__name__}")
        cast = frame.with_columns(pl.col(name).cast(kind, strict=False).alias("cast"))
        lost = pl.col("cast").is_null() & pl.col(name).is_not_null()
        refuse_where(path, cast, lost, instead_of(name, "a number of 64 bits"))
        frame = frame.with_columns(pl.col(name).cast(kind))
    return frame


def check_file(path: Path, wanted: str) -> None:
    """Raises InvalidInput: nothing there, or a folder."""
    if path.is_dir():
        raise InvalidInput(f"{path}: is a folder, expected {wanted}")
    if not path.exists():
        raise InvalidInput(f"{path}: does not exist, expected {wanted}")


def check_columns(path: Path, found: Sequence[str], wanted: Sequence[str]) -> None:
    """Raises InvalidInput: a column is missing."""
    missing = [name for name in wanted if name not in found]
    if missing:
        seen = ", ".join(found) or "none"
        raise InvalidInput(f"{path}: column {missing[0]} is missing; found {seen}; expected {', '.join(wanted)}")


def refuse_where(path: Path, frame: pl.DataFrame, bad: pl.Expr, say: Callable[[Seen], str]) -> None:
    """Raises InvalidInput: of the first row where `bad` is true, in the words of `say`."""
    found = frame.filter(bad).head(1)
    if len(found):
        seen = found.row(0, named=True)
        raise InvalidInput(f"{path}: row {seen['row']}: {say(seen)}")


def instead_of(name: str, expected: str) -> Callable[[Seen], str]:
    """Words for `refuse_where`: what stands in a column, and what was expected."""
    return lambda seen: f"{name} is {seen[name]!r}, expected {expected}"


def refuse_repeats(path: Path, frame: pl.DataFrame, keys: Sequence[str], say: Callable[[Seen], str]) -> None:
    """Raises InvalidInput: of the first row whose keys stand in an earlier row, which is named as well."""
    marked = frame.with_columns(pl.col("row").first().over(keys).alias("earlier"))
    refuse_where(
        path, marked, pl.col("row") != pl.col("earlier"), lambda seen: f"{say(seen)}: see row {seen['earlier']}"
    )


def refuse_gaps(path: Path, frame: pl.DataFrame, names: Collection[str]) -> None:
    """Raises InvalidInput: one of the columns is null or blank somewhere."""
    for name in names:
        empty = pl.col(name).is_null()
        if frame.schema[name] == pl.String:
            empty = empty | (pl.col(name).str.strip_chars() == "")
        refuse_where(path, frame, empty, _named_empty(name))


def check_times(path: Path, frame: pl.DataFrame, name: str) -> None:
    """Raises InvalidInput: a time before 2014 or after 2100."""
    span = f"expected {FIRST_SECOND} to {LAST_SECOND}"
    outside = ~pl.col(name).is_between(FIRST_SECOND, LAST_SECOND)
    refuse_where(path, frame, outside, lambda seen: f"{name} {seen[name]} is no time in unix seconds, {span}")


def check_wallets(path: Path, frame: pl.DataFrame) -> None:
    """Raises InvalidInput: a wallet that is no address."""
    expected = "expected 0x and 40 hexadecimal digits"
    refuse_where(
        path,
        frame,
        ~pl.col("wallet").str.contains(_ADDRESS),
        lambda seen: f"wallet is no address: {len(str(seen['wallet']))} characters, {expected}",
    )


def _named_empty(name: str) -> Callable[[Seen], str]:
    return lambda _: f"{name} is empty"


def _records(path: Path) -> list[list[str]]:
    check_file(path, "a CSV file")
    records: list[list[str]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            records.extend(csv.reader(file, strict=True))
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"{path}: is no CSV file that can be read: expected UTF-8 text, {exc.reason}") from exc
    except csv.Error as exc:
        raise InvalidInput(f"{path}: row {len(records) + 1}: is no row of a CSV file: {exc}") from exc
    except OSError as exc:
        raise InvalidInput(f"{path}: cannot be read: {exc.strerror}") from exc
    return records


def _first_line(exc: BaseException) -> str:
    return next(iter(str(exc).splitlines()), type(exc).__name__)
