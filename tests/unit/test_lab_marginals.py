"""The four marginals, on samples that can be counted by hand."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bonafides.errors import InvalidInput
from bonafides_lab.market.marginals.bounds import Measure
from bonafides_lab.market.marginals.command import marginals_table
from bonafides_lab.market.marginals.measures import Marginals, measure
from bonafides_lab.market.marginals.real import marginals_from_json, marginals_to_json, read_real, real_aggregates
from bonafides_lab.market.marginals.report import compare, report_html, report_json
from bonafides_lab.market.marginals.sample import DAY_S, LiquidationSample
from rich.console import Console

pytestmark = pytest.mark.unit

START_DAY = 18_000


def sample(*liquidations: tuple[int, int, float], ends_on: int = 100) -> LiquidationSample:
    """Each (borrower, day, dollars), at noon; seen until the end of day `ends_on`."""
    borrowers, days, usd = (np.array(column) for column in zip(*liquidations, strict=True))
    times = (START_DAY + days) * DAY_S + DAY_S // 2
    return LiquidationSample(borrowers, times, usd.astype(float), (START_DAY + ends_on) * DAY_S + DAY_S - 1)


SMALL = sample((1, 0, 100.0), (1, 0, 200.0), (1, 20, 300.0), (2, 0, 400.0), (3, 40, 500.0), (3, 95, math.nan))


def test_measure__per_borrower__counts_every_liquidation() -> None:
    values = measure(SMALL, 101).values

    assert values[Measure.PER_BORROWER_MEAN] == pytest.approx(6 / 3)  # 3, 1 and 2
    assert values[Measure.PER_BORROWER_ONCE] == pytest.approx(1 / 3)


def test_measure__sizes__are_quantiles_of_those_that_are_known() -> None:
    marginals = measure(SMALL, 101)

    assert marginals.unpriced == 1
    assert marginals.values[Measure.SIZE_MEDIAN] == 300.0
    assert marginals.values[Measure.SIZE_P10] == pytest.approx(140.0)  # a tenth of the way through five: 100 to 200


def test_measure__reliquidated__counts_days_and_leaves_out_those_too_near_the_end() -> None:
    marginals = measure(SMALL, 101)

    # Days of a borrower: (1, 0) → 20 days later; (1, 20) never; (2, 0) never; (3, 40) only 55 days later. (3, 95) is
    # not seen for 30 days. So one of four.
    assert marginals.values[Measure.RELIQUIDATED] == pytest.approx(1 / 4)
    assert marginals.reliquidated_share[18] == 0.0
    assert marginals.reliquidated_share[19] == pytest.approx(1 / 4)


def test_measure__worst_days__are_those_with_most_liquidations() -> None:
    marginals = measure(SMALL, 101)

    assert marginals.worst_days_share[0] == pytest.approx(3 / 6)
    assert marginals.values[Measure.FIVE_WORST_DAYS] == 1.0  # there are four days in all


def test_measure__two_windows__count_a_borrower_in_each_and_drop_the_rest() -> None:
    # Days 0 to 49 and 50 to 99 are whole windows; day 100 begins a third.
    marginals = measure(sample((1, 0, 1.0), (1, 10, 1.0), (1, 60, 1.0), (1, 100, 1.0), ends_on=120), 50)

    assert marginals.windows == 2
    assert marginals.values[Measure.PER_BORROWER_MEAN] == pytest.approx((2 + 1) / 2)


def test_measure__sample_shorter_than_a_window__is_one_window_of_its_own_length() -> None:
    marginals = measure(SMALL, 376)

    assert (marginals.windows, marginals.window_days) == (1, 101)


def test_measure__nothing_seen_for_30_days__is_refused() -> None:
    with pytest.raises(InvalidInput, match="seen for 30 days"):
        measure(sample((1, 0, 1.0), ends_on=29), 30)


def test_sample__empty__is_refused() -> None:
    nothing = np.array([], dtype=np.int64)

    with pytest.raises(InvalidInput, match="without a liquidation"):
        LiquidationSample(nothing, nothing, nothing.astype(float), 0)


def test_compare__a_market_with_itself__is_inside_everywhere() -> None:
    real = real_aggregates()

    assert all(verdict.is_inside for verdict in compare(real, real))


def test_compare__small_market_beside_the_real_one__names_what_is_outside() -> None:
    verdicts = {verdict.measure: verdict for verdict in compare(measure(SMALL, 101), real_aggregates())}

    assert not verdicts[Measure.FIVE_WORST_DAYS].is_inside
    assert not verdicts[Measure.SIZE_MEDIAN].is_inside


def test_report__json__holds_both_sides_bounds_and_what_is_outside() -> None:
    report = json.loads(report_json(measure(SMALL, 101), real_aggregates()))

    assert Measure.SIZE_MEDIAN.value in report["outside"]
    assert report["compared"][Measure.SIZE_MEDIAN.value]["synthetic"] == 300.0
    assert report["real"]["liquidations"] > 5_000


def test_report__html__names_what_is_outside_and_needs_nothing_else() -> None:
    page = report_html(measure(SMALL, 101), real_aggregates())

    assert page.count("<svg") == 4
    assert "Outside: " in page
    assert "Synthetic data" in page
    assert not any(outside in page for outside in ("<script", "src=", "<link", "url(http"))


def test_report__same_numbers__same_bytes() -> None:
    assert report_html(real_aggregates(), real_aggregates()) == report_html(real_aggregates(), real_aggregates())


def test_marginals__written_and_read__are_the_same() -> None:
    real: Marginals = real_aggregates()

    assert marginals_from_json(marginals_to_json(real)) == real


type Cell = str | int | float | None
REAL_ROW: dict[str, Cell] = {
    "event_id": "a",
    "protocol": "aave_v2",
    "chain": "ethereum",
    "action": "liquidationcall",
    "wallet": "0x01",
    "timestamp": 1_600_000_000,
    "amount_usd": 5.0,
}


def real_file(folder: Path, *rows: dict[str, Cell]) -> Path:
    path = folder / "events.parquet"
    pq.write_table(pa.Table.from_pylist([{**REAL_ROW, "event_id": "a"}, *rows]), path)
    return path


def test_read_real__other_protocols__are_passed_over_and_unknown_sizes_kept(tmp_path: Path) -> None:
    other: dict[str, Cell] = {**REAL_ROW, "protocol": "aave_v3", "event_id": "b"}
    unsized: dict[str, Cell] = {**REAL_ROW, "event_id": "c", "amount_usd": None}

    read = read_real(real_file(tmp_path, other, unsized))

    assert len(read.timestamps) == 2
    assert np.isnan(read.usd).tolist() == [False, True]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"wallet": None}, "row 1: a liquidation needs a wallet"),
        ({"event_id": "a"}, "row 1: this event_id stands in an earlier row"),
        ({"amount_usd": -1.0}, "row 1: amount_usd is -1.0"),
    ],
)
def test_read_real__a_bad_row__is_refused_with_its_place(tmp_path: Path, change: dict[str, Cell], told: str) -> None:
    row: dict[str, Cell] = {**REAL_ROW, "event_id": "b", **change}

    with pytest.raises(InvalidInput) as refused:
        read_real(real_file(tmp_path, row))

    assert told in str(refused.value)


def test_read_real__no_such_liquidation__is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist([{**REAL_ROW, "protocol": "curve"}]), path)

    with pytest.raises(InvalidInput, match="holds no row of aave_v2"):
        read_real(path)


def test_read_real__a_missing_column__is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table({"wallet": ["0x01"]}), path)

    with pytest.raises(InvalidInput, match="has no column event_id"):
        read_real(path)


def test_report_html__on_a_phone__each_number_brings_the_name_of_its_column() -> None:
    page = report_html(measure(SMALL, 101), real_aggregates())

    for column in ("synthetic", "real", "bounds"):
        assert page.count(f"<td data-column={column}>") == len(Measure)
    assert 'name="viewport"' in page


def test_marginals_table__eighty_columns__loses_no_word_and_no_digit() -> None:
    ours, theirs = measure(SMALL, 101), real_aggregates()

    shown = _shown(ours, theirs)

    assert "…" not in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80
    words = {word for name in Measure for word in name.value.split("_")[1:]}
    assert words <= set(shown.split())
    assert f"{theirs.values[Measure.SIZE_P99]:,.0f}" in shown  # the widest number


def test_marginals_table__outside__says_which_bound_was_passed() -> None:
    ours, theirs = measure(SMALL, 101), real_aggregates()

    shown = _shown(ours, theirs)

    verdicts = compare(ours, theirs)
    assert shown.count("inside") == sum(verdict.is_inside for verdict in verdicts)
    assert shown.count("ABOVE") + shown.count("BELOW") == sum(not verdict.is_inside for verdict in verdicts)
    assert "x 0.601 BELOW 0.67" in " ".join(shown.split())  # 2 liquidations a borrower, against 3.33


def _shown(ours: Marginals, theirs: Marginals) -> str:
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(marginals_table(compare(ours, theirs)))
    return console.export_text()
