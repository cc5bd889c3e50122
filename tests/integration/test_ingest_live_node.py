"""Live blocks of a real node (anvil): read by hash and proved, and what is said of them after a reorg."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from bonafides.events import BlockRange
from bonafides.json_rpc import JsonRpc, items, member, octets, quantity
from bonafides.types import Address, Json
from bonafides_ingest.chain import BlockGone
from bonafides_ingest.feeds import Phase
from bonafides_ingest.sources.feed_phases import NodeFeeds
from bonafides_ingest.sources.rpc import RpcSource
from bonafides_lab.market import methods
from bonafides_lab.market.anvil_chain import AnvilChain, anvil_under_control

from tests.support.feed_phases import PhasesInMemory, deploy_aggregator
from tests.support.ingest_logs import CHAIN, address
from tests.support.market_chains import anvil_from

pytestmark = pytest.mark.integration

START = 1_700_000_000


@dataclass
class _Live:
    """Two contracts that log, in blocks that are not final."""

    rpc: JsonRpc
    chain: AnvilChain
    source: RpcSource
    admin: Address
    feeds: tuple[Address, Address]
    time: int

    def block(self, *answers: tuple[Address, int]) -> int:
        """A block with these answers."""
        self.time += 12
        self.chain.open_block(self.time)
        for feed, answer in answers:
            self.chain.send(self.admin, feed, methods.SET_PRICE(answer))
        closed = self.chain.close_block()
        assert all(closed.succeeded)
        return closed.number

    def receipts(self, blocks: BlockRange) -> list[tuple[int, bytes, int, bytes]]:
        """The logs of these blocks as their receipts show them: block, its hash, place and bytes."""
        return [
            (
                quantity(member(log, "blockNumber")),
                octets(member(log, "blockHash")),
                quantity(member(log, "logIndex")),
                octets(member(log, "data")),
            )
            for number in range(blocks.first, blocks.last + 1)
            for receipt in items(self.rpc.call("eth_getBlockReceipts", hex(number)))
            for log in items(member(receipt, "logs"))
        ]


@pytest.fixture
def live() -> Iterator[_Live]:
    with anvil_from(START) as url, anvil_under_control(url) as chain:
        rpc, admin = JsonRpc(url, 10), address("admin")
        chain.fund([admin])
        chain.open_block(START + 12)
        feeds = deploy_aggregator(chain, admin, 1), deploy_aggregator(chain, admin, 2)
        assert all(chain.close_block().succeeded)
        source = RpcSource(rpc, CHAIN, window_blocks=100, bloom_check_blocks=100)
        yield _Live(rpc, chain, source, admin, feeds, START + 12)
        rpc.close()


def test_logs_of__blocks_of_a_real_node__are_those_of_its_receipts(live: _Live) -> None:
    first = live.block((live.feeds[0], 10), (live.feeds[0], 11))
    live.block()
    last = live.block((live.feeds[1], 12))
    blocks = BlockRange(first, last)

    tips = live.source.tips()
    headers = live.source.headers(blocks)
    logs = live.source.logs_of(headers, frozenset(live.feeds))
    of_one = live.source.logs_of(headers, frozenset(live.feeds[1:]))

    assert (tips.head, tips.finalized) == (headers[-1], 0)
    found = [(log.position.block.number, log.position.block.hash, log.position.log_index, log.payload) for log in logs]
    assert len(found) == 3
    assert found == live.receipts(blocks)
    assert of_one == logs[2:]


def test_live_blocks__replaced_in_a_reorg__are_gone_and_the_new_ones_are_read(live: _Live) -> None:
    first = live.block((live.feeds[0], 10))
    last = live.block((live.feeds[0], 11))
    old = live.source.headers(BlockRange(first, last))
    live.rpc.call("anvil_reorg", 2, _no_transactions())

    with pytest.raises(BlockGone):
        live.source.logs_of(old, frozenset(live.feeds))
    new = live.source.headers(BlockRange(first, last))

    assert new != old
    assert live.source.logs_of(new, frozenset(live.feeds)) == ()
    with pytest.raises(BlockGone):
        live.source.headers(BlockRange(first, last + 1))


def test_read_live__real_node__asks_by_hash_and_a_replaced_block_is_gone(live: _Live) -> None:
    first = live.block((live.feeds[0], 10))
    memory = PhasesInMemory()
    blocks = [header.ref for header in live.source.headers(BlockRange(first - 1, first))]

    found = NodeFeeds(live.rpc, memory, lambda: 0).read_live(live.feeds, blocks)
    live.rpc.call("anvil_reorg", 1, _no_transactions())

    assert [timeline.phases[0] for timeline in found.values()] == [Phase(0, feed) for feed in sorted(live.feeds)]
    assert not any(memory.kept.values())
    with pytest.raises(BlockGone):
        NodeFeeds(live.rpc, memory, lambda: 0).read_live(live.feeds, blocks)


def _no_transactions() -> Json:
    return []
