"""Digests of facts: versioned, fixed-width, big-endian encodings with golden bytes in `tests/vectors/digests.json`.

They are not over Avro bytes and contain no ingest metadata (fork epoch, decoder version): the same facts give the same
digest whoever read them, in whatever order. Each starts with a domain tag that names its version; an encoding is never
edited in place.
"""

import struct
from collections.abc import Iterable

from bonafides.errors import InvalidMessage
from bonafides.events import DeploymentCoverage, LendingEvent, MarketPoint
from bonafides.hashing import sha256
from bonafides.types import ZERO_DIGEST, Address, AsOf, BlockRef, Digest

_NO_ADDRESS = bytes(20)


def encode_text(text: str) -> bytes:
    """u16 length in bytes, then UTF-8."""
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def encode_uint256(value: int) -> bytes:
    """32 bytes, big-endian. Raises InvalidMessage outside 0 ≤ value < 2**256."""
    try:
        return value.to_bytes(32)
    except OverflowError as exc:
        raise InvalidMessage(
            f"not an unsigned 256-bit integer: {value.bit_length()} bits, negative: {value < 0}"
        ) from exc


def encode_int256(value: int) -> bytes:
    """32 bytes, big-endian, two's complement."""
    try:
        return value.to_bytes(32, signed=True)
    except OverflowError as exc:
        raise InvalidMessage(f"not a signed 256-bit integer: {value.bit_length()} bits") from exc


def encode_block(block: BlockRef) -> bytes:
    """u64 chain id ‖ u64 number ‖ hash ‖ u64 timestamp."""
    return struct.pack(">QQ32sQ", block.chain_id, block.number, block.hash, block.timestamp)


def as_of_digest(as_of: AsOf) -> Digest:
    """Digest of the named blocks: tag ‖ u32 count ‖ blocks, by ascending chain id."""
    return sha256(
        b"bonafides/as-of/1", struct.pack(">I", len(as_of.blocks)), *(encode_block(block) for block in as_of.blocks)
    )


def encode_event(event: LendingEvent) -> bytes:
    """One event: its place, then what it says; at last the market inside the deployment, where there is one."""
    position = event.position
    return b"".join(
        (
            encode_block(position.block),
            position.tx_hash,
            struct.pack(">IIH", position.tx_index, position.log_index, event.sub_index),
            encode_text(event.protocol.value),
            encode_text(event.deployment),
            struct.pack(">BB", event.type.code, event.role.code),
            event.wallet,
            event.counterparty or _NO_ADDRESS,
            event.asset,
            encode_uint256(event.amount),
            event.second_asset or _NO_ADDRESS,
            encode_uint256(event.second_amount),
            encode_int256(event.scaled_delta),
            encode_uint256(event.index_ray),
            _market(event.market),
        )
    )


def event_set_digest(events: Iterable[LendingEvent]) -> Digest:
    """Digest of a set of events: sorted by (chain, canonical order, wallet), each hashed, so that one can be named."""
    leaves = [
        sha256(encode_event(event))
        for event in sorted(events, key=lambda e: (e.position.block.chain_id, e.order, e.wallet))
    ]
    return sha256(b"bonafides/event-set/1", struct.pack(">I", len(leaves)), *leaves)


def encode_market_point(point: MarketPoint) -> bytes:
    """One market fact: its place, then what it says; at last the market inside the deployment, where there is one."""
    position = point.position
    return b"".join(
        (
            encode_block(position.block),
            position.tx_hash,
            struct.pack(">IIH", position.tx_index, position.log_index, point.sub_index),
            encode_text(point.deployment),
            struct.pack(">B", point.kind.code),
            point.asset,
            struct.pack(">HB", point.category, len(point.values)),
            *(encode_int256(value) for value in point.values),
            _market(point.market),
        )
    )


def _market(market: Digest) -> bytes:
    return b"" if market == ZERO_DIGEST else market


def market_digest(points: Iterable[MarketPoint]) -> Digest:
    """Digest of the market points that a score used, in their canonical order."""
    leaves = [sha256(encode_market_point(point)) for point in sorted(points, key=lambda p: p.canonical_order)]
    return sha256(b"bonafides/market/1", struct.pack(">I", len(leaves)), *leaves)


def coverage_digest(coverage: Iterable[DeploymentCoverage]) -> Digest:
    """Digest of what was read, sorted by (chain, deployment)."""
    rows = []
    for row in sorted(coverage, key=lambda c: (c.chain_id, c.deployment)):
        rows.append(
            b"".join(
                (
                    struct.pack(">Q", row.chain_id),
                    encode_text(row.deployment),
                    struct.pack(">IQQ", row.registry_version, row.scanned_from, row.complete_to),
                    struct.pack(">I", len(row.gaps)),
                    *(struct.pack(">QQ", gap.first, gap.last) for gap in row.gaps),
                    struct.pack(">I", row.dead_letters),
                )
            )
        )
    return sha256(b"bonafides/coverage/1", struct.pack(">I", len(rows)), *rows)


def feature_digest(schema_hash: Digest, values: Iterable[float]) -> Digest:
    """Digest of a feature vector as the model sees it: float32, big-endian; every NaN is the one quiet NaN 7fc00000."""
    packed = [b"\x7f\xc0\x00\x00" if value != value else struct.pack(">f", value) for value in values]
    return sha256(b"bonafides/features/1", schema_hash, struct.pack(">I", len(packed)), *packed)


def wallets_encoding(wallets: Iterable[Address]) -> bytes:
    """u32 count ‖ the wallets of a subject in ascending order."""
    ordered = sorted(wallets)
    return struct.pack(">I", len(ordered)) + b"".join(ordered)
