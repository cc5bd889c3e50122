"""Exact and strict decoders of event logs, generated from ABI JSON at import.

One Python function a event is written out and compiled: it reads each word at its fixed place, with no loop over types,
which is what makes it a hundred times faster than a general decoder. It is stricter, too: a log that the contract's
compiler could not have emitted is refused with the reason, never read as another number.

```
topics   [0] signature   [1..3] indexed arguments, a word each
payload  head: a word per argument, of a tuple a word per member; of what has no fixed size its offset
         tail: length word, bytes, zeros up to a full word
```

Source of the encoding: Solidity's contract ABI specification, sections "Events" and "Strict Encoding Mode".
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from bonafides.errors import InvalidMessage
from bonafides.hashing import keccak
from bonafides.types import Digest
from pydantic import BaseModel, ConfigDict, TypeAdapter

if TYPE_CHECKING:
    from bonafides_ingest.chain import Log

DECODER_VERSION = 1
"""Of all decoders and protocols together: raised when what is made of a log changes."""


class AbiMember(BaseModel):
    """One member of a tuple, or one argument of a function."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: str


class AbiArgument(BaseModel):
    """One argument of an event."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: str
    indexed: bool
    components: tuple[AbiMember, ...] = ()
    """Members of a `tuple`, each a word wide."""

    @property
    def canonical_type(self) -> str:
        """The type as it stands in a signature: a tuple is its members in brackets."""
        return f"({','.join(member.type for member in self.components)})" if self.type == "tuple" else self.type


class AbiEvent(BaseModel):
    """One event of a contract's ABI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    inputs: tuple[AbiArgument, ...]

    @property
    def signature(self) -> str:
        """Such as `Burn(address,uint256)`."""
        return f"{self.name}({','.join(argument.canonical_type for argument in self.inputs)})"


class AbiFragment(BaseModel):
    """Some events of one contract, and where their ABI is from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """package@version."""
    contract: str
    events: tuple[AbiEvent, ...]


@dataclass(frozen=True, slots=True)
class EventCodec[T]:
    """Decodes the logs of one event to the tuple `T` of its arguments, in the order of the ABI.

    Addresses and fixed bytes are bytes, integers exact ints, strings str, lists and tuples tuples.
    """

    event: AbiEvent
    topic0: Digest
    topics: int
    """Topics of such a log, the signature included."""
    _decode: Callable[[tuple[bytes, ...], bytes], T]

    def decode(self, log: "Log") -> T:
        """The arguments of a log.

        Raises:
            InvalidMessage: wrong number of topics, too little or too much data, bits set outside a type's range,
                dynamic data out of its place.
        """
        return self._decode(log.topics, log.payload)


def load_fragments(file: str) -> tuple[AbiFragment, ...]:
    """The ABI fragments of a file under `decoders/abi/`."""
    raw = (files("bonafides_ingest.decoders") / "abi" / file).read_text("utf-8")
    return TypeAdapter(tuple[AbiFragment, ...]).validate_python(json.loads(raw))


def load_codec[T](file: str, event: str) -> EventCodec[T]:
    """The codec of one event of a file. `T` is what the caller declares: the tests hold it to the ABI."""
    found = [entry for fragment in load_fragments(file) for entry in fragment.events if entry.name == event]
    if len(found) != 1:
        raise LookupError(f"{file} holds {len(found)} events {event}, expected one")
    entry = found[0]
    decode = cast("Callable[[tuple[bytes, ...], bytes], T]", _compile(entry))
    return EventCodec(entry, keccak(entry.signature.encode()), 1 + sum(a.indexed for a in entry.inputs), decode)


def _compile(event: AbiEvent) -> Callable[[tuple[bytes, ...], bytes], object]:
    scope: dict[str, object] = {"refuse": _refuse, "integer": int.from_bytes, "ZEROS": bytes(32)}
    # The source is made of our own committed ABI files alone: types are matched against a closed list, names never
    # enter it other than as quoted text.
    exec(compile(_source(event), f"<codec {event.signature}>", "exec"), scope)  # noqa: S102
    return cast("Callable[[tuple[bytes, ...], bytes], object]", scope["decode"])


_DYNAMIC = ("string", "bytes", "address[]")


def _refuse(event: str, what: str) -> None:
    raise InvalidMessage(f"{event} log refused: {what}")


def _source(event: AbiEvent) -> str:
    indexed = [a for a in event.inputs if a.indexed]
    plain = [a for a in event.inputs if not a.indexed]
    head = 32 * sum(_words(argument) for argument in plain)
    is_dynamic = any(a.type in _DYNAMIC for a in plain)
    name = repr(event.name)
    lines = [
        "def decode(topics, payload):",
        f"    if len(topics) != {1 + len(indexed)}:",
        f"        refuse({name}, f'{{len(topics)}} topics, expected {1 + len(indexed)}')",
        f"    if len(payload) {'<' if is_dynamic else '!='} {head}:",
        f"        refuse({name}, f'{{len(payload)}} bytes of data, expected {head}{' or more' if is_dynamic else ''}')",
    ]
    if is_dynamic:
        lines.append(f"    tail = {head}")
    variables: dict[str, str] = {}
    for number, argument in enumerate(indexed, start=1):
        variables[argument.name] = f"t{number}"
        lines += word_lines(event.name, argument, f"t{number}", f"topics[{number}]")
    at = 0
    for number, argument in enumerate(plain):
        variables[argument.name] = f"d{number}"
        word = payload_word(at)
        if argument.type == "address[]":
            lines += _list_lines(event, argument, f"d{number}", word)
        elif argument.type in _DYNAMIC:
            lines += _tail_lines(event, argument, f"d{number}", word)
        elif argument.type == "tuple":
            lines += _tuple_lines(event, argument, f"d{number}", at)
        else:
            lines += word_lines(event.name, argument, f"d{number}", word)
        at += 32 * _words(argument)
    if is_dynamic:
        lines += ["    if tail != len(payload):", f"        refuse({name}, 'bytes after the end of its data')"]
    lines.append(f"    return ({''.join(f'{variables[a.name]}, ' for a in event.inputs)})")
    return "\n".join(lines)


def _words(argument: AbiArgument) -> int:
    """How many words of the head an argument takes."""
    if argument.type != "tuple":
        return 1
    if argument.indexed:
        raise LookupError(f"no codec for the indexed tuple {argument.name}: a topic holds its hash alone")
    return len(argument.components)


def payload_word(start: int) -> str:
    """Source of the word of the payload that begins at a byte."""
    return f"payload[{start}:{start + 32}]"


def word_lines(name: str, argument: AbiArgument | AbiMember, variable: str, word: str) -> list[str]:
    """Source that reads one word of a log named `name`, and refuses it when bits outside the type's range are set."""
    dirty = f"        refuse({name!r}, {f'{argument.name} is no {argument.type}'!r})"
    if argument.type == "address":
        return [
            f"    {variable} = {word}",
            f"    if {variable}[:12] != ZEROS[:12]:",
            dirty,
            f"    {variable} = {variable}[12:]",
        ]
    if argument.type == "bool":
        return [
            f"    {variable} = integer({word})",
            f"    if {variable} > 1:",
            dirty,
            f"    {variable} = {variable} == 1",
        ]
    if argument.type == "bytes32":
        return [f"    {variable} = {word}"]
    if argument.type.startswith("uint") and argument.type[4:].isdigit():
        bits = int(argument.type[4:])
        lines = [f"    {variable} = integer({word})"]
        return lines if bits == 256 else [*lines, f"    if {variable} >> {bits}:", dirty]
    if argument.type.startswith("int") and argument.type[3:].isdigit():
        bits = int(argument.type[3:])
        lines = [f"    {variable} = integer({word}, signed=True)"]
        limit = 1 << (bits - 1)
        return lines if bits == 256 else [*lines, f"    if not {-limit} <= {variable} < {limit}:", dirty]
    raise LookupError(f"{name}: no codec for the type {argument.type} of {argument.name}")


