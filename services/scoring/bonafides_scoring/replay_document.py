"""Reads a score's bundle as the API gives it: the receipt with the events and market points it used."""

from typing import Annotated, Self

from bonafides.errors import InvalidInput
from bonafides.events import BlockRange, DeploymentCoverage, LendingEvent, MarketPoint
from bonafides.events import Position as ChainPosition
from bonafides.ranges import point_values, told_debt
from bonafides.types import (
    ZERO_DIGEST,
    Address,
    AsOf,
    BlockRef,
    ChainId,
    Digest,
    EventType,
    MarketPointKind,
    Protocol,
    Role,
)
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bonafides_scoring.receipt import Receipt


def _raw(value: object) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("expected 0x and lower-case hexadecimal digits")  # what pydantic asks for
    return bytes.fromhex(value[2:])


def _whole(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError("expected a whole number as text")  # noqa: TRY004
    return int(value)


def _exact(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError("expected a hexadecimal float as text")  # noqa: TRY004
    return float.fromhex(value)


Raw = Annotated[bytes, BeforeValidator(_raw)]
Raw20 = Annotated[bytes, BeforeValidator(_raw), Field(min_length=20, max_length=20)]
Raw32 = Annotated[bytes, BeforeValidator(_raw), Field(min_length=32, max_length=32)]
Whole = Annotated[int, BeforeValidator(_whole)]
Exact = Annotated[float, BeforeValidator(_exact)]


class _Part(BaseModel):
    """Fields that a replay does not need are passed over: the API may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Block(_Part):
    chain_id: int
    number: int
    hash: Raw32
    timestamp: int

    def ref(self) -> BlockRef:
        return BlockRef(ChainId(self.chain_id), self.number, Digest(self.hash), self.timestamp)


class _Position(_Part):
    block: _Block
    tx_hash: Raw32
    tx_index: int
    log_index: int

    def place(self) -> ChainPosition:
        return ChainPosition(self.block.ref(), Digest(self.tx_hash), self.tx_index, self.log_index)


class _Event(_Part):
    position: _Position
    sub_index: int
    protocol: Protocol
    deployment: str
    type: EventType
    role: Role
    wallet: Raw20
    counterparty: Raw20 | None
    asset: Raw20
    amount: Whole
    second_asset: Raw20 | None
    second_amount: Whole
    scaled_delta: Whole
    index_ray: Whole
    market: Raw32 = ZERO_DIGEST

    @model_validator(mode="after")
    def _tells_a_debt(self) -> Self:
        told_debt(self.type, self.amount, self.index_ray)
        return self

    def event(self) -> LendingEvent:
        return LendingEvent(
            position=self.position.place(),
            sub_index=self.sub_index,
            fork_epoch=0,  # digests hold no ingest metadata
            decoder_version=0,
            protocol=self.protocol,
            deployment=self.deployment,
            type=self.type,
            role=self.role,
            wallet=Address(self.wallet),
            counterparty=None if self.counterparty is None else Address(self.counterparty),
            asset=Address(self.asset),
            amount=self.amount,
            second_asset=None if self.second_asset is None else Address(self.second_asset),
            second_amount=self.second_amount,
            scaled_delta=self.scaled_delta,
            index_ray=self.index_ray,
            market=Digest(self.market),
        )


class _Fact(_Part):
    position: _Position
    sub_index: int
    deployment: str
    kind: MarketPointKind
    asset: Raw20
    category: int
    values: tuple[Whole, ...]
    market: Raw32 = ZERO_DIGEST

    @model_validator(mode="after")
    def _has_its_values(self) -> Self:
        point_values(self.kind, self.values)
        return self

    def point(self) -> MarketPoint:
        return MarketPoint(
            position=self.position.place(),
            sub_index=self.sub_index,
            fork_epoch=0,
            decoder_version=0,
            deployment=self.deployment,
            kind=self.kind,
            asset=Address(self.asset),
            category=self.category,
            values=self.values,
            market=Digest(self.market),
        )


class _Gap(_Part):
    first: int
    last: int


class _Coverage(_Part):
    deployment: str
    chain_id: int
    registry_version: int
    scanned_from: int
    complete_to: int
    gaps: tuple[_Gap, ...]
    dead_letters: int

    def coverage(self) -> DeploymentCoverage:
        return DeploymentCoverage(
            self.deployment,
            ChainId(self.chain_id),
            self.registry_version,
            self.scanned_from,
            self.complete_to,
            tuple(BlockRange(gap.first, gap.last) for gap in self.gaps),
            self.dead_letters,
        )


class _Receipt(_Part):
    encoding: Raw
    wallets: tuple[Raw20, ...]
    as_of: tuple[_Block, ...]
    coverage: tuple[_Coverage, ...]
    event_set_digest: Raw32
    market_digest: Raw32
    feature_digest: Raw32
    feature_schema_hash: Raw32
    fold_version: int
    model_id: Raw32
    margin: Exact
    families: tuple[Exact, ...]
    base_points: int
    family_points: tuple[int, ...]
    clip: int


class ScoreBundle(_Part):
    """A bundle as it came."""

    score_id: Raw32
    score: int
    receipt: _Receipt
    events: tuple[_Event, ...]
    market: tuple[_Fact, ...]

    def as_receipt(self) -> Receipt:
        """The receipt; its digest should be the score id."""
        told = self.receipt
        return Receipt(
            wallets=tuple(Address(wallet) for wallet in told.wallets),
            as_of=AsOf(tuple(block.ref() for block in told.as_of)),
            coverage=tuple(row.coverage() for row in told.coverage),
            event_set_digest=Digest(told.event_set_digest),
            market_digest=Digest(told.market_digest),
            feature_digest=Digest(told.feature_digest),
            feature_schema_hash=Digest(told.feature_schema_hash),
            fold_version=told.fold_version,
            model_id=Digest(told.model_id),
            margin=told.margin,
            families=told.families,
            base_points=told.base_points,
            family_points=told.family_points,
            clip=told.clip,
        )

    def as_events(self) -> tuple[LendingEvent, ...]:
        """The events, in the order given."""
        return tuple(event.event() for event in self.events)

    def as_points(self) -> tuple[MarketPoint, ...]:
        """The market points, in the order given."""
        return tuple(fact.point() for fact in self.market)


def parse_score_bundle(raw: bytes) -> ScoreBundle:
    """Read what `GET /v1/scores/{id}/bundle` answered.

    Raises:
        InvalidInput: not JSON, or a field missing or of another form.
    """
    try:
        return ScoreBundle.model_validate_json(raw)
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"not a score's bundle: {place or 'file'}: {first['msg']}") from exc
