"""A node is not trusted: what it says is checked, and what it leaves out is looked for."""

import itertools
from typing import Any

import pytest
from bonafides.errors import InvalidSettings, InvariantViolation, Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import AnswerTooLong, NodeLied, NodeRefused
from bonafides.types import Address
from bonafides_ingest.chain import StillLooking
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.sources.audit import Trust
from bonafides_ingest.sources.providers.refusals import NodeBehind, RangeRefused, RateLimited, refusals_told_apart
from bonafides_ingest.sources.rpc import RpcSource

from tests.support.ingest_logs import CHAIN, ORACLE, POOL, ChainOfLogs, address, block_at
from tests.support.ingest_node import FakeNode

pytestmark = pytest.mark.unit

WATCHED = frozenset({POOL, ORACLE})


@pytest.fixture
def node() -> FakeNode:
    """Logs of ours in blocks 5, 20 and 21, and of somebody else in block 8."""
    chain = ChainOfLogs(head=50)
    chain.emit(5, 0, POOL, abi.USER_EMODE_SET, address("alice"), 1)
    chain.emit(8, 0, address("stranger"), abi.USER_EMODE_SET, address("alice"), 1)
    chain.emit(20, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, address("asset"), address("feed"))
    chain.emit(21, 0, POOL, abi.USER_EMODE_SET, address("alice"), 2)
    return FakeNode(chain)


def _source(node: FakeNode, window: int = 1000, bloom: int = 1000) -> RpcSource:
    return RpcSource(node, CHAIN, window_blocks=window, bloom_check_blocks=bloom)


def _fetch(node: FakeNode, **options: int) -> list[int]:
    window = _source(node, **options).fetch(BlockRange(1, 30), WATCHED, None)
    return [log.position.block.number for log in window.logs]


@pytest.mark.parametrize("bloom", [0, 1000])
def test_fetch__honest_node__gives_the_logs_in_their_blocks(node: FakeNode, bloom: int) -> None:
    window = _source(node, bloom=bloom).fetch(BlockRange(1, 30), WATCHED, block_at(0))

    assert [log.position.block for log in window.logs] == [block_at(5), block_at(20), block_at(21)]
    assert (window.range, window.last) == (BlockRange(1, 30), block_at(30))


def test_check_chain__node_of_another_chain__refuses_to_start(node: FakeNode) -> None:
    node.chain_id = 1

    with pytest.raises(InvalidSettings, match="chain 1, the settings say 31337"):
        _source(node).check_chain()


def test_finalized__node_without_one__is_unavailable(node: FakeNode) -> None:
    node.lies["eth_getBlockByNumber"] = lambda *_: None

    with pytest.raises(Unavailable, match="finalized"):
        _source(node).finalized()


def _changed(**changes: Any) -> Any:
    """A lie: the first log with these members changed."""
    return lambda truth, _: [truth[0] | changes, *truth[1:]]


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(_changed(blockNumber=hex(31)), id="block out of range"),
        pytest.param(_changed(address="0x" + address("stranger").hex()), id="address not asked for"),
        pytest.param(_changed(blockHash="0x" + "11" * 32), id="hash of another block"),
        pytest.param(_changed(topics=["0x" + "22" * 32]), id="topic that the bloom excludes"),
        pytest.param(_changed(removed=True), id="removed below finalized"),
        pytest.param(_changed(data="0xzz"), id="no bytes"),
        pytest.param(_changed(logIndex="five"), id="no number"),
        pytest.param(lambda truth, _: [truth[0], *truth], id="one log twice"),
        pytest.param(lambda truth, _: {"logs": truth}, id="no list"),
        pytest.param(lambda truth, _: truth[1:], id="one log left out"),
        pytest.param(lambda *_: [], id="nothing at all"),
    ],
)
def test_fetch__node_lies_about_logs__is_caught(node: FakeNode, lie: Any) -> None:
    node.lies["eth_getLogs"] = lie

    with pytest.raises(NodeLied):
        _fetch(node)


def test_fetch__log_left_out_of_a_block_that_holds_another_of_ours__is_caught(node: FakeNode) -> None:
    node.chain.emit(21, 1, ORACLE, abi.ASSET_SOURCE_UPDATED, address("asset"), address("feed"))
    node.lies["eth_getLogs"] = lambda truth, _: truth[:-1]

    with pytest.raises(NodeLied, match="block 21"):
        _fetch(node)


