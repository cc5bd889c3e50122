"""The back-test's parts: pairs within a date, the steady rule, features by hand, the shipped real model."""

import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bonafides.errors import InvalidInput
from bonafides_scoring.backtest.blend import BlendPlan, TreePlan, fit_blend
from bonafides_scoring.backtest.candidates import CANDIDATES, DECLARED
from bonafides_scoring.backtest.features import FEATURES, feature_rows
from bonafides_scoring.backtest.histories import Histories, Task
from bonafides_scoring.backtest.measures import Forecast, _means, average_precision, measure, pooled_auc, within_auc
from bonafides_scoring.backtest.price_book import PriceBook
from bonafides_scoring.backtest.rolling import _refitted_recency
from bonafides_scoring.backtest.shipped import NAME, load_reliquidation, predict_with_model
from bonafides_scoring.backtest.steady import SteadyPlan, date_levels, fit_steady, sigmoid
from bonafides_scoring.backtest.tables import Rows
from bonafides_scoring.model import DEFAULT_MODEL, BundleRefused, load_bundle, shipped_model
from threadpoolctl import threadpool_limits

from benchmarks.model_results import real_results
from tests.support.backtest_data import ASKED, DAY, START, event, wallet, write_world

pytestmark = pytest.mark.unit


def test_within_auc__two_dates__counts_only_pairs_of_one_date() -> None:
    # Date 1: 0.9 > 0.1 is right, one pair. Date 2: 0.2 < 0.3 is wrong and 0.2 = 0.2 is a half, two pairs.
    scores, labels = np.array([0.9, 0.1, 0.2, 0.3, 0.2]), np.array([1, 0, 1, 0, 0])

    assert within_auc(scores, labels, np.array([1, 1, 2, 2, 2])) == pytest.approx(1.5 / 3)
    # All together: 0.9 beats three; 0.2 beats 0.1, ties with 0.2, loses to 0.3.
    assert pooled_auc(scores, labels) == pytest.approx(4.5 / 6)


def test_average_precision__by_hand__is_the_mean_precision_at_the_hits() -> None:
    # Order: hit, miss, hit: precision 1 at the first, 2/3 at the second hit.
    assert average_precision(np.array([3.0, 2.0, 1.0]), np.array([1, 0, 1])) == pytest.approx((1 + 2 / 3) / 2)


def test_measure__forecast_equal_to_the_simple_rule__lift_and_gain_are_nothing() -> None:
    rng = np.random.default_rng(1)
    said, labels = rng.random(200), (rng.random(200) < 0.3).astype(np.int64)
    same = Forecast("same", said, said)

    (found,) = measure([same], same, same, labels, np.repeat([1, 2], 100), np.arange(200) // 4)

    assert (found.lift.value, found.lift.low, found.lift.high) == (0, 0, 0)
    assert found.gain is not None
    assert (found.gain.low, found.gain.high) == (0, 0)
    assert found.within.low < found.within.value < found.within.high


@pytest.mark.parametrize("part", ["means", "recency"])
def test_backtest__other_number_of_threads__same_bits(part: str) -> None:
    # So many rows that BLAS shares the work out: with fewer the test could not fail.
    rng = np.random.default_rng(4)
    x = rng.random((12_000, len(FEATURES)))
    labels, dates = (rng.random(12_000) < 0.1).astype(np.int64), np.zeros(12_000, dtype=np.int64)
    weights = rng.integers(0, 4, (200, 12_000)).astype(np.float64)

    def bits() -> bytes:
        if part == "means":
            return _means(x[:, 0].copy(), weights).tobytes()
        return _refitted_recency(x, labels, dates, x).tobytes()

    found = set()
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            found.add(bits())

    assert len(found) == 1


def test_fit_steady__sign_forbids_what_the_rows_say__coefficient_is_zero() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 2))
    labels = (rng.random(400) < sigmoid(x[:, 0] - x[:, 1])).astype(np.int64)

    free = fit_steady(x, labels, np.zeros(400, dtype=np.int64), SteadyPlan((("a", 1), ("b", 0)), 1.0))
    held = fit_steady(x, labels, np.zeros(400, dtype=np.int64), SteadyPlan((("a", 1), ("b", 1)), 1.0))

    assert free.coefficients == pytest.approx([1, -1], abs=0.25)
    assert held.coefficients[0] > 0
    assert held.coefficients[1] == 0


