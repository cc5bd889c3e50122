"""One wrong answer of a node does no lasting harm, and a long window's headers are never held all at once."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import Call, NodeLied
from bonafides.types import Json
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.sources import rpc
from bonafides_ingest.sources.answers import INDICES_BELOW, NUMBERS_BELOW, read_header, read_log
from bonafides_ingest.sources.node_reader import (
    HEADERS_AT_ONCE,
    MOST_UNCHECKED_RISE,
    TIMES_LOWER,
    NodeReader,
)
from bonafides_ingest.sources.providers.agreement import FRESH_S
from bonafides_ingest.sources.providers.refusals import NodeBehind
from bonafides_ingest.sources.rpc import RpcSource

from tests.support.ingest_logs import CHAIN, POOL, ChainOfLogs, address
from tests.support.ingest_node import FakeNode
from tests.support.ingest_providers import WATCHED, world

pytestmark = pytest.mark.unit

FAR = 10**9


class BatchesNode(FakeNode):
    """Remembers how many headers were asked for in each batch."""

    def __init__(self, chain: ChainOfLogs) -> None:
        super().__init__(chain)
        self.headers: list[int] = []

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        self.headers.append(sum(method == "eth_getBlockByNumber" for method, _ in calls))
        return super().batch(calls)


def _node(head: int = 1000) -> BatchesNode:
    chain = ChainOfLogs(head=head)
    for block in (5, 200, 201, 777):
        chain.emit(block, 0, POOL, abi.USER_EMODE_SET, address("alice"), 1)
    return BatchesNode(chain)


def _finalized(node: FakeNode, reader: NodeReader, number: int) -> int:
    return reader.note_finalized(node._header(number)).number


def _tags_at(number: int) -> Any:
    """A node that says so of its tips, and has no such block."""
    return lambda truth, params: (
        truth | {"number": hex(number), "hash": "0x" + "33" * 32} if params[0] in ("finalized", "latest") else truth
    )


def test_tips__one_wrong_finalized_number_of_the_only_provider__the_next_honest_one_is_taken() -> None:
    w = world("only")
    w.providers.tips()
    w.nodes["only"].lies["eth_getBlockByNumber"] = _tags_at(FAR)
    with pytest.raises(Unavailable, match="finalized, and does not have it"):
        w.providers.tips()

    w.nodes["only"].lies.clear()
    w.clock.move(600)
    w.nodes["only"].chain.head += 1

    assert w.providers.tips().finalized == 51


def test_tips__first_finalized_number_is_wrong__is_not_taken() -> None:
    w = world("only")
    w.nodes["only"].lies["eth_getBlockByNumber"] = _tags_at(FAR)

    with pytest.raises(Unavailable):
        w.providers.tips()


@pytest.mark.parametrize(
    "served",
    [{"hash": "0x" + "44" * 32}, {"parentHash": "0x" + "44" * 32}, {"timestamp": hex(NUMBERS_BELOW - 1)}],
)
def test_note_finalized__far_above_and_another_block_is_there__is_a_lie(served: dict[str, Json]) -> None:
    node = _node()
    reader = NodeReader(node, CHAIN)
    node.lies["eth_getBlockByNumber"] = lambda truth, params: truth | served if params[0] == hex(1000) else truth

    with pytest.raises(NodeLied):
        _finalized(node, reader, 1000)
    assert reader.finalized == -1


def test_note_finalized__older_than_the_block_below__is_a_lie() -> None:
    node = _node()
    node.lies["eth_getBlockByNumber"] = lambda truth, params: (
        truth | {"timestamp": hex(NUMBERS_BELOW - 1)} if params[0] == hex(999) else truth
    )

    with pytest.raises(NodeLied, match="older than the one below"):
        _finalized(node, NodeReader(node, CHAIN), 1000)


def test_note_finalized__rises_by_a_few_blocks__is_looked_up_only_at_first() -> None:
    node = _node()
    reader = NodeReader(node, CHAIN)
    _finalized(node, reader, 900)

    assert [_finalized(node, reader, number) for number in (901, 909, 909 + MOST_UNCHECKED_RISE)]
    assert len(node.headers) == 1

    _finalized(node, reader, 960)  # as on a chain that finalizes an epoch at once
    assert len(node.headers) == 2


@pytest.mark.parametrize("number", [450, FAR])
def test_tips__one_wrong_finalized_number_of_the_only_provider__says_it_for_no_turn(number: int) -> None:
    w = world("only")
    node = w.nodes["only"]
    w.providers.tips()
    node.lies["eth_getBlockByNumber"] = _tags_at(number)
    seen = []

    for _ in range(20):
        with suppress(Unavailable):
            seen.append((w.providers.tips().finalized, node.chain.head))
        node.lies.clear()
        node.chain.head += 1

    assert len(seen) == 19
    assert all(final == true for final, true in seen)


def test_tips__the_only_provider_calls_its_head_final_once__is_believed_no_longer_than_it_says_so() -> None:
    w = world("only")
    node = w.nodes["only"]
    node.live_blocks = 64
    w.providers.tips()
    node.lies["eth_getBlockByNumber"] = lambda truth, params: node._header(114) if params[0] == "finalized" else truth
    w.providers.tips()
    node.lies.clear()
    seen = []

    for _ in range(20):
        node.chain.head += 1
        with suppress(Unavailable):
            seen.append((w.providers.tips().finalized, node.chain.head))

    assert len(seen) == 20 - TIMES_LOWER + 1
    assert all(final == true for final, true in seen)


def test_tips__one_was_wrong_while_the_other_was_down__all_that_is_heard_is_below_and_reading_goes_on() -> None:
    w = world("a", "b")
    a, b = w.nodes["a"], w.nodes["b"]
    w.providers.tips()
    b.failure = Unavailable("down")
    w.clock.move(FRESH_S + 1)
    a.chain.head, b.chain.head = 450, 100  # `a` shows another, longer chain for a moment
    assert w.providers.tips().finalized == 450
    a.chain.head, b.failure = 100, None
    seen = []

    for _ in range(60):
        w.clock.move(15.0)
        a.chain.head += 1
        b.chain.head += 1
        with suppress(Unavailable):
            seen.append(w.providers.tips().finalized)

    assert len(seen) > 50
    assert seen[-1] == b.chain.head


def test_note_finalized__lower_a_few_times_in_a_row__the_higher_one_is_forgotten() -> None:
    node = _node()
    reader = NodeReader(node, CHAIN)
    _finalized(node, reader, 400 + MOST_UNCHECKED_RISE)

    for number in range(400, 400 + TIMES_LOWER - 1):
        with pytest.raises(NodeBehind, match="it lags"):
            _finalized(node, reader, number)
    assert _finalized(node, reader, 410) == reader.finalized == 410


def test_note_finalized__lower_now_and_then__is_never_forgotten() -> None:
    node = _node()
    reader = NodeReader(node, CHAIN)

    for _ in range(2 * TIMES_LOWER):
        assert _finalized(node, reader, 400) == 400
        with pytest.raises(NodeBehind):
            _finalized(node, reader, 399)


@pytest.mark.parametrize("name", ["number", "timestamp"])
def test_read_header__number_that_no_database_holds__is_a_lie(name: str) -> None:
    answer: Any = _node()._header(7)

    assert read_header(answer | {name: hex(NUMBERS_BELOW - 1)}, CHAIN)
    with pytest.raises(NodeLied, match=r"2\*\*63 or more"):
        read_header(answer | {name: hex(NUMBERS_BELOW)}, CHAIN)


@pytest.mark.parametrize(
    ("name", "below"),
    [("blockNumber", NUMBERS_BELOW), ("transactionIndex", INDICES_BELOW), ("logIndex", INDICES_BELOW)],
)
def test_read_log__place_that_no_database_holds__is_a_lie(name: str, below: int) -> None:
    entry: Any = _node()._logs({"fromBlock": "0x5", "toBlock": "0x5"})
    log = entry[0]

    assert read_log(log | {name: hex(below - 1)})
    with pytest.raises(NodeLied, match=r"2\*\*31 or more"):
        read_log(log | {name: hex(below)})


def test_tips__finalized_number_that_no_database_holds__is_a_lie() -> None:
    node = _node()
    node.lies["eth_getBlockByNumber"] = _tags_at(2**70)

    with pytest.raises(NodeLied):
        RpcSource(node, CHAIN, window_blocks=10, bloom_check_blocks=10).tips()


def test_tips__head_older_than_the_finalized_block__is_a_lie() -> None:
    node = _node()
    node.lies["eth_getBlockByNumber"] = lambda truth, params: (
        truth | {"timestamp": "0x1"} if params[0] == "latest" else truth
    )

    with pytest.raises(NodeLied, match="calls finalized"):
        RpcSource(node, CHAIN, window_blocks=10, bloom_check_blocks=10).tips()


@pytest.mark.parametrize("bloom_check_blocks", [100, 1000])
def test_fetch__long_window__asks_for_its_headers_a_hundred_at_a_time(bloom_check_blocks: int) -> None:
    node = _node()
    node.chain.logs.clear()
    source = RpcSource(node, CHAIN, window_blocks=1000, bloom_check_blocks=bloom_check_blocks)

    source.fetch(BlockRange(1, 1000), WATCHED, None)

    assert sum(node.headers) == 1000
    assert max(node.headers) == HEADERS_AT_ONCE == 100


def test_fetch__more_blocks_with_logs_than_are_held_whole__asks_again_for_those_it_proves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rpc, "MOST_WHOLE_HEADERS", 1)
    node = _node()
    source = RpcSource(node, CHAIN, window_blocks=1000, bloom_check_blocks=1000)

    window = source.fetch(BlockRange(1, 1000), WATCHED, None)

    assert [log.position.block.number for log in window.logs] == [5, 200, 201, 777]
    assert sum(node.headers) == 1003  # all but the first of the four


def test_fetch__header_that_is_another_one_the_second_time__is_a_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "MOST_WHOLE_HEADERS", 0)
    node = _node()
    seen: set[str] = set()

    def twice(truth: Any, params: list[Any]) -> Any:
        again = params[0] in seen
        seen.add(params[0])
        return truth | {"timestamp": "0x1"} if again else truth

    node.lies["eth_getBlockByNumber"] = twice

    with pytest.raises(NodeLied, match="another one than a moment ago"):
        RpcSource(node, CHAIN, window_blocks=1000, bloom_check_blocks=1000).fetch(BlockRange(1, 1000), WATCHED, None)


def test_fetch__header_of_the_window__holds_no_transactions_where_nothing_of_ours_may_be() -> None:
    node = _node()
    source = RpcSource(node, CHAIN, window_blocks=1000, bloom_check_blocks=1000)
    node.chain.emit(9, 0, address("stranger"), abi.USER_EMODE_SET, address("alice"), 1)

    held = source._lean_headers(range(1, 20))

    assert NodeReader(node, CHAIN).headers({9})[9].transactions
    assert {header.transactions for header in held.values()} == {None}