def test_fetch__second_log_of_one_contract_left_out_where_receipts_are_read__is_caught(node: FakeNode) -> None:
    node.chain.emit(21, 1, POOL, abi.USER_EMODE_SET, address("bob"), 2)
    node.lies["eth_getLogs"] = lambda truth, _: truth[:-1]
    node.lies["eth_getBlockByNumber"] = lambda truth, _: truth | {"logsBloom": "0x" + "ff" * 256}

    with pytest.raises(NodeLied, match="block 21"):
        _fetch(node)


def test_fetch__log_that_the_receipts_lack__is_caught(node: FakeNode) -> None:
    node.lies["eth_getBlockByNumber"] = lambda truth, _: truth | {"logsBloom": "0x" + "ff" * 256}
    node.lies["eth_getBlockReceipts"] = lambda *_: []

    with pytest.raises(NodeLied, match="block 5"):
        _fetch(node)


def test_fetch__bloom_that_says_maybe_to_everything__takes_what_the_receipts_confirm(node: FakeNode) -> None:
    node.lies["eth_getBlockByNumber"] = lambda truth, _: truth | {"logsBloom": "0x" + "ff" * 256}

    assert _fetch(node) == [5, 20, 21]


def test_fetch__node_behind_what_it_called_finalized__is_caught(node: FakeNode) -> None:
    source = _source(node)
    source.finalized()
    node.lies["eth_blockNumber"] = lambda *_: hex(29)

    with pytest.raises(NodeLied, match="head is below"):
        source.fetch(BlockRange(1, 30), WATCHED, None)


def test_fetch__node_behind_what_others_called_finalized__lags_and_did_not_lie(node: FakeNode) -> None:
    node.lies["eth_blockNumber"] = lambda *_: hex(29)
    source = _source(node)

    with pytest.raises(NodeBehind):
        source.fetch(BlockRange(1, 30), WATCHED, None)

    assert source.trust == Trust()


def test_fetch__blocks_that_do_not_hang_together__are_caught(node: FakeNode) -> None:
    node.lies["eth_getBlockByNumber"] = lambda truth, _: truth | {"parentHash": "0x" + "33" * 32}

    with pytest.raises(NodeLied, match="hang together"):
        _fetch(node)


def test_fetch__another_block_than_asked__is_caught(node: FakeNode) -> None:
    node.lies["eth_getBlockByNumber"] = lambda truth, _: truth | {"number": "0x1"}

    with pytest.raises(NodeLied, match="another block"):
        _fetch(node)


def test_fetch__finalized_parent_replaced__stops_and_pages(node: FakeNode) -> None:
    with pytest.raises(InvariantViolation, match="block 3 was read as finalized"):
        _source(node).fetch(BlockRange(4, 30), WATCHED, block_at(3, branch="other"))


def test_fetch__bloom_excludes_ours__asks_for_no_receipts(node: FakeNode) -> None:
    _source(node).fetch(BlockRange(9, 19), WATCHED, None)

    assert "eth_getBlockReceipts" not in node.calls


def test_fetch__provider_refuses_large_ranges__halves_and_gives_the_first_part(node: FakeNode) -> None:
    node.most_blocks = 8
    source = _source(node)

    window = source.fetch(BlockRange(1, 30), WATCHED, None)

    assert window.range == BlockRange(1, 7)
    assert [log.position.block.number for log in window.logs] == [5]


def test_fetch__window_by_window_with_refusals__misses_nothing(node: FakeNode) -> None:
    node.most_blocks = 8
    source, found, following = _source(node), [], 1
    while following <= 30:
        window = source.fetch(BlockRange(following, 30), WATCHED, None)
        found += [log.position.block.number for log in window.logs]
        following = window.range.last + 1

    assert found == [5, 20, 21]


def test_fetch__not_even_one_block_allowed__is_unavailable(node: FakeNode) -> None:
    node.most_blocks = 0

    with pytest.raises(RangeRefused):
        _fetch(node)


