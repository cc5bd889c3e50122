"""THE FLOW of scoring: from what is known about a subject at named blocks to a score that can be checked, or a reason.

    states ──► settle ──► features ──► model ──► margin, contributions ──► points ──► reasons
    market ──────────────────┘                                                   └──► receipt ──► score id

Pure: no clock, network, database or setting. The same request and bundle give the same bytes, alone or in a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bonafides.digests import as_of_digest, coverage_digest, market_digest, wallets_encoding
from bonafides.errors import InvariantViolation
from bonafides.events import DeploymentCoverage
from bonafides.hashing import sha256
from bonafides.messages import ScoreIssued, UnscorableIssued
from bonafides.types import (
    Address,
    AdverseReason,
    AsOf,
    Band,
    Digest,
    ModelClass,
    ScoreFlag,
    UnscorableReason,
    band_of,
)

from bonafides_scoring.explain import Explanation, explain
from bonafides_scoring.features.build import FeatureVector, feature_vector, has_credit_history, open_accounts
from bonafides_scoring.features.schema import SCHEMA_HASH
from bonafides_scoring.market import MarketMissing, MarketView, points_used
from bonafides_scoring.model import ModelBundle
from bonafides_scoring.prediction import Prediction
from bonafides_scoring.receipt import Receipt
from bonafides_scoring.scorecard import pd_bps
from bonafides_scoring.wallet_state import FOLD_VERSION, WalletState

CALLER_FLAGS = ScoreFlag.DISPUTED | ScoreFlag.STALE | ScoreFlag.PARTIAL_COVERAGE
"""Flags that only the caller can know; the others follow from the history."""


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Everything a score is a function of, beside the model."""

    wallets: tuple[Address, ...]
    """The subject, ascending."""
    states: tuple[WalletState, ...]
    """One per wallet and chain with any history, in any order, folded up to the as-of blocks and no further."""
    views: tuple[MarketView, ...]
    """One per chain of the AsOf."""
    as_of: AsOf
    coverage: tuple[DeploymentCoverage, ...]
    """What was read, as the boundaries of the as-of blocks say (or the wallet's hydration)."""
    event_set_digest: Digest
    """`digests.event_set_digest` of the subject's events up to the as-of blocks, on all chains."""
    wallet_dead_letters: int = 0
    """Logs of these wallets that could not be decoded, up to the as-of blocks."""
    flags: ScoreFlag = ScoreFlag.NONE
    """Only of `CALLER_FLAGS`."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A score with everything that is said about it."""

    receipt: Receipt
    score_id: Digest
    score: int
    """300..850."""
    band: Band
    pd_bps: int
    """Probability of the outcome within the horizon, behaviour layer, as calibrated; 1..9999."""
    flags: ScoreFlag
    features: FeatureVector
    explanation: Explanation
    model_id: Digest
    model_class: ModelClass

    @property
    def reasons(self) -> tuple[AdverseReason, ...]:
        """What held the score back, the most costly first; at most four."""
        return self.explanation.reasons

    def message(self) -> ScoreIssued:
        """What the issuer gets."""
        return ScoreIssued(
            score_id=self.score_id,
            wallets=self.receipt.wallets,
            as_of=self.receipt.as_of,
            model_id=self.model_id,
            model_class=self.model_class,
            score=self.score,
            band=self.band,
            pd_bps=self.pd_bps,
            coverage_digest=self.receipt.coverage_digest,
            reasons=self.reasons,
            flags=self.flags,
        )


@dataclass(frozen=True, slots=True)
class Unscorable:
    """An answer that is no score: never an invented number instead."""

    result_id: Digest
    wallets: tuple[Address, ...]
    as_of: AsOf
    coverage: tuple[DeploymentCoverage, ...]
    event_set_digest: Digest
    model_id: Digest
    reason: UnscorableReason

    def message(self) -> UnscorableIssued:
        """What the issuer gets."""
        return UnscorableIssued(self.result_id, self.wallets, self.as_of, self.model_id, self.reason)


ScoreResult = Scored | Unscorable


def score_subject(request: ScoreRequest, bundle: ModelBundle) -> ScoreResult:
    """Score one subject. See `score_subjects`."""
    return score_subjects([request], bundle)[0]


def score_subjects(requests: Sequence[ScoreRequest], bundle: ModelBundle) -> list[ScoreResult]:
    """Score many subjects in one call of the model; results stand in the order of the requests.

    Raises:
        InvariantViolation: a request that contradicts itself: a state of another wallet, or one that has seen more than
            the as-of blocks, or wallets out of order.
    """
    prepared = [_features_or_reason(request, bundle) for request in requests]
    predictions = iter(bundle.predict([found.values for found in prepared if isinstance(found, FeatureVector)]))
    return [
        _scored(request, found, next(predictions), bundle)
        if isinstance(found, FeatureVector)
        else _unscorable(request, found, bundle)
        for request, found in zip(requests, prepared, strict=True)
    ]


