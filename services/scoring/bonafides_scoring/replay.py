"""Makes a score again from its bundle and the model's files, offline and without xgboost, and says what differs.

    events ──► event-set digest ──► fold ──► features ──► margin ──► points ──► receipt ──► score id
    market ──► market digest ────────────────┘

Digests, features, margin, rounding and score are recomputed bit for bit; contributions to 1e-5, because another
summation order moves their last bits. What it does not show: that the events are the chain's (`--rpc`, later).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bonafides.digests import event_set_digest, market_digest
from bonafides.errors import BonafidesError, InvalidInput
from bonafides.events import LendingEvent
from bonafides.hashing import sha256

from bonafides_scoring.explain import base_points_of, family_points
from bonafides_scoring.features.build import FeatureVector, feature_vector
from bonafides_scoring.features.schema import SCHEMA_HASH
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.manifest import Manifest, parse_manifest
from bonafides_scoring.market import market_view, points_used
from bonafides_scoring.receipt import Receipt, encode_receipt
from bonafides_scoring.replay_document import ScoreBundle
from bonafides_scoring.scorecard import points_from_margin
from bonafides_scoring.trees import Trees, read_trees
from bonafides_scoring.wallet_state import FOLD_VERSION, WalletState

CONTRIBUTION_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class ReplayModel:
    """What of a model bundle a replay needs."""

    manifest_bytes: bytes
    manifest: Manifest
    trees: Trees


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was made again."""

    name: str
    is_same: bool
    detail: str
    """What was seen and what was expected; empty when they are the same."""


def read_replay_model(folder: Path) -> ReplayModel:
    """Read manifest and booster.

    Raises:
        InvalidInput: a file that cannot be read, or a booster that the manifest does not name.
    """
    try:
        manifest_bytes, booster = (folder / "manifest.json").read_bytes(), (folder / "booster.ubj").read_bytes()
    except OSError as exc:
        raise InvalidInput(f"no model bundle in {folder.name}: manifest.json and booster.ubj are needed") from exc
    manifest = parse_manifest(manifest_bytes)
    if manifest.files.get("booster.ubj") != sha256(booster).hex():
        raise InvalidInput("booster.ubj is not the file that the manifest names")
    return ReplayModel(manifest_bytes, manifest, read_trees(booster))


def replay(bundle: ScoreBundle, model: ReplayModel) -> tuple[Check, ...]:
    """Make the score again. Every check is made and told, in the order of the flow; all the same means replayed.

    Raises:
        InvalidInput: the receipt contradicts itself so that it cannot even be encoded.
    """
    try:
        receipt = bundle.as_receipt()
    except BonafidesError as exc:
        raise InvalidInput(f"not a receipt: {exc}") from exc
    events, points = bundle.as_events(), bundle.as_points()
    checks = [
        _same("receipt's bytes", bundle.receipt.encoding.hex(), encode_receipt(receipt).hex()),
        _same("score id", bundle.score_id.hex(), receipt.digest.hex()),
        _same("shown score", bundle.score, receipt.score),
        _same("model id", receipt.model_id.hex(), sha256(model.manifest_bytes).hex()),
        _same("feature schema", receipt.feature_schema_hash.hex(), SCHEMA_HASH.hex()),
        _same("fold version", receipt.fold_version, FOLD_VERSION),
        _same("event set", receipt.event_set_digest.hex(), event_set_digest(events).hex()),
        _same("market points", receipt.market_digest.hex(), market_digest(points).hex()),
    ]
    vector: list[FeatureVector] = []

    def make_features() -> str:
        vector.append(_features(receipt, bundle, model))
        return vector[0].digest.hex()

    checks.append(_made("features", receipt.feature_digest.hex(), make_features))
    if vector:
        checks += _scored(receipt, vector[0], model)
    return tuple(checks)


def _features(receipt: Receipt, bundle: ScoreBundle, model: ReplayModel) -> FeatureVector:
    states = _states(receipt, bundle.as_events())
    points = bundle.as_points()
    views = [market_view(points, block) for block in receipt.as_of.blocks]
    if points_used(states, views) != tuple(sorted(points, key=lambda p: p.canonical_order)):
        raise InvalidInput("the bundle holds market points that this score does not use")
    return feature_vector(states, views, receipt.as_of, model.manifest.reference_position.position())


def _states(receipt: Receipt, events: tuple[LendingEvent, ...]) -> list[WalletState]:
    own: dict[tuple[bytes, int], list[LendingEvent]] = {}
    for event in events:
        if event.wallet not in receipt.wallets:
            raise InvalidInput("the bundle holds an event of a wallet that is not the subject's")
        own.setdefault((event.wallet, event.position.block.chain_id), []).append(event)
    return [
        fold(empty_state(rows[0].wallet, rows[0].position.block.chain_id), sorted(rows, key=lambda e: e.order))
        for _, rows in sorted(own.items())
    ]


def _scored(receipt: Receipt, vector: FeatureVector, model: ReplayModel) -> list[Check]:
    scale = model.manifest.scale.scale()
    prediction = model.trees.predict(vector.values)
    scaled = points_from_margin(prediction.margin, scale)
    base = base_points_of(float.fromhex(model.manifest.base_margin), scale)
    gap = max(abs(told - ours) for told, ours in zip(receipt.families, prediction.families, strict=True))
    points = family_points(receipt.families, scaled, base, scale)
    return [
        _same("margin", receipt.margin.hex(), prediction.margin.hex()),
        Check(
            "contributions",
            gap <= CONTRIBUTION_TOLERANCE,
            ""
            if gap <= CONTRIBUTION_TOLERANCE
            else f"off by up to {gap:.2e} log-odds, allowed {CONTRIBUTION_TOLERANCE}",
        ),
        _same("base points", receipt.base_points, base),
        _same("family points", list(receipt.family_points), list(points)),
        _same("clip", receipt.clip, scaled.clip),
        _same("score", receipt.score, scaled.score),
    ]


def _same[Told](name: str, told: Told, ours: Told) -> Check:
    return Check(name, told == ours, "" if told == ours else f"the bundle says {told}, recomputed {ours}")


def _made(name: str, told: str, make: Callable[[], str]) -> Check:
    try:
        return _same(name, told, make())
    except BonafidesError as exc:
        return Check(name, False, f"cannot be made again: {exc}")
