"""Bad files for `scoring predict` and `scoring backtest`: what is wrong with each, and the words that must say so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tests.support.backtest_data import ASKED, CUTOFFS, START, World, all_events, all_prices, event, wallet, write_csv

Spoil = Callable[[World], None]


@dataclass(frozen=True, slots=True)
class Bad:
    """One thing wrong with a good world."""

    name: str
    spoil: Spoil
    reason: str
    """A pattern that the refusal must hold."""


def events_with(*rows: dict[str, object], drop: str | None = None, strict: bool = True) -> Spoil:
    """Write these events in place of the good ones."""

    def spoil(world: World) -> None:
        frame = pl.DataFrame(list(rows), infer_schema_length=None, strict=strict)
        (frame.drop(drop) if drop else frame).write_parquet(world.events)

    return spoil


def prices_with(*rows: dict[str, object]) -> Spoil:
    """Write these prices in place of the good ones."""
    return lambda world: pl.DataFrame(list(rows), infer_schema_length=None).write_parquet(world.prices)


def emptied(name: str) -> Spoil:
    """The file of the world keeps its columns and loses its rows."""

    def spoil(world: World) -> None:
        path: Path = getattr(world, name)
        if path.suffix == ".parquet":
            pl.read_parquet(path).clear().write_parquet(path)
        else:
            path.write_text(path.read_text("utf-8").splitlines()[0] + "\n", encoding="utf-8")

    return spoil


def bytes_of(name: str, change: Callable[[bytes], bytes]) -> Spoil:
    """The file of the world with other bytes."""

    def spoil(world: World) -> None:
        path: Path = getattr(world, name)
        path.write_bytes(change(path.read_bytes()))

    return spoil


def gone(name: str) -> Spoil:
    """The file of the world isn't there."""
    return lambda world: Path(getattr(world, name)).unlink()


def folder(name: str) -> Spoil:
    """A folder stands where the file should."""

    def spoil(world: World) -> None:
        path: Path = getattr(world, name)
        raw = path.read_bytes()
        path.unlink()
        path.mkdir()
        (path / path.name).write_bytes(raw)  # a reader that opens every file of a folder would take it

    return spoil


def table(name: str, header: Sequence[str], *rows: Sequence[object]) -> Spoil:
    """Write this CSV in place of the good one."""
    return lambda world: write_csv(getattr(world, name), header, rows)


def prefixed(*lines: str) -> Callable[[bytes], bytes]:
    """The header, these lines, and then the rest of the file."""

    def change(raw: bytes) -> bytes:
        header, rest = raw.decode().split("\n", 1)
        return "\n".join([header.strip(), *lines, rest]).encode()

    return change


def episode(extra: str | None) -> dict[str, object]:
    """A soft liquidation that starts on day 1."""
    return event(1, START + 86_400, action="soft_liq_episode", extra=extra)


PRICE = {"date": "2021-01-01", "symbol": "WETH", "close_usd": 1_000.0}
GOOD = event(2, START)

