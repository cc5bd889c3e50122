"""The two messages that come by the million, read straight from Avro bytes: the quick half of `codec.decode_parts`.

It reads batches of the schemas named below whose every event is ordinary, and answers None to anything else: another
schema, a value outside its range, bytes that do not fit. Then the general reader decides, which alone says what is
wrong. So nothing is checked less; a test holds what is read here to what the general reader makes of the same bytes.

```
block │ rest of the position │ sub-index, epoch, version │ texts │ fixed sizes, and options: 0, or 2 and the value
└────────────────── one regular expression ─────────────┘ └ kept ┘ └──────────── another ─────────────┘
```
"""

import re
from functools import lru_cache
from typing import cast

from bonafides.events import LendingEvent, MarketPoint, Position
from bonafides.ranges import MAX_I63, MAX_U16, MAX_U32, plain_text, point_values
from bonafides.types import (
    ZERO_DIGEST,
    Address,
    BlockRef,
    ChainId,
    Digest,
    EventType,
    MarketPointKind,
    Protocol,
    Role,
)

EVENTS_FINGERPRINT = bytes.fromhex("d7ef30d5760bb594")
POINTS_FINGERPRINT = bytes.fromhex("021cb32acbde5769")
"""Of the schemas that this reader knows, in the order of their fields. Under a newer one the general reader works, at a
third of the speed, until this one is taught."""
WITH_RULES_OF_THEIR_OWN = frozenset({EventType.DEBT_SET, EventType.STABLE_DEBT_SET})
"""Their fields depend on each other: `records.event_from` knows how."""

_LONG = rb"([\x80-\xff]*[\x00-\x7f])"
_DIGEST, _ADDRESS, _OPTIONAL_ADDRESS = rb"(.{32})", rb"(.{20})", rb"\x00|\x02(.{20})"
_PLACE = re.compile(
    rb"(" + _LONG + _LONG + _DIGEST + _LONG + rb")" + _DIGEST + _LONG + _LONG + _LONG + _LONG + _LONG, re.DOTALL
)
_OF_EVENT = re.compile(
    _ADDRESS
    + rb"(?:" + _OPTIONAL_ADDRESS + rb")"
    + _ADDRESS + _DIGEST
    + rb"(?:" + _OPTIONAL_ADDRESS + rb")"
    + _DIGEST * 3
    + rb"(?:\x00|\x02" + _DIGEST + rb")",
    re.DOTALL,
)  # fmt: skip
_OF_POINT = re.compile(_ADDRESS + _LONG + rb"([\x00-\x7e])", re.DOTALL)
_MARKET = re.compile(rb"\x00|\x02" + _DIGEST, re.DOTALL)
_COUNT = re.compile(_LONG)

type _PlaceParts = tuple[bytes, bytes, bytes, Digest, bytes, Digest, bytes, bytes, bytes, bytes, bytes]
type _EventParts = tuple[Address, Address | None, Address, bytes, Address | None, bytes, bytes, bytes, Digest | None]


def read_events(body: bytes) -> tuple[LendingEvent, ...] | None:
    """The events in the body of an EventBatch, or None: see above."""
    try:
        return _read_events(body)
    except (ValueError, KeyError, IndexError):
        return None


def read_points(body: bytes) -> tuple[MarketPoint, ...] | None:
    """The facts in the body of a MarketBatch, or None: see above."""
    try:
        return _read_points(body)
    except (ValueError, KeyError, IndexError):
        return None


def _read_events(body: bytes) -> tuple[LendingEvent, ...] | None:
    count, at = _count(body)
    events: list[LendingEvent] = []
    block_raw, block = b"", None
    integer = int.from_bytes
    for _ in range(count):
        place = _PLACE.match(body, at)
        if place is None:
            return None
        parts = cast("_PlaceParts", place.groups())
        raw, chain, number, block_hash, timestamp, tx_hash, tx_index, log_index, sub, epoch, version = parts
        if block is None or raw != block_raw:
            block_raw, block = raw, _block(chain, number, block_hash, timestamp)
        texts, at = _texts_at(body, place.end(), 4)
        protocol, deployment, kind, role = _event_words(texts)
        rest = _OF_EVENT.match(body, at)
        if rest is None:
            return None
        (wallet, counterparty, asset, amount, second_asset, second_amount, delta, index, market) = cast(
            "_EventParts", rest.groups()
        )
        events.append(
            LendingEvent(
                Position(block, tx_hash, _at_most_u32(tx_index), _at_most_u32(log_index)),
                _at_most_u16(sub),
                _natural(epoch),
                _natural(version),
                protocol,
                deployment,
                kind,
                role,
                wallet,
                counterparty,
                asset,
                integer(amount),
                second_asset,
                integer(second_amount),
                integer(delta, signed=True),
                integer(index),
                market or ZERO_DIGEST,
            )
        )
        at = rest.end()
    return tuple(events) if body[at:] == b"\x00" else None


