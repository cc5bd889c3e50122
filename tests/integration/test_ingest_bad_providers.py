"""Providers that fail or lie, over real HTTP in front of one true chain: no log is missing, and none is invented.

| provider | what it does | what comes of it |
|---|---|---|
| lagging behind a balancer | every second request goes to a node 25 blocks behind | not used while it is behind |
| logs from a node that lags | headers are there, logs of newer blocks are `[]` | caught: bloom, receipts |
| truncating at 3 logs | what is more is left out, without a word | caught: receipts of the last block, silent tail |
| truncating inside a block | the last log is left out | caught: receipts of the last block with logs |
| logs beyond the range | three blocks more than were asked for | caught: range |
| wrong bloom | headers with an empty bloom | caught: the bloom excludes what came |
| nothing in final windows | `[]` for existing logs, in long and in short ones | caught: all blooms, receipts |
| nothing in live blocks | `[]` for a block by its hash | caught: bloom, receipts |
| nothing, in receipts neither | as above, and the receipts show none of them | caught: the bloom holds more |
| 429, with and without Retry-After | a quota | waited for, never split |
| wrong chain | another chain id | refused at the start, and caught later |
| slow; half-open | an answer after the time-out; none; half of one | not waited for |
| a web page; bad gateway | no JSON-RPC | not used |
| suggested range that fails | names a range, then refuses it | halved until it answers: used |
| still syncing | says so, and knows a third of the chain less | not used beyond it |
| stale head | stands still, and does not say so | not used beyond it |
| finalized = latest | calls its head final | beside another one the lower block counts |
| head far ahead | calls a block its head, and final, that nobody has | not believed, not used at the head |
| disagrees: even, odd logs | each leaves out what the other gives | both caught: receipts |
| invented log | one more, right behind a true one | caught: receipts |
| one log twice | | caught |
| removed: true | | caught |
| receipt left out | a transaction is in no log and in no receipt | caught: the header names it |
| wrong block hash, place, data | of the first log | caught: header; receipts |
| blocks that do not hang together | a parent hash that is nobody's | caught |
| another block than asked | | caught |

Each is read alone, where it may give nothing but must give nothing wrong, and beside an honest one, where everything is
read. The windows are so small here that every block that may hold our logs is in the sample; what the sample finds in
large ones is a matter of chance, and `test_sampled_audit__…` says how soon.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from random import Random

import pytest
from bonafides.errors import InvalidSettings, Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import JsonRpc, NodeLied
from bonafides.types import BlockRef
from bonafides_ingest import metrics
from bonafides_ingest.chain import LiveSource, Log
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.sources.providers.agreement import LOOK_EVERY_S
from bonafides_ingest.sources.providers.failover import Providers
from bonafides_ingest.sources.providers.metered_rpc import MeteredRpc
from bonafides_ingest.sources.providers.provider import Provider
from bonafides_ingest.sources.rpc import RpcSource

from tests.support.bad_providers import (
    BAD_PROVIDERS,
    FINALIZED,
    HEAD,
    TIMEOUT_S,
    WATCHED,
    BadProvider,
    Line,
    honest_node,
    served,
    true_chain,
)
from tests.support.ingest_logs import CHAIN, POOL, ChainOfLogs, address
from tests.support.ingest_node import FakeNode
from tests.support.ingest_providers import HandClock

pytestmark = pytest.mark.integration

CHAIN_OF_LOGS = true_chain()
LONG, SHORT = 8, HEAD
"""`bloom_check_blocks`: windows of 30 blocks are long, or short."""


def _truth(blocks: BlockRange) -> list[Log]:
    """What the receipts of these blocks show of ours."""
    found = [
        log
        for log in CHAIN_OF_LOGS.logs
        if log.address in WATCHED and blocks.first <= log.position.block.number <= blocks.last
    ]
    return sorted(found, key=lambda log: log.position.order)


@dataclass
class _Reading:
    """What was read, as the flow reads: window after window of final blocks, then the live ones."""

    sources: Iterator[LiveSource]
    """Who is asked in each turn."""
    logs: list[Log] = field(default_factory=list)
    wrong: list[BlockRange] = field(default_factory=list)
    """Ranges whose logs were not the chain's."""
    errors: list[Unavailable] = field(default_factory=list)
    following: int = 1
    is_complete: bool = False
    _parent: BlockRef | None = None

    def read(self, turns: int) -> "_Reading":
        for _ in range(turns):
            if self.is_complete:
                break
            source = next(self.sources)
            try:
                self.read_window(source) if self.following <= FINALIZED else self.read_live(source)
            except Unavailable as exc:
                self.errors.append(exc)
        return self

    def read_window(self, source: LiveSource) -> None:
        last = min(source.finalized(), FINALIZED)
        if last < self.following:
            return
        window = source.fetch(BlockRange(self.following, last), WATCHED, self._parent)
        self._take(window.range, window.logs)
        self.following, self._parent = window.range.last + 1, window.last

    def read_live(self, source: LiveSource) -> None:
        if source.tips().head.ref.number < HEAD:
            return
        wanted = BlockRange(FINALIZED + 1, HEAD)
        self._take(wanted, source.logs_of(source.headers(wanted), WATCHED))
        self.is_complete = True

    def _take(self, blocks: BlockRange, logs: Sequence[Log]) -> None:
        self.logs += logs
        if list(logs) != _truth(blocks):
            self.wrong.append(blocks)


