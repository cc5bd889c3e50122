"""What a message may hold, and what becomes of one that holds something else."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from bonafides.accounts import AccountFact
from bonafides.digests import encode_event, encode_market_point
from bonafides.errors import InvalidMessage, InvariantViolation, UnknownSchema
from bonafides.events import LendingEvent, MarketPoint, Position
from bonafides.messages import AccountBatch, EventBatch, MarketBatch, decode, decode_parts, encode
from bonafides.types import AccountKind, AsOf, ChainId, EventType, MarketPointKind

from tests.support import samples

pytestmark = pytest.mark.unit


def at(fact: Any, **changes: object) -> Any:
    """The same fact with another position."""
    return replace(fact, position=replace(fact.position, **changes))


def in_block(fact: Any, **changes: object) -> Any:
    """The same fact in another block."""
    return at(fact, block=replace(fact.position.block, **changes))


VECTORS = Path(__file__).parents[1] / "vectors"
EVENT, POINT = samples.event(), samples.price()
FACTS_OUT_OF_RANGE = {
    "NUL": lambda fact: replace(fact, deployment="a\x00b"),
    "text longer than its length field": lambda fact: replace(fact, deployment="a" * 65_536),
    "tx_index": lambda fact: at(fact, tx_index=-1),
    "log_index": lambda fact: at(fact, log_index=-1),
    "sub_index below": lambda fact: replace(fact, sub_index=-1),
    "sub_index above": lambda fact: replace(fact, sub_index=65_536),
    "fork_epoch": lambda fact: replace(fact, fork_epoch=-1),
    "decoder_version": lambda fact: replace(fact, decoder_version=-1),
    "block number": lambda fact: in_block(fact, number=-1),
    "timestamp": lambda fact: in_block(fact, timestamp=-1),
    "chain": lambda fact: in_block(fact, chain_id=ChainId(0)),
}


@pytest.mark.parametrize("fact", [EVENT, POINT], ids=["event", "point"])
@pytest.mark.parametrize("change", FACTS_OUT_OF_RANGE.values(), ids=FACTS_OUT_OF_RANGE.keys())
def test_decode__value_that_no_digest_or_column_takes__is_an_invalid_message(change: Any, fact: Any) -> None:
    bad = change(fact)
    batch = EventBatch((bad,)) if isinstance(bad, LendingEvent) else MarketBatch((bad,))

    with pytest.raises(InvalidMessage, match="out of range"):
        decode(encode(batch))


@pytest.mark.parametrize(
    "change",
    [
        {"category": -1},
        {"category": 70_000},
        {"values": ()},
        {"values": (1, 2, 3)},
        {"kind": MarketPointKind.RESERVE_CONFIG, "values": (1, 2, 3, 10**9)},
    ],
)
def test_decode__market_fact_of_another_shape__is_an_invalid_message(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage, match="out of range"):
        decode(encode(MarketBatch((replace(POINT, **change),))))


def test_decode__highest_values__still_stand_in_digests() -> None:
    event = replace(at(EVENT, tx_index=2**31 - 1, log_index=2**31 - 1), sub_index=65_535, deployment="é" * 32_767)
    point = replace(POINT, category=65_535)

    (read,) = cast("EventBatch", decode(encode(EventBatch((event,))))).events
    (read_point,) = cast("MarketBatch", decode(encode(MarketBatch((point,))))).points

    assert encode_event(read) == encode_event(event)
    assert encode_market_point(read_point) == encode_market_point(point)


@pytest.mark.parametrize(
    "bad",
    [
        replace(samples.boundary(), number=0),
        replace(samples.boundary(), coverage=(replace(samples.coverage(), registry_version=-1),)),
        replace(samples.boundary(), coverage=(replace(samples.coverage(), complete_to=-1),)),
        replace(samples.boundary(), coverage=(replace(samples.coverage(), dead_letters=-1),)),
        replace(samples.score_issued(), as_of=cast("AsOf", SimpleNamespace(blocks=()))),
    ],
)
def test_decode__boundary_or_score_out_of_range__is_an_invalid_message(bad: Any) -> None:
    with pytest.raises(InvalidMessage, match="out of range"):
        decode(encode(bad))


def test_decode__schema_of_a_newer_version__stops_instead_of_burying() -> None:
    raw = encode(samples.boundary())

    with pytest.raises(UnknownSchema, match="upgrade this process") as caught:
        decode(raw[:2] + bytes(8) + raw[10:])

    assert isinstance(caught.value, InvariantViolation)
    assert not isinstance(caught.value, InvalidMessage)


def test_decode__written_before_markets__reads_as_pooled() -> None:
    written = json.loads((VECTORS / "messages_history.json").read_text())

    assert decode(bytes.fromhex(written["EventBatch"])) == EventBatch((samples.event(), samples.liquidation()))
    assert decode(bytes.fromhex(written["MarketBatch"])) == MarketBatch((samples.price(),))


def test_encode__debt_told_whole_in_a_market__comes_back_the_same() -> None:
    batch = EventBatch((samples.debt_set(),))

    assert decode(encode(batch)) == batch


def test_decode__debt_told_whole_without_an_index__is_an_invalid_message() -> None:
    with pytest.raises(InvalidMessage, match="index above 0"):
        decode(encode(EventBatch((replace(samples.debt_set(), index_ray=0),))))


def test_encode__price_at_the_end_of_a_block_with_a_bound__comes_back_the_same_and_is_the_blocks_last() -> None:
    block = POINT.position.block
    bounded = replace(POINT, position=Position.at_end_of(block), values=(2_000 * 10**8, block.timestamp + 3_600))

    assert decode(encode(MarketBatch((POINT, bounded)))) == MarketBatch((POINT, bounded))
    assert bounded.order > at(POINT, tx_index=2**32 - 2, log_index=2**32 - 1).order
    assert bounded.id != POINT.id


def test_encode__stable_debt__comes_back_the_same() -> None:
    unchanged_rate = replace(samples.stable_debt_set(), index_ray=0)
    paid = replace(unchanged_rate, amount=0)

    for event in (samples.stable_debt_set(), unchanged_rate, paid):
        assert decode(encode(EventBatch((event,)))) == EventBatch((event,))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"amount": 2**128}, "stable debt is above its range"),
        ({"index_ray": 2**128}, "stable rate is above its range"),
        ({"amount": 0}, "a stable debt of nothing has no rate"),
    ],
)
def test_decode__stable_debt_that_cannot_be__is_an_invalid_message(wrong: dict[str, int], reason: str) -> None:
    event = replace(samples.stable_debt_set(), **wrong)  # type: ignore[arg-type]  # amounts and indices are integers

    with pytest.raises(InvalidMessage, match=reason):
        decode(encode(EventBatch((event,))))


def test_decode_parts__one_event_of_a_newer_version__the_others_come_and_it_comes_back_by_itself() -> None:
    first, second = samples.events(2)
    bad = replace(at(EVENT, log_index=99), type=cast("EventType", "from_a_newer_ingest"))

    message, refused = decode_parts(encode(EventBatch((first, bad, second))))

    assert message == EventBatch((first, second))
    (part,) = refused
    assert part.letter is not None
    assert (part.letter.wallet, part.letter.position, part.sub_index) == (EVENT.wallet, bad.position, bad.sub_index)
    assert part.original == encode(EventBatch((bad,)))
    assert "EventType" in part.reason


def test_decode_parts__event_whose_place_cannot_be_read__has_no_wallet_to_blame() -> None:
    message, refused = decode_parts(encode(EventBatch((EVENT, at(EVENT, log_index=-1)))))

    assert message == EventBatch((EVENT,))
    assert [part.letter for part in refused] == [None]


def test_decode_parts__one_bad_market_fact__the_others_come() -> None:
    other: MarketPoint = replace(POINT, category=70_000)

    message, refused = decode_parts(encode(MarketBatch((other, POINT))))

    assert message == MarketBatch((POINT,))
    assert [part.original for part in refused] == [encode(MarketBatch((other,)))]


@pytest.mark.parametrize(
    "bad",
    [
        replace(samples.safe_of_two(), owners=(samples.OTHER, samples.WALLET)),
        replace(samples.safe_of_two(), owners=(samples.WALLET, samples.WALLET)),
        replace(samples.safe_of_two(), threshold=3),
        replace(samples.safe_of_two(), threshold=0),
        replace(samples.safe_of_two(), owners=(), threshold=1),
        replace(samples.safe_of_two(), kind=AccountKind.CONTRACT),
        replace(samples.safe_of_two(), log_index=None),
        replace(samples.safe_of_two(), source=""),
        replace(samples.contract(), kind=AccountKind.URN),
        replace(samples.contract(), kind=cast("AccountKind", SimpleNamespace(value="robot"))),
    ],
)
def test_decode_parts__one_bad_account_fact__comes_back_by_itself_and_hides_no_history(bad: AccountFact) -> None:
    message, refused = decode_parts(encode(AccountBatch((samples.contract(), bad))))

    assert message == AccountBatch((samples.contract(),))
    assert [(part.original, part.letter, part.is_history) for part in refused] == [
        (encode(AccountBatch((bad,))), None, False)
    ]


@pytest.mark.parametrize("message", samples.one_of_each_message(), ids=lambda one: type(one).__name__)
def test_decode_parts__good_message__is_what_decode_says(message: Any) -> None:
    assert decode_parts(encode(message)) == (message, ())
