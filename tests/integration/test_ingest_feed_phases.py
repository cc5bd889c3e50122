"""Prices through Chainlink's own proxy, aggregator after aggregator: at every block what Aave's oracle says.

The chain is anvil, the market real Aave V3, the proxy `EACAggregatorProxy` of @chainlink/contracts@0.1.7.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest
from bonafides.events import BlockRange, MarketPoint
from bonafides.json_rpc import JsonRpc
from bonafides.types import ZERO_DIGEST, Address, MarketPointKind, address_text
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.feeds import FeedTimelines, KnownPhase, ListedFeed, PhaseMemory
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.reading import read_deployments
from bonafides_ingest.registry import load_registry
from bonafides_ingest.sources.feed_phases import NodeFeeds
from bonafides_ingest.sources.rpc import RpcSource
from bonafides_lab.market import methods
from bonafides_lab.market.anvil_chain import AnvilChain, anvil_under_control, calls_at
from bonafides_lab.market.calldata import Method, words
from bonafides_lab.market.deployment import deploy_market, deployments_yaml
from bonafides_scoring.market import market_view
from bonafides_scoring.wallet_state import AssetKey

from tests.support.feed_phases import (
    CONFIRM,
    NO_ACCESS_CONTROLLER,
    PROPOSE,
    ForgetfulNode,
    PhasesInMemory,
    asset_source,
    deploy,
    deploy_aggregator,
    proxy_artifact_or_skip,
)
from tests.support.market_chains import aave_artifacts_or_skip, anvil_from

pytestmark = pytest.mark.integration

START = 1_700_000_000
BLOCK_S = 60
USD = 10**8
ASSET_PRICE = Method("getAssetPrice(address)")


@dataclass
class _World:
    """A chain on which everything has happened, and what its oracle said at each block."""

    url: str
    entry: Deployment
    asset: Address
    proxy: Address
    aggregators: tuple[Address, ...]
    changes: tuple[int, ...]
    """The blocks in which the second and third aggregator were confirmed."""
    first: int
    """First block in which the oracle asks the proxy."""
    head: int
    truth: Mapping[int, int]

    def source(self, rpc: JsonRpc | None = None) -> RpcSource:
        return RpcSource(rpc or JsonRpc(self.url, 10), self.entry.chain_id, window_blocks=10_000, bloom_check_blocks=0)

    def feeds(self, rpc: JsonRpc, memory: PhaseMemory, bound_s: int = 0) -> NodeFeeds:
        return NodeFeeds(rpc, memory, lambda: 0, {self.proxy: ListedFeed(bound_s)})

    def points(self, source: RpcSource, feeds: FeedTimelines, window_blocks: int) -> list[MarketPoint]:
        """Read from the first block to the head, and started anew before each window."""
        protocol, parent, facts = AaveV3(), None, AaveV3().restore(self.entry, {}).facts()
        found: list[MarketPoint] = []
        for first in range(1, self.head + 1, window_blocks):
            state = protocol.restore(self.entry, facts)
            wanted = BlockRange(first, min(first + window_blocks - 1, self.head))
            read = read_deployments(source, {self.entry.id: state}, wanted, parent, feeds, 1)
            found += [point for part in read.decoded for point in part.points]
            facts, parent = read.states[self.entry.id].facts(), read.window.last
        return found

    def prices(self, points: Sequence[MarketPoint]) -> dict[int, int | None]:
        """The asset's price as of each block; None where it is unknown."""
        source, key = self.source(), AssetKey(self.entry.id, self.asset)
        blocks = source.blocks(BlockRange(self.first, self.head))
        views = {block.number: market_view(points, block).reserves for block in blocks}
        return {number: reserves[key].price if key in reserves else None for number, reserves in views.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_World]:
    artifacts, proxy_code = aave_artifacts_or_skip(), proxy_artifact_or_skip()
    with anvil_from(START) as url, anvil_under_control(url) as chain:
        market = deploy_market(chain, artifacts, seed=1, start_timestamp=START + 60, start_prices=[3_000 * USD] * 4)
        chain.fund([market.admin])
        asset, admin = market.reserves[0].token, market.admin
        time = market.ready_timestamp

        def block(*sent: tuple[Address, bytes]) -> int:
            nonlocal time
            time += BLOCK_S
            chain.open_block(time)
            for to, calldata in sent:
                chain.send(admin, to, calldata)
            closed = chain.close_block()
            assert all(closed.succeeded)
            return closed.number

        time += BLOCK_S
        chain.open_block(time)
        old = deploy_aggregator(chain, admin, 2_000 * USD)
        new = deploy_aggregator(chain, admin, 1_900 * USD)
        last = deploy_aggregator(chain, admin, 1_700 * USD)
        proxy = deploy(chain, admin, proxy_code, address_text(old), NO_ACCESS_CONTROLLER)
        assert all(chain.close_block().succeeded)

        def answer(aggregator: Address, usd: int) -> tuple[Address, bytes]:
            return aggregator, methods.SET_PRICE(usd * USD)

        supply = methods.SUPPLY(asset, 10**18, admin, 0)  # from then on the reserve has an index, and can be valued
        approval = methods.APPROVE(market.pool, 10**18)
        block((asset, methods.MINT(10**18)), (asset, approval), (market.pool, supply))
        first = block((market.oracle, asset_source(asset, proxy)))
        block(answer(old, 2_100))
        block(answer(new, 1_950))  # nobody asks it yet
        block((proxy, PROPOSE(new)))
        block(answer(old, 2_200))
        changed = block(answer(old, 2_250), (proxy, CONFIRM(new)))  # the block ends with 1,950
        block(answer(old, 9_999))  # nobody asks it any more
        block()
        block(answer(new, 1_800))
        block((proxy, PROPOSE(last)))
        changed_again = block((proxy, CONFIRM(last)), answer(last, 1_650), answer(new, 1))
        block(answer(new, 2))
        block(answer(last, 1_600))
        for _ in range(3):
            head = block()

        path = tmp_path_factory.mktemp("registry") / "deployments.yaml"
        path.write_text(deployments_yaml(market), "utf-8")
        (entry,) = load_registry(path).of_chain(market.chain_id)
        truth = _asked(chain, market.oracle, asset, range(first, head + 1))
        yield _World(url, entry, asset, proxy, (old, new, last), (changed, changed_again), first, head, truth)


