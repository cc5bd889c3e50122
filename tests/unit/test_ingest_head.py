"""The head is followed over providers that are wrong now and then: nothing stands still, and nothing stops for good."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, ClassVar, cast
from uuid import uuid4

import pytest
from bonafides.errors import Unavailable
from bonafides.json_rpc import NodeLied
from bonafides.testing.memory_bus import MemoryBroker, MemoryProducer
from bonafides.types import BlockRef
from bonafides_ingest import metrics
from bonafides_ingest.boundaries import BoundaryPace
from bonafides_ingest.chain import BlockGone, ChainTips, Header, LiveSource
from bonafides_ingest.chain_stores import ChainStores
from bonafides_ingest.feeds import DirectFeeds
from bonafides_ingest.final_blocks import FinalReader
from bonafides_ingest.head import HeadFollower
from bonafides_ingest.indexer import Indexer
from bonafides_ingest.lease import Lease
from bonafides_ingest.live import LiveChain
from bonafides_ingest.live_store import LiveStore
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.pressure import NoPressure
from bonafides_ingest.sending import Sender
from bonafides_ingest.sources.providers.choosing import TIMES_GONE
from bonafides_ingest.store import FlushedWindow, Store

from tests.support.ingest_logs import CHAIN, block_at
from tests.support.ingest_providers import HandClock, World, world

pytestmark = pytest.mark.unit


class _Ring:
    """`LiveStore` of a lease that nobody else wants."""

    def append(self, lease: Lease, headers: Sequence[Header], partitions: frozenset[int]) -> Lease:
        return lease

    def rewind(self, lease: Lease, above: int, partitions: frozenset[int]) -> Lease:
        return replace(lease, epoch=lease.epoch + 1)

    def graduate(self, lease: Lease, windows: Sequence[FlushedWindow], *_: object) -> Lease:
        return replace(lease, final_number=windows[-1].last.number)


@dataclass
class Following:
    """A world whose head is followed from the final block 50 on, with no deployments."""

    world: World
    head: HeadFollower = field(init=False)
    lease: Lease = field(init=False)

    def __post_init__(self) -> None:
        w = self.world
        options = IndexerOptions(CHAIN, (), 1, 10, BoundaryPace(1, 60.0), 1)
        sender = Sender(MemoryProducer(MemoryBroker()), NoPressure())
        self.head = HeadFollower(options, w.providers, DirectFeeds(), sender, cast(LiveStore, _Ring()), w.clock)
        self.head.live = LiveChain(block_at(50), {}, 1)
        self.lease = Lease(uuid4(), 1, None, frozenset(), 50)

    def turn(self, blocks: int = 1) -> None:
        """Time goes by, the chain grows, and one turn is made."""
        self.world.clock.move(12.0)
        for node in self.world.nodes.values():
            node.chain.head += blocks
        tips = self.world.providers.tips()
        self.lease = self.head.read(self.lease, tips)
        self.lease = self.head.graduate(self.lease, tips.finalized)

    @property
    def top(self) -> int:
        """The newest block that was read."""
        return self.head.following().top.number


@dataclass
class _Reorg:
    """The block of this number is another one than before, and the next one stands on it."""

    number: int

    def __call__(self, truth: Any, _: list[Any]) -> Any:
        if truth and truth["number"] == hex(self.number):
            return truth | {"hash": OTHER}
        return truth | {"parentHash": OTHER} if truth and truth["number"] == hex(self.number + 1) else truth


OTHER = "0x" + "77" * 32


def _tags_at(number: int) -> Any:
    """Calls a block that it does not have its head, and final."""
    far = {"number": hex(number), "hash": "0x" + "33" * 32}
    return lambda truth, params: truth | far if params[0] in ("finalized", "latest") else truth


def test_read__one_wrong_tip_of_the_only_provider_and_later_a_reorg__nothing_stops() -> None:
    w = world("only")
    w.providers.tips()
    node = w.nodes["only"]
    node.lies["eth_getBlockByNumber"] = _tags_at(450)
    with suppress(Unavailable):
        w.providers.tips()
    node.lies.clear()
    following = Following(w)
    for _ in range(10):
        with suppress(Unavailable):
            following.turn()

    assert following.lease.final_number == node.chain.head == 60
    node.lies["eth_getBlockByNumber"] = _Reorg(node.chain.head + node.live_blocks)
    node.live_blocks += 1
    for _ in range(2):
        following.turn(blocks=0)

    assert following.lease.epoch == 2
    assert following.top == 63


@pytest.mark.parametrize("names", [("bad", "honest"), ("bad",)])
def test_read__next_block_names_another_parent_than_ours_which_is_still_there__is_a_lie(
    names: tuple[str, ...],
) -> None:
    w = world(*names)
    w.nodes["bad"].lies["eth_getBlockByNumber"] = lambda truth, _: (
        truth | {"parentHash": OTHER} if truth and truth["number"] == hex(54) else truth
    )
    following = Following(w)
    following.turn()
    assert following.top == 53

    if len(names) == 1:
        with pytest.raises(NodeLied, match="does not stand on the one below it"):
            following.turn()
        assert following.top == 53
        return
    following.turn()

    assert following.top == 54
    assert following.lease.epoch == 1
    w.providers.tips()
    assert metrics.PROVIDER_STATE.labels("bad", "benched")._value.get() == 1


def test_read__newest_block_was_replaced_and_the_chain_goes_on_from_the_other__is_a_reorg_and_no_lie() -> None:
    w = world("a", "b")
    following = Following(w)
    following.turn()
    for node in w.nodes.values():
        node.lies["eth_getBlockByNumber"] = _Reorg(53)

    following.turn()  # takes 53 back
    following.turn()

    assert (following.top, following.lease.epoch) == (55, 2)


def test_read__head_of_the_first_is_always_above_what_it_has__the_second_is_asked() -> None:
    w = world("bad", "honest")
    following = Following(w)
    following.turn()
    bad = w.nodes["bad"]

    def ahead(truth: Any, params: list[Any]) -> Any:
        return bad._header(bad.chain.head + bad.live_blocks + 1) if params[0] == "latest" else truth

    bad.lies["eth_getBlockByNumber"] = ahead
    behind = []
    for _ in range(60):
        with suppress(BlockGone):
            following.turn()
        behind.append(bad.chain.head + bad.live_blocks - following.top)

    assert max(behind) < 2 * TIMES_GONE
    assert behind.count(0) > 20


class _Node:
    """`LiveSource`, as far as its tips go."""

    def __init__(self) -> None:
        self.head = block_at(100)

    def tips(self) -> ChainTips:
        return ChainTips(Header(self.head, block_at(99).hash), 50)


def _looking(node: _Node, clock: HandClock) -> Indexer:
    nothing: Any = None
    stores = cast(ChainStores, SimpleNamespace(ring=None))
    source = cast(LiveSource, node)
    indexer = Indexer(nothing, uuid4(), source, nothing, stores, clock, head_source=source)
    indexer._look_at_node()
    return indexer


def _last_seen(indexer: Indexer) -> tuple[float, float]:
    assert indexer._head is not None
    return indexer._head.seen_at, metrics.NODE_ADVANCED._value.get()


def test_look_at_node__another_block_of_the_same_height__is_seen_now() -> None:
    node, clock = _Node(), HandClock()
    indexer = _looking(node, clock)
    clock.move(10)

    node.head = block_at(100, branch="other")
    indexer._look_at_node()

    assert _last_seen(indexer) == (clock.now(), clock.now())


def test_look_at_node__the_same_block_again__was_seen_when_it_came() -> None:
    node, clock = _Node(), HandClock()
    indexer = _looking(node, clock)
    came = clock.now()

    clock.move(10)
    indexer._look_at_node()

    assert _last_seen(indexer)[0] == came


def test_look_at_node__one_head_far_too_high__the_next_blocks_are_seen_as_they_come() -> None:
    node, clock = _Node(), HandClock()
    indexer = _looking(node, clock)
    node.head = block_at(500)
    indexer._look_at_node()

    clock.move(12)
    node.head = block_at(101)
    indexer._look_at_node()

    assert _last_seen(indexer) == (clock.now(), clock.now())


def test_check_ground__node_does_not_have_the_block_that_it_calls_final__is_unavailable() -> None:
    class Source:
        asked: ClassVar[list[int]] = []

        def block(self, number: int) -> BlockRef:
            self.asked.append(number)
            raise Unavailable("no such block")

    nothing: Any = None
    store = cast(Store, SimpleNamespace(newest_final=lambda: None))
    source = cast(LiveSource, Source())
    reader = FinalReader(nothing, uuid4(), source, nothing, nothing, nothing, store, HandClock())

    for _ in range(2):  # it is not remembered as ground
        with pytest.raises(Unavailable, match="no such block"):
            reader.check_ground(450)
    assert Source.asked == [450, 450]