def lowest_health_factor_bps(states: Sequence[WalletState], views: Sequence[MarketView]) -> int | None:
    """Lowest health factor of the accounts with open debt, 10,000 = liquidation line; None without open debt.

    A worker compares it with the one of the last score and `Manifest.rescore_step_bps` to see whether prices call for a
    new score.

    Raises:
        MarketMissing: an asset of the position cannot be valued.
    """
    factors = [account.health_factor_wad for account in open_accounts(states, views)]
    return min(factors) // 10**14 if factors else None


def _features_or_reason(request: ScoreRequest, bundle: ModelBundle) -> FeatureVector | UnscorableReason:
    _check(request)
    if _is_incomplete(request):
        return UnscorableReason.HISTORY_INCOMPLETE
    if any(state.has_untold_debt for state in request.states):
        return UnscorableReason.POSITION_UNKNOWN
    if not has_credit_history(request.states):
        return UnscorableReason.NO_CREDIT_HISTORY
    try:
        return feature_vector(request.states, request.views, request.as_of, bundle.reference)
    except MarketMissing:
        return UnscorableReason.PRICE_UNKNOWN


def _check(request: ScoreRequest) -> None:
    if not request.wallets or list(request.wallets) != sorted(set(request.wallets)):
        raise InvariantViolation("a subject names its wallets once each, in ascending order")
    places = [(state.wallet, state.chain_id) for state in request.states]
    if len(set(places)) != len(places) or not {wallet for wallet, _ in places} <= set(request.wallets):
        raise InvariantViolation("a score request holds one state per wallet of the subject and chain")
    if request.flags & ~CALLER_FLAGS:
        raise InvariantViolation(f"flags that follow from the history were given by the caller: {request.flags!r}")


def _is_incomplete(request: ScoreRequest) -> bool:
    """Whether "never happened" could be "not read".

    What a history on demand cannot see is said by its flag instead (DESIGN 6): shown, never attested.
    """
    is_impossible = any(state.is_impossible for state in request.states)
    if is_impossible or request.wallet_dead_letters > 0:
        return True
    if ScoreFlag.PARTIAL_COVERAGE in request.flags:
        return False
    heights = {block.chain_id: block.number for block in request.as_of.blocks}
    has_hole = any(
        row.complete_to < heights.get(row.chain_id, 0)
        or any(gap.first <= heights.get(row.chain_id, 0) for gap in row.gaps)
        for row in request.coverage
    )
    covered = {row.deployment for row in request.coverage}
    has_unread = any(key.deployment not in covered for state in request.states for key, _ in state.assets)
    return has_hole or has_unread


def _scored(request: ScoreRequest, features: FeatureVector, prediction: Prediction, bundle: ModelBundle) -> Scored:
    explanation = explain(
        prediction,
        features.values,
        base_margin=bundle.base_margin,
        scale=bundle.scale,
        is_reference_position=features.is_reference_position,
    )
    receipt = Receipt(
        wallets=request.wallets,
        as_of=request.as_of,
        coverage=_sorted(request.coverage),
        event_set_digest=request.event_set_digest,
        market_digest=market_digest(points_used(request.states, request.views)),
        feature_digest=features.digest,
        feature_schema_hash=SCHEMA_HASH,
        fold_version=FOLD_VERSION,
        model_id=bundle.id,
        margin=prediction.margin,
        families=prediction.families,
        base_points=explanation.base_points,
        family_points=tuple(line.points for line in explanation.families),
        clip=explanation.clip,
    )
    if receipt.score != explanation.score:
        raise InvariantViolation(f"points add up to {receipt.score}, the score is {explanation.score}")
    flags = request.flags
    flags |= ScoreFlag.REFERENCE_POSITION if features.is_reference_position else ScoreFlag.NONE
    flags |= ScoreFlag.THIN_FILE if features.is_thin else ScoreFlag.NONE
    return Scored(
        receipt=receipt,
        score_id=receipt.digest,
        score=explanation.score,
        band=band_of(explanation.score),
        pd_bps=pd_bps(prediction.margin, bundle.scale),
        flags=flags,
        features=features,
        explanation=explanation,
        model_id=bundle.id,
        model_class=bundle.model_class,
    )


def _unscorable(request: ScoreRequest, reason: UnscorableReason, bundle: ModelBundle) -> Unscorable:
    result_id = sha256(
        b"bonafides/unscorable/1",
        wallets_encoding(request.wallets),
        as_of_digest(request.as_of),
        coverage_digest(request.coverage),
        request.event_set_digest,
        bundle.id,
        reason.value.encode(),
    )
    return Unscorable(
        result_id,
        request.wallets,
        request.as_of,
        _sorted(request.coverage),
        request.event_set_digest,
        bundle.id,
        reason,
    )


def _sorted(coverage: Sequence[DeploymentCoverage]) -> tuple[DeploymentCoverage, ...]:
    return tuple(sorted(coverage, key=lambda row: (row.chain_id, row.deployment)))
