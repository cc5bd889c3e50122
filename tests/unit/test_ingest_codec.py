"""Generated codecs: exact, strict, and the same as eth_abi on every event."""

import importlib
import pkgutil
from typing import Any

import pytest
from bonafides.errors import InvalidMessage
from bonafides.events import Position
from bonafides.hashing import keccak
from bonafides.types import Address, Digest
from bonafides_ingest import protocols
from bonafides_ingest.accounts import link_events
from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.decoders.abi_files import AbiArgument, AbiMember
from bonafides_ingest.protocols.aave_v3 import events as abi
from eth_abi.abi import decode as eth_decode
from eth_abi.exceptions import DecodingError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.ingest_logs import address, block_at, encode_event

pytestmark = pytest.mark.unit

PLACE = Position(block_at(1), keccak(b"tx"), 0, 0)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "address": st.binary(min_size=20, max_size=20),
    "bool": st.booleans(),
    "uint8": st.integers(0, 2**8 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "uint256": st.integers(0, 2**256 - 1),
    "int256": st.integers(-(2**255), 2**255 - 1),
    "string": st.text(max_size=70),
    "bytes": st.binary(max_size=70),
    "bytes32": st.binary(min_size=32, max_size=32),
    "address[]": st.lists(st.binary(min_size=20, max_size=20), max_size=4).map(tuple),
}


def _codecs_of_every_protocol() -> list[EventCodec[Any]]:
    modules = sorted(
        module.name
        for module in pkgutil.walk_packages(protocols.__path__, f"{protocols.__name__}.")
        if module.name.endswith(".events")
    )
    held = [vars(link_events), *(vars(importlib.import_module(name)) for name in modules)]
    found = [value for names in held for value in names.values() if isinstance(value, EventCodec)]
    return list({codec.event: codec for codec in found}.values())


CODECS = _codecs_of_every_protocol()
KNOWN_TOPICS = {
    # from the table of events in the reference, where each was computed apart from this code
    "Supply": "2b627736bca15cd5381dcf80b0bf11fd197d01a037c52b927a881a10fb73ba61",
    "Borrow": "b3d084820fb1a9decffb176436bd02558d15fac9b0ddfed8c465bc7359d7dce0",
    "Repay": "a534c8dbe71f871f9f3530e97a74601fea17b426cae02e1c5aee42c96c784051",
    "LiquidationCall": "e413a321e8681d831f4dbccbca790d2952b56f977908e45be37335533e005286",
    "DeficitCreated": "2bccfb3fad376d59d7accf970515eb77b2f27b082c90ed0fb15583dd5a942699",
    "BalanceTransfer": "4beccb90f994c31aced7a23b5611020728a23d8ec5cddd1a3e9d97b96fda8666",
    "ReserveDataUpdated": "804c9b842b2748a22bb64b345453a3de7ca54a6ca45ce00d415894979e22897a",
    "AssetSourceUpdated": "22c5b7b2d8561d39f7f210b6b326a1aa69f15311163082308ac4877db6339dc1",
    "AnswerUpdated": "0559884fd3a460db3073b7fc896cc77986f16e378210ded43186175bf646fc5f",
}


def _name(codec: EventCodec[Any]) -> str:
    return codec.event.signature


def _log(topics: tuple[bytes, ...], payload: bytes) -> Log:
    return Log(PLACE, address("emitter"), tuple(Digest(topic) for topic in topics), payload)


def _drawn(data: st.DataObject, argument: AbiArgument) -> Any:
    if argument.type == "tuple":
        return tuple(data.draw(VALUES[member.type]) for member in argument.components)
    return data.draw(VALUES[argument.type])


def _own_form(argument: AbiArgument | AbiMember, value: Any) -> Any:
    """A value of eth_abi in the form that codecs give: an address as bytes."""
    if isinstance(argument, AbiArgument) and argument.type == "tuple":
        return tuple(_own_form(member, part) for member, part in zip(argument.components, value, strict=True))
    if argument.type == "address[]":
        return tuple(bytes.fromhex(text[2:]) for text in value)
    return bytes.fromhex(value[2:]) if argument.type == "address" else value


def _eth_abi(codec: EventCodec[Any], topics: tuple[bytes, ...], payload: bytes) -> tuple[Any, ...]:
    """The general decoder's answer, word for word; addresses back to bytes."""
    plain = iter(eth_decode([a.canonical_type for a in codec.event.inputs if not a.indexed], payload))
    indexed = iter(
        eth_decode([a.type], topic)[0]
        for a, topic in zip([a for a in codec.event.inputs if a.indexed], topics[1:], strict=True)
    )
    values = [(a, next(indexed if a.indexed else plain)) for a in codec.event.inputs]
    return tuple(_own_form(a, value) for a, value in values)


