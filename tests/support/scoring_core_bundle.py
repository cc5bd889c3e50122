"""A score's bundle as the API answers it, made of a request and its result: what a replay reads."""

import json
from collections.abc import Sequence

from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import BlockRef, Json
from bonafides_scoring.market import points_used
from bonafides_scoring.receipt import encode_receipt
from bonafides_scoring.scorer import Scored, ScoreRequest


def bundle_json(request: ScoreRequest, result: Scored, events: Sequence[LendingEvent]) -> dict[str, Json]:
    """The parts that a replay needs."""
    receipt = result.receipt
    return {
        "score_id": _hex(result.score_id),
        "score": result.score,
        "receipt": {
            "encoding": _hex(encode_receipt(receipt)),
            "wallets": [_hex(wallet) for wallet in receipt.wallets],
            "as_of": [_block(block) for block in receipt.as_of.blocks],
            "coverage": [
                {
                    "deployment": row.deployment,
                    "chain_id": row.chain_id,
                    "registry_version": row.registry_version,
                    "scanned_from": row.scanned_from,
                    "complete_to": row.complete_to,
                    "gaps": [{"first": gap.first, "last": gap.last} for gap in row.gaps],
                    "dead_letters": row.dead_letters,
                }
                for row in receipt.coverage
            ],
            "event_set_digest": _hex(receipt.event_set_digest),
            "market_digest": _hex(receipt.market_digest),
            "feature_digest": _hex(receipt.feature_digest),
            "feature_schema_hash": _hex(receipt.feature_schema_hash),
            "fold_version": receipt.fold_version,
            "model_id": _hex(receipt.model_id),
            "margin": receipt.margin.hex(),
            "families": [share.hex() for share in receipt.families],
            "base_points": receipt.base_points,
            "family_points": list(receipt.family_points),
            "clip": receipt.clip,
        },
        "events": [_event(event) for event in events],
        "market": [_point(point) for point in points_used(request.states, request.views)],
    }


def as_bytes(bundle: dict[str, Json]) -> bytes:
    """As the file that a borrower saved."""
    return json.dumps(bundle).encode()


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


def _block(block: BlockRef) -> Json:
    return {
        "chain_id": block.chain_id,
        "number": block.number,
        "hash": _hex(block.hash),
        "timestamp": block.timestamp,
    }


def _place(found: LendingEvent | MarketPoint) -> dict[str, Json]:
    position = found.position
    return {
        "position": {
            "block": _block(position.block),
            "tx_hash": _hex(position.tx_hash),
            "tx_index": position.tx_index,
            "log_index": position.log_index,
        },
        "sub_index": found.sub_index,
        "deployment": found.deployment,
    }


def _event(event: LendingEvent) -> Json:
    return {
        **_place(event),
        "protocol": event.protocol.value,
        "type": event.type.value,
        "role": event.role.value,
        "wallet": _hex(event.wallet),
        "counterparty": None if event.counterparty is None else _hex(event.counterparty),
        "asset": _hex(event.asset),
        "amount": str(event.amount),
        "second_asset": None if event.second_asset is None else _hex(event.second_asset),
        "second_amount": str(event.second_amount),
        "scaled_delta": str(event.scaled_delta),
        "index_ray": str(event.index_ray),
    }


def _point(point: MarketPoint) -> Json:
    return {
        **_place(point),
        "kind": point.kind.value,
        "asset": _hex(point.asset),
        "category": point.category,
        "values": [str(value) for value in point.values],
    }
