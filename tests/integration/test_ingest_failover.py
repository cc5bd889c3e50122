"""Several providers over real HTTP, opened as the process opens them: settings to sockets, with a clock that runs."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import NodeRefused
from bonafides_ingest import metrics
from bonafides_ingest.nodes import open_providers
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.settings import IngestSettings
from bonafides_ingest.sources.providers.failover import Providers
from prometheus_client import generate_latest

from tests.support.http_node import Answer, HttpNode, http_node
from tests.support.ingest_logs import CHAIN, POOL, ChainOfLogs, address
from tests.support.ingest_node import FakeNode

pytestmark = pytest.mark.integration

WATCHED = frozenset({POOL})
WITH_LOGS = [3, 17, 18, 41]
KEY = "a-secret-key"


@dataclass
class Served:
    """A node behind HTTP."""

    node: FakeNode
    http: HttpNode

    @property
    def asked(self) -> int:
        """Requests that came."""
        return len(self.http.questions)

    @property
    def log_questions(self) -> list[tuple[int, int]]:
        """The ranges that were asked for."""
        calls = [call for batch in self.http.questions for call in (batch if isinstance(batch, list) else [batch])]
        filters = [call["params"][0] for call in calls if call["method"] == "eth_getLogs"]
        return [(int(one["fromBlock"], 16), int(one["toBlock"], 16)) for one in filters]


def _truth(node: FakeNode) -> Callable[[Any], Answer]:
    def one(call: Any) -> dict[str, Any]:
        try:
            return {"id": call["id"], "result": node.answer(call["method"], call["params"])}
        except NodeRefused as exc:
            return {"id": call["id"], "error": {"code": exc.code, "message": exc.message}}

    def answer(asked: Any) -> Answer:
        return 200, json.dumps([one(call) for call in asked] if isinstance(asked, list) else one(asked)).encode()

    return answer


@pytest.fixture
def serve() -> Iterator[Callable[[], Served]]:
    """Starts nodes of one chain, of 50 final blocks."""
    with ExitStack() as stack:

        def start() -> Served:
            chain = ChainOfLogs(head=50)
            for block in WITH_LOGS:
                chain.emit(block, 0, POOL, abi.USER_EMODE_SET, address("alice"), 1)
            node = FakeNode(chain)
            return Served(node, stack.enter_context(http_node(_truth(node))))

        yield start


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Providers]]:
    """Opens providers of these names; more settings go as they stand in the environment."""
    with ExitStack() as stack:

        def start(*named: tuple[str, Served], **more: str) -> Providers:
            file = tmp_path / "urls"
            file.write_text("".join(f"{name}={served.http.url}/{KEY}\n" for name, served in named))
            variables = {"chain_id": str(CHAIN), "rpc_url_file": str(file), "rpc_timeout_s": "2"} | more
            settings = IngestSettings.load({f"BONAFIDES_INGEST_{k.upper()}": v for k, v in variables.items()})
            providers = open_providers(settings)
            stack.callback(providers.close)
            return providers

        yield start


def _read(providers: Providers, last: int = 50) -> list[int]:
    found, following = [], 1
    while following <= last:
        window = providers.fetch(BlockRange(following, last), WATCHED, None)
        found += [log.position.block.number for log in window.logs]
        following = window.range.last + 1
    return found


def test_providers__first_is_gone_in_the_middle__the_second_goes_on_without_a_gap(
    serve: Callable[[], Served], opened: Callable[..., Providers]
) -> None:
    a, b = serve(), serve()
    providers = opened(("gone", a), ("stays", b))
    assert providers.finalized() == 50
    first_half = _read(providers, 20)

    a.http.drops_before_answer = True
    window = providers.fetch(BlockRange(21, 50), WATCHED, providers.block(20))

    assert first_half + [log.position.block.number for log in window.logs] == WITH_LOGS
    assert window.range == BlockRange(21, 50)


def test_providers__429_with_retry_after__is_waited_for_and_the_range_is_never_split(
    serve: Callable[[], Served], opened: Callable[..., Providers]
) -> None:
    served = serve()
    providers = opened(("limited", served))
    providers.tips()
    truth = served.http.answer
    served.http.headers["Retry-After"] = "2"
    refused: list[float] = []

    def once(asked: Any) -> Answer:
        if refused:
            return truth(asked)
        refused.append(time.monotonic())
        return HTTPStatus.TOO_MANY_REQUESTS, b"slow down"

    served.http.answer = once
    assert _read(providers) == WITH_LOGS

    waited = time.monotonic() - refused[0]
    assert 2 <= waited < 6
    assert set(served.log_questions) == {(1, 50)}


def test_providers__429_at_the_first__the_second_answers_at_once_and_the_first_is_left_alone(
    serve: Callable[[], Served], opened: Callable[..., Providers]
) -> None:
    a, b = serve(), serve()
    providers = opened(("limited", a), ("free", b))
    providers.tips()
    a.http.answer = lambda _: (HTTPStatus.TOO_MANY_REQUESTS, b"")
    a.http.headers["Retry-After"] = "3600"
    began = time.monotonic()

    assert _read(providers) == WITH_LOGS
    asked = a.asked
    assert _read(providers) == WITH_LOGS

    assert a.asked == asked
    assert time.monotonic() - began < 2


def test_providers__first_answers_with_502_again_and_again__is_asked_once_a_pause(
    serve: Callable[[], Served], opened: Callable[..., Providers]
) -> None:
    a, b = serve(), serve()
    providers = opened(("broken", a), ("works", b))
    providers.tips()
    a.http.answer = lambda _: (502, b"<html>bad gateway</html>")
    before = a.asked

    for _ in range(20):
        assert _read(providers) == WITH_LOGS

    assert 3 <= a.asked - before <= 5


def test_providers__one_leaves_a_log_out__is_benched_and_shown_so_and_no_metric_holds_its_url(
    serve: Callable[[], Served], opened: Callable[..., Providers]
) -> None:
    a, b = serve(), serve()
    providers = opened(("forgets", a), ("honest", b))
    providers.tips()
    a.node.lies["eth_getLogs"] = lambda truth, _: truth[1:]

    assert _read(providers) == WITH_LOGS
    providers.tips()

    shown = generate_latest().decode()
    assert 'bonafides_ingest_provider_state{provider="forgets",state="benched"} 1.0' in shown
    assert 'bonafides_ingest_provider_state{provider="honest",state="ok"} 1.0' in shown
    assert KEY not in shown
    assert a.http.url not in shown


def test_providers__two_disagree__nothing_is_read(
    serve: Callable[[], Served], opened: Callable[..., Providers]
) -> None:
    a, b = serve(), serve()
    providers = opened(("one", a), ("other", b))
    b.node.lies["eth_getBlockByNumber"] = lambda truth, _: (
        truth | {"hash": "0x" + "11" * 32} if truth["number"] == hex(50) else truth
    )

    with pytest.raises(Unavailable, match="providers one and other disagree about final block 50"):
        providers.tips()
    with pytest.raises(Unavailable, match="disagree"):
        _read(providers)
    assert a.log_questions == b.log_questions == []


def test_providers__refuses_by_results_with_a_hint_that_fails__reads_everything_in_parts(
    serve: Callable[[], Served], opened: Callable[..., Providers]
) -> None:
    served = serve()
    providers = opened(("narrow", served))

    def limited(truth: Any, params: list[Any]) -> Any:
        if len(truth) > 1:
            words = f"query exceeds max results 1, retry with the range 1-{int(params[0]['toBlock'], 16)}"
            raise NodeRefused("eth_getLogs", -32602, words)
        return truth

    served.node.lies["eth_getLogs"] = limited

    assert _read(providers) == WITH_LOGS


def test_providers__so_many_requests_a_second__takes_as_long_as_that(
    serve: Callable[[], Served], opened: Callable[..., Providers]
) -> None:
    served = serve()
    providers = opened(("slow", served), rpc_requests_per_s="50", rpc_burst="10")
    began = time.monotonic()

    for number in range(1, 51):
        providers.block(number)

    calls = metrics.PROVIDER_REQUESTS.labels("slow")._value.get()
    assert time.monotonic() - began >= (calls - 10) / 50 - 0.05
    assert calls >= 50