def test_last_log_before__far_back__is_found_in_growing_steps(node: FakeNode) -> None:
    source = _source(node, window=3)

    log = source.last_log_before(POOL, abi.USER_EMODE_SET.topic0, 1, 21)

    assert log is not None
    assert log.position.block == block_at(5)
    assert source.last_log_before(POOL, abi.USER_EMODE_SET.topic0, 6, 21) is None
    assert source.last_log_before(Address(bytes(20)), abi.USER_EMODE_SET.topic0, 1, 50) is None


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (-32005, "daily request count exceeded, request rate limited", RateLimited),
        (429, "Too Many Requests", RateLimited),
        (-32005, "query returned more than 10000 results", RangeRefused),
        (-32602, "range 5000 exceeds limit of 1000", RangeRefused),
        (-32008, "response is too big", RangeRefused),
        (None, "", RangeRefused),
    ],
)
def test_refusal__of_providers__is_a_quota_or_a_range(
    code: int | None, message: str, expected: type[Unavailable]
) -> None:
    with pytest.raises(Unavailable) as caught, refusals_told_apart():
        raise NodeRefused("eth_getLogs", code, message)

    assert type(caught.value) is expected
    assert not message or message not in str(caught.value)


def test_refusal__answer_too_long__is_a_range() -> None:
    with pytest.raises(RangeRefused), refusals_told_apart():
        raise AnswerTooLong("longer than 10 bytes")


def test_fetch__provider_asks_to_slow_down__does_not_split_the_range(node: FakeNode) -> None:
    def slow_down(*_: Any) -> Any:
        raise NodeRefused("eth_getLogs", 429, "Too Many Requests")

    node.lies["eth_getLogs"] = slow_down
    source = _source(node)

    with pytest.raises(RateLimited):
        source.fetch(BlockRange(1, 30), WATCHED, None)
    assert source.pace.blocks == 1000


def _limited_to(logs: int, words: str) -> Any:
    """A provider that refuses a range of more than so many logs."""

    def answer(truth: Any, params: list[Any]) -> Any:
        if len(truth) > logs:
            raise NodeRefused("eth_getLogs", -32005, words.format(params[0]["fromBlock"], params[0]["toBlock"]))
        return truth

    return answer


@pytest.mark.parametrize(
    "words",
    [
        "query returned more than 10000 results",
        "query returned more than 10000 results. Try with this block range [{0}, {1}].",
        "query exceeds max results 20000, retry with the range 1-4",
        "query exceeds max results 20000, retry with the range 1-999999999999",
    ],
)
def test_fetch__provider_refuses_by_results_in_the_middle__moves_over_what_is_in_and_misses_nothing(
    node: FakeNode, words: str
) -> None:
    node.lies["eth_getLogs"] = _limited_to(1, words)
    source, found, ranges, following = _source(node), [], [], 1
    while following <= 30:
        window = source.fetch(BlockRange(following, 30), WATCHED, None)
        found += [log.position.block.number for log in window.logs]
        ranges.append(window.range)
        following = window.range.last + 1

    assert found == [5, 20, 21]
    assert ranges[0].first == 1
    assert all(earlier.last + 1 == later.first for earlier, later in itertools.pairwise(ranges))
    assert len(ranges) > 1


def test_fetch__answers_quickly__asks_for_more_than_at_first_and_never_for_more_than_the_most(node: FakeNode) -> None:
    source = RpcSource(node, CHAIN, window_blocks=4, most_window_blocks=12, bloom_check_blocks=0)
    ranges, following = [], 1
    while following <= 45:
        window = source.fetch(BlockRange(following, 45), WATCHED, None)
        ranges.append(window.range)
        following = window.range.last + 1

    assert [r.last - r.first + 1 for r in ranges] == [4, 8, 12, 12, 9]


def test_fetch__provider_refuses_slowly__goes_on_in_another_turn_with_less(node: FakeNode) -> None:
    now = itertools.count(0, 7)
    node.most_blocks = 1
    source = RpcSource(node, CHAIN, window_blocks=1000, bloom_check_blocks=0, timer=lambda: float(next(now)))

    with pytest.raises(StillLooking):
        source.fetch(BlockRange(1, 30), WATCHED, None)

    assert source.pace.blocks < 30


def test_fetch__headers_refused__asks_for_fewer_blocks_the_next_time(node: FakeNode) -> None:
    def too_big(*_: Any) -> Any:
        raise NodeRefused("eth_getBlockByNumber", -32008, "Response is too big")

    node.lies["eth_getBlockByNumber"] = too_big
    source = _source(node)

    with pytest.raises(RangeRefused):
        source.fetch(BlockRange(1, 30), WATCHED, None)
    assert source.pace.blocks == 15
