"""Bytes that are dear to change: event id, digests, partitions, messages. Golden values stand in `tests/vectors`."""

import dataclasses
import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from bonafides import digests, messages
from bonafides.errors import InvalidInput, InvalidMessage
from bonafides.events import ForkEpoch, LendingEvent, MarketPoint, SubIndexKey, event_id, is_void, sub_index
from bonafides.topics import SCORES_ISSUED, WALLET_EVENTS, murmur2, partition_of
from bonafides.types import Address, AsOf, ChainId, Digest, EventType, Role, parse_address
from hypothesis import given
from hypothesis import strategies as st

from tests.support import samples

pytestmark = pytest.mark.unit

VECTORS = Path(__file__).parents[1] / "vectors"


def test_event_id__named_place__is_sha256_of_its_fixed_width_bytes() -> None:
    block_hash = Digest(bytes(range(32)))
    by_hand = (1).to_bytes(8) + block_hash + (7).to_bytes(4) + (0x0311).to_bytes(2)

    assert len(by_hand) == 8 + 32 + 4 + 2
    assert event_id(ChainId(1), block_hash, 7, 0x0311) == hashlib.sha256(by_hand).digest()


def test_event_id__same_log_on_another_branch__is_another_event() -> None:
    here = event_id(ChainId(1), Digest(bytes(32)), 7, 0)
    there = event_id(ChainId(1), Digest(b"\x01" * 32), 7, 0)

    assert here != there


def test_market_point_id__named_place__is_sha256_of_its_bytes_with_deployment_and_asset() -> None:
    point = samples.price()
    place = (31337).to_bytes(8) + point.position.block.hash + (0).to_bytes(4) + (0).to_bytes(2)
    by_hand = place + (13).to_bytes(2) + b"aave-v3-local" + samples.WETH

    assert point.id == hashlib.sha256(by_hand).digest()


def test_market_point_id__in_an_isolated_market__ends_with_that_market() -> None:
    point = samples.price()
    market = Digest(b"\x07" * 32)
    place = (31337).to_bytes(8) + point.position.block.hash + (0).to_bytes(4) + (0).to_bytes(2)
    by_hand = place + (13).to_bytes(2) + b"aave-v3-local" + samples.WETH + market

    assert dataclasses.replace(point, market=market).id == hashlib.sha256(by_hand).digest()


def test_market_point_id__one_answer_of_a_shared_feed__is_a_fact_of_each_deployment_and_asset() -> None:
    assert len({point.id for point in samples.prices_of_one_answer()}) == 4


@given(st.permutations(samples.prices_of_one_answer()))
def test_market_digest__points_of_one_log_in_any_order__is_the_same(points: list[MarketPoint]) -> None:
    assert digests.market_digest(points) == digests.market_digest(samples.prices_of_one_answer())


def test_sub_index__every_type_and_role__has_a_number_of_its_own() -> None:
    keys = [SubIndexKey(kind, role, leg) for kind in EventType for role in Role for leg in range(2)]

    assert len({sub_index(key) for key in keys}) == len(keys)
    assert sub_index(SubIndexKey(EventType.BORROWED, Role.OWNER)) == 3 * 256 + 1 * 16


def test_digests__sample_facts__are_the_golden_bytes() -> None:
    golden = json.loads((VECTORS / "digests.json").read_text())

    assert golden == samples.digest_vectors()


def test_messages__one_of_each__are_the_golden_bytes() -> None:
    golden = json.loads((VECTORS / "messages.json").read_text())

    assert golden == samples.message_vectors()


def test_words__enums_topics_and_roles__are_the_golden_ones() -> None:
    golden = json.loads((VECTORS / "words.json").read_text())

    assert golden == samples.word_vectors()


@pytest.mark.parametrize("message", samples.one_of_each_message(), ids=lambda m: type(m).__name__)
def test_messages__written_and_read__are_equal(message: messages.Message) -> None:
    assert messages.decode(messages.encode(message)) == message


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda raw: b"", "nothing"),
        (lambda raw: b"\x00" + raw[1:], "not an Avro single object"),
        (lambda raw: raw[:-3], "does not fit"),
        (lambda raw: raw + b"\x00", "after its end"),
    ],
)
def test_messages__spoiled_bytes__are_refused_with_the_reason(spoil: Callable[[bytes], bytes], reason: str) -> None:
    raw = messages.encode(samples.score_issued())

    with pytest.raises(InvalidMessage, match=reason):
        messages.decode(spoil(raw))


