"""Messages as the plain records that Avro writes, and back. Each pair of functions stands side by side."""

from collections.abc import Callable
from typing import Any

from bonafides.events import (
    Boundary,
    BoundaryMark,
    Hydrated,
    WalletDeadLetter,
)
from bonafides.messages import types as m
from bonafides.messages.account_records import account_record
from bonafides.messages.chain_records import (
    Record,
    block_from,
    block_record,
    boundary_from,
    boundary_number,
    boundary_record,
    chain_of,
    coverage_from,
    coverage_record,
    event_from,
    event_record,
    fact_from,
    point_from,
    point_record,
    position_from,
    position_record,
)
from bonafides.ranges import (
    MAX_U32,
    in_range,
    optional_in_range,
    plain_text,
)
from bonafides.types import (
    Address,
    AdverseReason,
    AsOf,
    AttestationStatus,
    Band,
    Digest,
    ModelClass,
    ScoreFlag,
    UnscorableReason,
)


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
        as_of=AsOf(tuple(block_from(block) for block in r["as_of"])),
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
    m.EventBatch: lambda b: {"events": [event_record(event) for event in b.events]},
    BoundaryMark: lambda b: {"chain_id": b.chain_id, "number": b.number},
    Hydrated: lambda h: {
        "wallet": h.wallet,
        "scanned_from": h.scanned_from,
        "block": block_record(h.block),
        "coverage": [coverage_record(row) for row in h.coverage],
    },
    WalletDeadLetter: lambda d: {
        "position": position_record(d.position),
        "deployment": d.deployment,
        "wallet": d.wallet,
        "reason": d.reason,
    },
    m.AccountBatch: lambda b: {"facts": [account_record(fact, block_record(fact.block)) for fact in b.facts]},
    m.MarketBatch: lambda b: {"points": [point_record(point) for point in b.points]},
    Boundary: boundary_record,
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
        "position": position_record(d.position),
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
    "BoundaryMark": lambda r: BoundaryMark(chain_of(r), boundary_number(r)),
    "Hydrated": lambda r: Hydrated(
        Address(r["wallet"]),
        in_range("scanned_from", r["scanned_from"]),
        block_from(r["block"]),
        tuple(coverage_from(row) for row in r["coverage"]),
    ),
    "WalletDeadLetter": lambda r: WalletDeadLetter(
        position_from(r["position"]),
        plain_text("deployment", r["deployment"]),
        Address(r["wallet"]),
        plain_text("reason", r["reason"]),
    ),
    "AccountBatch": lambda r: m.AccountBatch(tuple(fact_from(fact) for fact in r["facts"])),
    "MarketBatch": lambda r: m.MarketBatch(tuple(point_from(point) for point in r["points"])),
    "Boundary": boundary_from,
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
        AsOf(tuple(block_from(block) for block in r["as_of"])),
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
