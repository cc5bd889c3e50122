"""A booster without xgboost: the same margin bit for bit, the same Shapley contributions to 1e-5.

The arithmetic is xgboost's, written down so that anyone can check a score: in float32, start with the base margin, go
through the trees in order, at each node go left when the value is less than the threshold, and add the leaf.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
from bonafides.errors import InvalidInput

from bonafides_scoring.features.schema import FEATURES
from bonafides_scoring.prediction import Prediction, Values, family_sums
from bonafides_scoring.ubjson import UbJson, parse_ubjson


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a tree; a leaf has no feature."""

    feature: int | None
    threshold: np.float32
    """Of a leaf, its value."""
    left: int
    right: int
    cover: float
    """Sum of the Hessian over the training rows that came here."""


@dataclass(frozen=True, slots=True)
class PathStep:
    """What one feature must be on the way to a leaf, and how many of the rows that came so far go on by it."""

    feature: int
    at_least: float
    below: float
    share: float


@dataclass(frozen=True, slots=True)
class LeafPath:
    """One leaf, with at most one step per feature."""

    value: float
    steps: tuple[PathStep, ...]


@dataclass(frozen=True, slots=True)
class Trees:
    """All trees of a booster."""

    base_margin: np.float32
    trees: tuple[tuple[Node, ...], ...]
    paths: tuple[LeafPath, ...]

    def margin(self, values: Values) -> float:
        """Log-odds before calibration: a float32 as a float."""
        row = [np.float32(value) for value in values]
        total = self.base_margin
        for nodes in self.trees:
            node = nodes[0]
            while node.feature is not None:
                node = nodes[node.left if row[node.feature] < node.threshold else node.right]
            total = np.float32(total + node.threshold)
        return float(total)

    def contributions(self, values: Values) -> tuple[float, ...]:
        """Exact path-dependent Shapley contribution of each feature, log-odds."""
        shares = [0.0] * len(values)
        for path in self.paths:
            holds = [step.at_least <= values[step.feature] < step.below for step in path.steps]
            for place, step in enumerate(path.steps):
                weight = _weight(path.steps, holds, place)
                shares[step.feature] += path.value * (float(holds[place]) - step.share) * weight
        return tuple(shares)

    def predict(self, values: Values) -> Prediction:
        """What `ModelBundle.predict` says, without xgboost."""
        return Prediction(self.margin(values), family_sums(self.contributions(values)))


def read_trees(booster: bytes) -> Trees:
    """Open the `booster.ubj` of a bundle.

    Raises:
        InvalidInput: not a booster of plain trees for our features, with one output and logistic loss.
    """
    learner = _dict(parse_ubjson(booster), "learner")
    parameters = _dict(learner, "learner_model_param")
    objective = _dict(learner, "objective")
    if objective.get("name") != "binary:logistic" or parameters.get("num_feature") != str(len(FEATURES)):
        raise InvalidInput("the booster is not a logistic one for this feature schema")
    base_score = np.float32(str(parameters["base_score"]).strip("[]"))
    model = _dict(_dict(learner, "gradient_booster"), "model")
    found = model.get("trees")
    if not isinstance(found, list) or not found:
        raise InvalidInput("the booster holds no trees")
    trees = tuple(_nodes(tree) for tree in found)
    return Trees(
        base_margin=base_margin_of(base_score),
        trees=trees,
        paths=tuple(path for nodes in trees for path in _paths(nodes)),
    )


def base_margin_of(base_score: np.float32) -> np.float32:
    """Log-odds of the base score as xgboost reckons them: -log(1 / p - 1), rounded to float32 at each step.

    In float64 up to the end it comes out one unit in the last place away for some scores. Exact for rates below .15;
    above, a C library's own logarithm may differ in the last place, once in 200 scores.
    """
    odds_against = np.float32(np.float32(1) / base_score) - np.float32(1)
    return np.float32(-math.log(float(odds_against)))


def _dict(value: UbJson, key: str) -> dict[str, UbJson]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, dict):
        raise InvalidInput(f"the booster has no {key}")
    return found


def _nodes(tree: UbJson) -> tuple[Node, ...]:
    left, right = _column(tree, "left_children"), _column(tree, "right_children")
    features, thresholds = _column(tree, "split_indices"), _column(tree, "split_conditions")
    covers = _column(tree, "sum_hessian")
    return tuple(
        Node(
            feature=None if left[place] < 0 else int(features[place]),
            threshold=np.float32(thresholds[place]),
            left=int(left[place]),
            right=int(right[place]),
            cover=float(covers[place]),
        )
        for place in range(len(left))
    )


def _column(tree: UbJson, name: str) -> list[int | float]:
    found = tree.get(name) if isinstance(tree, dict) else None
    if not isinstance(found, list):
        raise InvalidInput(f"a tree of the booster has no {name}")
    return [value for value in found if isinstance(value, int | float)]


def _paths(nodes: tuple[Node, ...]) -> list[LeafPath]:
    """Every leaf with what leads to it. A feature asked twice becomes one step: ranges meet, shares multiply."""
    found: list[LeafPath] = []
    waiting: list[tuple[int, dict[int, PathStep]]] = [(0, {})]
    while waiting:
        place, steps = waiting.pop()
        node = nodes[place]
        if node.feature is None:
            found.append(LeafPath(float(node.threshold), tuple(steps.values())))
            continue
        known = steps.get(node.feature, PathStep(node.feature, -math.inf, math.inf, 1.0))
        threshold = float(node.threshold)
        for child, at_least, below in (
            (node.left, known.at_least, min(known.below, threshold)),
            (node.right, max(known.at_least, threshold), known.below),
        ):
            share = known.share * nodes[child].cover / node.cover
            waiting.append((child, {**steps, node.feature: PathStep(node.feature, at_least, below, share)}))
    return found


def _weight(steps: Sequence[PathStep], holds: Sequence[bool], place: int) -> float:
    """Shapley-weighted sum over the coalitions of the other features: the known ones hold, the others go by share."""
    others = [at for at in range(len(steps)) if at != place]
    total = 0.0
    for size in range(len(others) + 1):
        weight = factorial(size) * factorial(len(others) - size) / factorial(len(steps))
        for known in combinations(others, size):
            if all(holds[at] for at in known):
                total += weight * math.prod(steps[at].share for at in others if at not in known)
    return total
