"""Messages to bytes and back: Avro single-object encoding (magic, 8-byte fingerprint, body).

The schemas stand in `schemas/`, one file a message; inside `.v1` they only grow. A message written under an older
schema is read through it (`schemas/history/`). Golden bytes: `tests/vectors/messages.json`. Bytes are checked twice, by
Avro for form and by `records.py` for meaning; what fails either is an `InvalidMessage` and loses nothing.
"""

import io
import json
from functools import cache
from importlib.resources import files
from typing import NamedTuple, cast

import fastavro
from fastavro.types import Schema

from bonafides.errors import InvalidMessage
from bonafides.messages.records import MESSAGE_TYPES, Record, from_record, to_record
from bonafides.messages.types import Message

MAGIC = b"\xc3\x01"


class _Written(NamedTuple):
    message_name: str
    schema: Schema


def encode(message: Message) -> bytes:
    """Bytes of a message, under the current schema of its type."""
    name = type(message).__name__
    buffer = io.BytesIO()
    buffer.write(MAGIC + _fingerprint_of(name))
    try:
        fastavro.schemaless_writer(buffer, _current(name), to_record(message))
    except (ValueError, TypeError, OverflowError) as exc:
        raise InvalidMessage(f"{name} does not fit its schema: {type(exc).__name__}") from exc
    return buffer.getvalue()


def decode(raw: bytes) -> Message:
    """The message in these bytes.

    Raises:
        InvalidMessage: no such schema, a body that does not fit it, bytes left over, or values outside their range.
    """
    if raw[:2] != MAGIC or len(raw) < 10:
        raise InvalidMessage(
            f"not an Avro single object: expected to start with c301, saw {raw[:2].hex() or 'nothing'}"
        )
    written = _writers().get(raw[2:10])
    if written is None:
        raise InvalidMessage(f"unknown schema fingerprint {raw[2:10].hex()}: written by a newer version, or not ours")
    buffer = io.BytesIO(raw[10:])
    try:
        record = fastavro.schemaless_reader(buffer, written.schema, _current(written.message_name))
    except (ValueError, TypeError, EOFError, IndexError, OverflowError, MemoryError) as exc:
        raise InvalidMessage(f"{written.message_name} body does not fit its schema: {type(exc).__name__}") from exc
    if left := len(raw) - 10 - buffer.tell():
        raise InvalidMessage(f"{written.message_name} has {left} bytes after its end")
    try:
        return from_record(written.message_name, cast("Record", record))
    except (ValueError, KeyError, TypeError) as exc:
        raise InvalidMessage(f"{written.message_name} holds a value out of range: {exc}") from exc


def schema_names() -> list[str]:
    """File names of all current schemas, sorted."""
    return sorted(_file_name(name) for name in MESSAGE_TYPES)


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
