"""Which blocks have their receipts read, and when receipts prove what came: worked examples and laws."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from bonafides.events import BlockRange
from bonafides.hashing import keccak
from bonafides.json_rpc import NodeLied
from bonafides.types import Json
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.sources.answers import Asked, FoundLog, NodeHeader, read_header, read_log
from bonafides_ingest.sources.audit import NEW, Trust, blocks_to_audit, blocks_to_look_at
from bonafides_ingest.sources.bloom import bloom_may_hold, bloom_of
from bonafides_ingest.sources.proof import ReceiptsMissing, check_receipts
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ingest_logs import CHAIN, ORACLE, POOL, ChainOfLogs, address
from tests.support.ingest_node import FakeNode, log_object

pytestmark = pytest.mark.unit

ASKED = Asked(frozenset({POOL}))
SILENT = [3, 11, 12, 30, 31, 32, 33, 34, 35]
SPOKEN = [5, 6, 7, 8, 20]


@given(
    silent=st.sets(st.integers(1, 60)),
    spoken=st.sets(st.integers(1, 60)),
    audited=st.integers(0, 40),
    seed=st.integers(),
)
def test_blocks_to_audit__anything__are_few_and_hold_both_ends(
    silent: set[int], spoken: set[int], audited: int, seed: int
) -> None:
    silent, ordered = silent - spoken, sorted(spoken)
    ends = {*ordered[-1:], 60} & (silent | spoken)

    drawn = blocks_to_audit(silent, ordered, 60, audited, Random(seed))

    assert drawn == sorted(set(drawn))
    assert set(drawn) <= silent | spoken
    if audited:
        assert ends <= set(drawn)
        assert len(drawn) == min(max(audited, len(ends)), len(silent | spoken))


def test_blocks_to_audit__over_many_windows__takes_every_block_that_may_hold_ours() -> None:
    drawn = {block for seed in range(200) for block in blocks_to_audit(SILENT, SPOKEN, 40, 4, Random(seed))}

    assert drawn == {*SILENT, *SPOKEN}


def test_blocks_to_look_at__empty_answer__are_all() -> None:
    assert blocks_to_look_at(BlockRange(1, 2_000), [], 256, 4, Random(1)) == set(range(1, 2_001))


def test_blocks_to_look_at__silent_tail__is_among_them_as_far_as_is_asked_for() -> None:
    looked_at = blocks_to_look_at(BlockRange(1, 2_000), SPOKEN, 256, 4, Random(1))

    assert looked_at >= {*SPOKEN, *range(21, 277), 2_000}
    assert len(looked_at) == len(SPOKEN) + 256 + 1 + 16


def test_trust__of_a_new_provider__is_earned_window_by_window() -> None:
    trust = Trust()
    audited = []
    for _ in range(NEW + 1):
        audited.append(trust.blocks_to_audit(4))
        trust = trust.after_agreement()

    assert audited == [16] * NEW + [4]


def test_trust__caught_again_soon__is_doubted_for_longer() -> None:
    once = Trust(0).after_lie()
    again = once.after_agreement().after_lie()

    assert once.doubt < again.doubt
    assert Trust(10**6).after_lie().doubt < 10**4


@given(st.lists(st.binary(min_size=20, max_size=32)), st.binary(min_size=20, max_size=32))
def test_bloom_of__values__may_hold_each_of_them(values: list[bytes], other: bytes) -> None:
    assert all(bloom_may_hold(bloom_of(values), value) for value in values)
    assert bloom_of([*values, other, other]) == bloom_of([other, *reversed(values)])


@pytest.fixture
def node() -> FakeNode:
    """Block 5: two logs of ours in one transaction, a stranger's before them and the oracle's behind."""
    chain = ChainOfLogs(head=50)
    chain.emit(5, 0, address("stranger"), abi.USER_EMODE_SET, address("alice"), 1)
    chain.emit(5, 1, POOL, abi.USER_EMODE_SET, address("alice"), 1)
    chain.emit(5, 1, POOL, abi.USER_EMODE_SET, address("alice"), 2)
    chain.emit(5, 2, ORACLE, abi.ASSET_SOURCE_UPDATED, address("asset"), address("feed"))
    return FakeNode(chain)


def _block(node: FakeNode) -> tuple[NodeHeader, list[Any]]:
    answer = node.batch([("eth_getBlockByNumber", ["0x5", False])])[0]
    header = read_header(answer, CHAIN)
    receipts: Any = node.batch([("eth_getBlockReceipts", ["0x" + header.ref.hash.hex()])])[0]
    return header, receipts


def _came(node: FakeNode) -> list[FoundLog]:
    return [read_log(log_object(log)) for log in node.chain.logs if log.address == POOL]


def test_check_receipts__what_came_is_what_they_show__agrees(node: FakeNode) -> None:
    header, receipts = _block(node)

    check_receipts(header, receipts, ASKED, _came(node))


def _without_first_log(receipts: list[Any]) -> Json:
    receipts[1]["logs"] = receipts[1]["logs"][1:]
    return receipts


def _of_other_block(receipts: list[Any]) -> Json:
    receipts[1]["logs"][0]["blockHash"] = "0x" + "11" * 32
    return receipts


def _moved(receipts: list[Any]) -> Json:
    receipts[2]["logs"].append(receipts[1]["logs"].pop())
    return receipts


def _in_one_place(receipts: list[Any]) -> Json:
    receipts[2]["logs"][0]["logIndex"] = receipts[0]["logs"][0]["logIndex"]
    return receipts


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        pytest.param(lambda receipts: receipts[1:], "not of the transactions", id="receipt of another left out"),
        pytest.param(lambda receipts: [receipts[0], receipts[2]], "not of the transactions", id="ours left out"),
        pytest.param(lambda receipts: receipts[::-1], "not of the transactions", id="out of order"),
        pytest.param(lambda receipts: [*receipts, receipts[0]], "not of the transactions", id="one twice"),
        pytest.param(_without_first_log, "not those of its receipts", id="log left out of a receipt"),
        pytest.param(_of_other_block, "another block or transaction", id="log of another block"),
        pytest.param(_moved, "another block or transaction", id="log under another transaction"),
        pytest.param(_in_one_place, "two logs of one place", id="two logs of one place"),
        pytest.param(lambda _: {}, "no list", id="no list"),
    ],
)
def test_check_receipts__of_a_node_that_lies__is_caught(node: FakeNode, lie: Any, said: str) -> None:
    header, receipts = _block(node)

    with pytest.raises(NodeLied, match=said):
        check_receipts(header, lie(receipts), ASKED, _came(node))


def test_check_receipts__same_log_left_out_of_logs_and_receipts__bloom_tells(node: FakeNode) -> None:
    node.chain.emit(5, 3, POOL, abi.USER_EMODE_SET, address("bob"), 3)
    header, receipts = _block(node)
    receipts[3]["logs"] = []

    with pytest.raises(NodeLied, match="some were left out"):
        check_receipts(header, receipts, ASKED, _came(node)[:-1])


@pytest.mark.parametrize("receipts", [None, [None]])
def test_check_receipts__node_has_none__is_unavailable_and_no_lie(node: FakeNode, receipts: Json) -> None:
    header, _ = _block(node)

    with pytest.raises(ReceiptsMissing):
        check_receipts(header, receipts, ASKED, _came(node))


@pytest.mark.parametrize(
    "came", [lambda logs: logs[:1], lambda logs: logs[1:], lambda _: [], lambda logs: [*logs, logs[0]]]
)
def test_check_receipts__other_logs_came_than_they_show__is_caught(node: FakeNode, came: Any) -> None:
    header, receipts = _block(node)
    logs: Sequence[FoundLog] = came(_came(node))

    with pytest.raises(NodeLied, match="not those of its receipts"):
        check_receipts(header, receipts, ASKED, logs)


def test_check_receipts__state_sync_of_polygon_shown_or_not__agrees(node: FakeNode) -> None:
    header, receipts = _block(node)
    # keccak256("matic-bor-receipt-" + number + hash), as the chain names the transaction that it adds.
    extra = keccak(b"matic-bor-receipt-" + (5).to_bytes(8) + header.ref.hash)
    with_it = NodeHeader(header.ref, header.parent_hash, header.bloom, (*(header.transactions or ()), extra))
    shown: list[Json] = [*receipts, {"transactionHash": "0x" + extra.hex(), "logs": []}]

    check_receipts(with_it, receipts, ASKED, _came(node))
    check_receipts(with_it, [*shown], ASKED, _came(node))
    check_receipts(header, [*shown], ASKED, _came(node))