def _tuple_lines(event: AbiEvent, argument: AbiArgument, variable: str, start: int) -> list[str]:
    """Read a tuple whose members stand in the head, from a byte of the payload on."""
    lines: list[str] = []
    for place, member in enumerate(argument.components):
        lines += word_lines(event.name, member, f"{variable}_{place}", payload_word(start + 32 * place))
    members = "".join(f"{variable}_{place}, " for place in range(len(argument.components)))
    return [*lines, f"    {variable} = ({members})"]


def _tail_lines(event: AbiEvent, argument: AbiArgument, variable: str, word: str) -> list[str]:
    """Read a string or bytes at the one place where the compiler puts it: right behind the one before."""
    wrong = f"        refuse({event.name!r}, {f'{argument.name} is out of its place or too short'!r})"
    lines = [
        f"    if integer({word}) != tail or len(payload) < tail + 32:",
        wrong,
        f"    {variable}_end = tail + 32 + integer(payload[tail:tail + 32])",
        f"    {variable}_padded = -(-{variable}_end // 32) * 32",
        f"    if {variable}_padded > len(payload) or any(payload[{variable}_end:{variable}_padded]):",
        wrong,
        f"    {variable} = payload[tail + 32:{variable}_end]",
        f"    tail = {variable}_padded",
    ]
    if argument.type == "string":
        lines += [
            "    try:",
            f"        {variable} = {variable}.decode()",
            "    except UnicodeDecodeError:",
            f"        refuse({event.name!r}, {f'{argument.name} is not UTF-8'!r})",
        ]
    return lines


def _list_lines(event: AbiEvent, argument: AbiArgument, variable: str, word: str) -> list[str]:
    """Read a list of addresses at the one place where the compiler puts it."""
    start, end = f"{variable}_start", f"{variable}_end"
    return [
        f"    {start} = tail + 32",
        f"    if integer({word}) != tail or len(payload) < {start}:",
        f"        refuse({event.name!r}, {f'{argument.name} is out of its place or too short'!r})",
        f"    {end} = {start} + 32 * integer(payload[tail:{start}])",
        f"    if {end} > len(payload):",
        f"        refuse({event.name!r}, {f'{argument.name} is longer than the data'!r})",
        f"    if any(payload[at:at + 12] != ZEROS[:12] for at in range({start}, {end}, 32)):",
        f"        refuse({event.name!r}, {f'{argument.name} holds no {argument.type[:-2]}'!r})",
        f"    {variable} = tuple(payload[at + 12:at + 32] for at in range({start}, {end}, 32))",
        f"    tail = {end}",
    ]
