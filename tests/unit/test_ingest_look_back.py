"""Looking back for a price feed's latest answer: few requests, few of them in one turn, and no turn begins again."""

from collections.abc import Sequence
from typing import Any

import pytest
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import Call, NodeLied, NodeRefused
from bonafides.types import Address, Json
from bonafides_ingest.chain import Log, StillLooking
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.sources.look_back import LookBackLimits
from bonafides_ingest.sources.providers.refusals import RangeRefused
from bonafides_ingest.sources.rpc import RpcSource

from tests.support.ingest_logs import CHAIN, ChainOfLogs, address
from tests.support.ingest_node import FakeNode

pytestmark = pytest.mark.unit

HEAD = 8_000_000
QUIET, TALKER = address("adapter that never logs"), address("feed")
TOPIC = abi.ANSWER_UPDATED.topic0


class MeteredNode(FakeNode):
    """Counts requests as a provider does: a batch is one."""

    def __init__(self, chain: ChainOfLogs, most_blocks: int) -> None:
        super().__init__(chain)
        self.most_blocks = most_blocks
        self.requests = self.refused = 0

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        self.requests += 1
        try:
            return super().batch(calls)
        except NodeRefused:
            self.refused += 1
            raise


@pytest.fixture
def chain() -> ChainOfLogs:
    chain = ChainOfLogs(head=HEAD)
    for block in (1_000_000, 1_000_001, 3_000_000):
        chain.emit(block, 0, TALKER, abi.ANSWER_UPDATED, block, 1, 0)
    return chain


def source_of(node: FakeNode, requests: int | None = None, window: int = 2_000) -> RpcSource:
    limits = LookBackLimits(requests=requests)
    return RpcSource(node, CHAIN, window_blocks=window, bloom_check_blocks=0, look_back=limits)


def turns_of(source: RpcSource, feeds: Sequence[Address], before: int = HEAD) -> tuple[list[Log | None], int]:
    """What turns find that look for all of these, as a scan does, and how many turns it took."""
    for turn in range(1, 1_000):
        source.fetch(BlockRange(before, before), frozenset(), None)
        try:
            return [source.last_log_before(feed, TOPIC, 1, before) for feed in feeds], turn
        except StillLooking:
            continue
    raise AssertionError("it never ends")


def test_last_log_before__never_logged_and_ranges_are_limited__asks_for_many_ranges_at_once(chain: ChainOfLogs) -> None:
    node = MeteredNode(chain, most_blocks=10_000)

    assert source_of(node).last_log_before(QUIET, TOPIC, 1, HEAD) is None

    assert node.requests < HEAD / 8_000 / 16 + 10
    assert node.refused == 1


def test_last_log_before__ranges_are_not_limited__takes_a_few_growing_steps(chain: ChainOfLogs) -> None:
    node = MeteredNode(chain, most_blocks=HEAD)

    assert source_of(node).last_log_before(QUIET, TOPIC, 1, HEAD) is None

    assert node.requests < 15


def test_last_log_before__more_requests_than_a_turn_has__goes_on_in_the_next(chain: ChainOfLogs) -> None:
    node = MeteredNode(chain, most_blocks=10_000)
    source = source_of(node, requests=20)
    with pytest.raises(StillLooking):
        source.last_log_before(QUIET, TOPIC, 1, HEAD)
    assert node.requests == 20

    feeds = [QUIET, TALKER, *(address(f"quiet {number}") for number in range(5))]
    found, turns = turns_of(source, feeds)

    assert [log and log.position.block.number for log in found] == [None, 3_000_000, *[None] * 5]
    per_feed = HEAD / 8_000 / 16 + 10
    assert node.requests - 2 * turns < len(feeds) * per_feed  # each turn fetches its window: two requests


def test_last_log_before__node_fails_meanwhile__what_was_seen_is_not_asked_again(chain: ChainOfLogs) -> None:
    node = MeteredNode(chain, most_blocks=10_000)
    source = source_of(node, requests=20)
    with pytest.raises(StillLooking):
        source.last_log_before(QUIET, TOPIC, 1, HEAD)
    most_blocks, node.most_blocks = node.most_blocks, 0
    with pytest.raises(RangeRefused):
        source.last_log_before(QUIET, TOPIC, 1, HEAD)
    node.most_blocks = most_blocks
    asked_up_to: list[int] = []

    def note(truth: Any, params: list[Any]) -> Any:
        asked_up_to.append(int(params[0]["toBlock"], 16))
        return truth

    node.lies["eth_getLogs"] = note

    source.fetch(BlockRange(HEAD, HEAD), frozenset({QUIET}), None)
    with pytest.raises(StillLooking):
        source.last_log_before(QUIET, TOPIC, 1, HEAD)

    assert max(asked_up_to[1:]) < HEAD - 1_000_000


