"""Daily prices from files: what is read, what is refused, and paths bootstrapped from it, by hand."""

import datetime
import math
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bonafides.errors import InvalidInput
from bonafides_lab.market.market_prices import MarketPrices, PriceSource
from bonafides_lab.market.price_bootstrap import FEWEST_DAYS, bootstrapped_path, crash_units, real_path
from bonafides_lab.market.price_files import DailySeries, read_daily_series
from bonafides_lab.market.reserves import DAI, RESERVES, USDC, WBTC, WETH

pytestmark = pytest.mark.unit

FIRST = datetime.date(2021, 1, 1)
SYMBOLS = ("WETH", "WBTC", "USDC", "DAI")
type Row = tuple[object, object, object]


def day(number: int) -> str:
    return (FIRST + datetime.timedelta(days=number)).isoformat()


def rows_of(days: int) -> list[Row]:
    return [(day(number), symbol, 100.0 + number) for number in range(days) for symbol in SYMBOLS]


def write(folder: Path, rows: Sequence[Row], columns: Sequence[str] = ("date", "symbol", "close_usd")) -> Path:
    path = folder / "prices.parquet"
    pq.write_table(pa.table({name: [row[place] for row in rows] for place, name in enumerate(columns)}), path)
    return path


def test_read__three_days__has_a_row_per_day_in_the_order_of_the_reserves(tmp_path: Path) -> None:
    rows = [(day(0), symbol, price) for symbol, price in zip(SYMBOLS, (700.0, 30_000.0, 1.0, 0.99), strict=True)]

    series = read_daily_series(write(tmp_path, [*rows_of(3)[4:], *rows]))

    assert series.first_day == FIRST
    assert series.closes[0] == (700.0, 30_000.0, 1.0, 0.99)
    assert series.closes[2] == (102.0,) * 4


def test_read__eth_and_btc__stand_for_their_wrapped_twins(tmp_path: Path) -> None:
    names = {"WETH": "ETH", "WBTC": "BTC"}
    rows = [(date, names.get(str(symbol), symbol), close) for date, symbol, close in rows_of(2)]

    assert read_daily_series(write(tmp_path, rows)).closes[1] == (101.0,) * 4


def test_read__a_day_without_a_price__keeps_the_price_before(tmp_path: Path) -> None:
    rows = [row for row in rows_of(4) if row[:2] != (day(2), "WBTC")]

    series = read_daily_series(write(tmp_path, rows))

    assert [row[WBTC] for row in series.closes] == [100.0, 101.0, 101.0, 103.0]


def test_read__other_symbols_and_longer_series__only_the_common_days_count(tmp_path: Path) -> None:
    rows = [row for row in rows_of(6) if not (row[1] == "DAI" and row[0] in (day(0), day(5)))]

    series = read_daily_series(write(tmp_path, [*rows, (day(0), "YFI", -1.0)]))

    assert (series.first_day.isoformat(), len(series)) == (day(1), 4)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ((day(1), "WETH", -5.0), "row 8: close_usd of WETH is -5.0"),
        ((day(1), "WETH", math.nan), "row 8: close_usd of WETH is nan"),
        ((day(1), "WETH", None), "row 8: close_usd of WETH is None"),
        (("01.02.2021", "WETH", 5.0), "row 8: date is '01.02.2021'"),
        ((None, "WETH", 5.0), "row 8: date is None"),
        ((day(1), None, 5.0), "row 8: symbol is None"),
        ((day(1), "WETH", 5.0), "row 8: WETH or ETH has a price on 2021-01-02 already"),
        ((day(1), "ETH", 5.0), "row 8: WETH or ETH has a price on 2021-01-02 already"),
    ],
)
def test_read__a_bad_row__is_refused_with_file_row_and_reason(tmp_path: Path, row: Row, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_daily_series(write(tmp_path, [*rows_of(2), row]))

    assert str(refused.value).startswith(f"prices.parquet, {told}")


def test_read__a_missing_column__is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"prices\.parquet has no column close_usd"):
        read_daily_series(write(tmp_path, rows_of(2), ("date", "symbol", "price")))


def test_read__prices_as_text__are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="column close_usd is string"):
        read_daily_series(write(tmp_path, [(date, symbol, "1.0") for date, symbol, _ in rows_of(2)]))


def test_read__an_asset_missing__is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no price of WBTC or BTC"):
        read_daily_series(write(tmp_path, [row for row in rows_of(2) if row[1] != "WBTC"]))


