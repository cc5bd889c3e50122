"""A model bundle that is not what it says is refused, each time with the reason."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bonafides.errors import InvalidInput
from bonafides.hashing import sha256
from bonafides_scoring.features.schema import FAMILIES, FEATURES
from bonafides_scoring.model import (
    BOOSTER_FILE,
    CARD_FILE,
    GOLDEN_FILE,
    MANIFEST_FILE,
    BundleRefused,
    load_bundle,
    shipped_model,
)
from bonafides_scoring.wallet_state import FOLD_VERSION

from tests.support.scoring_core_requests import shipped_bundle

pytestmark = pytest.mark.unit


@pytest.fixture
def bundle_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped_model(), tmp_path / "model"))


def change_manifest(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Edit the manifest as one would who wants the edit to pass."""
    path = folder / MANIFEST_FILE
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def change_file(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Edit a file and put its new hash into the manifest."""
    raw = change((folder / name).read_bytes())
    (folder / name).write_bytes(raw)
    change_manifest(folder, lambda manifest: manifest.update(files=_with_hash(manifest["files"], name, raw)))


def _with_hash(files: object, name: str, raw: bytes) -> dict[str, object]:
    assert isinstance(files, dict)
    return {**files, name: sha256(raw).hex()}


def set_field(name: str, value: object) -> Callable[[Path], None]:
    return lambda folder: change_manifest(folder, lambda manifest: manifest.__setitem__(name, value))


def flip_last_byte(name: str) -> Callable[[Path], None]:
    def flip(folder: Path) -> None:
        raw = bytearray((folder / name).read_bytes())
        raw[-2] ^= 1
        (folder / name).write_bytes(bytes(raw))

    return flip


def edit_golden(change: Callable[[list[dict[str, object]]], object]) -> Callable[[Path], None]:
    def edit(raw: bytes) -> bytes:
        rows = json.loads(raw)
        change(rows)
        return json.dumps(rows).encode()

    return lambda folder: change_file(folder, GOLDEN_FILE, edit)


def other_calibration(folder: Path) -> None:
    def change(manifest: dict[str, object]) -> None:
        scale = manifest["scale"]
        assert isinstance(scale, dict)
        scale["intercept"] = (float.fromhex(scale["intercept"]) + 0.5).hex()

    change_manifest(folder, change)


def other_base_score(folder: Path) -> None:
    """What an older xgboost does without a word: another base score, every tree the same."""
    raw = (folder / BOOSTER_FILE).read_bytes()
    place = raw.index(b"base_score") + len(b"base_score")
    digit = next(at for at in range(place, place + 40) if raw[at : at + 1] in b"123456789" and raw[at - 1 : at] == b".")
    other = b"8" if raw[digit : digit + 1] != b"8" else b"4"
    change_file(folder, BOOSTER_FILE, lambda whole: whole[:digit] + other + whole[digit + 1 :])


def cut_manifest(folder: Path) -> None:
    (folder / MANIFEST_FILE).write_text("{")


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no manifest": (lambda folder: (folder / MANIFEST_FILE).unlink(), "manifest.json cannot be read"),
    "manifest is no JSON": (cut_manifest, "model manifest"),
    "unknown field": (set_field("extra", 1), "extra"),
    "no booster": (lambda folder: (folder / BOOSTER_FILE).unlink(), "booster.ubj cannot be read"),
    "bit flipped in the booster": (flip_last_byte(BOOSTER_FILE), "booster.ubj is not the file"),
    "bit flipped in the golden file": (flip_last_byte(GOLDEN_FILE), "golden.json is not the file"),
    "card edited": (flip_last_byte(CARD_FILE), "MODEL_CARD.md is not the file"),
    "another xgboost": (set_field("xgboost_version", "2.1.4"), "made with xgboost 2.1.4"),
    "another feature schema": (set_field("feature_schema_hash", "00" * 32), "another feature schema"),
    "features in another order": (
        set_field("features", [spec.name for spec in FEATURES][::-1]),
        "another feature schema",
    ),
    "another fold": (set_field("fold_version", FOLD_VERSION + 1), f"fold version {FOLD_VERSION + 1}"),
    "a file not listed": (set_field("files", {}), "must list exactly"),
    "too few golden vectors": (edit_golden(lambda rows: rows.__delitem__(slice(99, None))), "99 golden vectors"),
    "a golden margin": (
        edit_golden(lambda rows: rows[3].update(margin_bits="00000000")),
        "vector 3 gets another margin",
    ),
    "a golden score": (edit_golden(lambda rows: rows[3].update(score=301)), "vector 3 gets another score"),
    "a golden explanation": (
        edit_golden(lambda rows: rows[3].update(families=["0x1.0000000000000p+3"] * len(FAMILIES))),
        "vector 3 gets another explanation",
    ),
    "golden file of another shape": (
        lambda folder: change_file(folder, GOLDEN_FILE, lambda _: b"{}"),
        "golden vectors",
    ),
    "another calibration": (other_calibration, "gets another score"),
    "another base score": (other_base_score, "gets another margin"),
    "another base margin": (set_field("base_margin", "0x1.0000000000000p+1"), "do not add up"),
    "a booster of another kind": (
        lambda folder: change_file(folder, BOOSTER_FILE, lambda _: b"not a model"),
        "no booster",
    ),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_load_bundle__a_fault__is_refused_with_its_reason(fault: str, bundle_dir: Path) -> None:
    inject, reason = FAULTS[fault]
    inject(bundle_dir)

    with pytest.raises(BundleRefused, match=reason):
        load_bundle(bundle_dir)


def test_load_bundle__shipped_model__is_the_hash_of_its_manifest(bundle_dir: Path) -> None:
    bundle = load_bundle(bundle_dir)

    assert bundle.id == sha256((bundle_dir / MANIFEST_FILE).read_bytes()) == shipped_bundle().id


def test_predict__not_a_number_or_too_short__is_refused() -> None:
    good = tuple(float(spec.best) for spec in FEATURES)

    for bad in (good[:-1], (math.nan, *good[1:]), (math.inf, *good[1:])):
        with pytest.raises(InvalidInput):
            shipped_bundle().predict([bad])


def test_predict__nothing__is_nothing() -> None:
    assert shipped_bundle().predict([]) == ()


def test_load_bundle__no_such_folder__is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=f"no model bundle at {tmp_path / 'typo'}: no such folder"):
        load_bundle(tmp_path / "typo")
