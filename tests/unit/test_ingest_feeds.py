"""Who answers for a price feed: timelines, and what is asked of a node that may have forgotten."""

from collections.abc import Sequence

import pytest
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.events import BlockRange
from bonafides.hashing import keccak
from bonafides.json_rpc import Call, JsonRpc, NodeRefused
from bonafides.types import ZERO_ADDRESS, Address, Json
from bonafides_ingest.chain import StillLooking
from bonafides_ingest.feeds import FeedList, KnownPhase, ListedFeed, ListedFeeds, Phase, Timeline, timeline_of
from bonafides_ingest.sources.feed_phases import NodeFeeds
from bonafides_ingest.sources.providers.refusals import RateLimited
from hypothesis import given
from hypothesis import strategies as st

from tests.support.feed_phases import PhasesInMemory

pytestmark = pytest.mark.unit


def address(name: str) -> Address:
    return Address(keccak(name.encode())[12:])


FEED, A, B, C = (address(name) for name in ("feed", "a", "b", "c"))


GONE = NodeRefused("eth_call", -32000, "missing trie node 1f00 (path ) state 0x00 is not available")


class ProxyNode(JsonRpc):
    """A node with one proxy, whose phases begin at given blocks. It holds state from `oldest_state` on."""

    def __init__(self, phases: Sequence[tuple[int, Address]], head: int, oldest_state: int = 0) -> None:
        super().__init__("http://node.invalid", 1.0)
        self.begun, self.head, self.oldest_state = list(phases), head, oldest_state
        self.refusal: NodeRefused | None = None
        self.asked: list[int] = []
        self.answers_with_nothing = False
        self.requests = 0
        self.failures: dict[int, NodeRefused] = {}
        """By the number of the request."""
        self.gone = GONE

    def finalized(self) -> int:
        return self.head

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        self.requests += 1
        if self.requests in self.failures:
            raise self.failures[self.requests]
        answers: list[Json] = []
        for method, (call, block) in calls:
            number = int(str(block), 16)
            assert number <= self.head
            if self.refusal:
                raise self.refusal
            if number < self.oldest_state:
                raise self.gone
            begun = [aggregator for first, aggregator in self.begun if first <= number]
            if method == "eth_getCode":
                answers.append("0x60" if begun else "0x")
                continue
            assert method == "eth_call"
            assert isinstance(call, dict)
            is_phase = call["data"] == "0x" + keccak(b"phaseId()")[:4].hex()
            self.asked += [number] if is_phase else []
            if not begun or self.answers_with_nothing:
                answers.append("0x")
            else:
                word = len(begun).to_bytes(32) if is_phase else bytes(12) + begun[-1]
                answers.append("0x" + word.hex())
        return answers


def phases_of(node: ProxyNode, memory: PhasesInMemory | None = None, last: int = 0) -> tuple[Phase, ...]:
    feeds = NodeFeeds(node, memory or PhasesInMemory(), node.finalized)
    return feeds.read([FEED], last or node.head)[FEED].phases


def test_timeline__blocks_around_a_change__the_new_one_answers_from_its_end_on() -> None:
    timeline = Timeline((Phase(100, A), Phase(200, B)))

    assert [timeline.at_end_of(block) for block in (99, 100, 199, 200)] == [ZERO_ADDRESS, A, A, B]
    assert timeline.changes(BlockRange(101, 200)) == (Phase(200, B),)
    assert timeline.aggregators == {A, B}


def test_timeline__phases_out_of_order__is_an_invariant_violation() -> None:
    with pytest.raises(InvariantViolation):
        Timeline((Phase(200, A), Phase(200, B)))


def test_timeline_of__hole_between_phases__nobody_answers_in_it() -> None:
    timeline = timeline_of([KnownPhase(10, 20, 1, A), KnownPhase(30, 40, 2, B)], 60)

    assert [timeline.at_end_of(block) for block in (20, 21, 29, 30, 40, 41)] == [
        A, ZERO_ADDRESS, ZERO_ADDRESS, B, B, ZERO_ADDRESS
    ]  # fmt: skip


def test_node_feeds__first_phase_still_holds__is_known_since_the_proxy_was_made_by_one_question() -> None:
    node = ProxyNode([(50, A)], head=1_000_000, oldest_state=999_900)  # no archive needed: phaseId 1 never changed

    assert phases_of(node) == (Phase(0, A), Phase(1_000_001, ZERO_ADDRESS))
    assert node.asked == [1_000_000]


