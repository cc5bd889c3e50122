"""Who answers for a price feed in blocks above finalized: asked by hash, never written down, gone with its block."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from bonafides.hashing import keccak
from bonafides.json_rpc import Call, JsonRpc, NodeRefused
from bonafides.types import ZERO_ADDRESS, Address, BlockRef, Digest, Json
from bonafides_ingest.chain import BlockGone
from bonafides_ingest.feeds import Phase
from bonafides_ingest.sources.feed_phases import NodeFeeds

from tests.support.feed_phases import PhasesInMemory
from tests.support.ingest_logs import address, block_at

pytestmark = pytest.mark.unit

FEED, OTHER, PLAIN, A, B, C = (address(name) for name in ("feed", "other", "plain", "a", "b", "c"))
FINALIZED = 100
type Story = dict[Address, list[tuple[int, Address]]]


class LiveNode(JsonRpc):
    """Blocks to 200 on one branch; proxies whose phases begin at given blocks, on that branch alone."""

    def __init__(self, proxies: Story, branch: str = "main") -> None:
        super().__init__("http://node.invalid", 1.0)
        self.proxies, self.requests, self.forgets = proxies, 0, False
        self.branch(branch)

    def branch(self, name: str) -> None:
        self.name = name
        self.numbers = {block_at(n, "main" if n <= FINALIZED else name).hash: n for n in range(201)}

    def blocks(self, first: int, last: int) -> list[BlockRef]:
        return [block_at(number, self.name) for number in range(first, last + 1)]

    def finalized(self) -> int:
        return FINALIZED

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        self.requests += 1
        return [self._answer(method, *params) for method, params in calls]

    def _answer(self, method: str, what: Any, at: Any) -> Json:
        if isinstance(at, dict):
            assert at["requireCanonical"] is True
            if self.forgets:
                raise NodeRefused(method, -32000, "missing trie node 1f00 (path )")
            number = self.numbers.get(Digest(bytes.fromhex(at["blockHash"][2:])))
            if number is None:
                raise NodeRefused(method, -32000, "hash is not currently canonical")
        else:
            number = int(at, 16)
            assert number <= FINALIZED, "a live block is named by its hash"
        feed = bytes.fromhex((what if method == "eth_getCode" else what["to"])[2:])
        if method == "eth_getCode":
            return "0x60"
        if feed == PLAIN:
            raise NodeRefused(method, 3, "execution reverted")
        begun = [aggregator for first, aggregator in self.proxies[Address(feed)] if first <= number]
        is_phase = what["data"] == "0x" + keccak(b"phaseId()")[:4].hex()
        return "0x" + (len(begun).to_bytes(32) if is_phase else bytes(12) + begun[-1]).hex()


def _feeds(node: LiveNode) -> tuple[NodeFeeds, PhasesInMemory]:
    memory = PhasesInMemory()
    feeds = NodeFeeds(node, memory, node.finalized)
    feeds.read([FEED, OTHER], FINALIZED)
    node.requests = 0
    return feeds, memory


@pytest.fixture
def node() -> LiveNode:
    return LiveNode({FEED: [(10, A)], OTHER: [(10, B)]})


def test_read_live__nothing_changed__is_one_request_for_all_feeds(node: LiveNode) -> None:
    feeds, memory = _feeds(node)
    before = dict(memory.kept)

    found = feeds.read_live([FEED, OTHER], node.blocks(101, 130))

    assert found[FEED].phases[0] == Phase(0, A)
    assert [found[FEED].at_end_of(130), found[FEED].at_end_of(131)] == [A, ZERO_ADDRESS]
    assert node.requests == 1
    assert memory.kept == before


def test_read_live__aggregator_changes_inside__begins_at_the_block_where_it_did(node: LiveNode) -> None:
    feeds, memory = _feeds(node)
    before = dict(memory.kept)
    node.proxies[FEED] += [(117, B), (123, C)]

    found = feeds.read_live([FEED, OTHER], node.blocks(101, 130))

    assert found[FEED].phases == (Phase(0, A), Phase(117, B), Phase(123, C), Phase(131, ZERO_ADDRESS))
    assert found[OTHER].phases[:1] == (Phase(0, B),)
    assert memory.kept == before


def test_read_live__block_by_block__says_what_one_look_at_all_of_them_says(node: LiveNode) -> None:
    node.proxies[FEED] += [(117, B), (123, C)]
    step_by_step, _ = _feeds(node)
    at_once, _ = _feeds(node)

    for number in range(101, 131):
        found = step_by_step.read_live([FEED], node.blocks(number, number))

    assert found == at_once.read_live([FEED], node.blocks(101, 130))


def test_read_live__block_with_the_change_replaced__its_change_goes_with_it(node: LiveNode) -> None:
    feeds, _ = _feeds(node)
    node.proxies[FEED] += [(117, B)]
    feeds.read_live([FEED], node.blocks(101, 130))
    node.branch("other")
    node.proxies[FEED][1:] = [(125, C)]

    found = feeds.read_live([FEED], [*node.blocks(110, 131)])

    assert found[FEED].phases == (Phase(0, A), Phase(125, C), Phase(132, ZERO_ADDRESS))


def test_read_live__asked_at_a_block_that_was_replaced__is_gone(node: LiveNode) -> None:
    feeds, _ = _feeds(node)
    blocks = node.blocks(101, 130)
    node.branch("other")

    with pytest.raises(BlockGone):
        feeds.read_live([FEED], blocks)


def test_read_live__feed_that_answers_itself__is_looked_up_once_and_asked_no_more(node: LiveNode) -> None:
    feeds, _ = _feeds(node)
    feeds.read_live([PLAIN], node.blocks(101, 101))
    node.requests = 0

    found = feeds.read_live([PLAIN], node.blocks(102, 102))

    assert found[PLAIN].at_end_of(102) == PLAIN
    assert node.requests == 0


def test_read_live__all_live_blocks_each_time__are_halved_once(node: LiveNode) -> None:
    feeds, _ = _feeds(node)
    node.proxies[FEED] += [(117, B)]
    expected = feeds.read_live([FEED], node.blocks(101, 130))[FEED].phases[:2]
    node.requests = 0

    found = [feeds.read_live([FEED], node.blocks(101, last))[FEED] for last in (130, 131, 132)]

    assert [timeline.phases for timeline in found] == [
        (*expected, Phase(last + 1, ZERO_ADDRESS)) for last in (130, 131, 132)
    ]
    assert node.requests == 2  # one for each new block


def test_read_live__state_of_a_block_forgotten__is_a_hole_also_when_asked_again(node: LiveNode) -> None:
    feeds, _ = _feeds(node)
    node.forgets = True

    found = [feeds.read_live([FEED], node.blocks(101, 110))[FEED] for _ in range(2)]

    assert [timeline.at_end_of(110) for timeline in found] == [ZERO_ADDRESS, ZERO_ADDRESS]


def test_read_live__process_began_anew__looks_up_final_blocks_first(node: LiveNode) -> None:
    _, memory = _feeds(node)
    memory.remember(FEED, [replace(memory.phases(FEED)[0], known_to=50)])
    node.proxies[FEED] += [(70, B), (125, C)]
    again = NodeFeeds(node, memory, node.finalized)

    found = again.read_live([FEED], node.blocks(101, 130))

    assert found[FEED].phases == (Phase(0, A), Phase(70, B), Phase(125, C), Phase(131, ZERO_ADDRESS))
    assert memory.phases(FEED)[-1].known_to == FINALIZED


def test_read_live__change_between_what_is_known_and_the_first_block_asked__is_a_hole(node: LiveNode) -> None:
    feeds, _ = _feeds(node)
    node.proxies[FEED] += [(105, B), (125, C)]

    found = feeds.read_live([FEED], node.blocks(120, 130))

    assert found[FEED].phases == (
        Phase(0, A),
        Phase(101, ZERO_ADDRESS),
        Phase(120, B),
        Phase(125, C),
        Phase(131, ZERO_ADDRESS),
    )


def test_read_live__final_blocks_came_to_know_more__what_they_say_stands(node: LiveNode) -> None:
    feeds, memory = _feeds(node)
    feeds.read_live([FEED], node.blocks(101, 130))
    (known,) = memory.phases(FEED)
    memory.remember(FEED, [known, type(known)(101, 105, 2, B)])
    node.proxies[FEED] += [(101, B)]

    found = feeds.read_live([FEED], node.blocks(131, 131))

    assert [found[FEED].at_end_of(number) for number in (100, 101, 105, 131)] == [A, B, B, B]
