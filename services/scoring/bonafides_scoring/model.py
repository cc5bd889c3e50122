"""A model bundle: loaded whole, checked against its manifest and golden vectors, or refused.

    models/<name>/   booster.ubj   golden.json   MODEL_CARD.md   manifest.json   (model id = SHA-256 of manifest.json)

Why so strict: an xgboost two versions older loads a booster without a word and shifts every score by 163 points.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xgboost
from bonafides.errors import InvalidInput, InvalidSettings
from bonafides.hashing import sha256
from bonafides.types import Digest, ModelClass

from bonafides_scoring.features.schema import FEATURE_NAMES, FEATURES, SCHEMA_HASH
from bonafides_scoring.manifest import Manifest, parse_manifest
from bonafides_scoring.prediction import Prediction, Values, family_sums
from bonafides_scoring.reference import ReferencePosition
from bonafides_scoring.scorecard import ScorecardScale, points_from_margin
from bonafides_scoring.wallet_state import FOLD_VERSION

BOOSTER_FILE = "booster.ubj"
GOLDEN_FILE = "golden.json"
CARD_FILE = "MODEL_CARD.md"
MANIFEST_FILE = "manifest.json"
HASHED_FILES = (BOOSTER_FILE, GOLDEN_FILE, CARD_FILE)
FEWEST_GOLDEN_VECTORS = 100
CONTRIBUTION_TOLERANCE = 1e-5
"""Contributions differ by 2e-7 between versions of xgboost; margins differ by nothing."""
SHIPPED_MODELS = Path(__file__).parent / "models"
DEFAULT_MODEL = "synthetic-2"


class BundleRefused(InvalidSettings):
    """A model bundle that is not what its manifest says, or not made for this code: nothing may be scored with it."""


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """A vector and what the model must answer to it."""

    values: Values
    margin_bits: str
    """Big-endian float32, hexadecimal."""
    families: tuple[float, ...]
    score: int


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A model that may be used."""

    id: Digest
    manifest: Manifest
    scale: ScorecardScale
    reference: ReferencePosition
    base_margin: float
    booster: xgboost.Booster

    @property
    def model_class(self) -> ModelClass:
        """What it was trained on."""
        return self.manifest.model_class

    def predict(self, rows: Sequence[Values]) -> tuple[Prediction, ...]:
        """Margins and contributions of many vectors in one call: the same bits as one by one.

        Raises:
            InvalidInput: a vector of another length, or with a NaN or an infinity: no feature is ever missing.
        """
        return predict_rows(self.booster, rows)


def predict_rows(booster: xgboost.Booster, rows: Sequence[Values]) -> tuple[Prediction, ...]:
    """See `ModelBundle.predict`."""
    if not rows:
        return ()
    if any(len(row) != len(FEATURES) for row in rows):
        raise InvalidInput(f"a feature vector has {len(FEATURES)} values")
    matrix = np.array(rows, dtype=np.float32)
    if not np.isfinite(matrix).all():
        raise InvalidInput("a feature vector holds a value that is not a finite number")
    frame = xgboost.DMatrix(matrix, nthread=1)
    margins = booster.predict(frame, output_margin=True)
    contributions = booster.predict(frame, pred_contribs=True)
    return tuple(
        Prediction(float(margin), family_sums([float(value) for value in shares[:-1]]))
        for margin, shares in zip(margins, contributions, strict=True)
    )


def shipped_model(name: str = DEFAULT_MODEL) -> Path:
    """Folder of a model that comes with the package."""
    return SHIPPED_MODELS / name


def load_bundle(folder: Path) -> ModelBundle:
    """Load and check a bundle.

    Raises:
        BundleRefused: a file missing or changed, another xgboost, feature schema or fold, a golden vector that differs.
    """
    if not folder.is_dir():
        raise BundleRefused(f"no model bundle at {folder}: no such folder, expected one with {MANIFEST_FILE}")
    raw = _read(folder, MANIFEST_FILE)
    try:
        manifest = parse_manifest(raw)
    except InvalidInput as exc:
        raise BundleRefused(str(exc)) from exc
    _check_made_for_this_code(manifest)
    files = {name: _read(folder, name) for name in HASHED_FILES}
    _check_files(manifest, files)
    booster = load_booster(files[BOOSTER_FILE])
    bundle = ModelBundle(
        id=sha256(raw),
        manifest=manifest,
        scale=manifest.scale.scale(),
        reference=manifest.reference_position.position(),
        base_margin=float.fromhex(manifest.base_margin),
        booster=booster,
    )
    _check_golden(bundle, parse_golden(files[GOLDEN_FILE]))
    return bundle