EVENTS = (
    Bad("empty", emptied("events"), r"e\.parquet: holds no row, expected events"),
    Bad("no file", gone("events"), r"e\.parquet: does not exist, expected a Parquet file"),
    Bad("a folder", folder("events"), r"e\.parquet: is a folder, expected a Parquet file"),
    Bad("cut off", bytes_of("events", lambda raw: raw[: len(raw) // 2]), r"e\.parquet: is no Parquet file"),
    Bad("no byte", bytes_of("events", lambda _: b""), r"e\.parquet: is no Parquet file"),
    Bad("CSV", bytes_of("events", lambda _: b"event_id,wallet\n1,2\n"), r"e\.parquet: is no Parquet file"),
    Bad("column missing", events_with(GOOD, drop="amount"), r"e\.parquet: column amount is missing; found event_id, "),
    Bad("type", events_with(event(1, START, timestamp="now")), r"column timestamp holds String, expected Int64"),
    Bad(
        "amounts are words", events_with(event(1, START, amount="1e3")), r"column amount holds String, expected Float64"
    ),
    Bad("id twice", events_with(GOOD, event(1, START), GOOD), r"row 3: event_id .* stands there twice: see row 1"),
    Bad("no id", events_with(GOOD, event(1, START, event_id=" ")), r"e\.parquet: row 2: event_id is empty"),
    Bad("no wallet", events_with(event(1, START, wallet=None)), r"e\.parquet: row 1: wallet is empty"),
    Bad(
        "a name", events_with(GOOD, event(1, START, wallet="alice")), r"row 2: wallet is no address: 5 characters, exp"
    ),
    Bad("a longer wallet", events_with(event(1, START, wallet=wallet(1) + "0")), r"row 1: wallet is no address: 43 ch"),
    Bad("milliseconds", events_with(GOOD, event(1, START * 1_000)), r"row 2: timestamp \d+ is no time in unix seconds"),
    Bad("no time", events_with(GOOD, event(1, START, timestamp=None)), r"row 2: timestamp is empty"),
    Bad(
        "unknown actions", events_with(event(1, START, action="oops")), r"row 1: action is 'oops', expected one of liq"
    ),
    Bad("below 0", events_with(GOOD, event(1, START, amount=-1.0)), r"row 2: amount is -1\.0, expected 0 or more"),
    Bad("no number", events_with(GOOD, event(1, START, amount=float("nan"))), r"row 2: amount is nan, expected 0 or m"),
    Bad("dollars below 0", events_with(event(1, START, amount_usd=-0.5)), r"row 1: amount_usd is -0\.5, expected 0 or"),
    Bad(
        "endless", events_with(event(1, START, collateral_amount=float("inf"))), r"row 1: collateral_amount is inf, exp"
    ),
    Bad(
        "deposit below 0", events_with(GOOD, event(1, START, action="deposit", amount=-1.0)), r"row 2: amount is -1\.0"
    ),
    Bad("extra", events_with(GOOD, event(1, START, extra="{oops")), r"row 2: extra is '\{oops', expected JSON"),
    Bad("extra of an episode", events_with(GOOD, episode("[1]")), r"row 2: extra is '\[1\]', expected a JSON object"),
    Bad(
        "end in words", events_with(GOOD, episode('{"end_ts": "soon"}')), r"row 2: extra's end_ts is 'soon', expected a"
    ),
    Bad("no end", events_with(GOOD, episode('{"end_ts": null}')), r"row 2: extra's end_ts is None, expected a whole"),
    Bad("endless end", events_with(GOOD, episode('{"end_ts": Infinity}')), r"row 2: extra's end_ts is inf, expected"),
    Bad(
        "end first", events_with(GOOD, episode(f'{{"end_ts": {START}}}')), r"row 2: extra's end_ts is \d+, .* or later"
    ),
    Bad(
        "end in ms", events_with(GOOD, episode(f'{{"end_ts": {START}000}}')), r"row 2: extra's end_ts is \d+, .*in sec"
    ),
    Bad("deep extra", events_with(GOOD, episode("[" * 100_000)), r"row 2: extra is '\[+…, expected JSON"),
)

PRICES = (
    Bad("empty", emptied("prices"), r"p\.parquet: holds no row, expected daily prices"),
    Bad("no file", gone("prices"), r"p\.parquet: does not exist, expected a Parquet file"),
    Bad("a folder", folder("prices"), r"p\.parquet: is a folder, expected a Parquet file"),
    Bad("cut off", bytes_of("prices", lambda raw: raw[:-40]), r"p\.parquet: is no Parquet file that can be read"),
    Bad(
        "column missing", prices_with({"date": "2021-01-01", "symbol": "A"}), r"p\.parquet: column close_usd is missing"
    ),
    Bad("type", prices_with(PRICE | {"close_usd": "1.0"}), r"column close_usd holds String, expected Float64"),
    Bad("no date", prices_with(PRICE, PRICE | {"date": "today"}), r"p\.parquet: row 2: 'today' is no date YYYY-MM-DD"),
    Bad("early", prices_with(PRICE | {"date": "0001-01-01"}), r"row 1: 0001-01-01 lies before 2014-05-14"),
    Bad(
        "late", prices_with(*all_prices(), PRICE | {"date": "9999-12-31"}), r"row 441: 9999-12-31 lies before 2014-05-1"
    ),
    Bad("no symbol", prices_with(PRICE, PRICE | {"symbol": ""}), r"p\.parquet: row 2: symbol is empty"),
    Bad("zero", prices_with(PRICE | {"close_usd": 0.0}), r"p\.parquet: row 1: close_usd 0\.0 is not above 0"),
    Bad("no number", prices_with(PRICE | {"close_usd": float("nan")}), r"row 1: close_usd nan is not above 0"),
    Bad(
        "two prices", prices_with(PRICE, PRICE | {"close_usd": 9.0}), r"row 2: WETH has two prices on 2021-01-01: see r"
    ),
)

CUT_OFFS = (
    Bad("empty", emptied("cutoffs"), r"c\.csv: holds no row below the header, expected wallets and cut-offs"),
    Bad("no byte", bytes_of("cutoffs", lambda _: b""), r"c\.csv: is empty, expected a header with wallet, cutoff_ts"),
    Bad("no file", gone("cutoffs"), r"c\.csv: does not exist, expected a CSV file"),
    Bad("a folder", folder("cutoffs"), r"c\.csv: is a folder, expected a CSV file"),
    Bad("Parquet", bytes_of("cutoffs", lambda _: b"PAR1\x15\xc9\xff"), r"c\.csv: .*expected UTF-8 text"),
    Bad(
        "column missing",
        table("cutoffs", ("wallet", "when"), (1, 2)),
        r"column cutoff_ts is missing; found wallet, when",
    ),
    Bad("no header", table("cutoffs", (wallet(1), str(ASKED))), r"c\.csv: column wallet is missing; found 0x"),
    Bad(
        "column twice",
        table("cutoffs", ("wallet", "cutoff_ts", " wallet"), (wallet(1), ASKED, wallet(2))),
        r"c\.csv: row 1: column wallet is named 2 times, expected once",
    ),
    Bad(
        "more fields", bytes_of("cutoffs", prefixed(f"{wallet(30)},{ASKED},1")), r"row 2: holds 3 fields, expected 2 as"
    ),
    Bad("fewer fields", bytes_of("cutoffs", prefixed("", wallet(30))), r"c\.csv: row 3: holds 1 fields, expected 2 as"),
    Bad("open quote", bytes_of("cutoffs", prefixed('"0x')), r"c\.csv: row 2: is no row of a CSV file"),
    Bad(
        "same row twice",
        table("cutoffs", ("wallet", "cutoff_ts"), *[(wallet(1), ASKED)] * 2),
        r"row 3: .*twice: see row 2",
    ),
    Bad(
        "no time", table("cutoffs", ("wallet", "cutoff_ts"), (wallet(1), 12)), r"row 2: cutoff_ts 12 is no time in unix"
    ),
    Bad(
        "a fraction",
        table("cutoffs", ("wallet", "cutoff_ts"), (wallet(1), 1.5)),
        r"row 2: cutoff_ts is '1\.5', expected a",
    ),
    Bad(
        "huge",
        table("cutoffs", ("wallet", "cutoff_ts"), (wallet(1), 10**30)),
        r"row 2: cutoff_ts is '10+', expected a wh",
    ),
    Bad("no wallet", table("cutoffs", ("wallet", "cutoff_ts"), ("", ASKED)), r"c\.csv: row 2: wallet is empty"),
    Bad(
        "a name", table("cutoffs", ("wallet", "cutoff_ts"), ("alice", ASKED)), r"row 2: wallet is no address: 5 charact"
    ),
)

_LABEL = ("wallet", "cutoff_ts", "label_30d")
LABELS = (
    Bad(
        "no byte", bytes_of("labels", lambda _: b""), r"l\.csv: is empty, expected a header with wallet, cutoff_ts, lab"
    ),
    Bad("no file", gone("labels"), r"l\.csv: does not exist, expected a CSV file"),
    Bad("a folder", folder("labels"), r"l\.csv: is a folder, expected a CSV file"),
    Bad(
        "column missing",
        table("labels", _LABEL[:2], (wallet(1), ASKED)),
        r"l\.csv: column label_30d is missing; found wa",
    ),
    Bad(
        "column twice",
        table("labels", (*_LABEL, "label_30d"), (1, 2, 0, 1)),
        r"row 1: column label_30d is named 2 times",
    ),
    Bad(
        "more fields",
        bytes_of("labels", prefixed(f"{wallet(1)},{ASKED},1,0")),
        r"l\.csv: row 2: holds 4 fields, expected 3",
    ),
    Bad("no outcome", table("labels", _LABEL, (wallet(1), CUTOFFS[0], "")), r"l\.csv: row 2: label_30d is empty"),
    Bad("2", table("labels", _LABEL, (wallet(1), CUTOFFS[0], 2)), r"l\.csv: row 2: label_30d is 2, expected 0 or 1"),
    Bad(
        "a word",
        table("labels", _LABEL, (wallet(1), CUTOFFS[0], "yes")),
        r"row 2: label_30d is 'yes', expected a whole n",
    ),
    Bad(
        "no time",
        table("labels", _LABEL, (wallet(1), "soon", 1)),
        r"row 2: cutoff_ts is 'soon', expected a whole number",
    ),
    Bad(
        "both outcomes of one row",
        table("labels", _LABEL, (wallet(1), CUTOFFS[0], 1), (wallet(2), CUTOFFS[0], 1), (wallet(1), CUTOFFS[0], 0)),
        r"l\.csv: row 4: this wallet and cut-off \d+ stand twice: see row 2",
    ),
)


def unsorted(world: World) -> None:
    """All files backwards: the order of rows means nothing."""
    events, prices = all_events()[::-1], all_prices()[::-1]
    pl.DataFrame(events, infer_schema_length=None).write_parquet(world.events)
    pl.DataFrame(prices).write_parquet(world.prices)
    header, *lines = world.labels.read_text("utf-8").splitlines()
    world.labels.write_text("\n".join([header, *lines[::-1]]), encoding="utf-8")