def test_fit_steady__dates_differ_in_rate__their_levels_do_not_leak_into_the_coefficient() -> None:
    # In each date the feature is noise; between dates it goes with the rate.
    rng = np.random.default_rng(3)
    dates = np.repeat([0, 1], 2_000)
    x = (rng.normal(size=4_000) + 2 * dates)[:, None]
    labels = (rng.random(4_000) < np.where(dates == 1, 0.5, 0.05)).astype(np.int64)

    found = fit_steady(x, labels, dates, SteadyPlan((("a", 0),), 1.0))

    assert abs(found.coefficients[0]) < 0.1


def test_date_levels__any_ranking__mean_probability_is_the_rate() -> None:
    relative, labels = np.array([-1.0, 0.0, 2.0, 0.5]), np.array([0, 1, 1, 0])

    _, levels = date_levels(relative, labels, np.zeros(4, dtype=np.int64))

    assert sigmoid(relative + levels[0]).mean() == pytest.approx(2.5 / 5)


def test_fit_blend__same_rows_twice__same_probabilities_and_missing_values_are_answered() -> None:
    rng = np.random.default_rng(4)
    features, dates = rng.normal(size=(300, len(FEATURES))), np.repeat([0, 14 * DAY, 28 * DAY], 100)
    labels = (rng.random(300) < 0.2).astype(np.int64)
    plan = BlendPlan(trees=TreePlan(trees=20))

    one, two = (fit_blend(features, labels, dates, plan).probabilities(features) for _ in range(2))

    assert (one == two).all()
    hidden = fit_blend(features, labels, dates, plan).probabilities(np.full((1, len(FEATURES)), np.nan))
    assert 0 < hidden[0] < 1


