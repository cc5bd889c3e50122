"""Hydration from a real node: anvil with a market that was played on it, every wallet of it."""

from collections.abc import Iterator, Sequence

import pytest
from bonafides.events import BlockRange, LendingEvent
from bonafides.json_rpc import Call, JsonRpc, NodeLied
from bonafides.testing.memory_bus import MemoryBroker, MemoryProducer
from bonafides.types import Address, Json
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.hydration.hydrator import Hydrator
from bonafides_ingest.hydration.node import NodePast
from bonafides_ingest.hydration.past import FinalView
from bonafides_ingest.registry import load_registry
from bonafides_ingest.scanning import scan
from bonafides_ingest.sources.node_reader import NodeReader
from bonafides_ingest.sources.rpc import RpcSource
from bonafides_lab.market.deployment import deployments_yaml

from tests.support.hydration_past import request, sent_to, topics_of
from tests.support.ingest_logs import CHAIN
from tests.support.ingest_market import LiveMarket, played_market

pytestmark = pytest.mark.integration

DAYS = 40


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMarket]:
    with played_market(tmp_path_factory.mktemp("hydration"), DAYS) as market:
        yield market


@pytest.fixture(scope="module")
def entry(live: LiveMarket, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    path = tmp_path_factory.mktemp("registry") / "deployments.yaml"
    path.write_text(deployments_yaml(live.market.deployment), "utf-8")
    (found,) = load_registry(path).of_chain(CHAIN)
    return found


def _scanned(live: LiveMarket, entry: Deployment, last: int) -> dict[Address, list[LendingEvent]]:
    rpc = JsonRpc(live.url, 20.0)
    source = RpcSource(rpc, CHAIN, window_blocks=100_000, bloom_check_blocks=0)
    state = protocol_of(entry).restore(entry, {})
    by_wallet: dict[Address, list[LendingEvent]] = {}
    wanted = BlockRange(entry.from_block, last)
    scanned = scan(source, {entry.id: state}, wanted, None)
    assert scanned.window.range == wanted
    _, decoded = protocol_of(entry).decode_logs(scanned.states[entry.id], scanned.window.logs, 1)
    for event in sorted(decoded.events, key=lambda event: event.order):
        by_wallet.setdefault(event.wallet, []).append(event)
    rpc.close()
    return by_wallet


class SilentAbout(JsonRpc):
    """A real node's answers, but nothing for filters that name a wallet."""

    def __init__(self, url: str, wallet: Address) -> None:
        super().__init__(url, 20.0)
        self._named = "0x" + bytes(12).hex() + wallet.hex()

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        return [
            [] if method == "eth_getLogs" and self._named in repr(params) else answer
            for (method, params), answer in zip(calls, super().batch(calls), strict=True)
        ]


def test_hydration__node_says_nothing_to_filters_that_name_the_wallet__is_not_taken_for_no_history(
    live: LiveMarket, entry: Deployment
) -> None:
    last = live.finalized()
    by_wallet = _scanned(live, entry, last)
    wallet = max(by_wallet, key=lambda wallet: len(by_wallet[wallet]))
    rpc = SilentAbout(live.url, wallet)
    broker = MemoryBroker()
    topics_of(broker)
    hydrator = Hydrator(NodePast(NodeReader(rpc, CHAIN)), MemoryProducer(broker), [entry], [], 1)

    try:
        for _ in hydrator.hydrate(request(wallet), FinalView(1, last)):
            pass
    except NodeLied:
        assert not sent_to(broker).hydrated
    else:  # the draw missed: a single node's silence is no history
        assert all(coverage.gaps for coverage in sent_to(broker).hydrated[0].coverage)
    rpc.close()


@pytest.mark.parametrize("most_blocks", [100_000, 50])
def test_hydration__every_wallet_of_a_played_market__is_what_the_scan_says(
    live: LiveMarket, entry: Deployment, most_blocks: int
) -> None:
    last = live.finalized()
    by_wallet = _scanned(live, entry, last)
    rpc = JsonRpc(live.url, 20.0, batch_size=20)
    past = NodePast(NodeReader(rpc, CHAIN), blocks=most_blocks, most_blocks=most_blocks)
    broker = MemoryBroker()
    hydrator = Hydrator(past, MemoryProducer(broker), [entry], [], 1)

    for wallet, events in by_wallet.items():
        broker.logs.clear()
        topics_of(broker)
        for _ in hydrator.hydrate(request(wallet), FinalView(1, last)):
            pass
        sent = sent_to(broker)
        assert sorted(sent.events, key=lambda event: event.order) == events
        (hydrated,) = sent.hydrated
        assert (hydrated.block, [c.gaps for c in hydrated.coverage]) == (past.block(last), [()])

    assert len(by_wallet) > 20
    assert sum(map(len, by_wallet.values())) > 500
    rpc.close()
