"""The messages of the topics that are not events: requests, results, statuses, dead letters."""

from dataclasses import dataclass
from enum import StrEnum

from bonafides.accounts import AccountFact
from bonafides.events import (
    Boundary,
    BoundaryMark,
    Hydrated,
    LendingEvent,
    MarketPoint,
    Position,
    WalletDeadLetter,
)
from bonafides.types import (
    Address,
    AdverseReason,
    AsOf,
    AttestationStatus,
    Band,
    ChainId,
    Digest,
    ModelClass,
    ScoreFlag,
    UnscorableReason,
)

MAX_EVENTS_PER_RECORD = 50
MAX_POINTS_PER_RECORD = 200
MAX_ACCOUNTS_PER_RECORD = 50


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Up to `MAX_EVENTS_PER_RECORD` events of one partition."""

    events: tuple[LendingEvent, ...]


@dataclass(frozen=True, slots=True)
class MarketBatch:
    """Up to `MAX_POINTS_PER_RECORD` facts of a market."""

    points: tuple[MarketPoint, ...]


@dataclass(frozen=True, slots=True)
class AccountBatch:
    """Up to `MAX_ACCOUNTS_PER_RECORD` facts about accounts of one partition."""

    facts: tuple[AccountFact, ...]


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Hydrate one wallet."""

    request_id: Digest
    chain_id: ChainId
    wallet: Address
    requested_at: int
    """Unix seconds, wall clock: for expiry only."""


@dataclass(frozen=True, slots=True)
class HistoryProgress:
    """How far a hydration is."""

    request_id: Digest
    chain_id: ChainId
    wallet: Address
    complete_to: int
    target: int
    is_done: bool


@dataclass(frozen=True, slots=True)
class ScoreIssued:
    """A finalized score: every leaf value of its attestation to be, without salts."""

    score_id: Digest
    """Digest of the receipt."""
    wallets: tuple[Address, ...]
    """The subject, ascending."""
    as_of: AsOf
    model_id: Digest
    model_class: ModelClass
    score: int
    """300..850."""
    band: Band
    pd_bps: int
    """Probability of the outcome in basis points, behaviour layer, 1..9999."""
    coverage_digest: Digest
    reasons: tuple[AdverseReason, ...]
    """At most four, most costly first."""
    flags: ScoreFlag


@dataclass(frozen=True, slots=True)
class UnscorableIssued:
    """A finalized answer that is no score."""

    result_id: Digest
    wallets: tuple[Address, ...]
    as_of: AsOf
    model_id: Digest
    reason: UnscorableReason


class WithdrawalKind(StrEnum):
    """Why a score must not be attested further."""

    DISPUTE = "dispute"
    RECALL = "recall"


@dataclass(frozen=True, slots=True)
class ScoreWithdrawn:
    """A dispute by the subject, or a recall by the operator. It goes to the partition of the score, behind it."""

    score_id: Digest
    wallets: tuple[Address, ...]
    """The subject, ascending."""
    kind: WithdrawalKind
    reason: str


@dataclass(frozen=True, slots=True)
class AttestationChanged:
    """Where an attestation stands. No salts, no leaves, no wallets."""

    score_id: Digest
    attestation_id: Digest
    status: AttestationStatus
    revocation_index: int | None
    valid_until: int | None
    """Unix seconds, exclusive."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that will never be right, as it came."""

    original: bytes
    reason: str
    topic: str
    partition: int
    offset: int
    decoder_version: int


@dataclass(frozen=True, slots=True)
class LogDeadLetter:
    """A log that will never be right, as the node gave it."""

    position: Position
    deployment: str
    address: Address
    topics: tuple[Digest, ...]
    payload: bytes
    reason: str
    decoder_version: int


Message = (
    EventBatch
    | BoundaryMark
    | Hydrated
    | WalletDeadLetter
    | MarketBatch
    | AccountBatch
    | Boundary
    | HistoryRequest
    | HistoryProgress
    | ScoreIssued
    | UnscorableIssued
    | ScoreWithdrawn
    | AttestationChanged
    | DeadLetter
    | LogDeadLetter
)