def _source(url: str, bloom_check_blocks: int) -> RpcSource:
    rpc = JsonRpc(url, TIMEOUT_S)
    return RpcSource(rpc, CHAIN, window_blocks=30, bloom_check_blocks=bloom_check_blocks, random=Random(7))


def _node(provider: BadProvider) -> FakeNode:
    node = honest_node(CHAIN_OF_LOGS)
    node.lies.update(provider.lie(node))
    return node


def _turns(provider: BadProvider) -> int:
    return 2 if provider.line in (Line.SLOW, Line.NEVER, Line.HALF) else 40


@pytest.mark.parametrize("bloom_check_blocks", [LONG, SHORT], ids=["long windows", "short windows"])
@pytest.mark.parametrize("provider", BAD_PROVIDERS, ids=lambda provider: provider.name)
def test_provider_alone__whatever_it_does__gives_nothing_wrong(provider: BadProvider, bloom_check_blocks: int) -> None:
    with served(_node(provider), provider.line) as url:
        final = _Reading(cycle([_source(url, bloom_check_blocks)])).read(_turns(provider))
        live = _Reading(cycle([_source(url, bloom_check_blocks)]), following=FINALIZED + 1).read(_turns(provider))

    assert final.wrong == live.wrong == []
    assert final.logs == _truth(BlockRange(1, final.following - 1)) + (live.logs if final.is_complete else [])
    if provider.is_caught:
        assert any(type(error) is NodeLied for error in (*final.errors, *live.errors))
    else:
        assert not any(type(error) is NodeLied for error in (*final.errors, *live.errors))


def test_provider_alone__honest__is_believed() -> None:
    with served(honest_node(CHAIN_OF_LOGS)) as url:
        reading = _Reading(cycle([_source(url, LONG)])).read(3)

    assert reading.is_complete
    assert reading.logs == _truth(BlockRange(1, HEAD))
    assert reading.errors == []


def test_provider__of_another_chain__is_refused_at_the_start() -> None:
    (provider,) = [provider for provider in BAD_PROVIDERS if provider.is_wrong_from_the_start]
    with served(_node(provider)) as url, pytest.raises(InvalidSettings, match="chain 1"):
        _source(url, LONG).check_chain()


@pytest.mark.parametrize("bloom_check_blocks", [LONG, SHORT], ids=["long windows", "short windows"])
@pytest.mark.parametrize("provider", BAD_PROVIDERS, ids=lambda provider: provider.name)
def test_provider_beside_an_honest_one__whatever_it_does__everything_is_read_and_a_liar_is_named(
    provider: BadProvider, bloom_check_blocks: int
) -> None:
    before = _caught("bad"), _caught("honest")
    with ExitStack() as stack:
        bad = stack.enter_context(served(_node(provider), provider.line))
        honest = stack.enter_context(served(honest_node(CHAIN_OF_LOGS)))
        clock = HandClock()
        reading = _Reading(_turning(_providers({"bad": bad, "honest": honest}, bloom_check_blocks, clock), clock))
        reading.read(40)

    assert reading.is_complete
    assert reading.logs == _truth(BlockRange(1, HEAD))
    assert (_caught("bad") > before[0], _caught("honest") > before[1]) == (provider.is_caught, False)


