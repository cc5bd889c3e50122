"""Messages as the plain records that Avro writes, and back. Each pair of functions stands side by side."""

from collections.abc import Callable
from typing import Any

from bonafides.accounts import AccountFact
from bonafides.digests import encode_int256, encode_uint256
from bonafides.events import (
    BlockRange,
    Boundary,
    BoundaryMark,
    DeploymentCoverage,
    ForkEpoch,
    Hydrated,
    LendingEvent,
    MarketPoint,
    Position,
    WalletDeadLetter,
)
from bonafides.messages import types as m
from bonafides.messages.account_records import account_from, account_record
from bonafides.ranges import (
    MAX_U16,
    MAX_U32,
    in_range,
    optional_in_range,
    plain_text,
    point_values,
    told_debt,
)
from bonafides.types import (
    ZERO_DIGEST,
    Address,
    AdverseReason,
    AsOf,
    AttestationStatus,
    Band,
    BlockRef,
    ChainId,
    Digest,
    EventType,
    Finality,
    MarketPointKind,
    ModelClass,
    Protocol,
    Role,
    ScoreFlag,
    UnscorableReason,
)

# What fastavro gives and takes. `Any` stays inside this package: no module outside it sees a record.
type Record = dict[str, Any]


def block_record(block: BlockRef) -> Record:
    return {"chain_id": block.chain_id, "number": block.number, "hash": block.hash, "timestamp": block.timestamp}


def _block(r: Record) -> BlockRef:
    return BlockRef(
        chain_of(r), in_range("block number", r["number"]), Digest(r["hash"]), in_range("timestamp", r["timestamp"])
    )


def chain_of(r: Record) -> ChainId:
    return ChainId(in_range("chain_id", r["chain_id"], lowest=1))


def _position_record(position: Position) -> Record:
    return {
        "block": block_record(position.block),
        "tx_hash": position.tx_hash,
        "tx_index": position.tx_index,
        "log_index": position.log_index,
    }


def position_from(r: Record) -> Position:
    return Position(
        _block(r["block"]),
        Digest(r["tx_hash"]),
        in_range("tx_index", r["tx_index"], MAX_U32),
        in_range("log_index", r["log_index"], MAX_U32),
    )


def wallet_from(r: Record) -> Address:
    return Address(r["wallet"])


def _event_record(event: LendingEvent) -> Record:
    return {
        "position": _position_record(event.position),
        "sub_index": event.sub_index,
        "fork_epoch": event.fork_epoch,
        "decoder_version": event.decoder_version,
        "protocol": event.protocol.value,
        "deployment": event.deployment,
        "type": event.type.value,
        "role": event.role.value,
        "wallet": event.wallet,
        "counterparty": event.counterparty,
        "asset": event.asset,
        "amount": encode_uint256(event.amount),
        "second_asset": event.second_asset,
        "second_amount": encode_uint256(event.second_amount),
        "scaled_delta": encode_int256(event.scaled_delta),
        "index_ray": encode_uint256(event.index_ray),
        "market": None if event.market == ZERO_DIGEST else event.market,
    }


def event_from(r: Record) -> LendingEvent:
    event = LendingEvent(
        position=position_from(r["position"]),
        sub_index=in_range("sub_index", r["sub_index"], MAX_U16),
        fork_epoch=in_range("fork_epoch", r["fork_epoch"]),
        decoder_version=in_range("decoder_version", r["decoder_version"]),
        protocol=Protocol(r["protocol"]),
        deployment=plain_text("deployment", r["deployment"]),
        type=EventType(r["type"]),
        role=Role(r["role"]),
        wallet=Address(r["wallet"]),
        counterparty=r["counterparty"] and Address(r["counterparty"]),
        asset=Address(r["asset"]),
        amount=int.from_bytes(r["amount"]),
        second_asset=r["second_asset"] and Address(r["second_asset"]),
        second_amount=int.from_bytes(r["second_amount"]),
        scaled_delta=int.from_bytes(r["scaled_delta"], signed=True),
        index_ray=int.from_bytes(r["index_ray"]),
        market=Digest(r["market"] or ZERO_DIGEST),
    )
    told_debt(event.type, event.amount, event.index_ray)
    return event


def _point_record(point: MarketPoint) -> Record:
    return {
        "position": _position_record(point.position),
        "sub_index": point.sub_index,
        "fork_epoch": point.fork_epoch,
        "decoder_version": point.decoder_version,
        "deployment": point.deployment,
        "kind": point.kind.value,
        "asset": point.asset,
        "category": point.category,
        "values": [encode_int256(value) for value in point.values],
        "market": None if point.market == ZERO_DIGEST else point.market,
    }


