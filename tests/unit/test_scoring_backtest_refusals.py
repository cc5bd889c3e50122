"""`bonafides scoring backtest`: bad folders and files are refused before anything is measured, and write nothing."""

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from bonafides.errors import InvalidInput
from bonafides_scoring.backtest.pack import render_json, run_backtest
from bonafides_scoring.commands import app
from typer.testing import CliRunner

from tests.support.backtest_bad_files import EVENTS, LABELS, PRICES, Bad, emptied, gone, table
from tests.support.backtest_data import CUTOFFS, DAY, World, wallet
from tests.support.backtest_folder import SHIFT, SOFT, WHEN, write_folder

pytestmark = pytest.mark.unit

_LABEL = ("wallet", "cutoff_ts", "label_30d")
AAVE, CURVE = r"labels_aave_H30\.csv: ", r"labels_curve_H30\.csv: "


def at(cutoff: int) -> int:
    return cutoff + SHIFT * DAY


def own_names(bad: Bad) -> str:
    names = {"e": "events", "p": "prices_daily", "l": "labels_aave_H30"}
    return re.sub(r"^([epl])\\\.", lambda found: names[found[1]] + r"\.", bad.reason)


def refused(folder: Path, spoil: Callable[[World], None], reason: str) -> None:
    world, out = write_folder(folder / "data"), folder / "out"
    spoil(world)

    done = CliRunner().invoke(app, ["backtest", "--data", str(folder / "data"), "--out", str(out)])

    assert isinstance(done.exception, InvalidInput), done.output
    assert re.search(reason, str(done.exception)), str(done.exception)
    assert not out.exists()


def unless_gone(bads: tuple[Bad, ...]) -> list[Bad]:
    return [bad for bad in bads if bad.name != "no file"]  # a missing file is missed in the folder, see below


@pytest.mark.parametrize("bad", unless_gone(EVENTS + PRICES + LABELS), ids=lambda bad: bad.reason[:30])
def test_backtest__bad_file__is_refused_with_file_row_and_reason(tmp_path: Path, bad: Bad) -> None:
    refused(tmp_path, bad.spoil, own_names(bad))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            gone("prices"),
            r"data: holds no prices_daily\.parquet; expected events\.parquet, prices_daily\.parquet, labels_a",
        ),
        (emptied("labels"), AAVE + r"holds no row below the header, expected wallets, cut-offs and outcomes"),
        (emptied("cutoffs"), CURVE + r"holds no row below the header, expected wallets, cut-offs and outcomes"),
        (
            table("labels", _LABEL, (wallet(90), at(CUTOFFS[0]), 1), (wallet(91), at(CUTOFFS[0]), 0)),
            AAVE + r"none of its 2 wallets and cut-offs is in a population of the events",
        ),
        (
            table("labels", _LABEL, *((wallet(n), at(cutoff), 0) for n in range(6) for cutoff in CUTOFFS)),
            AAVE + r"30 rows, 0 of them outcomes, 2021-08-19 to 2021-10-14: expected a cut-off from 2021-07-19 on that",
        ),
        (
            table("labels", _LABEL, *((wallet(n), at(CUTOFFS[0]) - 32 * DAY, n % 2) for n in range(3))),
            AAVE + r"3 rows, 1 of them outcomes, 2021-07-18 to 2021-07-18: expected a cut-off from 2021-07-19 on that",
        ),
        (
            table("cutoffs", _LABEL, *((wallet(n), WHEN + 60 * DAY, n % 2) for n in SOFT)),
            CURVE + r"12 rows, 6 of them outcomes, .*: expected a cut-off that comes after the end of windows with and",
        ),
        (
            table(
                "cutoffs",
                _LABEL,
                *((wallet(n), WHEN + 60 * DAY, n % 2) for n in SOFT),
                *((wallet(n), WHEN + 90 * DAY, 0) for n in SOFT),
            ),
            CURVE + r"24 rows, 6 of them .*: expected a tested cut-off with outcomes and without, found none",
        ),
        (
            table("cutoffs", _LABEL, (wallet(SOFT[0]), WHEN + 60 * DAY, 1), (wallet(1), at(CUTOFFS[0]), 0)),
            CURVE + r"row 3 is in the population of reliquidation only and row 2 is in the population of soft_liq",
        ),
    ],
)
def test_backtest__nothing_to_measure__is_refused_with_what_was_seen(
    tmp_path: Path, spoil: Callable[[World], None], reason: str
) -> None:
    refused(tmp_path, spoil, reason)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda path: path / "none", r"none: is not there, expected a folder with events\.parquet, prices_daily"),
        (
            lambda path: path / "data" / "events.parquet",
            r"events\.parquet: is a file, expected a folder with events\.parq",
        ),
        (
            lambda path: path,
            r"holds no events\.parquet and no prices_daily\.parquet and no labels_aave_H30\.csv and no lab",
        ),
    ],
)
def test_backtest__wrong_folder__is_refused(tmp_path: Path, data: Callable[[Path], Path], reason: str) -> None:
    write_folder(tmp_path / "data")

    with pytest.raises(InvalidInput, match=reason):
        run_backtest(data(tmp_path))


@pytest.mark.parametrize("option", ["--out", "--model-out"])
@pytest.mark.parametrize("below", ["", "deeper"])
def test_backtest__place_to_write_is_a_file__is_refused_before_the_work(
    tmp_path: Path, option: str, below: str
) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    places = {"--out": tmp_path / "out", "--model-out": tmp_path / "model"} | {option: tmp_path / "taken" / below}
    words = [str(word) for pair in places.items() for word in pair]

    done = CliRunner().invoke(app, ["backtest", "--data", str(tmp_path), *words])

    assert isinstance(done.exception, InvalidInput)
    assert re.search(r"taken: is a file, expected a folder to write", str(done.exception))


def test_backtest__events_and_prices_unsorted__same_report(tmp_path: Path) -> None:
    world = write_folder(tmp_path / "data")
    same = render_json(run_backtest(tmp_path / "data"))

    for path in (world.events, world.prices):
        pl.read_parquet(path).reverse().write_parquet(path)

    assert render_json(run_backtest(tmp_path / "data")) == same