def test_node_feeds__changed_twice__finds_the_exact_blocks() -> None:
    node = ProxyNode([(50, A), (123_456, B), (123_457, C)], head=1_000_000)

    found = phases_of(node)

    assert found == (Phase(50, A), Phase(123_456, B), Phase(123_457, C), Phase(1_000_001, ZERO_ADDRESS))
    assert len(node.asked) < 70  # three times log2 of a million


def test_node_feeds__asked_again_below__asks_the_node_no_more() -> None:
    node, memory = ProxyNode([(50, A), (500, B)], head=1_000), PhasesInMemory()
    first = phases_of(node, memory, last=200)
    node.asked.clear()

    assert phases_of(node, memory, last=900) == first
    assert node.asked == []


def test_node_feeds__chain_went_on_with_a_change__follows_it_from_what_it_knew() -> None:
    node, memory = ProxyNode([(50, A), (500, B)], head=1_000), PhasesInMemory()
    phases_of(node, memory)
    node.head, node.begun, node.oldest_state = 2_000, [*node.begun, (1_700, C)], 1_000
    node.asked.clear()

    assert phases_of(node, memory) == (Phase(50, A), Phase(500, B), Phase(1_700, C), Phase(2_001, ZERO_ADDRESS))
    assert min(node.asked) > 1_000


def test_node_feeds__state_of_old_blocks_gone__nobody_answers_in_them() -> None:
    node = ProxyNode([(50, A), (500, B)], head=1_000, oldest_state=900)

    assert phases_of(node) == (Phase(900, B), Phase(1_001, ZERO_ADDRESS))


def test_node_feeds__state_gone_since_it_was_followed__leaves_a_hole_and_no_guess() -> None:
    node, memory = ProxyNode([(50, A), (500, B)], head=1_000), PhasesInMemory()
    phases_of(node, memory)
    node.head, node.begun, node.oldest_state = 3_000, [*node.begun, (1_500, C)], 2_900

    assert phases_of(node, memory) == (
        Phase(50, A), Phase(500, B), Phase(1_001, ZERO_ADDRESS), Phase(2_900, C), Phase(3_001, ZERO_ADDRESS)
    )  # fmt: skip


def test_node_feeds__what_was_found_with_an_archive__a_node_without_one_says_too() -> None:
    memory = PhasesInMemory()
    found = phases_of(ProxyNode([(50, A), (500, B)], head=1_000), memory)

    assert phases_of(ProxyNode([(50, A), (500, B)], head=1_000, oldest_state=990), memory) == found


def test_node_feeds__contract_without_phases__answers_itself() -> None:
    node = ProxyNode([], head=1_000)
    node.refusal = NodeRefused("eth_call", 3, "execution reverted")

    assert phases_of(node) == (Phase(0, FEED), Phase(1_001, ZERO_ADDRESS))


def test_node_feeds__no_contract_yet__knows_nothing_and_keeps_nothing() -> None:
    memory = PhasesInMemory()

    assert phases_of(ProxyNode([(2_000, A)], head=1_000), memory) == ()
    assert memory.kept == {}


def test_node_feeds__contract_that_answers_unknown_calls_with_nothing__answers_for_itself() -> None:
    node = ProxyNode([(0, A)], head=1_000)
    node.answers_with_nothing = True

    assert phases_of(node)[0] == Phase(0, FEED)


def test_node_feeds__rate_limited__is_unavailable_and_no_hole() -> None:
    node, memory = ProxyNode([(50, A)], head=1_000), PhasesInMemory()
    node.refusal = NodeRefused("eth_call", -32005, "rate limit exceeded")

    with pytest.raises(RateLimited):
        phases_of(node, memory)
    node.refusal = NodeRefused("eth_call", -32603, "internal error")
    with pytest.raises(Unavailable):
        phases_of(node, memory)
    assert memory.kept == {}


@pytest.mark.parametrize("failing_call", range(1, 22))
def test_node_feeds__header_not_found_once__is_unavailable_and_no_hole(failing_call: int) -> None:
    node, memory = ProxyNode([(50, A), (500_000, B)], head=1_000_000), PhasesInMemory()
    node.failures[failing_call] = NodeRefused("eth_call", -32000, "header not found")

    with pytest.raises(Unavailable):
        phases_of(node, memory)

    assert memory.kept == {}
    assert phases_of(node, memory) == (Phase(50, A), Phase(500_000, B), Phase(1_000_001, ZERO_ADDRESS))