def point_from(r: Record) -> MarketPoint:
    return MarketPoint(
        position=position_from(r["position"]),
        sub_index=in_range("sub_index", r["sub_index"], MAX_U16),
        fork_epoch=in_range("fork_epoch", r["fork_epoch"]),
        decoder_version=in_range("decoder_version", r["decoder_version"]),
        deployment=plain_text("deployment", r["deployment"]),
        kind=MarketPointKind(r["kind"]),
        asset=Address(r["asset"]),
        category=in_range("category", r["category"], MAX_U16),
        values=point_values(MarketPointKind(r["kind"]), [int.from_bytes(value, signed=True) for value in r["values"]]),
        market=Digest(r["market"] or ZERO_DIGEST),
    )


def fact_from(r: Record) -> AccountFact:
    return account_from(r, _block(r["block"]))


def _coverage_record(coverage: DeploymentCoverage) -> Record:
    return {
        "deployment": coverage.deployment,
        "chain_id": coverage.chain_id,
        "registry_version": coverage.registry_version,
        "scanned_from": coverage.scanned_from,
        "complete_to": coverage.complete_to,
        "gaps": [{"first": gap.first, "last": gap.last} for gap in coverage.gaps],
        "dead_letters": coverage.dead_letters,
    }


def _coverage(r: Record) -> DeploymentCoverage:
    return DeploymentCoverage(
        deployment=plain_text("deployment", r["deployment"]),
        chain_id=chain_of(r),
        registry_version=in_range("registry_version", r["registry_version"], MAX_U32),
        scanned_from=in_range("scanned_from", r["scanned_from"]),
        complete_to=in_range("complete_to", r["complete_to"]),
        gaps=tuple(
            BlockRange(in_range("first block of a gap", gap["first"]), in_range("last block of a gap", gap["last"]))
            for gap in r["gaps"]
        ),
        dead_letters=in_range("dead_letters", r["dead_letters"], MAX_U32),
    )


def _boundary_record(boundary: Boundary) -> Record:
    return {
        "number": boundary.number,
        "block": block_record(boundary.block),
        "finality": boundary.finality,
        "is_scoring": boundary.is_scoring,
        "fork_epochs": [{"epoch": e.epoch, "fork_block": e.fork_block} for e in boundary.fork_epochs],
        "coverage": [_coverage_record(row) for row in boundary.coverage],
    }


def _boundary(r: Record) -> Boundary:
    return Boundary(
        number=_boundary_number(r),
        block=_block(r["block"]),
        finality=Finality(r["finality"]),
        is_scoring=r["is_scoring"],
        fork_epochs=tuple(
            ForkEpoch(in_range("epoch", e["epoch"]), in_range("fork_block", e["fork_block"])) for e in r["fork_epochs"]
        ),
        coverage=tuple(_coverage(row) for row in r["coverage"]),
    )


def _boundary_number(r: Record) -> int:
    return in_range("boundary number", r["number"], lowest=1)


def _score_record(score: m.ScoreIssued) -> Record:
    return {
        "score_id": score.score_id,
        "wallets": list(score.wallets),
        "as_of": [block_record(block) for block in score.as_of.blocks],
        "model_id": score.model_id,
        "model_class": score.model_class.value,
        "score": score.score,
        "band": score.band.value,
        "pd_bps": score.pd_bps,
        "coverage_digest": score.coverage_digest,
        "reasons": [reason.value for reason in score.reasons],
        "flags": int(score.flags),
    }


def _score(r: Record) -> m.ScoreIssued:
    if not 300 <= r["score"] <= 850 or not 1 <= r["pd_bps"] <= 9999 or len(r["reasons"]) > 4:
        raise ValueError("score 300..850, pd_bps 1..9999 and at most 4 reasons expected")
    return m.ScoreIssued(
        score_id=Digest(r["score_id"]),
        wallets=_wallets(r),
        as_of=AsOf(tuple(_block(block) for block in r["as_of"])),
        model_id=Digest(r["model_id"]),
        model_class=ModelClass(r["model_class"]),
        score=r["score"],
        band=Band(r["band"]),
        pd_bps=r["pd_bps"],
        coverage_digest=Digest(r["coverage_digest"]),
        reasons=tuple(AdverseReason(reason) for reason in r["reasons"]),
        flags=ScoreFlag(in_range("flags", r["flags"], MAX_U32)),
    )


def _wallets(r: Record) -> tuple[Address, ...]:
    wallets = tuple(Address(wallet) for wallet in r["wallets"])
    if not wallets or list(wallets) != sorted(set(wallets)):
        raise ValueError("the wallets of a subject are ascending, each once, at least one")
    return wallets


