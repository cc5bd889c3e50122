"""Batches are written by hand, byte for byte as fastavro writes them from the schema."""

import io
from dataclasses import fields, replace

import fastavro
import pytest
from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent, MarketPoint, Position
from bonafides.messages import EventBatch, MarketBatch, encode
from bonafides.messages.codec import _current
from bonafides.messages.records import to_record
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
from hypothesis import given
from hypothesis import strategies as st

from tests.support import samples

pytestmark = pytest.mark.unit

LONGS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 300))
INTS = st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(0, 300))
DIGESTS = st.one_of(st.binary(min_size=32, max_size=32), st.just(ZERO_DIGEST)).map(Digest)
ADDRESSES = st.binary(min_size=20, max_size=20).map(Address)
UINT256, INT256 = st.integers(0, 2**256 - 1), st.integers(-(2**255), 2**255 - 1)
POSITIONS = st.builds(
    Position,
    block=st.builds(BlockRef, chain_id=LONGS.map(ChainId), number=LONGS, hash=DIGESTS, timestamp=LONGS),
    tx_hash=DIGESTS,
    tx_index=INTS,
    log_index=INTS,
)
PLACE = {
    "position": POSITIONS,
    "sub_index": INTS,
    "fork_epoch": LONGS,
    "decoder_version": INTS,
    "deployment": st.text(max_size=200),
    "market": DIGESTS,
    "asset": ADDRESSES,
}
EVENTS = st.builds(
    LendingEvent,
    **PLACE,
    protocol=st.sampled_from(Protocol),
    type=st.sampled_from(EventType),
    role=st.sampled_from(Role),
    wallet=ADDRESSES,
    counterparty=st.none() | ADDRESSES,
    amount=UINT256,
    second_asset=st.none() | ADDRESSES,
    second_amount=UINT256,
    scaled_delta=INT256,
    index_ray=UINT256,
)
POINTS = st.builds(
    MarketPoint,
    **PLACE,
    kind=st.sampled_from(MarketPointKind),
    category=INTS,
    values=st.lists(INT256, max_size=5).map(tuple),
)


def _by_schema(batch: EventBatch | MarketBatch) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, _current(type(batch).__name__), to_record(batch))
    return buffer.getvalue()


@given(st.lists(EVENTS, max_size=3))
def test_encode__events__gives_the_bytes_of_the_schema(events: list[LendingEvent]) -> None:
    batch = EventBatch(tuple(events))

    assert encode(batch)[10:] == _by_schema(batch)


@given(st.lists(POINTS, max_size=3))
def test_encode__market_points__gives_the_bytes_of_the_schema(points: list[MarketPoint]) -> None:
    batch = MarketBatch(tuple(points))

    assert encode(batch)[10:] == _by_schema(batch)


def test_encode__full_record__counts_its_events_in_more_than_one_byte() -> None:
    batch = EventBatch((samples.event(),) * 200)

    assert encode(batch)[10:] == _by_schema(batch)


EVENT = samples.event()
TOO_LONG_OR_LARGE = {
    "wallet": {"wallet": bytes(19)},
    "asset": {"asset": bytes(21)},
    "counterparty": {"counterparty": bytes(1)},
    "second asset": {"second_asset": bytes(32)},
    "market": {"market": b"\x01" * 31},
    "tx hash": {"position": replace(EVENT.position, tx_hash=Digest(bytes(31)))},
    "block hash": {"position": replace(EVENT.position, block=replace(EVENT.position.block, hash=Digest(bytes(33))))},
    "amount": {"amount": 2**256},
    "negative amount": {"amount": -1},
    "scaled delta": {"scaled_delta": 2**255},
    "fork epoch": {"fork_epoch": 2**63},
}


@pytest.mark.parametrize("changes", TOO_LONG_OR_LARGE.values(), ids=TOO_LONG_OR_LARGE.keys())
def test_encode__value_that_its_field_cannot_hold__is_an_invalid_message(changes: dict[str, object]) -> None:
    bad = replace(EVENT, **changes)  # type: ignore[arg-type]

    with pytest.raises(InvalidMessage):
        encode(EventBatch((bad,)))


@pytest.mark.parametrize("kind", [LendingEvent, MarketPoint])
def test_strategies__of_this_file__vary_every_field(kind: type) -> None:
    """A field that comes later must be varied here too, or the bytes above prove nothing about it."""
    varied = {"protocol", "type", "role", "wallet", "counterparty", "amount", "second_asset", "second_amount"}
    varied |= {"scaled_delta", "index_ray"} if kind is LendingEvent else {"kind", "category", "values"}

    assert {field.name for field in fields(kind)} - set(PLACE) <= varied