@pytest.mark.parametrize(
    ("first", "before", "expected"),
    [
        (1, HEAD, 3_000_000),
        (1, 3_000_001, 3_000_000),
        (1, 3_000_000, 1_000_001),
        (1, 1_000_001, 1_000_000),
        (1, 1_000_000, None),
        (3_000_000, HEAD, 3_000_000),
        (3_000_001, HEAD, None),
        (1_000_001, 2_000_000, 1_000_001),
    ],
)
def test_last_log_before__after_every_other_question__says_what_a_fresh_source_says(
    chain: ChainOfLogs, first: int, before: int, expected: int | None
) -> None:
    questions = [(1, HEAD), (2_999_000, HEAD), (1, 2_000_000), (3_000_001, HEAD), (5, 1_000_000), (1, 3_000_001)]
    for asked_first, asked_before in questions:
        source = source_of(FakeNode(chain))
        source.last_log_before(TALKER, TOPIC, asked_first, asked_before)

        found = source.last_log_before(TALKER, TOPIC, first, before)

        assert (found and found.position.block.number) == expected


def test_last_log_before__not_even_one_block_allowed__is_unavailable(chain: ChainOfLogs) -> None:
    with pytest.raises(RangeRefused):
        source_of(MeteredNode(chain, most_blocks=0)).last_log_before(QUIET, TOPIC, 1, HEAD)


def test_last_log_before__node_takes_too_long_for_large_ranges__asks_for_less_the_next_time(chain: ChainOfLogs) -> None:
    class SlowNode(MeteredNode):
        def batch(self, calls: Sequence[Call]) -> list[Json]:
            try:
                return super().batch(calls)
            except NodeRefused as exc:
                raise Unavailable("the node does not answer eth_getLogs: TimeoutError") from exc

    node = SlowNode(chain, most_blocks=10_000)
    source, failures = source_of(node), 0
    for _ in range(3):
        try:
            assert source.last_log_before(QUIET, TOPIC, 1, HEAD) is None
            break
        except Unavailable:
            failures += 1

    assert failures == 1


def test_last_log_before__refused_for_a_moment__grows_back_to_the_usual_range(chain: ChainOfLogs) -> None:
    node = MeteredNode(chain, most_blocks=100)
    source = source_of(node, requests=8)
    with pytest.raises(StillLooking):
        source.last_log_before(QUIET, TOPIC, 1, HEAD)
    node.most_blocks, node.requests = 10_000, 0

    turns_of(source, [QUIET])

    assert node.requests < 400


def test_last_log_before__newer_one_of_the_same_block_left_out__is_caught(chain: ChainOfLogs) -> None:
    chain.emit(3_000_000, 0, TALKER, abi.ANSWER_UPDATED, 7, 1, 0)
    node = FakeNode(chain)
    node.lies["eth_getLogs"] = lambda truth, _: truth[:-1]

    with pytest.raises(NodeLied, match="block 3000000"):
        source_of(node).last_log_before(TALKER, TOPIC, 2_000_000, HEAD)


def test_last_log_before__log_that_the_receipts_lack__is_caught(chain: ChainOfLogs) -> None:
    node = FakeNode(chain)
    node.lies["eth_getLogs"] = lambda truth, _: [log | {"data": "0x" + "01" * 32} for log in truth]

    with pytest.raises(NodeLied, match="block 3000000"):
        source_of(node).last_log_before(TALKER, TOPIC, 2_000_000, HEAD)


def test_last_log_before__silent_block_that_is_drawn_may_hold_one__receipts_tell(chain: ChainOfLogs) -> None:
    node = FakeNode(chain)
    node.lies["eth_getLogs"] = lambda *_: []

    with pytest.raises(NodeLied, match="block 3000000"):
        source_of(node, window=1).last_log_before(TALKER, TOPIC, 2_999_999, 3_000_001)