def _asked(chain: AnvilChain, oracle: Address, asset: Address, blocks: range) -> dict[int, int]:
    request = [(oracle, ASSET_PRICE(asset))]
    return {number: words(calls_at(chain.rpc, request, hex(number))[0])[0] for number in blocks}


def test_world__the_oracle_itself__goes_through_the_phases(world: _World) -> None:
    change, second = world.changes

    assert [world.truth[number] // USD for number in (change - 1, change, change + 1)] == [2_200, 1_950, 1_950]
    assert [world.truth[number] // USD for number in (second - 1, second, world.head)] == [1_800, 1_650, 1_600]


@pytest.mark.parametrize("window_blocks", [1, 3, 10_000])
def test_prices__proxy_through_two_changes__are_the_oracles_at_every_block(world: _World, window_blocks: int) -> None:
    memory, rpc = PhasesInMemory(), JsonRpc(world.url, 10)

    points = world.points(world.source(), world.feeds(rpc, memory), window_blocks)

    assert world.prices(points) == world.truth
    assert [(phase.from_block, phase.aggregator) for phase in memory.kept[world.proxy][1:]] == list(
        zip(world.changes, world.aggregators[1:], strict=True)
    )


def test_points__a_change_that_no_log_tells__stand_at_the_end_of_their_block(world: _World) -> None:
    points = world.points(world.source(), world.feeds(JsonRpc(world.url, 10), PhasesInMemory()), 10_000)

    at_ends = [point for point in points if point.position.tx_hash == ZERO_DIGEST]
    assert [(p.kind, p.asset, p.position.block.number, p.values) for p in at_ends] == [
        (MarketPointKind.PRICE, world.asset, world.changes[0], (1_950 * USD,)),
        (MarketPointKind.PRICE, world.asset, world.changes[1], (1_650 * USD,)),
    ]


@pytest.mark.parametrize("window_blocks", [1, 4, 10_000])
def test_points__however_the_chain_is_cut_into_windows__are_the_same(world: _World, window_blocks: int) -> None:
    rpc = JsonRpc(world.url, 10)
    whole = world.points(world.source(), world.feeds(rpc, PhasesInMemory()), 10_000)

    assert world.points(world.source(), world.feeds(rpc, PhasesInMemory()), window_blocks) == whole


def test_points__replayed_on_a_node_without_archive__are_the_same_from_memory(world: _World) -> None:
    memory = PhasesInMemory()
    first_time = world.points(world.source(), world.feeds(JsonRpc(world.url, 10), memory), 5)
    forgetful = ForgetfulNode(world.url, oldest_state=world.head + 1)

    assert world.points(world.source(forgetful), world.feeds(forgetful, memory), 7) == first_time


def test_prices__node_without_archive_and_nothing_known__unknown_and_never_wrong(world: _World) -> None:
    oldest = world.changes[0] + 1
    forgetful = ForgetfulNode(world.url, oldest_state=oldest)

    points = world.points(world.source(forgetful), world.feeds(forgetful, PhasesInMemory()), 10_000)

    assert world.prices(points) == {
        number: price if number >= oldest else None for number, price in world.truth.items()
    }


def test_prices__answer_older_than_the_feeds_bound__is_unknown(world: _World) -> None:
    feeds = world.feeds(JsonRpc(world.url, 10), PhasesInMemory(), bound_s=2 * BLOCK_S)

    prices = world.prices(world.points(world.source(), feeds, 10_000))

    # The latest answer came three blocks before the head.
    assert [prices[world.head - back] for back in (3, 2, 1, 0)] == [1_600 * USD, 1_600 * USD, 1_600 * USD, None]


def test_last_block__known_phases__reach_the_head(world: _World) -> None:
    memory = PhasesInMemory()
    world.points(world.source(), world.feeds(JsonRpc(world.url, 10), memory), 10_000)

    newest = memory.kept[world.proxy][-1]
    assert newest == KnownPhase(world.changes[1], world.head, 3, world.aggregators[2])
