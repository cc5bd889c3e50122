"""Laws of the measures: equal to scikit-learn's and to brute force, paired with oneself exactly nothing."""

import math

import numpy as np
import pytest
from bonafides_scoring.evaluation.challengers import Challenger
from bonafides_scoring.evaluation.crashes import is_crash_cutoff
from bonafides_scoring.evaluation.drift import stability_index
from bonafides_scoring.evaluation.probabilities import (
    calibration_curve,
    log_errors,
    log_odds_of,
    recalibration,
    squared_errors,
)
from bonafides_scoring.evaluation.ranking import Ints, Ranking, Reals, auc, average_precision, ks, within_auc
from bonafides_scoring.evaluation.report import FEWEST, Partition
from bonafides_scoring.evaluation.resampling import Draws, resample
from bonafides_scoring.evaluation.slices import Groups, Measurable, partition
from bonafides_scoring.evaluation.standing import measure
from bonafides_scoring.wallet_state import SECONDS_PER_DAY
from sklearn import metrics

pytestmark = pytest.mark.unit

SEEDS = (1, 2, 3)


def rows(seed: int, count: int = 400) -> tuple[Reals, Ints, Reals]:
    """Probabilities with many ties, labels that follow them, and weights, some of them 0."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.beta(1, 4, count), 2)
    labels = (rng.random(count) < p).astype(np.int64)
    return p, labels, rng.integers(0, 4, count).astype(np.float64)


@pytest.mark.parametrize("seed", SEEDS)
def test_auc__random_rows_with_ties_and_weights__equals_scikit_learn(seed: int) -> None:
    p, labels, weights = rows(seed)
    ranking = Ranking.of(p, labels)

    assert auc(p, labels) == pytest.approx(metrics.roc_auc_score(labels, p), abs=1e-12)
    expected = metrics.roc_auc_score(labels, p, sample_weight=weights)
    assert ranking.auc(ranking.tally(weights)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_average_precision__random_rows_with_weights__equals_scikit_learn(seed: int) -> None:
    p, labels, weights = rows(seed)

    expected = metrics.average_precision_score(labels, p, sample_weight=weights)

    assert average_precision(Ranking.of(p, labels).tally(weights)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_ks__random_rows_with_weights__equals_the_widest_gap_of_scikit_learns_roc(seed: int) -> None:
    p, labels, weights = rows(seed)
    false, true, _ = metrics.roc_curve(labels, p, sample_weight=weights, drop_intermediate=False)

    assert ks(Ranking.of(p, labels).tally(weights)) == pytest.approx(np.abs(true - false).max(), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_errors__random_rows__equal_scikit_learns_brier_and_log_loss(seed: int) -> None:
    p, labels, _ = rows(seed)
    p = np.clip(p, 0.01, 0.99)

    assert squared_errors(p, labels).mean() == pytest.approx(metrics.brier_score_loss(labels, p), abs=1e-12)
    assert log_errors(p, labels).mean() == pytest.approx(metrics.log_loss(labels, p), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_within_auc__small_rows__equals_every_pair_counted(seed: int) -> None:
    p, labels, weights = rows(seed, 60)
    dates = np.random.default_rng(seed + 10).integers(0, 5, 60)
    won = pairs = 0.0
    for one in np.flatnonzero(labels == 1):
        for other in np.flatnonzero((labels == 0) & (dates == dates[one])):
            weight = weights[one] * weights[other]
            won += weight * (1.0 if p[one] > p[other] else 0.5 if p[one] == p[other] else 0.0)
            pairs += weight

    ranking = Ranking.of(p, labels, dates)

    assert ranking.auc(ranking.tally(weights)) == pytest.approx(won / pairs, abs=1e-12)


def test_within_auc__score_that_knows_only_the_date__is_a_coin_while_auc_is_not() -> None:
    dates = np.repeat(np.arange(4), 50)
    labels = (np.tile(np.arange(50), 4) < dates * 10).astype(np.int64)

    assert within_auc(dates.astype(np.float64), labels, dates) == 0.5
    assert auc(dates.astype(np.float64), labels) > 0.7


def test_auc__one_class_only__is_not_a_number() -> None:
    assert math.isnan(auc(np.arange(5.0), np.zeros(5, dtype=np.int64)))
    assert math.isnan(ks(Ranking.of(np.arange(5.0), np.zeros(5, dtype=np.int64)).tally()))
    assert math.isnan(average_precision(Ranking.of(np.arange(5.0), np.zeros(5, dtype=np.int64)).tally()))


def test_measure__model_against_itself__differs_by_exactly_zero() -> None:
    p, labels, _ = rows(4)
    draws = Draws(np.arange(400) // 4, seed=7, count=50)
    contenders = (Challenger("model", "model", p), Challenger("twin", "its twin", p.copy()))

    lift = measure(contenders, labels, np.arange(400) % 7, draws).lifts[0]

    for one in (lift.auc, lift.within_date_auc, lift.pr_auc, lift.ks, lift.brier, lift.log_loss):
        assert one is not None
        assert (one.value, one.low, one.high) == (0.0, 0.0, 0.0)


def test_measure__better_and_worse_model__lift_is_above_zero_for_every_measure() -> None:
    rng = np.random.default_rng(3)
    true = rng.beta(1, 4, 4_000)
    labels = (rng.random(4_000) < true).astype(np.int64)
    blurred = np.clip(true + rng.normal(0, 0.25, 4_000), 0.01, 0.99)
    contenders = (Challenger("model", "model", true), Challenger("worse", "worse", blurred))

    lift = measure(contenders, labels, np.arange(4_000) % 9, Draws(np.arange(4_000), 1, 60)).lifts[0]

    found = (lift.auc, lift.within_date_auc, lift.pr_auc, lift.ks, lift.brier, lift.log_loss)
    assert all(one is not None and one.low > 0 for one in found)


def test_draws__two_passes__are_the_same_and_every_wallets_rows_move_together() -> None:
    draws = Draws.of([b"a" * 20, b"b" * 20, b"a" * 20], seed=1, count=5)

    first, second = list(draws), list(draws)

    assert all((one == other).all() for one, other in zip(first, second, strict=True))
    assert all(one[0] == one[2] and one[0] + one[1] == 2 for one in first)


def test_resample__mean_of_independent_rows__interval_is_that_of_the_normal() -> None:
    values = np.random.default_rng(5).normal(0, 1, 2_000)
    draws = Draws(np.arange(2_000), seed=2, count=500)

    found = resample(lambda weights: np.array([weights @ values / weights.sum()]), draws).interval(0)

    assert found is not None
    # 2 · 1.96 / sqrt(2000) = .0877; 500 draws know a percentile to within a tenth of that.
    assert found.high - found.low == pytest.approx(0.0877, rel=0.15)


def test_recalibration__labels_drawn_from_the_probabilities__slope_is_one_and_intercept_zero() -> None:
    rng = np.random.default_rng(8)
    p = rng.beta(1, 6, 60_000)
    labels = (rng.random(60_000) < p).astype(np.int64)

    line = recalibration(log_odds_of(p), labels)

    assert line is not None
    # Standard errors here: .012 and .02.
    assert line.slope == pytest.approx(1, abs=0.05)
    assert line.intercept == pytest.approx(0, abs=0.08)


def test_recalibration__log_odds_halved__slope_doubles() -> None:
    p, labels, _ = rows(9, 4_000)
    log_odds = log_odds_of(np.clip(p, 0.01, 0.99))

    one, other = recalibration(log_odds, labels), recalibration(log_odds / 2, labels)

    assert one is not None
    assert other is not None
    assert other.slope == pytest.approx(2 * one.slope, rel=1e-6)


def test_recalibration__one_class_or_classes_apart__is_none() -> None:
    across = np.arange(-4.0, 4.0)

    assert recalibration(across, np.zeros(8, dtype=np.int64)) is None
    assert recalibration(across, (across > 0).astype(np.int64)) is None


def test_recalibration__weights__are_as_good_as_repeated_rows() -> None:
    p, labels, weights = rows(6)
    log_odds = log_odds_of(p)
    repeated = np.repeat(np.arange(400), weights.astype(int))
    near = recalibration(log_odds, labels)

    by_weight = recalibration(log_odds, labels, weights, near)
    by_rows = recalibration(log_odds[repeated], labels[repeated])

    assert by_weight is not None
    assert by_rows is not None
    assert by_weight.slope == pytest.approx(by_rows.slope, rel=1e-6)


def test_calibration_curve__ten_rows__holds_each_in_its_bin() -> None:
    curve = calibration_curve(np.arange(10) / 10, np.array([0, 0, 0, 0, 0, 1, 0, 1, 1, 1]), bins=5)

    assert [one.outcome_rate for one in curve] == [0, 0, 0.5, 0.5, 1]
    assert curve[0].mean_probability == pytest.approx(0.05)


def test_stability_index__worked_by_hand__two_bins() -> None:
    # Cut at the median: 50/50 becomes 25/75. (.25−.5)·ln(.25/.5) + (.75−.5)·ln(.75/.5) = .1733 + .1014
    found = stability_index(np.array([1.0, 1.0, 2.0, 2.0]), np.array([1.0, 2.0, 2.0, 2.0]), bins=2)

    assert found == pytest.approx(0.2747, abs=1e-4)


def test_stability_index__same_rows__is_zero_and_one_value_is_no_crash() -> None:
    same = np.random.default_rng(1).normal(size=500)

    assert stability_index(same, same) == 0
    assert stability_index(np.zeros(50), np.zeros(20)) == 0
    assert stability_index(np.zeros(50), np.ones(20)) > 5


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("rare", [0, 5])
def test_stability_index__all_rows_leave_the_value_that_most_held__is_seen_on_either_side(rare: int, side: int) -> None:
    expected = side * np.array([100.0] * (100 - rare) + [1.0] * rare)

    assert stability_index(expected, side * np.full(100, 1.0)) > 5


def test_partition__slice_with_too_few_outcomes__is_shown_without_numbers() -> None:
    p, labels, _ = rows(2)
    codes = np.where(np.cumsum(labels) <= FEWEST - 1, 0, 1).astype(np.int64)
    groups = Groups("half", "the first outcomes, and the rest", ("few", "many"), codes)
    measurable = Measurable(labels, p, None, np.zeros(400, dtype=np.int64))

    found = partition(groups, measurable, Draws(np.arange(400), 1, 50))

    assert isinstance(found, Partition)
    few, many = found.slices
    assert (few.counts.positives, few.auc, few.slope) == (FEWEST - 1, None, None)
    assert many.auc is not None
    assert many.auc.value == pytest.approx(auc(p[codes == 1], labels[codes == 1]))


def test_is_crash_cutoff__fall_of_a_fifth_within_the_month__and_not_before_or_after() -> None:
    days, prices = [0, 10, 20, 60], [100, 100, 80, 10]
    times = [day * SECONDS_PER_DAY for day in days]

    assert is_crash_cutoff(11 * SECONDS_PER_DAY, times, prices)
    assert not is_crash_cutoff(11 * SECONDS_PER_DAY, times, [100, 100, 81, 10])
    assert not is_crash_cutoff(21 * SECONDS_PER_DAY, times, [100, 100, 80, 80])
    assert not is_crash_cutoff(25 * SECONDS_PER_DAY, times, prices)  # day 60 is past day 55
