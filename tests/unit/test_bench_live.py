"""What `make bench-live` is made of: a recorded chain, a provider with limits, a plain reader, times of events."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bonafides.errors import InvariantViolation
from bonafides.events import BlockRange, LendingEvent, Position
from bonafides.json_rpc import JsonRpc
from bonafides.types import Address, BlockRef, Digest
from bonafides_ingest.chain import Log
from bonafides_ingest.sources.rpc import RpcSource

from benchmarks.fixed_window import FixedWindowSource
from benchmarks.json_http import HttpAnswer
from benchmarks.live_latency import event_times, quantile
from benchmarks.live_watch import Folds
from benchmarks.recorded_chain import RecordedBlock, RecordedChain
from benchmarks.recorded_node import RecordedNode
from benchmarks.simulator import CHAIN
from benchmarks.throttled_provider import Bucket, ProviderLimits
from benchmarks.throttled_provider import ThrottledProvider as Provider
from tests.support.samples import WALLET, event

pytestmark = pytest.mark.unit

POOL, OTHER = Address(b"\xa1" * 20), Address(b"\xb2" * 20)
TOPIC = Digest(b"\x01" * 32)
NO_WAIT = ProviderLimits(most_blocks=100, most_results=3, calls_per_s=10, round_trip_s=0, per_thousand_blocks_s=0)


def _log(block: int, log_index: int, emitter: Address = POOL) -> Log:
    place = BlockRef(CHAIN, block, Digest(block.to_bytes(32)), 1_000 + block)
    return Log(Position(place, Digest(block.to_bytes(32)), 0, log_index), emitter, (TOPIC,), b"\x02" * 32)


def _chain(*active: int, emitters: tuple[Address, ...] = (POOL,)) -> RecordedChain:
    blocks = [
        RecordedBlock(number, 10_000 + number, tuple(_log(number, place, who) for place, who in enumerate(emitters)))
        for number in active
    ]
    return RecordedChain(blocks, block_s=1)


def _rpc(handle: Callable[[bytes], Any]) -> JsonRpc:
    def exchange(body: bytes) -> tuple[int, bytes]:
        answer: HttpAnswer = asyncio.run(handle(body))
        return int(answer.status), answer.body

    return JsonRpc("http://node.invalid", 1.0, exchange=exchange)


class _NodeInHand:
    """`NodeConnections` without a socket."""

    def __init__(self, node: RecordedNode) -> None:
        self._node = node

    async def ask(self, body: bytes) -> bytes:
        return (await self._node.handle(body)).body


def _provider(chain: RecordedChain, limits: ProviderLimits = NO_WAIT) -> Provider:
    return Provider(_NodeInHand(RecordedNode(chain)), limits)  # type: ignore[arg-type]


def _asked(method: str, *params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def _logs_question(first: int, last: int) -> bytes:
    return _asked("eth_getLogs", {"fromBlock": hex(first), "toBlock": hex(last)})


def test_recorded_chain__read_by_our_reader__passes_every_check() -> None:
    chain = _chain(3, 7, emitters=(POOL, OTHER, POOL))
    ours = RpcSource(_rpc(RecordedNode(chain).handle), CHAIN, window_blocks=50, bloom_check_blocks=50, audit_blocks=8)

    window = ours.fetch(BlockRange(1, ours.finalized()), frozenset({POOL}), None)

    assert [(log.position.block.number, log.position.log_index) for log in window.logs] == [
        (3, 0),
        (3, 2),
        (7, 0),
        (7, 2),
    ]


def test_recorded_chain__empty_blocks__follow_at_its_pace_and_hang_together() -> None:
    chain = _chain(3, 7)

    blocks = [json.loads(chain.block(number, full=False)) for number in range(3, 8)]

    assert [int(block["timestamp"], 16) for block in blocks] == [10_003, 10_004, 10_005, 10_006, 10_007]
    assert [block["parentHash"] for block in blocks[1:]] == [block["hash"] for block in blocks[:-1]]


def test_fixed_window__a_provider_that_refuses_long_ranges__reads_every_log_once() -> None:
    chain = _chain(*range(1, 21))
    source = FixedWindowSource(_rpc(_provider(chain, replace(NO_WAIT, calls_per_s=10_000)).handle), CHAIN)

    window = source.fetch(BlockRange(1, 21), frozenset({POOL}), None)

    assert [log.position.block.number for log in window.logs] == list(range(1, 21))


def test_provider__more_results_than_it_gives__refuses_as_infura_does() -> None:
    provider = _provider(_chain(1, 2, 3, 4))

    answer = asyncio.run(provider.handle(_logs_question(1, 4)))

    assert json.loads(answer.body)["error"] == {"code": -32005, "message": "query returned more than 3 results"}


def test_provider__more_blocks_than_it_looks_at__refuses_before_it_asks_the_node() -> None:
    answer = asyncio.run(_provider(_chain(1)).handle(_logs_question(1, 101)))

    assert json.loads(answer.body)["error"]["code"] == -32614


def test_provider__each_call_of_a_batch__counts() -> None:
    provider = _provider(_chain(1))
    batch = b"[" + b",".join([_asked("eth_blockNumber")] * 9) + b"]"

    answers = [asyncio.run(provider.handle(batch)) for _ in range(2)]

    assert [int(answer.status) for answer in answers] == [200, 429]
    assert answers[1].headers == (("Retry-After", "1"),)


def test_bucket__time_passes__fills_up_to_a_second_and_no_further() -> None:
    bucket = Bucket(10, now=0.0)

    taken = [bucket.take(10, 0.0), bucket.take(5, 0.4), bucket.take(5, 0.5), bucket.take(11, 60.0)]

    assert taken == [True, False, True, False]


def _events_of(*blocks: int) -> list[LendingEvent]:
    return [event(number=block) for block in blocks]


def test_event_times__a_fold_above_the_block__ends_the_event_that_it_holds() -> None:
    folds = Folds([(10.2, WALLET, 100), (11.5, WALLET, 102)])

    times = event_times(_events_of(100, 101), {100: 10.0, 101: 11.0}, {100: 10.1, 101: 11.25}, folds)

    assert [round(time.from_announced_s, 6) for time in times] == [0.2, 0.5]
    assert [round(time.from_seen_s, 6) for time in times] == [0.1, 0.25]


def test_event_times__a_wallet_that_was_never_folded_so_far__is_no_time_at_all() -> None:
    folds = Folds([(10.2, WALLET, 100), (10.3, OTHER, 101)])

    with pytest.raises(InvariantViolation, match="101 was not followed"):
        event_times(_events_of(101), {101: 11.0}, {101: 11.0}, folds)


@pytest.mark.parametrize(("share", "value"), [(0.5, 10.0), (0.95, 19.0), (1.0, 20.0), (0.01, 1.0)])
def test_quantile__of_twenty__is_one_of_them(share: float, value: float) -> None:
    assert quantile([float(number) for number in range(1, 21)], share) == value