def _read_points(body: bytes) -> tuple[MarketPoint, ...] | None:
    count, at = _count(body)
    points: list[MarketPoint] = []
    block_raw, block = b"", None
    for _ in range(count):
        place = _PLACE.match(body, at)
        if place is None:
            return None
        parts = cast("_PlaceParts", place.groups())
        raw, chain, number, block_hash, timestamp, tx_hash, tx_index, log_index, sub, epoch, version = parts
        if block is None or raw != block_raw:
            block_raw, block = raw, _block(chain, number, block_hash, timestamp)
        texts, at = _texts_at(body, place.end(), 2)
        deployment, kind = _point_words(texts)
        rest = _OF_POINT.match(body, at)
        if rest is None:
            return None
        asset, category, twice_values = cast("tuple[Address, bytes, bytes]", rest.groups())
        values, at = _values_at(body, rest.end(), twice_values[0])
        market = _MARKET.match(body, at)
        if market is None:
            return None
        points.append(
            MarketPoint(
                Position(block, tx_hash, _at_most_u32(tx_index), _at_most_u32(log_index)),
                _at_most_u16(sub),
                _natural(epoch),
                _natural(version),
                deployment,
                kind,
                asset,
                _at_most_u16(category),
                point_values(kind, values),
                Digest(market.group(1) or ZERO_DIGEST),
            )
        )
        at = market.end()
    return tuple(points) if body[at:] == b"\x00" else None


def _count(body: bytes) -> tuple[int, int]:
    """How many items the array's first block holds, and where they begin. Writers of ours make one block.

    None is the end of an empty array, which no batch is: the general reader refuses it.
    """
    found = _COUNT.match(body)
    count = _natural(found.group(1)) if found else 0
    if found is None or not count:
        raise ValueError("no array, or an empty one")
    return count, found.end()


def _values_at(body: bytes, at: int, twice_count: int) -> tuple[list[int], int]:
    """Numbers of an array of so many, or of the empty array, which has no block."""
    if twice_count & 1:
        raise ValueError("a block with its size in bytes")
    if not twice_count:
        return [], at
    end = at + 16 * twice_count
    if body[end] != 0:
        raise ValueError("more than one block")
    return [int.from_bytes(body[start : start + 32], signed=True) for start in range(at, end, 32)], end + 1


def _texts_at(body: bytes, at: int, count: int) -> tuple[bytes, int]:
    """So many texts as they stand, each with its length before it, none of 64 bytes or more."""
    end = at
    for _ in range(count):
        twice_length = body[end]
        if twice_length > 126 or twice_length & 1:
            raise ValueError("a long text")
        end += 1 + (twice_length >> 1)
    return body[at:end], end


def _split(texts: bytes) -> list[str]:
    found, at = [], 0
    while at < len(texts):
        end = at + 1 + (texts[at] >> 1)
        found.append(texts[at + 1 : end].decode())
        at = end
    return found


@lru_cache(maxsize=4_096)
def _event_words(texts: bytes) -> tuple[Protocol, str, EventType, Role]:
    protocol, deployment, kind, role = _split(texts)
    event_type = EventType(kind)
    if event_type in WITH_RULES_OF_THEIR_OWN:
        raise ValueError("not for this reader")
    return Protocol(protocol), plain_text("deployment", deployment), event_type, Role(role)


@lru_cache(maxsize=4_096)
def _point_words(texts: bytes) -> tuple[str, MarketPointKind]:
    deployment, kind = _split(texts)
    return plain_text("deployment", deployment), MarketPointKind(kind)


def _block(chain: bytes, number: bytes, block_hash: Digest, timestamp: bytes) -> BlockRef:
    chain_id = _natural(chain)
    if chain_id < 1:
        raise ValueError("chain ids begin at 1")
    return BlockRef(ChainId(chain_id), _natural(number), block_hash, _natural(timestamp))


@lru_cache(maxsize=1 << 14)
def _natural(raw: bytes) -> int:
    """A number 0..2**63 - 1 from its zigzag bytes."""
    value = 0
    for place, byte in enumerate(raw):
        value |= (byte & 0x7F) << 7 * place
    if value & 1 or value >> 1 > MAX_I63 or len(raw) > 10:
        raise ValueError("below or above its range")
    return value >> 1


@lru_cache(maxsize=1 << 14)
def _at_most_u32(raw: bytes) -> int:
    value = _natural(raw)
    if value > MAX_U32:
        raise ValueError("above its range")
    return value


@lru_cache(maxsize=1 << 12)
def _at_most_u16(raw: bytes) -> int:
    value = _natural(raw)
    if value > MAX_U16:
        raise ValueError("above its range")
    return value
