"""The past of a node that is not trusted: what is asked, and every lie about a wallet's logs that is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import NodeLied
from bonafides.testing.memory_bus import MemoryBroker, MemoryProducer
from bonafides.types import Json
from bonafides_ingest.chain import Window
from bonafides_ingest.hydration import node as node_module
from bonafides_ingest.hydration.hydrator import Hydrator
from bonafides_ingest.hydration.node import NodePast
from bonafides_ingest.hydration.past import FinalView, PastSource
from bonafides_ingest.hydration.providers_past import MOST_CONFIRMING_S, ProvidersPast
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.search import Criteria, naming
from bonafides_ingest.sources.node_reader import NodeReader
from bonafides_ingest.sources.providers.failover import Providers
from bonafides_ingest.sources.providers.provider import Provider
from bonafides_ingest.sources.providers.refusals import RangeRefused
from bonafides_ingest.sources.rpc import RpcSource

from tests.support.hydration_past import PastOfLogs, Sent, request, sent_to, topics_of
from tests.support.ingest_logs import CHAIN, DEPLOYMENT, POOL, RAY, ChainOfLogs, ListedReserve, address
from tests.support.ingest_node import FakeNode, log_object
from tests.support.ingest_providers import HandClock

pytestmark = pytest.mark.unit

ALICE, BOB = address("alice"), address("bob")
LAST = 40


class PositionalNode(FakeNode):
    """A node that knows topics at any place, and whole receipts."""

    def _truth(self, method: str, params: list[Any]) -> Json:
        if method == "eth_getTransactionReceipt":
            return self._receipt(params[0])
        return super()._truth(method, params)

    def _logs(self, criteria: dict[str, Any]) -> Json:
        found = super()._logs({**criteria, "topics": [None]})
        assert isinstance(found, list)
        return [entry for entry in found if _fits(entry, criteria.get("topics", []))]

    def _receipt(self, tx_hash: str) -> Json:
        logs = [log for log in self.chain.logs if "0x" + log.position.tx_hash.hex() == tx_hash]
        if not logs:
            return None
        return {
            "transactionHash": tx_hash,
            "transactionIndex": hex(logs[0].position.tx_index),
            "logs": [log_object(log) for log in logs],
        }


def _fits(entry: Any, wanted: list[list[str] | None]) -> bool:
    topics = entry["topics"]
    return len(topics) >= len(wanted) and all(
        values is None or topics[place] in values for place, values in enumerate(wanted)
    )


def _chain() -> ChainOfLogs:
    chain = ChainOfLogs(head=LAST)
    weth = chain.list_reserve(1, "WETH")
    for block in range(5, LAST, 5):
        chain.emit(block, 1, weth.a_token, abi.MINT, ALICE, ALICE, 100, 0, RAY)
        chain.emit(block, 1, POOL, abi.SUPPLY, weth.asset, ALICE, ALICE, 100, 0)
        chain.emit(block, 1, address("somebody's contract"), abi.USER_EMODE_SET, BOB, 1)
        chain.emit(block, 2, POOL, abi.USER_EMODE_SET, BOB, 1)
    return chain


def _hydrate(node: PositionalNode) -> Sent:
    return _hydrate_from(NodePast(NodeReader(node, CHAIN)))


def _providers(*nodes: PositionalNode) -> Providers:
    clock = HandClock()
    made = [
        Provider(name, RpcSource(node, CHAIN, window_blocks=1000, bloom_check_blocks=0, timer=clock.now), node)
        for name, node in zip("ab", nodes, strict=False)
    ]
    return Providers(made, clock, stuck_after_s=60.0)


def _hydrate_from(past: PastSource) -> Sent:
    broker = MemoryBroker()
    topics_of(broker)
    hydrator = Hydrator(past, MemoryProducer(broker), [DEPLOYMENT], [], 1)
    for _ in hydrator.hydrate(request(ALICE), FinalView(1, LAST)):
        pass
    return sent_to(broker)


def _hydrate_often(past: PastSource) -> None:
    for _ in range(100):  # a draw each time
        _hydrate_from(past)


def test_node__tells_the_truth__few_questions_and_the_wallets_events() -> None:
    node = PositionalNode(_chain())

    sent = _hydrate(node)

    assert [event.position.block.number for event in sent.events] == [b for b in range(5, LAST, 5) for _ in "ab"]
    assert node.calls.count("eth_getTransactionReceipt") == 7
    assert node.calls.count("eth_getLogs") == 2 + 4 + 1  # the configuration, and its tokens; the wallet; everybody


def test_node__answers_a_few_blocks_at_once__all_are_asked_for() -> None:
    node = PositionalNode(_chain())
    node.most_blocks = 7

    sent = _hydrate(node)

    assert len(sent.events) == 14
    assert [progress.complete_to for progress in sent.progress] == sorted(p.complete_to for p in sent.progress)


def test_node__refuses_even_one_block__is_unavailable() -> None:
    node = PositionalNode(_chain())
    node.most_blocks = 0

    with pytest.raises(RangeRefused):
        _hydrate(node)


def test_node__more_logs_than_are_held__fewer_blocks_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "MOST_LOGS", 3)

    sent = _hydrate(PositionalNode(_chain()))

    assert len(sent.events) == 14


def _without_logs(truth: Any, _: list[Any]) -> Any:
    return {**truth, "logs": []}


def _without_one_log(truth: Any, _: list[Any]) -> Any:
    return {**truth, "logs": truth["logs"][1:]}


def _another_transaction(truth: Any, _: list[Any]) -> Any:
    return {**truth, "transactionHash": "0x" + "11" * 32}


def _another_index(truth: Any, _: list[Any]) -> Any:
    return {**truth, "transactionIndex": "0x63"}


def _no_receipt(truth: Any, _: list[Any]) -> Any:
    return None


def _log_of_another_block(truth: Any, _: list[Any]) -> Any:
    return {**truth, "logs": [{**truth["logs"][0], "blockNumber": "0x1"}, *truth["logs"][1:]]}


def _invented_log(truth: Any, _: list[Any]) -> Any:
    invented = {**truth["logs"][0], "address": "0x" + "77" * 20, "logIndex": "0x63"}
    return {**truth, "logs": [*truth["logs"], invented]}


def _one_log_twice(truth: Any, _: list[Any]) -> Any:
    return {**truth, "logs": [truth["logs"][0], *truth["logs"]]}


def _changed_log(truth: Any, _: list[Any]) -> Any:
    return {**truth, "logs": [{**truth["logs"][0], "data": truth["logs"][0]["data"][:-2] + "ff"}, *truth["logs"][1:]]}


def _lagging(_: Any, __: list[Any]) -> Any:
    return hex(LAST - 1)


def _anybodys_logs(truth: Any, params: list[Any]) -> Any:
    chain = _chain()
    return [log_object(log) for log in chain.logs if log.position.block.number == 5]


@pytest.mark.parametrize(
    ("method", "lie"),
    [
        ("eth_getTransactionReceipt", _without_logs),
        ("eth_getTransactionReceipt", _without_one_log),
        ("eth_getTransactionReceipt", _another_transaction),
        ("eth_getTransactionReceipt", _another_index),
        ("eth_getTransactionReceipt", _no_receipt),
        ("eth_getTransactionReceipt", _log_of_another_block),
        ("eth_getTransactionReceipt", _invented_log),
        ("eth_getTransactionReceipt", _one_log_twice),
        ("eth_getTransactionReceipt", _changed_log),
        ("eth_getLogs", _anybodys_logs),
        ("eth_blockNumber", _lagging),
    ],
)
def test_node__lies__is_caught_and_nothing_ends_the_hydration(
    method: str, lie: Callable[[Any, list[Any]], Any]
) -> None:
    node = PositionalNode(_chain())
    node.lies[method] = lie

    with pytest.raises(NodeLied):
        _hydrate(node)


def test_node__leaves_a_log_out_that_its_receipt_shows__is_caught() -> None:
    node = PositionalNode(_chain())

    def hide_supplies(truth: Any, params: list[Any]) -> Any:
        topic0 = "0x" + abi.SUPPLY.topic0.hex()
        return [entry for entry in truth if entry["topics"][0] != topic0]

    node.lies["eth_getLogs"] = hide_supplies

    with pytest.raises(NodeLied, match="receipts"):
        _hydrate(node)


def test_find__a_truthful_past__gives_what_a_list_of_logs_gives() -> None:
    chain = _chain()
    criteria = naming([POOL, ListedReserve.of("WETH").a_token], [abi.SUPPLY.topic0, abi.MINT.topic0], ALICE)
    wanted = BlockRange(1, LAST)

    found = NodePast(NodeReader(PositionalNode(chain), CHAIN)).find(wanted, criteria)

    assert found.logs == PastOfLogs(sorted(chain.logs, key=lambda log: log.position.order)).find(wanted, criteria).logs
    assert len(found.logs) == 14


@pytest.mark.parametrize("lie", [_without_one_log, _invented_log, _no_receipt])
def test_providers__one_lies_about_receipts__is_asked_no_more_and_another_tells_all(
    lie: Callable[[Any, list[Any]], Any],
) -> None:
    liar, honest = PositionalNode(_chain()), PositionalNode(_chain())
    liar.lies["eth_getTransactionReceipt"] = lie
    providers = _providers(liar, honest)

    sent = _hydrate_from(ProvidersPast(providers, CHAIN))

    assert len(sent.events) == 14
    asked = len(liar.calls)
    assert len(_hydrate_from(ProvidersPast(providers, CHAIN)).events) == 14
    assert len(liar.calls) == asked


def test_providers__one_goes_away_in_the_middle__another_goes_on() -> None:
    first, second = PositionalNode(_chain()), PositionalNode(_chain())

    def away(_: Any, __: list[Any]) -> Any:
        raise Unavailable("the node went away")

    first.lies["eth_getTransactionReceipt"] = away

    sent = _hydrate_from(ProvidersPast(_providers(first, second), CHAIN))

    assert len(sent.events) == 14
    assert [coverage.gaps for coverage in sent.hydrated[0].coverage] == [()]


ALICES = "0x" + bytes(12).hex() + ALICE.hex()


def _silence(truth: Any, params: list[Any]) -> Any:
    return [] if any(ALICES in (values or []) for values in params[0].get("topics", [])[1:]) else truth


def _silence_everywhere(truth: Any, params: list[Any]) -> Any:
    return [entry for entry in truth if ALICES not in entry["topics"]]


def test_node__says_nothing_to_filters_that_name_the_wallet__everybodys_logs_show_the_lie() -> None:
    node = PositionalNode(_chain())
    node.lies["eth_getLogs"] = _silence

    with pytest.raises(NodeLied, match="everybody"):
        _hydrate(node)


def test_node__says_nothing_of_the_wallet_to_anybody__its_receipts_show_the_lie() -> None:
    node = PositionalNode(_chain())
    node.lies["eth_getLogs"] = _silence_everywhere

    with pytest.raises(NodeLied, match="receipts"):
        _hydrate_often(NodePast(NodeReader(node, CHAIN)))


@pytest.fixture
def missed_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """No draw meets the lie, as on a chain of millions of blocks."""
    monkeypatch.setattr(NodePast, "_audit", lambda *_: None)


@pytest.mark.usefixtures("missed_draws")
def test_hydration__nothing_found_on_one_nodes_word__its_coverage_has_gaps() -> None:
    node = PositionalNode(_chain())
    node.lies["eth_getLogs"] = _silence

    alone = _hydrate(node)
    alone_of_providers = _hydrate_from(ProvidersPast(_providers(node), CHAIN))

    for sent in (alone, alone_of_providers):
        assert not sent.events
        assert all(coverage.gaps for coverage in sent.hydrated[0].coverage)


@pytest.mark.usefixtures("missed_draws")
def test_providers__one_is_silent_about_the_wallet__another_shows_it_and_the_liar_is_benched() -> None:
    liar, honest = PositionalNode(_chain()), PositionalNode(_chain())
    liar.lies["eth_getLogs"] = _silence
    providers = _providers(liar, honest)
    past = ProvidersPast(providers, CHAIN)

    with pytest.raises(Unavailable, match="receipts"):
        _hydrate_from(past)

    asked = len(liar.calls)
    assert len(_hydrate_from(past).events) == 14
    assert len(liar.calls) == asked


@pytest.mark.usefixtures("missed_draws")
def test_providers__the_second_one_is_silent_about_the_wallet__it_is_found_out_in_time() -> None:
    honest, liar = PositionalNode(_chain()), PositionalNode(_chain())
    liar.lies["eth_getLogs"] = _silence
    past = ProvidersPast(_providers(honest, liar), CHAIN, random=Random(1))

    with pytest.raises(Unavailable, match="receipts"):
        _hydrate_often(past)

    assert len(_hydrate_from(past).events) == 14


def test_providers__all_say_that_there_is_nothing__the_coverage_has_no_gap() -> None:
    chain = _chain()
    chain.logs[:] = [log for log in chain.logs if bytes(12) + ALICE not in log.topics]

    sent = _hydrate_from(ProvidersPast(_providers(PositionalNode(chain), PositionalNode(chain)), CHAIN))

    assert not sent.events
    assert [coverage.gaps for coverage in sent.hydrated[0].coverage] == [()]


def test_providers__long_ranges_are_not_answered_in_time__fewer_blocks_and_the_provider_stays_healthy() -> None:
    node, clock, spans = PositionalNode(_chain()), HandClock(), list[int]()

    def slow(truth: Any, params: list[Any]) -> Any:
        spans.append(int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1)
        if spans[-1] > 10:
            clock.move(20.0)
            raise Unavailable("the node does not answer eth_getLogs: TimeoutError")
        return truth

    node.lies["eth_getLogs"] = slow
    source = RpcSource(node, CHAIN, window_blocks=1000, bloom_check_blocks=0, timer=clock.now)
    providers = Providers([Provider("only", source, node)], clock, stuck_after_s=60.0)
    past = ProvidersPast(providers, CHAIN, timer=clock.now)

    found = past.find(BlockRange(1, LAST), naming([POOL], [abi.SUPPLY.topic0], ALICE))

    assert found.range == BlockRange(1, 10)
    assert spans[:2] == [40, 20]
    assert providers.tips()


def test_is_confirmed__second_provider_gives_few_blocks_at_once__ends_unconfirmed_within_seconds() -> None:
    chain, clock = ChainOfLogs(head=2_000), HandClock()
    big, small = PositionalNode(chain), PositionalNode(chain)
    small.most_blocks = 10  # a free plan; 200 questions would be 200 s

    def slow(truth: Any, _: list[Any]) -> Any:
        clock.move(1.0)
        return truth

    small.lies["eth_getLogs"] = slow
    made = [
        Provider(name, RpcSource(node, CHAIN, window_blocks=2_000, bloom_check_blocks=0, timer=clock.now), node)
        for name, node in (("big", big), ("small", small))
    ]
    past = ProvidersPast(Providers(made, clock, stuck_after_s=60.0), CHAIN, timer=clock.now)
    criteria = naming([POOL], [abi.SUPPLY.topic0], ALICE)
    window = past.find(BlockRange(1, 2_000), criteria)
    began = clock.now()

    assert not past.is_confirmed(window, criteria)
    assert clock.now() - began < 2 * MOST_CONFIRMING_S


def test_find__first_question__asks_for_no_more_blocks_than_the_scan_would() -> None:
    node = PositionalNode(_chain())
    clock = HandClock()
    source = RpcSource(node, CHAIN, window_blocks=7, most_window_blocks=1000, bloom_check_blocks=0, timer=clock.now)
    providers = Providers([Provider("only", source, node)], clock, stuck_after_s=60.0)
    past, criteria = ProvidersPast(providers, CHAIN, timer=clock.now), naming([POOL], [abi.SUPPLY.topic0], ALICE)

    assert past.find(BlockRange(1, LAST), criteria).range == BlockRange(1, 7)
    assert past.find(BlockRange(8, LAST), criteria).range == BlockRange(8, 21)


@dataclass
class _WordOf(PastOfLogs):
    """A past of short windows, whose words are confirmed, or not, one after the other."""

    confirmed: list[bool] = field(default_factory=list)

    def is_confirmed(self, window: Window, criteria: Sequence[Criteria]) -> bool:
        return self.confirmed[(window.range.first - 1) // self.most_blocks]


def _word_of(chain: ChainOfLogs, *confirmed: bool) -> PastSource:
    return _WordOf(sorted(chain.logs, key=lambda log: log.position.order), 20, confirmed=list(confirmed))


@pytest.mark.parametrize("confirmed", [(False, True), (True, False)])
def test_hydration__nothing_found_and_one_window_unconfirmed__its_coverage_has_gaps(
    confirmed: tuple[bool, bool],
) -> None:
    chain = _chain()
    chain.logs[:] = [log for log in chain.logs if bytes(12) + ALICE not in log.topics]

    sent = _hydrate_from(_word_of(chain, *confirmed))

    assert all(coverage.gaps for coverage in sent.hydrated[0].coverage)


@pytest.mark.parametrize("found_in", [range(1, 21), range(21, LAST + 1)])
def test_hydration__found_in_one_window_alone__is_more_than_a_silent_node(found_in: range) -> None:
    chain = _chain()
    chain.logs[:] = [
        log for log in chain.logs if log.position.block.number in found_in or bytes(12) + ALICE not in log.topics
    ]

    sent = _hydrate_from(_word_of(chain, False, False))

    assert sent.events
    assert [coverage.gaps for coverage in sent.hydrated[0].coverage] == [()]


@pytest.mark.usefixtures("missed_draws")
def test_is_confirmed__second_provider_gives_a_few_blocks_at_once__is_asked_to_the_end() -> None:
    liar, honest = PositionalNode(_chain()), PositionalNode(_chain())
    liar.lies["eth_getLogs"] = _silence
    honest.chain.logs[:] = [log for log in honest.chain.logs if log.position.block.number > 30]
    honest.most_blocks = 10
    past = ProvidersPast(_providers(liar, honest), CHAIN)
    criteria = naming([POOL], [abi.SUPPLY.topic0], ALICE)
    window = past.find(BlockRange(1, LAST), criteria)
    assert not window.logs

    with pytest.raises(Unavailable):
        past.is_confirmed(window, criteria)
