"""Codecs of LogNote: the anonymous event by which Maker's contracts log the calldata of a call that succeeded.

```
Vat      topics   [0] selector ‖ 28 zero bytes   [1] [2] [3] the first three arguments
others   topics   [0] selector ‖ 28 zero bytes   [1] caller   [2] [3] the first two arguments
data     32 │ 224 │ the first 224 bytes of calldata: selector ‖ arguments ‖ whatever the caller sent, or zeros
```

The arguments are raw calldata, not what a compiler wrote. These contracts (solc 0.5) take the low 20 bytes of an
address and ignore what stands before them; a caller may put anything there. So does this codec: to refuse such a call
would let anyone spoil anyone's history with one. `tests/integration/test_life_maker.py` shows it on the bytecode.

Source: modifier `note` of vat.sol and lib.sol in makerdao/dss; the functions stand in `decoders/abi/maker_notes.json`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, NoReturn, cast

from bonafides.errors import InvalidMessage
from bonafides.hashing import keccak
from bonafides.types import Address, Digest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from bonafides_ingest.decoders.abi_files import AbiMember

if TYPE_CHECKING:
    from bonafides_ingest.chain import Log

NOTE_TOPICS = 4
CALLDATA_SIZE = 224
"""What LogNote copies of the calldata: the selector, six words, and 28 bytes that follow."""
_SELECTOR_SIZE = 4
_HEAD = (32).to_bytes(32) + CALLDATA_SIZE.to_bytes(32)
_SIZE = len(_HEAD) + CALLDATA_SIZE
_READERS: Mapping[str, Callable[[bytes], object]] = {
    "address": lambda word: Address(word[12:]),
    "bytes32": Digest,
    "int256": lambda word: int.from_bytes(word, signed=True),
    "uint256": int.from_bytes,
}


class AbiFunction(BaseModel):
    """A function whose calls are logged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    inputs: tuple[AbiMember, ...]

    @property
    def signature(self) -> str:
        """Such as `init(bytes32)`."""
        return f"{self.name}({','.join(argument.type for argument in self.inputs)})"


class NotedFunctions(BaseModel):
    """Some functions of one contract that log their calls, and where their ABI is from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """package@version."""
    contract: str
    names_caller: bool
    """Whether the first topic behind the selector is the caller."""
    functions: tuple[AbiFunction, ...]


@dataclass(frozen=True, slots=True)
class NoteCodec[T]:
    """Decodes the LogNote of one function to the tuple `T` of its arguments, behind the caller where it is named."""

    function: AbiFunction
    names_caller: bool
    topic0: Digest
    """The selector, and zeros."""
    decode: Callable[["Log"], T]
    """The arguments of a call.

    Raises InvalidMessage: wrong number of topics, data of another size or form, topics that are not the calldata's.
    """
    topics: int = NOTE_TOPICS


def load_notes(file: str) -> tuple[NotedFunctions, ...]:
    """The contracts of a file under `decoders/abi/`."""
    raw = (files("bonafides_ingest.decoders") / "abi" / file).read_text("utf-8")
    return TypeAdapter(tuple[NotedFunctions, ...]).validate_python(json.loads(raw))


def load_note_codec[T](file: str, contract: str, signature: str) -> NoteCodec[T]:
    """The codec of one function's LogNote. `T` is what the caller declares: the tests hold it to the ABI."""
    for noted in load_notes(file):
        for function in noted.functions:
            if (noted.contract, function.signature) == (contract, signature):
                decode = cast("Callable[[Log], T]", _decoder(function, noted.names_caller))
                topic0 = Digest(keccak(signature.encode())[:_SELECTOR_SIZE].ljust(32, b"\0"))
                return NoteCodec(function, noted.names_caller, topic0, decode)
    raise LookupError(f"{file} holds no {signature} of {contract}")


def _decoder(function: AbiFunction, names_caller: bool) -> Callable[["Log"], tuple[object, ...]]:
    if _SELECTOR_SIZE + 32 * len(function.inputs) > CALLDATA_SIZE:
        raise LookupError(f"no codec for {function.signature}: LogNote cuts its arguments off")
    readers = [_READERS[argument.type] for argument in function.inputs]
    name, copied = function.name, 2 if names_caller else 3

    def decode(log: "Log") -> tuple[object, ...]:
        topics, payload = log.topics, log.payload
        if len(topics) != NOTE_TOPICS:
            _refuse(name, f"{len(topics)} topics, expected {NOTE_TOPICS}")
        if len(payload) != _SIZE:
            _refuse(name, f"{len(payload)} bytes of data, expected {_SIZE}")
        if not payload.startswith(_HEAD):
            _refuse(name, f"its data is not {CALLDATA_SIZE} bytes of calldata")
        arguments = payload[len(_HEAD) + _SELECTOR_SIZE :]
        if topics[0] != payload[len(_HEAD) : -len(arguments)].ljust(32, b"\0"):
            _refuse(name, "another selector in the calldata than in the topic")
        if b"".join(topics[NOTE_TOPICS - copied :]) != arguments[: 32 * copied]:
            _refuse(name, "other arguments in the calldata than in the topics")
        values = (read(arguments[32 * place : 32 * place + 32]) for place, read in enumerate(readers))
        if not names_caller:
            return tuple(values)
        if any(topics[1][:12]):
            _refuse(name, "its caller is no address")
        return (Address(topics[1][12:]), *values)

    return decode


def _refuse(function: str, what: str) -> NoReturn:
    raise InvalidMessage(f"LogNote of {function} refused: {what}")
