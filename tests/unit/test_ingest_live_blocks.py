"""Live blocks of a node that is not trusted: what vanished is gone, what is left out or put in is a lie."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import Call, NodeLied, NodeRefused
from bonafides.types import Json
from bonafides_ingest.chain import BlockGone, Header
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.sources.audit import Trust
from bonafides_ingest.sources.proof import ReceiptsMissing
from bonafides_ingest.sources.providers.refusals import NodeBehind
from bonafides_ingest.sources.rpc import RpcSource

from tests.support.ingest_logs import CHAIN, ORACLE, POOL, ChainOfLogs, address, block_at
from tests.support.ingest_node import FakeNode

pytestmark = pytest.mark.unit

WATCHED = frozenset({POOL, ORACLE})
OTHER = "0x" + "11" * 32


class CountingNode(FakeNode):
    """Counts requests: a batch is one."""

    requests = 0

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        self.requests += 1
        return super().batch(calls)


@pytest.fixture
def node() -> CountingNode:
    """Finalized at 10, the head at 12: two logs of ours in block 11, one of a stranger in block 12."""
    chain = ChainOfLogs(head=10)
    chain.emit(11, 0, POOL, abi.USER_EMODE_SET, address("alice"), 1)
    chain.emit(11, 1, POOL, abi.USER_EMODE_SET, address("alice"), 2)
    chain.emit(12, 0, address("stranger"), abi.USER_EMODE_SET, address("alice"), 3)
    return CountingNode(chain)


def _source(node: FakeNode) -> RpcSource:
    return RpcSource(node, CHAIN, window_blocks=10, bloom_check_blocks=10)


def _read(source: RpcSource) -> list[tuple[int, int]]:
    logs = source.logs_of(source.headers(BlockRange(11, 12)), WATCHED)
    return [(log.position.block.number, log.position.log_index) for log in logs]


def test_tips__of_a_node__are_head_and_finalized_in_one_request(node: CountingNode) -> None:
    tips = _source(node).tips()

    assert (tips.head, tips.finalized) == (Header(block_at(12), block_at(11).hash), 10)
    assert node.requests == 1


@pytest.mark.parametrize(
    ("method", "lie", "expected"),
    [
        ("eth_syncing", {"currentBlock": "0x1"}, NodeBehind),
        ("eth_syncing", True, NodeBehind),
        ("eth_chainId", "0x1", NodeLied),
        ("eth_getBlockByNumber", None, Unavailable),
    ],
)
def test_tips__node_that_cannot_know_them__is_unavailable(
    node: CountingNode, method: str, lie: Any, expected: type[Unavailable]
) -> None:
    node.lies[method] = lambda *_: lie

    with pytest.raises(Unavailable) as caught:
        _source(node).tips()

    assert type(caught.value) is expected


def test_tips__node_without_eth_syncing__is_asked_without_it(node: CountingNode) -> None:
    def refuse(*_: Any) -> Any:
        raise NodeRefused("eth_syncing", -32601, "Method not found")

    node.lies["eth_syncing"] = refuse
    source = _source(node)

    assert [source.tips().finalized, source.tips().finalized] == [10, 10]
    assert node.requests == 3


def test_tips__finalized_goes_back__lags(node: CountingNode) -> None:
    source = _source(node)
    source.tips()
    node.chain.head = 9

    with pytest.raises(NodeBehind, match="went back"):
        source.tips()


def test_tips__head_below_finalized__is_a_lie(node: CountingNode) -> None:
    node.lies["eth_getBlockByNumber"] = lambda truth, params: node._header(9) if params[0] == "latest" else truth

    with pytest.raises(NodeLied, match="head is below"):
        _source(node).tips()


def test_headers__replaced_between_two_answers__asks_again(node: CountingNode) -> None:
    asked: list[str] = []

    def of_a_branch_that_left(truth: Any, params: list[Any]) -> Any:
        asked.append(params[0])
        return truth | {"hash": OTHER} if len(asked) == 1 else truth

    node.lies["eth_getBlockByNumber"] = of_a_branch_that_left

    headers = _source(node).headers(BlockRange(11, 12))

    assert [header.ref for header in headers] == [block_at(11), block_at(12)]


def test_headers__one_hash_with_two_blooms__is_a_lie(node: CountingNode) -> None:
    source = _source(node)
    source.headers(BlockRange(11, 12))
    node.lies["eth_getBlockByNumber"] = lambda truth, _: truth | {"logsBloom": "0x" + "00" * 256}

    with pytest.raises(NodeLied, match="two contents"):
        source.headers(BlockRange(11, 12))


def test_headers__never_hang_together__are_a_lie(node: CountingNode) -> None:
    node.lies["eth_getBlockByNumber"] = lambda truth, params: (
        truth | {"parentHash": OTHER} if params[0] == hex(12) else truth
    )

    with pytest.raises(NodeLied, match="does not stand on"):
        _source(node).headers(BlockRange(11, 12))


def test_headers__above_the_head__are_gone(node: CountingNode) -> None:
    with pytest.raises(BlockGone, match="block 13"):
        _source(node).headers(BlockRange(11, 13))


def test_logs_of__honest_node__are_proved_in_one_request_behind_the_headers(node: CountingNode) -> None:
    source = _source(node)

    assert _read(source) == [(11, 0), (11, 1)]
    assert node.requests == 2
    assert node.calls.count("eth_getBlockReceipts") == 1  # the bloom of block 12 excludes ours


def test_logs_of__headers_of_another_node__are_asked_for_first(node: CountingNode) -> None:
    headers = _source(node).headers(BlockRange(11, 12))

    assert len(_source(node).logs_of(headers, WATCHED)) == 2


def test_logs_of__node_without_block_receipts__takes_them_by_transaction(node: CountingNode) -> None:
    def refuse(*_: Any) -> Any:
        raise NodeRefused("eth_getBlockReceipts", -32601, "the method eth_getBlockReceipts does not exist")

    node.lies["eth_getBlockReceipts"] = refuse
    source = _source(node)

    assert _read(source) == [(11, 0), (11, 1)]
    assert _read(source) == [(11, 0), (11, 1)]
    assert node.calls.count("eth_getBlockReceipts") == 1
    assert node.calls.count("eth_getTransactionReceipt") == 4


@pytest.mark.parametrize(
    ("method", "lie"),
    [
        pytest.param("eth_getLogs", lambda truth, _: [], id="nothing"),
        pytest.param("eth_getLogs", lambda truth, _: truth[1:], id="the first left out"),
        pytest.param("eth_getLogs", lambda truth, _: truth[:1], id="the last left out"),
        pytest.param("eth_getLogs", lambda truth, _: truth * 2, id="twice"),
        pytest.param("eth_getLogs", lambda truth, _: [log | {"removed": True} for log in truth], id="removed"),
        pytest.param("eth_getLogs", lambda truth, _: [log | {"blockHash": OTHER} for log in truth], id="other hash"),
        pytest.param("eth_getLogs", lambda truth, _: [log | {"data": "0x01"} for log in truth], id="other data"),
        pytest.param("eth_getLogs", lambda truth, _: [log | {"transactionIndex": "0x7"} for log in truth], id="place"),
        pytest.param("eth_getBlockReceipts", lambda truth, _: truth[:1], id="receipt left out"),
        pytest.param("eth_getBlockReceipts", lambda truth, _: [], id="no receipts"),
    ],
)
def test_logs_of__node_lies__is_caught_and_doubted(node: CountingNode, method: str, lie: Callable[..., Any]) -> None:
    node.lies[method] = lie
    source = _source(node)

    with pytest.raises(NodeLied):
        _read(source)

    assert source.trust == Trust().after_lie()


def test_logs_of__log_that_the_receipts_lack__is_caught(node: CountingNode) -> None:
    node.lies["eth_getLogs"] = lambda truth, _: [*truth, truth[0] | {"logIndex": "0x9"}] if truth else truth

    with pytest.raises(NodeLied, match="not those of its receipts"):
        _read(_source(node))


@pytest.mark.parametrize("before", [["eth_getLogs"], ["eth_getLogs", "eth_getBlockReceipts"]])
@pytest.mark.parametrize("answer", [[], None])
def test_logs_of__block_replaced_and_nothing_said_of_it__is_gone_and_nobody_lied(
    node: CountingNode, before: list[str], answer: Any
) -> None:
    source = _source(node)
    headers = source.headers(BlockRange(11, 12))
    for method in before:
        node.lies[method] = lambda *_: answer
    node.lies["eth_getBlockByNumber"] = lambda truth, params: truth | {"hash": OTHER} if params[0] == "0xb" else truth

    with pytest.raises(BlockGone):
        source.logs_of(headers, WATCHED)
    assert source.trust == Trust()


@pytest.mark.parametrize("words", ["unknown block", "header for hash not found", "Resource not found"])
@pytest.mark.parametrize("method", ["eth_getLogs", "eth_getBlockReceipts"])
def test_logs_of__node_does_not_know_the_block_any_more__is_gone(node: CountingNode, method: str, words: str) -> None:
    source = _source(node)
    headers = source.headers(BlockRange(11, 12))

    def refuse(*_: Any) -> Any:
        raise NodeRefused(method, -32000, words)

    node.lies[method] = refuse

    with pytest.raises(BlockGone):
        source.logs_of(headers, WATCHED)


def test_logs_of__header_that_is_no_block_of_the_node__is_gone(node: CountingNode) -> None:
    with pytest.raises(BlockGone):
        _source(node).logs_of([Header(block_at(11, "other"), block_at(10).hash)], WATCHED)


def test_logs_of__receipts_not_there_yet__is_unavailable_and_nobody_lied(node: CountingNode) -> None:
    node.lies["eth_getBlockReceipts"] = lambda *_: None
    source = _source(node)

    with pytest.raises(ReceiptsMissing):
        _read(source)
    assert source.trust == Trust()


def test_logs_of__nobody_watched__asks_nothing(node: CountingNode) -> None:
    source = _source(node)
    headers = source.headers(BlockRange(11, 12))
    node.requests = 0

    assert source.logs_of(headers, frozenset()) == ()
    assert node.requests == 0
