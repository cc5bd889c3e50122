"""The two messages that come by the million, written straight to Avro bytes.

Going through records and a general writer costs ten times as much, and a backfill spends most of its time there. The
fields stand here in the order of the schemas, by hand; `tests/unit/test_kernel_message_batches.py` holds every byte to
what fastavro writes from the schema itself.

Avro: an int or long is zigzag and 7 bits to a byte; text is its length and its bytes; an optional value is the index of
its branch (0 is null) and the value; an array is blocks of (count, items), ended by a 0.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from bonafides.events import LendingEvent, MarketPoint, Position
from bonafides.types import ZERO_DIGEST, Address, Digest

_NULL, _PRESENT, _END = b"\x00", b"\x02", b"\x00"
_I64 = 1 << 63


@lru_cache(maxsize=1 << 14)
def _long(value: int) -> bytes:
    if not -_I64 <= value < _I64:
        raise OverflowError("an Avro long has 64 bits")
    left = (value << 1) ^ (value >> 63)
    parts = bytearray()
    while left > 0x7F:
        parts.append(left & 0x7F | 0x80)
        left >>= 7
    parts.append(left)
    return bytes(parts)


@lru_cache(maxsize=1 << 12)
def _texts(*texts: str) -> bytes:
    """Texts that few messages differ in."""
    raws = [str(text).encode() for text in texts]
    return b"".join(part for raw in raws for part in (_long(len(raw)), raw))


def event_batch_body(events: Sequence[LendingEvent]) -> bytes:
    """The body of an EventBatch. Raises ValueError or OverflowError for a value that its field cannot hold."""
    return _array(events, (_event(event) for event in events))


def market_batch_body(points: Sequence[MarketPoint]) -> bytes:
    """The body of a MarketBatch. Raises ValueError or OverflowError for a value that its field cannot hold."""
    return _array(points, (_point(point) for point in points))


def _array[T](items: Sequence[T], written: Iterable[bytes]) -> bytes:
    return b"".join((_long(len(items)), *written, _END)) if items else _END


def _event(event: LendingEvent) -> bytes:
    wallet, asset = event.wallet, event.asset
    if len(wallet) != 20 or len(asset) != 20:
        raise ValueError("an address has 20 bytes")
    return b"".join(
        (
            _position(event.position),
            _long(event.sub_index),
            _long(event.fork_epoch),
            _long(event.decoder_version),
            _texts(event.protocol, event.deployment, event.type, event.role),
            wallet,
            _optional_address(event.counterparty),
            asset,
            event.amount.to_bytes(32),
            _optional_address(event.second_asset),
            event.second_amount.to_bytes(32),
            event.scaled_delta.to_bytes(32, signed=True),
            event.index_ray.to_bytes(32),
            _optional_market(event.market),
        )
    )


def _point(point: MarketPoint) -> bytes:
    asset, values = point.asset, point.values
    if len(asset) != 20:
        raise ValueError("an address has 20 bytes")
    return b"".join(
        (
            _position(point.position),
            _long(point.sub_index),
            _long(point.fork_epoch),
            _long(point.decoder_version),
            _texts(point.deployment, point.kind),
            asset,
            _long(point.category),
            _array(values, (value.to_bytes(32, signed=True) for value in values)),
            _optional_market(point.market),
        )
    )


def _position(position: Position) -> bytes:
    block, tx_hash = position.block, position.tx_hash
    block_hash = block.hash
    if len(block_hash) != 32 or len(tx_hash) != 32:
        raise ValueError("a hash has 32 bytes")
    return b"".join(
        (
            _long(block.chain_id),
            _long(block.number),
            block_hash,
            _long(block.timestamp),
            tx_hash,
            _long(position.tx_index),
            _long(position.log_index),
        )
    )


def _optional_address(address: Address | None) -> bytes:
    if address is None:
        return _NULL
    if len(address) != 20:
        raise ValueError("an address has 20 bytes")
    return _PRESENT + address


def _optional_market(market: Digest) -> bytes:
    if market == ZERO_DIGEST:
        return _NULL
    if len(market) != 32:
        raise ValueError("a market has 32 bytes")
    return _PRESENT + market