_TO: dict[type, Callable[[Any], Record]] = {
    m.EventBatch: lambda b: {"events": [_event_record(event) for event in b.events]},
    BoundaryMark: lambda b: {"chain_id": b.chain_id, "number": b.number},
    Hydrated: lambda h: {
        "wallet": h.wallet,
        "scanned_from": h.scanned_from,
        "block": block_record(h.block),
        "coverage": [_coverage_record(row) for row in h.coverage],
    },
    WalletDeadLetter: lambda d: {
        "position": _position_record(d.position),
        "deployment": d.deployment,
        "wallet": d.wallet,
        "reason": d.reason,
    },
    m.AccountBatch: lambda b: {"facts": [account_record(fact, block_record(fact.block)) for fact in b.facts]},
    m.MarketBatch: lambda b: {"points": [_point_record(point) for point in b.points]},
    Boundary: _boundary_record,
    m.HistoryRequest: lambda q: {
        "request_id": q.request_id,
        "chain_id": q.chain_id,
        "wallet": q.wallet,
        "requested_at": q.requested_at,
    },
    m.HistoryProgress: lambda p: {
        "request_id": p.request_id,
        "chain_id": p.chain_id,
        "wallet": p.wallet,
        "complete_to": p.complete_to,
        "target": p.target,
        "is_done": p.is_done,
    },
    m.ScoreIssued: _score_record,
    m.UnscorableIssued: lambda u: {
        "result_id": u.result_id,
        "wallets": list(u.wallets),
        "as_of": [block_record(block) for block in u.as_of.blocks],
        "model_id": u.model_id,
        "reason": u.reason.value,
    },
    m.ScoreWithdrawn: lambda w: {
        "score_id": w.score_id,
        "wallets": list(w.wallets),
        "kind": w.kind.value,
        "reason": w.reason,
    },
    m.AttestationChanged: lambda a: {
        "score_id": a.score_id,
        "attestation_id": a.attestation_id,
        "status": a.status.value,
        "revocation_index": a.revocation_index,
        "valid_until": a.valid_until,
    },
    m.DeadLetter: lambda d: {
        "original": d.original,
        "reason": d.reason,
        "topic": d.topic,
        "partition": d.partition,
        "offset": d.offset,
        "decoder_version": d.decoder_version,
    },
    m.LogDeadLetter: lambda d: {
        "position": _position_record(d.position),
        "deployment": d.deployment,
        "address": d.address,
        "topics": list(d.topics),
        "payload": d.payload,
        "reason": d.reason,
        "decoder_version": d.decoder_version,
    },
}

_FROM: dict[str, Callable[[Record], m.Message]] = {
    "EventBatch": lambda r: m.EventBatch(tuple(event_from(event) for event in r["events"])),
    "BoundaryMark": lambda r: BoundaryMark(chain_of(r), _boundary_number(r)),
    "Hydrated": lambda r: Hydrated(
        Address(r["wallet"]),
        in_range("scanned_from", r["scanned_from"]),
        _block(r["block"]),
        tuple(_coverage(row) for row in r["coverage"]),
    ),
    "WalletDeadLetter": lambda r: WalletDeadLetter(
        position_from(r["position"]),
        plain_text("deployment", r["deployment"]),
        Address(r["wallet"]),
        plain_text("reason", r["reason"]),
    ),
    "AccountBatch": lambda r: m.AccountBatch(tuple(fact_from(fact) for fact in r["facts"])),
    "MarketBatch": lambda r: m.MarketBatch(tuple(point_from(point) for point in r["points"])),
    "Boundary": _boundary,
    "HistoryRequest": lambda r: m.HistoryRequest(
        Digest(r["request_id"]), chain_of(r), Address(r["wallet"]), in_range("requested_at", r["requested_at"])
    ),
    "HistoryProgress": lambda r: m.HistoryProgress(
        Digest(r["request_id"]),
        chain_of(r),
        Address(r["wallet"]),
        in_range("complete_to", r["complete_to"]),
        in_range("target", r["target"]),
        r["is_done"],
    ),
    "ScoreIssued": _score,
    "UnscorableIssued": lambda r: m.UnscorableIssued(
        Digest(r["result_id"]),
        _wallets(r),
        AsOf(tuple(_block(block) for block in r["as_of"])),
        Digest(r["model_id"]),
        UnscorableReason(r["reason"]),
    ),
    "ScoreWithdrawn": lambda r: m.ScoreWithdrawn(
        Digest(r["score_id"]), _wallets(r), m.WithdrawalKind(r["kind"]), plain_text("reason", r["reason"])
    ),
    "AttestationChanged": lambda r: m.AttestationChanged(
        Digest(r["score_id"]),
        Digest(r["attestation_id"]),
        AttestationStatus(r["status"]),
        optional_in_range("revocation_index", r["revocation_index"]),
        optional_in_range("valid_until", r["valid_until"]),
    ),
    "DeadLetter": lambda r: m.DeadLetter(
        r["original"], r["reason"], r["topic"], r["partition"], r["offset"], r["decoder_version"]
    ),
    "LogDeadLetter": lambda r: m.LogDeadLetter(
        position_from(r["position"]),
        plain_text("deployment", r["deployment"]),
        Address(r["address"]),
        tuple(Digest(topic) for topic in r["topics"]),
        r["payload"],
        r["reason"],
        r["decoder_version"],
    ),
}

MESSAGE_TYPES = tuple(_FROM)


def to_record(message: m.Message) -> Record:
    """The plain record of a message."""
    return _TO[type(message)](message)


def from_record(message_name: str, record: Record) -> m.Message:
    """The message of a plain record. Raises ValueError or KeyError for values outside their meaning."""
    return _FROM[message_name](record)
