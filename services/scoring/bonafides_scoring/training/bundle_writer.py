"""Writes a model bundle, and loads it back the way a service will before anyone may call it done."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xgboost
from bonafides.errors import InvalidInput
from bonafides.hashing import sha256

from bonafides_scoring.features.schema import FEATURES
from bonafides_scoring.manifest import Manifest, render_manifest
from bonafides_scoring.model import (
    FEWEST_GOLDEN_VECTORS,
    HASHED_FILES,
    MANIFEST_FILE,
    GoldenVector,
    ModelBundle,
    load_bundle,
    margin_bits,
    predict_rows,
)
from bonafides_scoring.scorecard import ScorecardScale, points_from_margin
from bonafides_scoring.training.fit import margins_of
from bonafides_scoring.training.panels.panel import Panel

GOLDEN_ROWS = FEWEST_GOLDEN_VECTORS + 26
"""Rows of the training panel, spread over its margins; the best and the worst vector come on top."""


def golden_vectors(booster: xgboost.Booster, train: Panel, scale: ScorecardScale) -> tuple[GoldenVector, ...]:
    """Vectors over the whole range of margins, with what the model answers. They name no wallet."""
    order = np.argsort(margins_of(booster, train), kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, GOLDEN_ROWS).astype(int))
    rows = [tuple(float(value) for value in train.features[order[place]]) for place in places]
    rows += [tuple(float(spec.best) for spec in FEATURES), tuple(float(spec.worst) for spec in FEATURES)]
    return tuple(
        GoldenVector(
            values=row,
            margin_bits=margin_bits(prediction.margin),
            families=prediction.families,
            score=points_from_margin(prediction.margin, scale).score,
        )
        for row, prediction in zip(rows, predict_rows(booster, rows), strict=True)
    )


def base_margin_of(booster: xgboost.Booster) -> float:
    """TreeSHAP's last column: the expected margin over the training rows, the same for every vector."""
    frame = xgboost.DMatrix(np.array([[spec.best for spec in FEATURES]], dtype=np.float32), nthread=1)
    return float(booster.predict(frame, pred_contribs=True)[0, -1])


def file_hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 per file, as the manifest lists them."""
    return {name: sha256(files[name]).hex() for name in HASHED_FILES}


def write_bundle(folder: Path, manifest: Manifest, files: Mapping[str, bytes], *, replace: bool) -> ModelBundle:
    """Write the bundle into `folder` and load it back.

    Raises:
        InvalidInput: the folder holds a bundle already and `replace` is false.
        BundleRefused: what was written cannot be loaded.
    """
    if (folder / MANIFEST_FILE).exists() and not replace:
        raise InvalidInput(f"{folder.name} holds a model already: give another --out, or --replace to overwrite it")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)  # first: a half-written bundle must not load
    for name in HASHED_FILES:
        (folder / name).write_bytes(files[name])
    (folder / MANIFEST_FILE).write_bytes(render_manifest(manifest))
    return load_bundle(folder)