def test_feature_rows__one_liquidation__values_by_hand() -> None:
    frame = pl.DataFrame([event(1, START + 10 * DAY)], infer_schema_length=None)
    prices = pl.DataFrame(
        {
            "day": [START // DAY + day for day in range(31)],
            "symbol": ["WETH"] * 31,
            "close_usd": [1_500.0] * 20 + [1_200.0] * 10 + [1_350.0],
        }
    )
    histories = Histories.of(frame, Task.RELIQUIDATION)
    asked = Rows((wallet(1),), np.array([START + 30 * DAY]), np.zeros(1, dtype=np.int64))

    row = dict(zip(FEATURES, feature_rows(histories, PriceBook.of(prices), asked)[0], strict=True))

    implied = 1_000 * 1.08 / 0.7  # dollars per ether at the liquidation
    assert row["log_days"] == pytest.approx(math.log1p(20))
    assert row["liquidations_7d"] == 0
    assert row["liquidations_30d"] == pytest.approx(math.log(2))
    assert row["drift"] == pytest.approx(math.log(1_200 / implied))  # the close of day 30 isn't known yet
    assert row["lowest"] == pytest.approx(math.log(1_200 / implied))
    assert row["above_lowest"] == pytest.approx(0)
    assert row["reach_lowest"] == pytest.approx(1)
    assert row["survived_flag"] == 1
    assert (row["is_weth"], row["stable_debt"]) == (1, 1)


def test_price_book__one_asset_under_two_spellings__merged_by_day_and_the_plain_one_holds() -> None:
    prices = pl.DataFrame(
        {
            "day": [0, 2, 10, 0, 1, 20],
            "symbol": ["WETH", "WETH", "WETH", "ETH", "ETH", "ETH"],
            "close_usd": [100.0, 102.0, 110.0, 1.0, 101.0, 120.0],
        }
    )

    found = PriceBook.of(prices)

    assert np.exp(found.path("ETH", 0, 3)) == pytest.approx([100, 101, 102, 102])
    assert np.exp([found.at("WETH", 10), found.at("WETH", 20)]) == pytest.approx([110, 120])


@pytest.mark.parametrize(("age_days", "inside"), [(0, False), (1, True), (180, True), (181, False)])
def test_belongs__liquidated_that_long_ago__decides(age_days: int, inside: bool) -> None:
    histories = Histories.of(pl.DataFrame([event(1, START)], infer_schema_length=None), Task.RELIQUIDATION)

    assert histories.belongs(wallet(1), START + age_days * DAY) is inside


def test_declared_headline__first_tested_plan__is_never_among_those_chosen_from() -> None:
    assert DECLARED.plan.steady.recency == 0
    assert DECLARED.plan.trees == TreePlan()
    assert DECLARED.plan not in [candidate.plan for candidate in CANDIDATES]


def test_card__shipped__tells_a_missed_goal_to_the_digit_that_missed_it_and_is_called_not_blind() -> None:
    card = (shipped_model(NAME) / "MODEL_CARD.md").read_text("utf-8")
    measured = load_reliquidation(shipped_model(NAME))[0].measured

    assert f"| lift over recency, paired | {measured['lift_over_recency']['value']:.4f} [" in card
    assert "not blind" in card


def test_bench_note__real_numbers__do_not_claim_to_be_declared_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BONAFIDES_DATA", raising=False)

    notes = [result.note for result in real_results(tmp_path)]

    assert all("not blind: see docs/backtest" in note and "declared" not in note for note in notes)


def test_shipped_real_model__as_it_comes__loads_and_holds_no_wallet() -> None:
    manifest, _ = load_reliquidation(shipped_model(NAME))

    assert (manifest.model_class, manifest.sources) == ("real", "compiled")
    for path in shipped_model(NAME).iterdir():
        assert not re.search(r"0x[0-9a-f]{40}\b", path.read_text("utf-8"))


def test_shipped_real_model__as_a_services_champion__is_refused_and_is_nobodys_default() -> None:
    assert DEFAULT_MODEL != NAME
    with pytest.raises(BundleRefused):
        load_bundle(shipped_model(NAME))


@pytest.mark.parametrize("name", ["model.json", "golden.json", "MODEL_CARD.md"])
def test_load_reliquidation__a_file_changed__is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(shipped_model(NAME), folder)
    with (folder / name).open("a") as file:
        file.write(" ")

    with pytest.raises(InvalidInput, match=re.escape(name)):
        load_reliquidation(folder)


def test_load_reliquidation__a_coefficient_and_its_hash_changed__the_golden_vectors_tell(tmp_path: Path) -> None:
    from bonafides.hashing import sha256

    folder = tmp_path / "model"
    shutil.copytree(shipped_model(NAME), folder)
    model, manifest = (json.loads((folder / name).read_text()) for name in ("model.json", "manifest.json"))
    model["coefficients"][0] += 1e-6
    (folder / "model.json").write_text(json.dumps(model))
    manifest["files"]["model.json"] = sha256((folder / "model.json").read_bytes()).hex()
    (folder / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(InvalidInput, match="golden vector"):
        load_reliquidation(folder)


def test_predict_with_model__cut_off_it_may_have_seen__is_refused_and_later_ones_are_answered(tmp_path: Path) -> None:
    world = write_world(tmp_path, asked=[(wallet(1), ASKED)])
    out = tmp_path / "out.csv"

    with pytest.raises(InvalidInput, match=r"c\.csv: row 2: cut-off .* lies before"):
        predict_with_model(shipped_model(NAME), world.events, world.prices, world.cutoffs, out)
    world.cutoffs.write_text(f"wallet,cutoff_ts\n\n{wallet(1)},{ASKED}\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"c\.csv: row 3: cut-off .* lies before"):
        predict_with_model(shipped_model(NAME), world.events, world.prices, world.cutoffs, out)
    later = START + 2 * 365 * DAY
    world = write_world(tmp_path, events=[event(1, later - 9 * DAY)], asked=[(wallet(1), later), (wallet(2), later)])
    predict_with_model(shipped_model(NAME), world.events, world.prices, world.cutoffs, out)
    assert [line.split(",")[3] for line in out.read_text().splitlines()] == ["status", "ok", "outside_population"]
