"""What the API answers, as pydantic models: closed enums, integers beyond 2**53 as decimal text, hashes as 0x text."""

from enum import StrEnum
from typing import Annotated, Literal

from bonafides.consent import ConsentMode
from bonafides.types import (
    AdverseReason,
    AttestationStatus,
    Band,
    EventType,
    MarketPointKind,
    ModelClass,
    Protocol,
    Role,
    UnscorableReason,
)
from pydantic import BaseModel, ConfigDict, Field

from bonafides_scoring.features.schema import Family
from bonafides_scoring.store.provisional import Origin

Hex20 = Annotated[str, Field(pattern="^0x[0-9a-f]{40}$")]
Hex32 = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]
Integer = Annotated[str, Field(pattern="^-?[0-9]+$", description="A whole number in decimal digits.")]


class FlagName(StrEnum):
    """Flags of a score, as `bonafides.types.ScoreFlag` names them."""

    REFERENCE_POSITION = "reference_position"
    THIN_FILE = "thin_file"
    DISPUTED = "disputed"
    STALE = "stale"
    PARTIAL_COVERAGE = "partial_coverage"


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Block(Answer):
    """One block of one chain."""

    chain_id: int
    number: int
    hash: Hex32
    timestamp: int = Field(description="Unix seconds.")


class Gap(Answer):
    """Blocks that were not read, both inclusive."""

    first: int
    last: int


class Coverage(Answer):
    """What was read of one deployment."""

    deployment: str
    chain_id: int
    registry_version: int
    scanned_from: int
    complete_to: int
    gaps: list[Gap]
    dead_letters: int = Field(description="Logs of unknown wallets that could not be read.")


class Model(Answer):
    """The model behind an answer."""

    model_id: Hex32
    model_class: ModelClass
    notice: str | None = Field(description="What a reader must know before he uses the number.")


class Attestation(Answer):
    """Where the signed attestation of a score stands."""

    attestation_id: Hex32
    status: AttestationStatus
    revocation_index: int | None
    valid_until: int | None = Field(description="Unix seconds, exclusive.")


class Provisional(Answer):
    """An answer above finalized, or from a history read on demand: without receipt, never attested, and gone when the
    chain reorganises or the finalized answer has caught up."""

    origin: Origin = Field(description="head: blocks above finalized. hydration: a history that was read on demand.")
    as_of: list[Block]
    score: int | None
    band: Band | None
    pd_bps: int | None
    flags: list[FlagName]
    reason: UnscorableReason | None
    coverage: list[Coverage]


class _AboutWallet(Answer):
    consent_mode: ConsentMode
    wallet: Hex20
    as_of: list[Block]
    as_of_time: int = Field(description="Unix seconds: the oldest of the blocks' times.")
    coverage: list[Coverage]
    model: Model


class ScoredAnswer(_AboutWallet):
    """A finalized score."""

    status: Literal["scored"]
    score_id: Hex32 = Field(description="Digest of the receipt.")
    score: int = Field(ge=300, le=850)
    band: Band
    pd_bps: int = Field(ge=1, le=9999, description="Probability of the outcome within the horizon, basis points.")
    outcome: Literal["liquidation_or_bad_debt"]
    horizon_days: int
    flags: list[FlagName]
    reasons: list[AdverseReason] = Field(max_length=4)
    attestation: Attestation | None
    provisional: Provisional | None


class UnscorableAnswer(_AboutWallet):
    """A finalized answer that is no score: never an invented number."""

    status: Literal["unscorable"]
    result_id: Hex32
    reason: UnscorableReason
    detail: str
    provisional: Provisional | None


class ProvisionalAnswer(_AboutWallet):
    """There is no finalized answer yet, only a provisional one: nothing to lend on."""

    status: Literal["provisional"]
    detail: str
    provisional: Provisional


ScoreAnswer = Annotated[ScoredAnswer | UnscorableAnswer | ProvisionalAnswer, Field(discriminator="status")]


class FamilyLine(Answer):
    """Points of one family of features; above 0 it helped."""

    family: Family
    label: str
    points: int


class OwnValue(Answer):
    """One value of the wallet itself."""

    feature: str
    label: str
    value: int
    unit: str
    shown: str


class ReasonLine(Answer):
    """What held the score back."""

    code: AdverseReason
    family: Family
    points: int
    text: str
    values: list[OwnValue]


class ExplainedAnswer(_AboutWallet):
    """A score taken apart: base_points + all family points + clip = score."""

    status: Literal["scored"]
    score_id: Hex32
    score: int
    band: Band
    base_points: int = Field(description="What the average training row gets.")
    families: list[FamilyLine]
    clip: int = Field(description="What keeps the score within 300..850; mostly 0.")
    reasons: list[ReasonLine] = Field(max_length=4)
    flags: list[FlagName]
    method: Literal["tree_shap_path_dependent"]


ExplanationAnswer = Annotated[ExplainedAnswer | UnscorableAnswer, Field(discriminator="status")]


class Position(Answer):
    """Where something stands in its chain."""

    block: Block
    tx_hash: Hex32
    tx_index: int
    log_index: int


class Event(Answer):
    """One event of the wallet."""

    event_id: Hex32
    position: Position
    sub_index: int
    protocol: Protocol
    deployment: str
    type: EventType
    role: Role
    wallet: Hex20
    counterparty: Hex20 | None
    asset: Hex20
    amount: Integer
    second_asset: Hex20 | None
    second_amount: Integer
    scaled_delta: Integer
    index_ray: Integer
    market: Hex32 = Field(description="Isolated market inside the deployment; zero where all assets are one pool.")


class EventsAnswer(Answer):
    """One page of a wallet's events up to finalized blocks, in canonical order per chain."""

    consent_mode: ConsentMode
    wallet: Hex20
    as_of: list[Block]
    events: list[Event]
    next: str | None = Field(description="Give it as `after` for the next page; null at the end.")


class MarketFact(Answer):
    """One fact of a market."""

    position: Position
    sub_index: int
    deployment: str
    kind: MarketPointKind
    asset: Hex20
    category: int
    values: list[Integer]
    market: Hex32 = Field(description="Isolated market inside the deployment; zero where all assets are one pool.")


class ReceiptView(Answer):
    """The receipt, field by field, and as the bytes whose digest is the score id."""

    encoding: Annotated[str, Field(pattern="^0x[0-9a-f]+$")]
    wallets: list[Hex20]
    as_of: list[Block]
    coverage: list[Coverage]
    event_set_digest: Hex32
    market_digest: Hex32
    feature_digest: Hex32
    feature_schema_hash: Hex32
    fold_version: int
    model_id: Hex32
    margin: str = Field(description="Hexadecimal float: no bit is lost.")
    families: list[str] = Field(description="Log-odds per family in schema order, hexadecimal floats.")
    base_points: int
    family_points: list[int]
    clip: int


class BundleAnswer(Answer):
    """A score with everything it was made from: what replays it."""

    consent_mode: ConsentMode
    score_id: Hex32
    score: int
    code_version: str
    model: Model
    receipt: ReceiptView
    events: list[Event]
    market: list[MarketFact]
