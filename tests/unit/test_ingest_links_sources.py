"""Logs that are wanted whoever emits them, from a node that is not trusted and from files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import Call, JsonRpc, NodeLied, NodeRefused
from bonafides.types import Digest, Json, address_text
from bonafides_ingest.accounts import link_events as abi
from bonafides_ingest.sources.codes import NodeCodes
from bonafides_ingest.sources.parquet import ParquetSource, open_log_folder
from bonafides_ingest.sources.rpc import RpcSource

from tests.support.ingest_accounts import PROXY_FACTORY
from tests.support.ingest_files import write_files
from tests.support.ingest_logs import CHAIN, ChainOfLogs, address, block_at
from tests.support.ingest_node import FakeNode

pytestmark = pytest.mark.unit

ALICE, PROXY = address("alice"), address("proxy")
SET_OWNER = frozenset({abi.LOG_SET_OWNER.topic0})


@pytest.fixture
def chain() -> ChainOfLogs:
    """The factory speaks in block 5, accounts in blocks 5 and 20; somebody says something else in block 8."""
    chain = ChainOfLogs(head=50)
    chain.emit(5, 0, PROXY_FACTORY, abi.DS_PROXY_CREATED, ALICE, ALICE, PROXY, address("cache"))
    chain.emit(5, 0, PROXY, abi.LOG_SET_OWNER, ALICE)
    chain.emit(8, 0, PROXY, abi.ADDED_OWNER, ALICE)
    chain.emit(20, 0, address("another"), abi.LOG_SET_OWNER, ALICE)
    return chain


def _fetch(node: FakeNode, bloom: int = 1000, topics: frozenset[Digest] = SET_OWNER) -> list[tuple[int, int]]:
    source = RpcSource(node, CHAIN, window_blocks=1000, bloom_check_blocks=bloom)
    window = source.fetch(BlockRange(1, 30), frozenset({PROXY_FACTORY}), None, topics)
    return [(log.position.block.number, log.position.log_index) for log in window.logs]


@pytest.mark.parametrize("bloom", [0, 1000])
def test_fetch__topic_of_anybody__brings_it_beside_the_contracts_logs(chain: ChainOfLogs, bloom: int) -> None:
    assert _fetch(FakeNode(chain), bloom) == [(5, 0), (5, 1), (20, 0)]


def test_fetch__log_that_both_filters_name__comes_once(chain: ChainOfLogs) -> None:
    topics = frozenset({abi.DS_PROXY_CREATED.topic0})

    assert _fetch(FakeNode(chain), topics=topics) == [(5, 0)]


def test_fetch__node_leaves_out_the_only_log_of_a_topic__is_caught_by_the_bloom(chain: ChainOfLogs) -> None:
    node = FakeNode(chain)
    node.lies["eth_getLogs"] = lambda truth, _: [log for log in truth if log["blockNumber"] != hex(20)]

    with pytest.raises(NodeLied, match="block 20 are not those of its receipts"):
        _fetch(node)


def _of_another_topic(truth: Any, params: Any) -> Any:
    return truth if "address" in params[0] else [truth[0] | {"topics": ["0x" + "22" * 32]}, *truth[1:]]


def test_fetch__node_sends_another_topic__is_caught(chain: ChainOfLogs) -> None:
    node = FakeNode(chain)
    node.lies["eth_getLogs"] = _of_another_topic

    with pytest.raises(NodeLied, match="not asked for"):
        _fetch(node, bloom=0)


def test_fetch__node_says_two_things_about_one_place__is_caught(chain: ChainOfLogs) -> None:
    node = FakeNode(chain)
    node.lies["eth_getLogs"] = lambda truth, params: (
        truth if "address" in params[0] else [truth[0] | {"logIndex": "0x0"}, *truth[1:]]
    )

    with pytest.raises(NodeLied, match="two logs of one place"):
        _fetch(node, bloom=0)


def test_fetch__files__bring_the_topic_beside_the_contracts_logs(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 50)
    source = ParquetSource(open_log_folder(tmp_path), CHAIN)

    with_topic = source.fetch(BlockRange(1, 30), frozenset({PROXY_FACTORY}), None, SET_OWNER)
    without = source.fetch(BlockRange(1, 30), frozenset({PROXY_FACTORY}), None)

    assert [log.position.block.number for log in with_topic.logs] == [5, 5, 20]
    assert [log.position.block.number for log in without.logs] == [5]


class CodeNode(JsonRpc):
    """Tells the code of every address as it is told to."""

    def __init__(self, answer: Callable[[str], Json]) -> None:
        super().__init__("http://node.invalid", 1.0)
        self.answer = answer
        self.calls: list[Call] = []

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        self.calls += calls
        return [self.answer(str(params[0])) for _, params in calls]


def test_codes__asks_at_the_block_by_its_hash(chain: ChainOfLogs) -> None:
    node = CodeNode(lambda account: "0x6080" if account == address_text(PROXY) else "0x")

    codes = NodeCodes(node).codes([ALICE, PROXY], block_at(9))

    assert codes == [b"", b"\x60\x80"]
    at = {"blockHash": "0x" + block_at(9).hash.hex(), "requireCanonical": True}
    assert node.calls == [("eth_getCode", [address_text(account), at]) for account in (ALICE, PROXY)]


@pytest.mark.parametrize("answer", [None, "6080", "0x608", {"code": "0x"}])
def test_codes__no_bytes__are_not_taken_for_no_code(answer: Json) -> None:
    with pytest.raises(NodeLied):
        NodeCodes(CodeNode(lambda _: answer)).codes([ALICE], block_at(9))


def _refuse(_: str) -> Json:
    raise NodeRefused("eth_getCode", -32000, "missing trie node")


def test_codes__node_has_no_state_of_the_block__is_unavailable() -> None:
    with pytest.raises(Unavailable):
        NodeCodes(CodeNode(_refuse)).codes([ALICE], block_at(9))
