"""Messages to bytes and back: Avro single-object encoding (magic, 8-byte fingerprint, body).

The schemas stand in `schemas/`, one file a message; inside `.v1` they only grow. A message written under an older
schema is read through it (`schemas/history/`). Golden bytes: `tests/vectors/messages.json`. Bytes are checked twice, by
Avro for form and by the `…records.py` for meaning; what fails either is an `InvalidMessage` and loses nothing. A schema
that nobody here knows is another matter: `UnknownSchema`.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple, cast

import fastavro
from fastavro.types import Schema

from bonafides.accounts import AccountFact
from bonafides.errors import InvalidInput, InvalidMessage, UnknownSchema
from bonafides.events import LendingEvent, MarketPoint, WalletDeadLetter
from bonafides.messages.batch_reading import EVENTS_FINGERPRINT, POINTS_FINGERPRINT, read_events, read_points
from bonafides.messages.batches import event_batch_body, market_batch_body
from bonafides.messages.chain_records import Record, event_from, fact_from, point_from, position_from, wallet_from
from bonafides.messages.records import MESSAGE_TYPES, from_record, to_record
from bonafides.messages.types import AccountBatch, EventBatch, MarketBatch, Message
from bonafides.ranges import MAX_U16

MAGIC = b"\xc3\x01"
_EVENTS_HEAD, _POINTS_HEAD = MAGIC + EVENTS_FINGERPRINT, MAGIC + POINTS_FINGERPRINT
_OUT_OF_RANGE = (ValueError, KeyError, TypeError, InvalidInput)
"""What the `…records.py` raise; InvalidInput comes from an as-of that names its chains wrongly."""


@dataclass(frozen=True, slots=True)
class RefusedPart:
    """One event, market fact or account fact of a batch that will never be right; the others of its batch are."""

    original: bytes
    """A batch of this one alone."""
    reason: str
    letter: WalletDeadLetter | None
    """Whose history has a hole, and where; None for other facts, and where that cannot be read either."""
    sub_index: int | None
    """Which event of its log; None where that cannot be read."""
    is_history: bool = True
    """Whether what is lost may be an event or a market fact; not where it is a fact about an account."""


class _Written(NamedTuple):
    message_name: str
    schema: Schema


def encode(message: Message) -> bytes:
    """Bytes of a message, under the current schema of its type."""
    name = type(message).__name__
    try:
        match message:
            case EventBatch():
                return _header_of(name) + event_batch_body(message.events)
            case MarketBatch():
                return _header_of(name) + market_batch_body(message.points)
            case _:
                return _bytes_of(name, to_record(message))
    except (ValueError, TypeError, OverflowError) as exc:
        raise InvalidMessage(f"{name} does not fit its schema: {type(exc).__name__}") from exc


def decode(raw: bytes) -> Message:
    """The message in these bytes.

    Raises:
        InvalidMessage: no message of ours, a body that does not fit its schema, bytes left over, or values outside
            their range.
        UnknownSchema: a message whose schema this version does not know.
    """
    name, record = _read(raw)
    return _message_of(name, record)


def decode_parts(raw: bytes) -> tuple[Message, tuple[RefusedPart, ...]]:
    """Like `decode`, and one bad event, market or account fact of a batch is left out and comes back by itself.

    Raises InvalidMessage and UnknownSchema like `decode`, for what is no batch or whose form cannot be read.
    """
    if (batch := _quickly(raw)) is not None:
        return batch, ()
    name, record = _read(raw)
    try:
        return _message_of(name, record), ()
    except InvalidMessage:
        match name:
            case "EventBatch":
                events, refused = _good_parts(record["events"], event_from, _refused_event)
                return EventBatch(tuple(events)), refused
            case "MarketBatch":
                points, refused = _good_parts(record["points"], point_from, _refused_point)
                return MarketBatch(tuple(points)), refused
            case "AccountBatch":
                facts, refused = _good_parts(record["facts"], fact_from, _refused_fact)
                return AccountBatch(tuple(facts)), refused
            case _:
                raise


def _quickly(raw: bytes) -> EventBatch | MarketBatch | None:
    """A batch of events or market facts that `batch_reading` takes."""
    head = raw[:10]
    if head == _EVENTS_HEAD and (events := read_events(raw[10:])) is not None:
        return EventBatch(events)
    if head == _POINTS_HEAD and (points := read_points(raw[10:])) is not None:
        return MarketBatch(points)
    return None


def _read(raw: bytes) -> tuple[str, Record]:
    if raw[:2] != MAGIC or len(raw) < 10:
        raise InvalidMessage(
            f"not an Avro single object: expected to start with c301, saw {raw[:2].hex() or 'nothing'}"
        )
    written = _writers().get(raw[2:10])
    if written is None:
        raise UnknownSchema(
            f"unknown schema fingerprint {raw[2:10].hex()}: a newer version wrote this message; upgrade this process "
            "before the one that writes"
        )
    buffer = io.BytesIO(raw[10:])
    try:
        record = fastavro.schemaless_reader(buffer, written.schema, _current(written.message_name))
    except (ValueError, TypeError, EOFError, IndexError, OverflowError, MemoryError) as exc:
        raise InvalidMessage(f"{written.message_name} body does not fit its schema: {type(exc).__name__}") from exc
    if left := len(raw) - 10 - buffer.tell():
        raise InvalidMessage(f"{written.message_name} has {left} bytes after its end")
    return written.message_name, cast("Record", record)


def _message_of(name: str, record: Record) -> Message:
    try:
        return from_record(name, record)
    except _OUT_OF_RANGE as exc:
        raise InvalidMessage(_refusal(name, exc)) from exc


def _refusal(name: str, exc: Exception) -> str:
    return f"{name} holds a value out of range: {exc}"


def _good_parts[Part: (LendingEvent, MarketPoint, AccountFact)](
    records: list[Record], read: Callable[[Record], Part], refuse: Callable[[Record, Exception], RefusedPart]
) -> tuple[list[Part], tuple[RefusedPart, ...]]:
    good, refused = [], []
    for record in records:
        try:
            good.append(read(record))
        except _OUT_OF_RANGE as exc:
            refused.append(refuse(record, exc))
    return good, tuple(refused)


def _refused_event(record: Record, exc: Exception) -> RefusedPart:
    reason = _refusal("LendingEvent", exc)
    try:
        # The deployment is left out: it may be what is wrong, and nothing asks a dead letter for it.
        letter = WalletDeadLetter(position_from(record["position"]), "", wallet_from(record), reason)
    except _OUT_OF_RANGE:
        letter = None
    sub_index = record["sub_index"] if 0 <= record["sub_index"] <= MAX_U16 else None
    return RefusedPart(_bytes_of("EventBatch", {"events": [record]}), reason, letter, sub_index)


def _refused_point(record: Record, exc: Exception) -> RefusedPart:
    return RefusedPart(
        _bytes_of("MarketBatch", {"points": [record]}), _refusal("MarketPoint", exc), letter=None, sub_index=None
    )


def _refused_fact(record: Record, exc: Exception) -> RefusedPart:
    original = _bytes_of("AccountBatch", {"facts": [record]})
    return RefusedPart(original, _refusal("AccountFact", exc), letter=None, sub_index=None, is_history=False)


def _bytes_of(name: str, record: Record) -> bytes:
    buffer = io.BytesIO()
    buffer.write(_header_of(name))
    fastavro.schemaless_writer(buffer, _current(name), record)
    return buffer.getvalue()


@cache
def _header_of(name: str) -> bytes:
    return MAGIC + _fingerprint_of(name)


def fingerprint(message_name: str) -> bytes:
    """CRC-64-AVRO of the current schema's canonical form, little-endian as in the header."""
    return _fingerprint_of(message_name)


def _file_name(message_name: str) -> str:
    words = "".join(f"_{char.lower()}" if char.isupper() else char for char in message_name).lstrip("_")
    return f"{words}.avsc"


@cache
def _source(path: str) -> Schema:
    return cast("Schema", json.loads((files("bonafides.messages") / "schemas" / path).read_text()))


@cache
def _current(message_name: str) -> Schema:
    return fastavro.parse_schema(_source(_file_name(message_name)))


def _fingerprint(source: Schema) -> bytes:
    canonical = fastavro.schema.to_parsing_canonical_form(source)
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


@cache
def _fingerprint_of(message_name: str) -> bytes:
    return _fingerprint(_source(_file_name(message_name)))


@cache
def _writers() -> dict[bytes, _Written]:
    """Every schema ever written in `.v1`, by fingerprint."""
    known = {_fingerprint_of(name): _Written(name, _current(name)) for name in MESSAGE_TYPES}
    history = files("bonafides.messages") / "schemas" / "history"
    for entry in history.iterdir() if history.is_dir() else ():
        source = cast("Schema", json.loads(entry.read_text()))
        name = cast("dict[str, str]", source)["name"]
        known[_fingerprint(source)] = _Written(name, fastavro.parse_schema(source))
    return known