@pytest.mark.parametrize("codec", CODECS, ids=_name)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_codec__any_values__gives_what_was_encoded_and_what_eth_abi_gives(
    codec: EventCodec[Any], data: st.DataObject
) -> None:
    values = tuple(_drawn(data, argument) for argument in codec.event.inputs)
    topics, payload = encode_event(codec, values)

    decoded = codec.decode(_log(topics, payload))

    assert decoded == values == _eth_abi(codec, topics, payload)


@pytest.mark.parametrize("codec", CODECS, ids=_name)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_codec__one_byte_changed__agrees_with_eth_abi_or_refuses(codec: EventCodec[Any], data: st.DataObject) -> None:
    values = tuple(_drawn(data, argument) for argument in codec.event.inputs)
    topics, payload = encode_event(codec, values)
    whole = bytearray(b"".join(topics[1:]) + payload)
    if not whole:
        return
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    split = 32 * (len(topics) - 1)
    changed = (topics[0], *(bytes(whole[at : at + 32]) for at in range(0, split, 32)))

    try:
        decoded = codec.decode(_log(changed, bytes(whole[split:])))
    except InvalidMessage:
        return

    assert decoded == _eth_abi(codec, changed, bytes(whole[split:]))


@pytest.mark.parametrize("codec", CODECS, ids=_name)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_codec__what_eth_abi_refuses__is_refused(codec: EventCodec[Any], data: st.DataObject) -> None:
    head = 32 * sum(len(argument.components) or 1 for argument in codec.event.inputs if not argument.indexed)
    payload = data.draw(st.binary(min_size=0, max_size=head + 64))
    topics = (codec.topic0, *(data.draw(st.binary(min_size=32, max_size=32)) for _ in range(codec.topics - 1)))

    try:
        _eth_abi(codec, topics, payload)
    except (DecodingError, UnicodeDecodeError, OverflowError):
        with pytest.raises(InvalidMessage):
            codec.decode(_log(topics, payload))


@pytest.mark.parametrize("codec", CODECS, ids=_name)
def test_codec__a_topic_too_many_or_data_cut__is_refused(codec: EventCodec[Any]) -> None:
    samples = {"address": b"\x01" * 20, "bool": True, "string": "a", "bytes": b"a", "bytes32": bytes(32)}
    samples["address[]"] = (samples["address"],)
    values = [
        tuple(samples.get(member.type, 1) for member in argument.components) or samples.get(argument.type, 1)
        for argument in codec.event.inputs
    ]
    topics, payload = encode_event(codec, values)

    with pytest.raises(InvalidMessage, match="topics"):
        codec.decode(_log((*topics, bytes(32)), payload))
    if payload:
        with pytest.raises(InvalidMessage):
            codec.decode(_log(topics, payload[:-1]))
    with pytest.raises(InvalidMessage):
        codec.decode(_log(topics, payload + bytes(32)))


def test_codec__dirty_high_bytes_of_an_address__is_refused_with_the_argument() -> None:
    topics, payload = encode_event(abi.COLLATERAL_ENABLED, (b"\x01" * 20, b"\x02" * 20))
    dirty = bytes([0xFF]) + topics[2][1:]

    with pytest.raises(InvalidMessage, match="user is no address"):
        abi.COLLATERAL_ENABLED.decode(_log((topics[0], topics[1], dirty), payload))


def test_codec__boolean_of_two_or_uint8_of_256__is_refused() -> None:
    topics, payload = encode_event(abi.REPAY, (b"\x01" * 20, b"\x02" * 20, b"\x03" * 20, 5, True))
    emode_topics, _ = encode_event(abi.USER_EMODE_SET, (b"\x01" * 20, 1))

    with pytest.raises(InvalidMessage, match="useATokens is no bool"):
        abi.REPAY.decode(_log(topics, payload[:-1] + b"\x02"))
    with pytest.raises(InvalidMessage, match="categoryId is no uint8"):
        abi.USER_EMODE_SET.decode(_log(emode_topics, (256).to_bytes(32)))


@pytest.mark.parametrize("name", KNOWN_TOPICS)
def test_codec__signature__is_the_one_computed_elsewhere(name: str) -> None:
    of_aave_v3 = [value for value in vars(abi).values() if isinstance(value, EventCodec)]

    found = {codec.topic0.hex() for codec in of_aave_v3 if codec.event.name == name}

    assert found == {KNOWN_TOPICS[name]}


def test_codec__addresses__are_twenty_bytes() -> None:
    topics, payload = encode_event(abi.COLLATERAL_ENABLED, (address("a"), address("b")))

    assert abi.COLLATERAL_ENABLED.decode(_log(topics, payload)) == (Address(address("a")), Address(address("b")))
