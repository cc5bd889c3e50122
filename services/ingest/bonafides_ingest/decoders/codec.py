"""Exact and strict decoders of event logs, generated from ABI JSON at import.

One Python function an event is written out and compiled (`codec_source`), with no loop over types, which is what makes
it hundreds of times faster than a general decoder. It is stricter, too: a log that the contract's compiler could not
have emitted is refused with the reason, never read as another number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from bonafides.errors import InvalidMessage
from bonafides.hashing import keccak
from bonafides.types import Digest

from bonafides_ingest.decoders.abi_files import AbiArgument, AbiEvent, AbiFragment, AbiMember, load_fragments
from bonafides_ingest.decoders.codec_source import NAMES, cut_names, payload_word, source_of, word_lines

if TYPE_CHECKING:
    from bonafides_ingest.chain import Log

DECODER_VERSION = 2
"""Of all decoders and protocols together: raised when what is made of a log changes."""


@dataclass(frozen=True, slots=True)
class EventCodec[T]:
    """Decodes the logs of one event to the tuple `T` of its arguments, in the order of the ABI.

    Addresses and fixed bytes are bytes, integers exact ints, strings str, lists and tuples tuples.
    """

    event: AbiEvent
    topic0: Digest
    topics: int
    """Topics of such a log, the signature included."""
    decode: Callable[["Log"], T]
    """The arguments of a log. A field and no method: a call less for each log.

    Raises InvalidMessage: wrong number of topics, too little or too much data, bits set outside a type's range, dynamic
    data out of its place.
    """


def load_codec[T](file: str, event: str) -> EventCodec[T]:
    """The codec of one event of a file. `T` is what the caller declares: the tests hold it to the ABI."""
    found = [entry for fragment in load_fragments(file) for entry in fragment.events if entry.name == event]
    if len(found) != 1:
        raise LookupError(f"{file} holds {len(found)} events {event}, expected one")
    entry = found[0]
    decode = cast("Callable[[Log], T]", compile_decoder(source_of(entry), entry.signature, cut_names(entry)))
    return EventCodec(entry, keccak(entry.signature.encode()), 1 + sum(a.indexed for a in entry.inputs), decode)


def compile_decoder(source: str, name: str, names: Mapping[str, object] | None = None) -> Callable[..., object]:
    """The function `decode` of a source, which may call `refuse(event, reason)` and use what `word_lines` names.

    The source must be made of our own committed ABI files alone: types matched against a closed list, names only as
    quoted text. It is run.
    """
    scope: dict[str, object] = {"refuse": _refuse, **NAMES, **(names or {})}
    exec(compile(source, f"<codec {name}>", "exec"), scope)  # noqa: S102
    return cast("Callable[..., object]", scope["decode"])


def _refuse(event: str, what: str) -> None:
    raise InvalidMessage(f"{event} log refused: {what}")


__all__ = [
    "DECODER_VERSION",
    "AbiArgument",
    "AbiEvent",
    "AbiFragment",
    "AbiMember",
    "EventCodec",
    "compile_decoder",
    "load_codec",
    "load_fragments",
    "payload_word",
    "word_lines",
]