@pytest.mark.parametrize("failing_call", range(1, 22))
def test_node_feeds__one_node_of_several_has_no_archive__the_second_answer_counts(failing_call: int) -> None:
    node = ProxyNode([(50, A), (500_000, B)], head=1_000_000)
    node.failures[failing_call] = GONE

    assert phases_of(node) == (Phase(50, A), Phase(500_000, B), Phase(1_000_001, ZERO_ADDRESS))


@pytest.mark.parametrize(
    "message",
    [
        "missing trie node 1f00 (path ) state 0x00 is not available, not found",
        "required historical state unavailable (reexec=128)",
        "historical state 1f00 is not available",
        "historical state is not available",
        "state 0x1f00 is not available",
        "state at block #17 is pruned",
        "No state available for block 17 (0x1f00)",
        "old data not available due to pruning: requested block 17",
        "pruned history unavailable",
        "World state unavailable",
        "project ID does not have access to archive state",
        "Archive requests require a personal token",
    ],
)
def test_node_feeds__what_nodes_say_without_the_state__is_a_hole(message: str) -> None:
    node = ProxyNode([(50, A), (500, B)], head=1_000, oldest_state=900)
    node.gone = NodeRefused("eth_call", -32000, message)

    assert phases_of(node) == (Phase(900, B), Phase(1_001, ZERO_ADDRESS))


@pytest.mark.parametrize(
    "message",
    [
        "header not found",
        "block not found",
        "internal error: bad state",
        "state sync is running",
        "see our history page",
    ],
)
def test_node_feeds__other_words_with_state_or_history_in_them__are_no_hole(message: str) -> None:
    node, memory = ProxyNode([(50, A), (500, B)], head=1_000, oldest_state=900), PhasesInMemory()
    node.gone = NodeRefused("eth_call", -32000, message)

    with pytest.raises(Unavailable):
        phases_of(node, memory)
    assert memory.kept == {}


def test_node_feeds__hole_and_the_state_comes_back__is_filled_behind_what_was_told() -> None:
    node, memory = ProxyNode([(50, A), (500, B)], head=1_000, oldest_state=900), PhasesInMemory()
    feeds = NodeFeeds(node, memory, node.finalized)
    first = feeds.read([FEED], 100)[FEED]
    node.oldest_state = 0

    second = feeds.read([FEED], 200)[FEED]

    assert first.phases == (Phase(900, B), Phase(1_001, ZERO_ADDRESS))
    assert second.phases == (Phase(101, A), Phase(500, B), Phase(1_001, ZERO_ADDRESS))
    assert second.at_end_of(100) == ZERO_ADDRESS  # what was told stands
    assert second.changes(BlockRange(101, 200)) == (Phase(101, A),)  # so that the price is said at once
    assert feeds.read([FEED], 300)[FEED] == second
    assert NodeFeeds(node, memory, node.finalized).read([FEED], 100)[FEED] == second  # and a replay says it, too


def test_node_feeds__hole_between_phases_and_the_state_comes_back__goes_on_without_a_seam() -> None:
    node, memory = ProxyNode([(50, A), (500, B)], head=1_000), PhasesInMemory()
    memory.kept[FEED] = (KnownPhase(50, 300, 1, A), KnownPhase(700, 1_000, 2, B))
    feeds = NodeFeeds(node, memory, node.finalized)
    feeds.read([FEED], 300)

    assert feeds.read([FEED], 310)[FEED].phases == (Phase(50, A), Phase(500, B), Phase(1_001, ZERO_ADDRESS))
    assert memory.kept[FEED] == (KnownPhase(50, 499, 1, A), KnownPhase(500, 1_000, 2, B))


def test_node_feeds__more_requests_than_a_turn_has__goes_on_with_other_feeds_in_the_next() -> None:
    node, memory = ProxyNode([(50, A), (500, B)], head=1_000), PhasesInMemory()
    names = [address(f"feed {number}") for number in range(5)]
    feeds = NodeFeeds(node, memory, node.finalized, most_requests=5)
    for turn in range(1, 5):
        with pytest.raises(StillLooking):
            feeds.read(names, 1_000)
        assert len(memory.kept) == turn

    found = feeds.read(names, 1_000)

    assert {timeline.phases for timeline in found.values()} == {phases_of(node)}
    node.head = 1_001  # one question for each feed that did not change is no search
    assert len(feeds.read(names, 1_001)) == 5