def test_messages__score_out_of_range__is_refused() -> None:
    raw = messages.encode(dataclasses.replace(samples.score_issued(), score=851))

    with pytest.raises(InvalidMessage, match=r"300\.\.850"):
        messages.decode(raw)


@given(st.binary(max_size=200))
def test_messages__any_bytes__are_a_message_or_an_invalid_message(raw: bytes) -> None:
    header = messages.encode(samples.score_issued())[:10]

    with pytest.raises(InvalidMessage):
        messages.decode(header + raw + b"\xff")


@given(amount=st.integers(0, 2**256 - 1), delta=st.integers(-(2**255), 2**255 - 1))
def test_messages__any_256_bit_amounts__survive(amount: int, delta: int) -> None:
    event = dataclasses.replace(samples.event(), amount=amount, scaled_delta=delta)
    batch = messages.EventBatch((event,))

    assert messages.decode(messages.encode(batch)) == batch


def test_event_set_digest__other_order_and_other_fork_epoch__is_the_same() -> None:
    events = samples.events(5)
    again = [dataclasses.replace(event, fork_epoch=9, decoder_version=4) for event in reversed(events)]

    assert digests.event_set_digest(events) == digests.event_set_digest(again)


@given(st.data())
def test_event_set_digest__any_field_changed__is_another(data: st.DataObject) -> None:
    event = samples.event()
    changes: dict[str, object] = {
        "sub_index": event.sub_index + 1,
        "deployment": "other",
        "type": EventType.REPAID,
        "role": Role.PAYER,
        "wallet": Address(b"\x77" * 20),
        "counterparty": Address(b"\x78" * 20),
        "asset": Address(b"\x79" * 20),
        "amount": event.amount + 1,
        "second_asset": Address(b"\x7a" * 20),
        "second_amount": event.second_amount + 1,
        "scaled_delta": event.scaled_delta - 1,
        "index_ray": event.index_ray + 1,
    }
    name = data.draw(st.sampled_from(sorted(changes)))
    changed: LendingEvent = dataclasses.replace(event, **{name: changes[name]})  # type: ignore[arg-type]

    assert digests.event_set_digest([event]) != digests.event_set_digest([changed])


def test_feature_digest__any_nan__is_the_one_quiet_nan() -> None:
    odd_nan = struct.unpack(">d", b"\xff\xf8\x00\x00\x00\x00\x00\x01")[0]
    schema = Digest(bytes(32))

    assert digests.feature_digest(schema, [1.5, float("nan")]) == digests.feature_digest(schema, [1.5, odd_nan])


def test_as_of__chains_out_of_order_or_twice__is_refused() -> None:
    one, other = samples.block(ChainId(1), 5), samples.block(ChainId(10), 5)

    with pytest.raises(InvalidInput, match="ascending"):
        AsOf((other, one))
    with pytest.raises(InvalidInput, match="ascending"):
        AsOf((one, one))


def test_as_of__several_chains__has_the_oldest_time() -> None:
    early = dataclasses.replace(samples.block(ChainId(10), 5), timestamp=100)

    assert AsOf((samples.block(ChainId(1), 9), early)).time == 100


def test_is_void__block_at_or_above_the_fork_under_an_older_epoch__is_void() -> None:
    epochs = (ForkEpoch(epoch=3, fork_block=100),)

    assert is_void(100, 2, epochs)
    assert not is_void(99, 2, epochs)
    assert not is_void(100, 3, epochs)


def test_murmur2__kafka_own_test_values__are_equal() -> None:
    # From Apache Kafka's UtilsTest.testMurmur2, as signed 32-bit integers.
    expected = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }

    signed = {text: hash_ - 2**32 if (hash_ := murmur2(text)) >= 2**31 else hash_ for text in expected}

    assert signed == expected


def test_partition_of__one_wallet__is_the_same_in_every_topic_of_64() -> None:
    wallet = Address(b"\xab" * 20)

    assert partition_of(wallet, WALLET_EVENTS) == partition_of(wallet, SCORES_ISSUED)
    assert 0 <= partition_of(wallet, WALLET_EVENTS) < 64


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x12",
        "0x" + "g" * 40,
        "12" * 21,
        "0x" + "12" * 19 + " 1",
        "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed",  # EIP-55 of another case
    ],
)
def test_parse_address__not_an_address__is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_address(text)

    assert not text or text not in str(refused.value)


def test_parse_address__eip_55_example__is_read_in_every_right_case() -> None:
    mixed = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

    assert parse_address(mixed) == parse_address(mixed.lower()) == parse_address("0x" + mixed[2:].upper())
