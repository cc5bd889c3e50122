"""LogNote as Maker's contracts emit it: calldata encoded by eth_abi, cut or filled up to 224 bytes."""

from collections.abc import Sequence
from typing import Any

from bonafides.types import Address, Digest
from bonafides_ingest.decoders.notes import NoteCodec
from eth_abi.abi import encode


def encode_note(
    codec: NoteCodec[Any], values: Sequence[Any], *, caller: Address | None = None, behind: bytes = b""
) -> tuple[tuple[Digest, ...], bytes]:
    """Topics and data of a call's LogNote. `behind` is what the caller sent after the arguments."""
    arguments = encode([argument.type for argument in codec.function.inputs], list(values)) + behind
    return note_of(codec.topic0[:4] + arguments, caller)


def note_of(calldata: bytes, caller: Address | None = None) -> tuple[tuple[Digest, ...], bytes]:
    """Topics and data of the LogNote of any calldata; with a caller as `lib.sol` emits it, else as the Vat does."""
    copied = calldata[:224].ljust(224, b"\0")
    words = [Digest(copied[at : at + 32]) for at in (4, 36, 68)]
    named = [Digest(caller.rjust(32, b"\0")), *words[:2]] if caller is not None else words
    # `encode` puts the length and the bytes behind an offset, as the event's one argument
    return (Digest(copied[:4].ljust(32, b"\0")), *named), encode(["bytes"], [copied])
