"""Laws of the shipped model, in thousands: points add up, directions hold, explanations are Shapley's."""

import json
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from bonafides_scoring.explain import explain
from bonafides_scoring.features.schema import FEATURES, REASON_OF_FAMILY, Direction
from bonafides_scoring.model import predict_rows
from bonafides_scoring.prediction import Values, family_sums

from tests.support.scoring_core_requests import shipped_bundle

pytestmark = pytest.mark.integration

VECTORS = 10_000
Matrix = npt.NDArray[np.float32]


def random_vectors(count: int, seed: int) -> Matrix:
    """Integers inside every feature's bounds; half of them near the ends, where positions crowd."""
    rng = np.random.default_rng(seed)
    low = np.array([spec.lowest for spec in FEATURES])
    span = np.array([spec.highest - spec.lowest for spec in FEATURES])
    spread = np.where(rng.random((count, len(FEATURES))) < 0.5, rng.random((count, len(FEATURES))) ** 4, 0)
    share = np.where(spread > 0, spread, rng.random((count, len(FEATURES))))
    found: Matrix = np.floor(low + share * span).astype(np.float32)
    return found


def rows_of(matrix: Matrix) -> list[Values]:
    return [tuple(float(value) for value in row) for row in matrix]


def margins(matrix: Matrix) -> Matrix:
    found: Matrix = shipped_bundle().booster.predict(xgboost.DMatrix(matrix, nthread=1), output_margin=True)
    return found


def test_explain__ten_thousand_vectors__points_add_up_and_reasons_are_true() -> None:
    bundle = shipped_bundle()
    rows = rows_of(random_vectors(VECTORS, 1))

    for values, prediction in zip(rows, bundle.predict(rows), strict=True):
        found = explain(prediction, values, base_margin=bundle.base_margin, scale=bundle.scale)
        by_reason = {REASON_OF_FAMILY[line.family]: line for line in found.families}
        assert found.base_points + sum(line.points for line in found.families) + found.clip == found.score
        assert 300 <= found.score <= 850
        assert all(by_reason[reason].points <= -3 for reason in found.reasons)


def test_predict__contributions__add_up_to_the_margin() -> None:
    bundle = shipped_bundle()
    predictions = bundle.predict(rows_of(random_vectors(VECTORS, 2)))

    # xgboost sums contributions in float32: up to 1.1e-5 log-odds at 300 trees, .001 points
    assert max(abs(bundle.base_margin + sum(p.families) - p.margin) for p in predictions) < 1e-4


def test_predict__one_by_one__gives_the_bits_of_the_batch() -> None:
    bundle = shipped_bundle()
    rows = rows_of(random_vectors(300, 3))

    assert tuple(bundle.predict([row])[0] for row in rows) == bundle.predict(rows)


def test_model__one_feature_gets_worse__never_lowers_the_risk() -> None:
    base = random_vectors(VECTORS, 4)
    rng = np.random.default_rng(5)
    places = rng.integers(0, len(FEATURES), VECTORS)
    worse = base.copy()
    for row, place in enumerate(places):
        spec = FEATURES[place]
        bound = spec.highest if spec.direction is Direction.RISK_RISES else spec.lowest
        worse[row, place] = np.floor(base[row, place] + rng.random() * (bound - base[row, place]))

    assert int((margins(worse) < margins(base)).sum()) == 0


def test_model__a_deed_is_hidden__never_lowers_the_risk() -> None:
    """What a wallet leaves undone or unshown reads as `absent`; only no liquidations and no withdrawals read best."""
    base = random_vectors(VECTORS, 6)
    hidable = [place for place, spec in enumerate(FEATURES) if spec.absent == spec.worst]
    hidden = base.copy()
    for row, place in enumerate(np.random.default_rng(7).choice(hidable, VECTORS)):
        hidden[row, place] = FEATURES[place].absent

    assert int((margins(hidden) < margins(base)).sum()) == 0


def test_predict__shipped_model__agrees_with_the_shap_package() -> None:
    shap = pytest.importorskip("shap")
    matrix = random_vectors(200, 8)

    theirs = shap.TreeExplainer(shipped_bundle().booster).shap_values(matrix)
    ours = shipped_bundle().predict(rows_of(matrix))

    for shares, prediction in zip(theirs, ours, strict=True):
        sums = family_sums([float(share) for share in shares])
        assert max(abs(one - other) for one, other in zip(sums, prediction.families, strict=True)) <= 1e-5


def test_predict__small_trees__agree_with_brute_force_shapley() -> None:
    matrix = random_vectors(2_000, 9)
    rng = np.random.default_rng(10)
    log_odds = (matrix[:, 0] / 8_000 - matrix[:, 1] / 30_000 + matrix[:, 5] / 5 - matrix[:, 9] / 400).astype(float)
    labels = (rng.random(2_000) < 1 / (1 + np.exp(-log_odds))).astype(np.float32)
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "eta": 0.5, "nthread": 1, "seed": 1},
        xgboost.DMatrix(matrix, label=labels),
        num_boost_round=3,
    )
    trees = [json.loads(text) for text in booster.get_dump(dump_format="json", with_stats=True)]
    rows = rows_of(matrix[:20])

    for row, prediction in zip(rows, predict_rows(booster, rows), strict=True):
        exact = family_sums(brute_force_shapley(trees, row))
        assert max(abs(one - other) for one, other in zip(exact, prediction.families, strict=True)) <= 1e-5


def brute_force_shapley(trees: list[dict[str, Any]], row: Values) -> list[float]:
    """Shapley values by the definition, over every coalition of the features that the trees use."""
    used = sorted({place for tree in trees for place in features_in(tree)})
    shares = [0.0] * len(row)
    count = len(used)
    for place in used:
        others = [other for other in used if other != place]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for coalition in combinations(others, size):
                known = frozenset(coalition)
                gain = sum(expected(tree, row, known | {place}) - expected(tree, row, known) for tree in trees)
                shares[place] += weight * gain
    return shares


def features_in(node: dict[str, Any]) -> set[int]:
    if "leaf" in node:
        return set()
    return {int(node["split"][1:])}.union(*(features_in(child) for child in node["children"]))


def expected(node: dict[str, Any], row: Values, known: frozenset[int]) -> float:
    """Value of a tree when only these features are known: the others go both ways, by cover."""
    if "leaf" in node:
        return float(node["leaf"])
    children = {child["nodeid"]: child for child in node["children"]}
    yes, no = children[node["yes"]], children[node["no"]]
    place = int(node["split"][1:])
    if place in known:
        return expected(yes if np.float32(row[place]) < np.float32(node["split_condition"]) else no, row, known)
    left, right = float(yes["cover"]), float(no["cover"])
    return (expected(yes, row, known) * left + expected(no, row, known) * right) / (left + right)