def load_booster(raw: bytes) -> xgboost.Booster:
    """A booster that predicts on one thread: on a busy host more threads cost three to twenty times the time.

    Raises:
        BundleRefused: not a booster, or one for another number of features.
    """
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(raw))
        booster.set_param({"nthread": 1})
        features = booster.num_features()
    except xgboost.core.XGBoostError as exc:
        raise BundleRefused(f"{BOOSTER_FILE} is no booster that xgboost {xgboost.__version__} can read") from exc
    if features != len(FEATURES):
        raise BundleRefused(f"{BOOSTER_FILE} wants {features} features, the schema has {len(FEATURES)}")
    return booster


def parse_golden(raw: bytes) -> tuple[GoldenVector, ...]:
    """Read golden vectors. Raises BundleRefused for anything else."""
    try:
        rows = json.loads(raw)
        return tuple(
            GoldenVector(
                tuple(float(value) for value in row["values"]),
                str(row["margin_bits"]),
                tuple(float.fromhex(value) for value in row["families"]),
                int(row["score"]),
            )
            for row in rows
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise BundleRefused(f"{GOLDEN_FILE} holds no golden vectors") from exc


def render_golden(vectors: Sequence[GoldenVector]) -> bytes:
    """Bytes of golden vectors: one per line."""
    lines = [
        json.dumps(
            {
                "values": list(vector.values),
                "margin_bits": vector.margin_bits,
                "families": [share.hex() for share in vector.families],
                "score": vector.score,
            }
        )
        for vector in vectors
    ]
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode()


def margin_bits(margin: float) -> str:
    """Big-endian float32 of a margin, hexadecimal."""
    return struct.pack(">f", margin).hex()


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as exc:
        raise BundleRefused(f"model bundle {folder.name}: {name} cannot be read") from exc


def _check_made_for_this_code(manifest: Manifest) -> None:
    if manifest.xgboost_version != xgboost.__version__:
        raise BundleRefused(
            f"model {manifest.name} was made with xgboost {manifest.xgboost_version}, this is {xgboost.__version__}: "
            "install that version; another one may shift scores without a word"
        )
    if manifest.feature_schema_hash != SCHEMA_HASH.hex() or manifest.features != FEATURE_NAMES:
        raise BundleRefused(f"model {manifest.name} was made for another feature schema than this code computes")
    if manifest.fold_version != FOLD_VERSION:
        raise BundleRefused(
            f"model {manifest.name} was made for fold version {manifest.fold_version}, not {FOLD_VERSION}"
        )


def _check_files(manifest: Manifest, files: dict[str, bytes]) -> None:
    if set(manifest.files) != set(HASHED_FILES):
        raise BundleRefused(f"model {manifest.name}: the manifest must list exactly {', '.join(HASHED_FILES)}")
    for name, raw in files.items():
        if sha256(raw).hex() != manifest.files[name]:
            raise BundleRefused(f"model {manifest.name}: {name} is not the file that the manifest names")


def _check_golden(bundle: ModelBundle, vectors: Sequence[GoldenVector]) -> None:
    name = bundle.manifest.name
    if len(vectors) < FEWEST_GOLDEN_VECTORS:
        raise BundleRefused(f"model {name}: {len(vectors)} golden vectors, expected at least {FEWEST_GOLDEN_VECTORS}")
    try:
        predictions = bundle.predict([vector.values for vector in vectors])
    except InvalidInput as exc:
        raise BundleRefused(f"model {name}: {exc}") from exc
    for place, (vector, prediction) in enumerate(zip(vectors, predictions, strict=True)):
        if margin_bits(prediction.margin) != vector.margin_bits:
            raise BundleRefused(f"model {name}: golden vector {place} gets another margin here")
        if points_from_margin(prediction.margin, bundle.scale).score != vector.score:
            raise BundleRefused(f"model {name}: golden vector {place} gets another score here")
        gap = max(abs(ours - theirs) for ours, theirs in zip(prediction.families, vector.families, strict=True))
        if gap > CONTRIBUTION_TOLERANCE:
            raise BundleRefused(f"model {name}: golden vector {place} gets another explanation here")
        if abs(bundle.base_margin + sum(prediction.families) - prediction.margin) > 1e-3:
            raise BundleRefused(f"model {name}: base margin and contributions do not add up to the margin")
