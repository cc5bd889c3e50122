"""LogNote: the calldata of a call, exact, and refused where no contract would emit it."""

from typing import Any

import pytest
from bonafides.errors import InvalidMessage
from bonafides.events import Position
from bonafides.hashing import keccak
from bonafides.types import Address, Digest
from bonafides_ingest.chain import Log
from bonafides_ingest.decoders.notes import NoteCodec, load_note_codec, load_notes
from bonafides_ingest.protocols.maker import events as abi
from eth_abi.abi import decode as eth_decode
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.ingest_logs import address, block_at
from tests.support.maker_notes import encode_note, note_of

pytestmark = pytest.mark.unit

CODECS = [value for value in vars(abi).values() if isinstance(value, NoteCodec)]
PLACE = Position(block_at(1), keccak(b"tx"), 0, 0)
CALLER = address("caller")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "address": st.binary(min_size=20, max_size=20),
    "bytes32": st.binary(min_size=32, max_size=32),
    "uint256": st.integers(0, 2**256 - 1),
    "int256": st.integers(-(2**255), 2**255 - 1),
}
KNOWN_SELECTORS = {
    # from the table of events in the reference, where each was computed apart from this code
    "frob": "76088703",
    "fork": "870c616d",
    "grab": "7bab3f40",
    "fold": "b65337df",
    "give": "fcafcc68",
}


def _name(codec: NoteCodec[Any]) -> str:
    return codec.function.signature


def _log(topics: tuple[bytes, ...], payload: bytes) -> Log:
    return Log(PLACE, address("emitter"), tuple(Digest(topic) for topic in topics), payload)


def _caller(codec: NoteCodec[Any]) -> Address | None:
    return CALLER if codec.names_caller else None


def _eth_abi(codec: NoteCodec[Any], payload: bytes) -> tuple[Any, ...]:
    """The general decoder's answer, behind the caller; it is given addresses without what the contract ignores."""
    (calldata,) = eth_decode(["bytes"], payload)
    types = [argument.type for argument in codec.function.inputs]
    words = [calldata[at : at + 32] for at in range(4, 4 + 32 * len(types), 32)]
    clean = [bytes(12) + word[12:] if kind == "address" else word for kind, word in zip(types, words, strict=True)]
    values = eth_decode(types, b"".join(clean))
    own = (bytes.fromhex(value[2:]) if kind == "address" else value for kind, value in zip(types, values, strict=True))
    return ((CALLER,) if codec.names_caller else ()) + tuple(own)


@pytest.mark.parametrize("codec", CODECS, ids=_name)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_note__any_call__gives_what_was_encoded_and_what_eth_abi_gives(
    codec: NoteCodec[Any], data: st.DataObject
) -> None:
    values = tuple(data.draw(VALUES[argument.type]) for argument in codec.function.inputs)
    behind = data.draw(st.binary(max_size=300))
    topics, payload = encode_note(codec, values, caller=_caller(codec), behind=behind)

    decoded = codec.decode(_log(topics, payload))

    assert decoded == _eth_abi(codec, payload)
    assert decoded[int(codec.names_caller) :] == values


@pytest.mark.parametrize("codec", CODECS, ids=_name)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_note__one_byte_changed__is_refused_or_is_the_calldata_as_it_stands(
    codec: NoteCodec[Any], data: st.DataObject
) -> None:
    values = tuple(data.draw(VALUES[argument.type]) for argument in codec.function.inputs)
    topics, payload = encode_note(codec, values, caller=_caller(codec))
    whole = bytearray(b"".join(topics) + payload)
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    changed = tuple(bytes(whole[at : at + 32]) for at in range(0, 128, 32))

    try:
        decoded = codec.decode(_log(changed, bytes(whole[128:])))
    except InvalidMessage:
        return

    own = int(codec.names_caller)
    assert decoded[own:] == _eth_abi(codec, bytes(whole[128:]))[own:]


@pytest.mark.parametrize("codec", CODECS, ids=_name)
@settings(max_examples=50, deadline=None)
@given(high=st.binary(min_size=12, max_size=12), low=st.binary(min_size=20, max_size=20))
def test_note__bytes_before_an_address__are_ignored_as_the_contract_does(
    codec: NoteCodec[Any], high: bytes, low: bytes
) -> None:
    words = [high + low if argument.type == "address" else bytes(32) for argument in codec.function.inputs]
    topics, payload = note_of(codec.topic0[:4] + b"".join(words), _caller(codec))

    decoded = codec.decode(_log(topics, payload))

    found = decoded[int(codec.names_caller) :]
    addresses = [
        value for argument, value in zip(codec.function.inputs, found, strict=True) if argument.type == "address"
    ]
    assert all(value == low for value in addresses)


@pytest.mark.parametrize("codec", CODECS, ids=_name)
def test_note__another_form__is_refused_with_the_reason(codec: NoteCodec[Any]) -> None:
    values = [{"address": bytes(20), "bytes32": bytes(32)}.get(argument.type, 1) for argument in codec.function.inputs]
    topics, payload = encode_note(codec, values, caller=_caller(codec))
    other = (topics[0], topics[1], topics[2][:-1] + b"\x07", topics[3])
    wrong = (
        (topics[:3], payload, "3 topics, expected 4"),
        ((*topics, bytes(32)), payload, "5 topics, expected 4"),
        (topics, payload[:-32], "256 bytes of data, expected 288"),
        (topics, payload + bytes(32), "320 bytes of data, expected 288"),
        (topics, payload[:31] + b"\x40" + payload[32:], "not 224 bytes of calldata"),
        ((b"\x01" * 32, *topics[1:]), payload, "another selector"),
        (other, payload, "other arguments in the calldata"),
    )

    for bad_topics, bad_payload, reason in wrong:
        with pytest.raises(InvalidMessage, match=reason):
            codec.decode(_log(bad_topics, bad_payload))


def test_note__caller_that_is_no_address__is_refused() -> None:
    topics, payload = encode_note(abi.GIVE, (1, bytes(20)), caller=CALLER)

    with pytest.raises(InvalidMessage, match="its caller is no address"):
        abi.GIVE.decode(_log((topics[0], b"\x01" + topics[1][1:], *topics[2:]), payload))


@pytest.mark.parametrize("name", KNOWN_SELECTORS)
def test_note__selector__is_the_one_computed_elsewhere(name: str) -> None:
    (found,) = {codec.topic0.hex() for codec in CODECS if codec.function.name == name}

    assert found == KNOWN_SELECTORS[name] + "00" * 28


def test_note_codecs__every_function_of_the_file__is_read() -> None:
    listed = {function for noted in load_notes("maker_notes.json") for function in noted.functions}

    assert listed == {codec.function for codec in CODECS}


def test_load_note_codec__function_that_is_not_listed__is_an_error() -> None:
    with pytest.raises(LookupError, match=r"no slip\(bytes32\) of Vat"):
        load_note_codec("maker_notes.json", "Vat", "slip(bytes32)")
