"""Batches are read by hand, and to the letter as the general reader reads them; what it refuses goes to that one."""

import pytest
from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent, MarketPoint
from bonafides.messages import EventBatch, MarketBatch, encode
from bonafides.messages.batch_reading import (
    EVENTS_FINGERPRINT,
    POINTS_FINGERPRINT,
    WITH_RULES_OF_THEIR_OWN,
    read_events,
    read_points,
)
from bonafides.messages.codec import _message_of, _read, decode_parts, fingerprint
from bonafides.messages.types import Message
from bonafides.ranges import told_debt
from bonafides.types import EventType
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import samples
from tests.unit.test_kernel_message_batches import EVENTS, POINTS

pytestmark = pytest.mark.unit
HEAD = 10


def _by_schema(raw: bytes) -> Message | None:
    """What the general reader makes of it; None when it refuses."""
    try:
        return _message_of(*_read(raw))
    except InvalidMessage:
        return None


def _quickly(raw: bytes, of: type[EventBatch] | type[MarketBatch]) -> Message | None:
    if of is EventBatch:
        events = read_events(raw[HEAD:])
        return None if events is None else EventBatch(events)
    points = read_points(raw[HEAD:])
    return None if points is None else MarketBatch(points)


def test_fingerprints__current_schemas__are_those_that_the_reader_was_written_for() -> None:
    assert fingerprint("EventBatch") == EVENTS_FINGERPRINT
    assert fingerprint("MarketBatch") == POINTS_FINGERPRINT


def test_read_events__ordinary_events__are_read() -> None:
    sent = (*samples.events(3), samples.liquidation())

    assert read_events(encode(EventBatch(sent))[HEAD:]) == sent


@pytest.mark.parametrize("of", [EventBatch, MarketBatch])
def test_read__empty_array_with_a_second_end__is_left_to_the_general_reader(
    of: type[EventBatch] | type[MarketBatch],
) -> None:
    raw = encode(of(()))[:HEAD] + b"\x00\x00"

    assert _by_schema(raw) is None
    assert _quickly(raw, of) is None
    with pytest.raises(InvalidMessage, match="1 bytes after its end"):
        decode_parts(raw)


def test_read_points__ordinary_facts__are_read() -> None:
    sent = (samples.price(), *samples.prices_of_one_answer())

    assert read_points(encode(MarketBatch(sent))[HEAD:]) == sent


@given(st.lists(EVENTS, max_size=4).map(tuple))
def test_read_events__any_events__says_what_the_general_reader_says_or_nothing(
    events: tuple[LendingEvent, ...],
) -> None:
    raw = encode(EventBatch(events))

    assert _quickly(raw, EventBatch) in (None, _by_schema(raw))


@given(st.lists(POINTS, max_size=4).map(tuple))
def test_read_points__any_facts__says_what_the_general_reader_says_or_nothing(points: tuple[MarketPoint, ...]) -> None:
    raw = encode(MarketBatch(points))

    assert _quickly(raw, MarketBatch) in (None, _by_schema(raw))


@pytest.mark.parametrize(
    "message", [EventBatch((*samples.events(2), samples.liquidation())), MarketBatch((samples.price(),))]
)
@settings(max_examples=600)
@given(place=st.integers(0, 2_000), byte=st.integers(0, 255), cut=st.integers(0, 400))
def test_read__bytes_changed_or_cut__says_what_the_general_reader_says_or_nothing(
    message: EventBatch | MarketBatch, place: int, byte: int, cut: int
) -> None:
    body = bytearray(encode(message)[HEAD:])
    body[place % len(body)] = byte
    raw = encode(message)[:HEAD] + bytes(body[: len(body) - cut] if cut < 200 else body)

    assert _quickly(raw, type(message)) in (None, _by_schema(raw))


def test_read_events__debt_told_whole__is_left_to_the_general_reader() -> None:
    raw = encode(EventBatch((samples.debt_set(),)))

    assert read_events(raw[HEAD:]) is None
    assert decode_parts(raw) == (EventBatch((samples.debt_set(),)), ())


@pytest.mark.parametrize("kind", sorted(set(EventType) - WITH_RULES_OF_THEIR_OWN))
@pytest.mark.parametrize("amount", [0, 2**256 - 1])
@pytest.mark.parametrize("index", [0, 2**256 - 1])
def test_told_debt__of_the_types_that_are_read_quickly__has_no_rule(kind: EventType, amount: int, index: int) -> None:
    told_debt(kind, amount, index)
