"""What a chain says as the plain records that Avro writes, and back: events, market facts, coverage, boundaries."""

from typing import Any

from bonafides.accounts import AccountFact
from bonafides.digests import encode_int256, encode_uint256
from bonafides.events import (
    BlockRange,
    Boundary,
    DeploymentCoverage,
    ForkEpoch,
    LendingEvent,
    MarketPoint,
    Position,
)
from bonafides.messages.account_records import account_from
from bonafides.ranges import (
    MAX_U16,
    MAX_U32,
    in_range,
    plain_text,
    point_values,
    told_debt,
)
from bonafides.types import (
    ZERO_DIGEST,
    Address,
    BlockRef,
    ChainId,
    Digest,
    EventType,
    Finality,
    MarketPointKind,
    Protocol,
    Role,
)

# What fastavro gives and takes. `Any` stays inside this package: no module outside it sees a record.
type Record = dict[str, Any]


def block_record(block: BlockRef) -> Record:
    return {"chain_id": block.chain_id, "number": block.number, "hash": block.hash, "timestamp": block.timestamp}


def block_from(r: Record) -> BlockRef:
    return BlockRef(
        chain_of(r), in_range("block number", r["number"]), Digest(r["hash"]), in_range("timestamp", r["timestamp"])
    )


def chain_of(r: Record) -> ChainId:
    return ChainId(in_range("chain_id", r["chain_id"], lowest=1))


def position_record(position: Position) -> Record:
    return {
        "block": block_record(position.block),
        "tx_hash": position.tx_hash,
        "tx_index": position.tx_index,
        "log_index": position.log_index,
    }


def position_from(r: Record) -> Position:
    return Position(
        block_from(r["block"]),
        Digest(r["tx_hash"]),
        in_range("tx_index", r["tx_index"], MAX_U32),
        in_range("log_index", r["log_index"], MAX_U32),
    )


def wallet_from(r: Record) -> Address:
    return Address(r["wallet"])


def event_record(event: LendingEvent) -> Record:
    return {
        "position": position_record(event.position),
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


def point_record(point: MarketPoint) -> Record:
    return {
        "position": position_record(point.position),
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
    return account_from(r, block_from(r["block"]))


def coverage_record(coverage: DeploymentCoverage) -> Record:
    return {
        "deployment": coverage.deployment,
        "chain_id": coverage.chain_id,
        "registry_version": coverage.registry_version,
        "scanned_from": coverage.scanned_from,
        "complete_to": coverage.complete_to,
        "gaps": [{"first": gap.first, "last": gap.last} for gap in coverage.gaps],
        "dead_letters": coverage.dead_letters,
    }


def coverage_from(r: Record) -> DeploymentCoverage:
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


def boundary_record(boundary: Boundary) -> Record:
    return {
        "number": boundary.number,
        "block": block_record(boundary.block),
        "finality": boundary.finality,
        "is_scoring": boundary.is_scoring,
        "fork_epochs": [{"epoch": e.epoch, "fork_block": e.fork_block} for e in boundary.fork_epochs],
        "coverage": [coverage_record(row) for row in boundary.coverage],
    }


def boundary_from(r: Record) -> Boundary:
    return Boundary(
        number=boundary_number(r),
        block=block_from(r["block"]),
        finality=Finality(r["finality"]),
        is_scoring=r["is_scoring"],
        fork_epochs=tuple(
            ForkEpoch(in_range("epoch", e["epoch"]), in_range("fork_block", e["fork_block"])) for e in r["fork_epochs"]
        ),
        coverage=tuple(coverage_from(row) for row in r["coverage"]),
    )


def boundary_number(r: Record) -> int:
    return in_range("boundary number", r["number"], lowest=1)