def test_providers__two_that_disagree_beside_an_honest_one__both_are_named_and_everything_is_read() -> None:
    both = [provider for provider in BAD_PROVIDERS if provider.name.startswith("disagrees")]
    before = _caught("even"), _caught("odd")
    with ExitStack() as stack:
        urls = [stack.enter_context(served(_node(provider))) for provider in both]
        honest = stack.enter_context(served(honest_node(CHAIN_OF_LOGS)))
        clock = HandClock()
        providers = _providers({"even": urls[0], "odd": urls[1], "honest": honest}, LONG, clock)
        reading = _Reading(_turning(providers, clock)).read(10)

    assert reading.logs == _truth(BlockRange(1, HEAD))
    assert (_caught("even") > before[0], _caught("odd") > before[1]) == (True, True)


def test_providers__one_of_another_chain__are_refused_at_the_start_and_it_is_named() -> None:
    (provider,) = [provider for provider in BAD_PROVIDERS if provider.is_wrong_from_the_start]
    with ExitStack() as stack:
        bad = stack.enter_context(served(_node(provider)))
        honest = stack.enter_context(served(honest_node(CHAIN_OF_LOGS)))
        providers = _providers({"honest": honest, "bad": bad}, LONG, HandClock())

        with pytest.raises(InvalidSettings, match="provider bad: the node is on chain 1"):
            providers.check_chain()


def _turning(providers: Providers, clock: HandClock) -> Iterator[LiveSource]:
    while True:
        yield providers
        clock.move(LOOK_EVERY_S + 1)


def _providers(urls: Mapping[str, str], bloom_check_blocks: int, clock: HandClock) -> Providers:
    """In this order, with the limits that the process has."""
    found = []
    for name, url in urls.items():
        rpc = MeteredRpc(url, TIMEOUT_S, name=name, batch_size=100, max_answer_bytes=1 << 24, bucket=None, clock=clock)
        source = RpcSource(rpc, CHAIN, window_blocks=30, bloom_check_blocks=bloom_check_blocks, random=Random(7))
        found.append(Provider(name, source, rpc, rpc))
    return Providers(found, clock, stuck_after_s=60.0)


def _caught(name: str) -> float:
    return float(metrics.PROVIDER_ERRORS.labels(name, "NodeLied")._value.get())


@pytest.mark.parametrize("seed", range(3))
def test_sampled_audit__one_log_in_ten_left_out_of_large_windows__is_caught_in_a_few(seed: int) -> None:
    chain = ChainOfLogs(head=5_000)
    for block in range(1, 5_001, 5):
        chain.emit(block, 0, POOL, abi.USER_EMODE_SET, address("alice"), 1)
    node = _FastNode(chain)
    left_out = Random(seed)
    node.lies["eth_getLogs"] = lambda truth, _: [log for log in truth if left_out.random() > 0.1]
    source = RpcSource(node, CHAIN, window_blocks=1_000, bloom_check_blocks=256, random=Random(seed))

    with pytest.raises(NodeLied):
        _read_windows(source, 5, 1_000)


def _read_windows(source: RpcSource, windows: int, blocks: int) -> None:
    for first in range(1, windows * blocks, blocks):
        source.fetch(BlockRange(first, first + blocks - 1), WATCHED, None)


class _FastNode(FakeNode):
    """Finds the logs of a block in a dict."""

    def __init__(self, chain: ChainOfLogs) -> None:
        super().__init__(chain)
        self._by_block: dict[int, list[Log]] = {}
        for log in chain.logs:
            self._by_block.setdefault(log.position.block.number, []).append(log)

    def _logs_of(self, number: int) -> list[Log]:
        return self._by_block.get(number, [])