def test_read__a_hole_of_four_days__is_refused(tmp_path: Path) -> None:
    hole = {(day(number), "DAI") for number in (2, 3, 4, 5)}

    with pytest.raises(InvalidInput, match="DAI has no price on 4 days up to 2021-01-06"):
        read_daily_series(write(tmp_path, [row for row in rows_of(8) if row[:2] not in hole]))


def test_read__no_parquet__is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("no")

    with pytest.raises(InvalidInput, match=r"x\.parquet cannot be read"):
        read_daily_series(tmp_path / "x.parquet")


def series_with_a_crash() -> DailySeries:
    """120 days at 1,000, then a fall to 900, 800, 700, and again 100 days; bitcoin falls half as far."""
    ether = [1_000.0] * 120 + [900.0, 800.0, 700.0] + [700.0] * 100
    closes = tuple((price, 30_000.0 + 15 * price, 1 + number % 2 / 100, 1.0) for number, price in enumerate(ether))
    return DailySeries(FIRST, closes, "00")


def test_crash_units__a_fall_over_three_days__is_one_unit_and_all_other_days_are_their_own() -> None:
    units = crash_units([row[WETH] for row in series_with_a_crash().closes])

    # The fall from day 119 to 122 is 30 %. Windows of four days that hold 15 % of it begin on day 118 at the earliest
    # (118 to 121: 20 %) and end on day 124 at the latest (120 to 124: 22 %).
    assert [unit for unit in units if len(unit) > 1] == [range(118, 125)]
    assert [number for unit in units for number in unit] == list(range(1, 223))


def test_bootstrap__crash__is_never_cut() -> None:
    path = bootstrapped_path(series_with_a_crash(), seed=3, days=3_000)

    moves = [after[WETH] / before[WETH] for before, after in zip(path.days, path.days[1:], strict=False)]
    falls = [number for number, move in enumerate(moves) if move == pytest.approx(0.9, abs=1e-6)]
    # rel: prices of 8 decimals, far above a dollar's millionth for the first crashes
    assert len(falls) > 3
    for number in falls[:3]:
        assert moves[number : number + 3] == pytest.approx([0.9, 8 / 9, 7 / 8], rel=1e-6)


def test_bootstrap__assets__move_on_the_same_days_and_stablecoins_keep_their_peg() -> None:
    path = bootstrapped_path(series_with_a_crash(), seed=3, days=2_000)

    for before, after in zip(path.days[:300], path.days[1:301], strict=True):
        assert (before[WETH] == after[WETH]) == (before[WBTC] == after[WBTC])
    assert {row[USDC] for row in path.days} <= {100_000_000, 101_000_000}
    assert {row[DAI] for row in path.days} == {100_000_000}


def test_bootstrap__same_seed__same_path_from_the_start_prices() -> None:
    series = series_with_a_crash()

    path = bootstrapped_path(series, seed=3, days=400)

    assert path == bootstrapped_path(series, seed=3, days=400)
    assert path != bootstrapped_path(series, seed=4, days=400)
    assert path.days[0] == tuple(round(spec.start_price_usd * 10**8) for spec in RESERVES)


def test_bootstrap__crash_days__are_as_frequent_as_in_the_series() -> None:
    path = bootstrapped_path(series_with_a_crash(), seed=5, days=60_000)

    falling = sum(
        after[WETH] < before[WETH] * 0.95 for before, after in zip(path.days[:6_000], path.days[1:6_001], strict=True)
    )
    # 3 of 222 days: 81 in 6,000. Crashes come in threes, so 27 of them, with a spread of about 5 each way.
    assert 40 < falling < 130


def test_real_path__days__are_those_of_the_file() -> None:
    path = real_path(series_with_a_crash(), 122)

    assert len(path) == 122
    assert path.days[121][WETH] == 800 * 10**8


def test_real_path__more_days_than_there_are__is_refused() -> None:
    with pytest.raises(InvalidInput, match="has 223 days that all assets have, asked for 224"):
        real_path(series_with_a_crash(), 224)


def test_bootstrap__too_few_days__is_refused() -> None:
    short = DailySeries(FIRST, series_with_a_crash().closes[: FEWEST_DAYS - 1], "00")

    with pytest.raises(InvalidInput, match="needs 60 days"):
        bootstrapped_path(short, seed=1, days=10)


@pytest.mark.parametrize("source", [PriceSource.BOOTSTRAP, PriceSource.REAL])
def test_market_prices__without_a_file__say_what_is_needed(source: PriceSource) -> None:
    with pytest.raises(InvalidInput, match="--prices-file"):
        MarketPrices(source).path(1, 10)