def test_node_feeds__hole_that_stays__is_asked_about_ever_more_rarely() -> None:
    node, memory = ProxyNode([(50, A), (500, B)], head=1_000, oldest_state=900), PhasesInMemory()
    feeds = NodeFeeds(node, memory, node.finalized)
    feeds.read([FEED], 100)
    before = node.requests

    for last in range(101, 229):
        assert feeds.read([FEED], last)[FEED].phases == (Phase(900, B), Phase(1_001, ZERO_ADDRESS))

    assert node.requests - before == 2 * 8  # at windows 1, 2, 4 … 128, each twice


def test_node_feeds__newest_block_s_state_gone_for_a_while__price_is_unknown_just_as_long() -> None:
    node, memory = ProxyNode([(50, A)], head=1_000), PhasesInMemory()
    feeds = NodeFeeds(node, memory, node.finalized)
    feeds.read([FEED], 1_000)
    node.head, node.oldest_state = 1_100, 1_101
    gone = feeds.read([FEED], 1_100)[FEED]
    node.head, node.oldest_state = 1_200, 1_150

    back = feeds.read([FEED], 1_200)[FEED]

    assert [gone.at_end_of(block) for block in (1_000, 1_001, 1_100)] == [A, ZERO_ADDRESS, ZERO_ADDRESS]
    assert [back.at_end_of(block) for block in (1_000, 1_001, 1_149, 1_150)] == [A, ZERO_ADDRESS, ZERO_ADDRESS, A]
    assert back.changes(BlockRange(1_101, 1_200)) == (Phase(1_150, A),)


@given(
    begun=st.lists(st.integers(1, 300), unique=True, max_size=6).map(sorted),
    heads=st.lists(st.integers(1, 300), min_size=1, max_size=5).map(sorted),
    data=st.data(),
)
def test_node_feeds__any_history_followed_in_any_steps__says_the_truth_or_nothing(
    begun: list[int], heads: list[int], data: st.DataObject
) -> None:
    aggregators = [address(f"aggregator {number}") for number in range(len(begun))]
    node, memory = ProxyNode(list(zip(begun, aggregators, strict=True)), head=0), PhasesInMemory()
    truth, forgotten = Timeline(tuple(Phase(*phase) for phase in node.begun)), 0
    for head in heads:
        node.head, node.oldest_state = head, data.draw(st.integers(0, head))
        forgotten = max(forgotten, node.oldest_state)  # a hole stays one, so that a replay says the same
        timeline = Timeline(phases_of(node, memory))

        for block in range(head + 1):
            said = timeline.at_end_of(block)
            before_birth = not begun or block < begun[0]
            assert said in (ZERO_ADDRESS, truth.at_end_of(block)) or before_birth
            if block >= forgotten:
                assert said == truth.at_end_of(block) or before_birth


def test_listed_feeds__nothing_found_out__takes_the_registry_s_word() -> None:
    listed = {FEED: ListedFeed(3_600, (Phase(10, A), Phase(20, B)))}

    found = ListedFeeds(listed, PhasesInMemory()).read([FEED, C], 100)

    assert found[FEED] == Timeline((Phase(10, A), Phase(20, B)), 3_600)
    assert found[C] == Timeline.direct(C)


def test_node_feeds__registry_knows_the_phases__needs_no_archive_for_them() -> None:
    node = ProxyNode([(50, A), (500, B)], head=1_000, oldest_state=400)
    feeds = NodeFeeds(node, PhasesInMemory(), node.finalized, {FEED: ListedFeed(60, (Phase(50, A), Phase(500, B)))})

    timeline = feeds.read([FEED], 1_000)[FEED]

    assert [timeline.at_end_of(block) for block in (50, 499, 500, 1_000)] == [A, A, B, B]
    assert timeline.max_age_s == 60


@pytest.mark.parametrize("listed", [{}, {FEED: ListedFeed(60)}])
def test_feeds__not_listed__have_the_default_bound(listed: dict[Address, ListedFeed]) -> None:
    node, told = ProxyNode([(50, A)], head=1_000), FeedList(listed, 90_000)

    from_node = NodeFeeds(node, PhasesInMemory(), node.finalized, told).read([FEED, C], 1_000)
    from_list = ListedFeeds(told, PhasesInMemory()).read([FEED, C], 1_000)

    for found in (from_node, from_list):
        assert (found[FEED].max_age_s, found[C].max_age_s) == (60 if listed else 90_000, 90_000)
