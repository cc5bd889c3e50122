"""JSON-RPC over real sockets: what is kept, opened again, cut off and never followed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from bonafides.errors import Unavailable
from bonafides.json_rpc import AnswerTooLong, JsonRpc, NodeRefused

from tests.support.http_node import fixed, http_node, results

pytestmark = pytest.mark.integration


def test_calls_and_batches__of_one_thread__share_one_connection() -> None:
    with http_node(results("0x1")) as node:
        rpc = JsonRpc(node.url, 5, batch_size=2)

        answers = [rpc.call("a"), *rpc.batch([("b", [])] * 5), rpc.call("c")]

        rpc.close()
    assert answers == ["0x1"] * 7
    assert len(node.questions) == 5
    assert len(set(node.connections)) == 1


def test_calls__of_several_threads__have_a_connection_each_and_their_own_answers() -> None:
    everyone = threading.Barrier(4)

    def ask(number: int) -> list[object]:
        everyone.wait(timeout=10)
        return [rpc.call("m", number) for _ in range(50)]

    with http_node(lambda asked: results(asked["params"][0])(asked)) as node:
        rpc = JsonRpc(node.url, 5)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(ask, range(4)))

    assert answers == [[number] * 50 for number in range(4)]
    assert len(set(node.connections)) == 4
    assert len({asked["id"] for asked in node.questions}) == 200


@pytest.mark.parametrize(
    ("header", "expected"), [("7", 7.0), ("99999999", 86_400.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)]
)
def test_call__http_429_with_retry_after__carries_its_seconds(header: str, expected: float | None) -> None:
    with http_node(lambda _: (429, b"slow down")) as node:
        node.headers["Retry-After"] = header
        with pytest.raises(NodeRefused) as caught:
            JsonRpc(node.url, 5).call("a")

    assert (caught.value.code, caught.value.retry_after_s) == (429, expected)


def test_call__node_closed_the_idle_connection__opens_another_and_asks_once() -> None:
    with http_node(results("0x1")) as node:
        rpc = JsonRpc(node.url, 5)
        node.drops_after_answer = True

        rpc.call("a")
        assert node.closed.wait(timeout=5)
        time.sleep(0.05)  # the end of the connection travels after the event
        answer = rpc.call("b")

        rpc.close()
    assert answer == "0x1"
    assert [asked["method"] for asked in node.questions] == ["a", "b"]
    assert len(set(node.connections)) == 2


def test_call__node_drops_a_question__is_unavailable_and_not_asked_twice() -> None:
    with http_node(results("0x1")) as node:
        rpc = JsonRpc(node.url, 5)
        rpc.call("a")
        node.drops_before_answer = True

        with pytest.raises(Unavailable, match="evm_mine"):
            rpc.call("evm_mine")
        node.drops_before_answer = False
        again = rpc.call("c")

        rpc.close()
    assert again == "0x1"
    assert [asked["method"] for asked in node.questions] == ["a", "evm_mine", "c"]


def test_call__node_is_silent__is_unavailable_after_the_timeout_and_the_late_answer_is_lost() -> None:
    is_slow = True

    def answer(asked: dict[str, object]) -> tuple[int, bytes]:
        if is_slow:
            time.sleep(0.5)
        return results(asked["method"])(asked)

    with http_node(answer) as node:
        rpc = JsonRpc(node.url, 0.1)
        with pytest.raises(Unavailable, match="TimeoutError"):
            rpc.call("slow")
        is_slow = False

        assert rpc.call("quick") == "quick"
        rpc.close()


def test_call__answer_longer_than_allowed__is_cut_off_and_the_next_one_is_read() -> None:
    with http_node(fixed(b" " * 1001)) as node:
        rpc = JsonRpc(node.url, 5, max_answer_bytes=1000)

        with pytest.raises(AnswerTooLong, match="1000"):
            rpc.call("a")

        node.answer = fixed(b'{"id":{id},"result":"0x1"}'.ljust(1000))
        assert rpc.call("b") == "0x1"
        rpc.close()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_call__redirect__is_not_followed(status: int) -> None:
    with http_node(fixed(b'{"id":{id},"result":"0x1"}', status)) as node, pytest.raises(Unavailable, match=str(status)):
        JsonRpc(node.url, 5).call("a")

    assert len(node.questions) == 1


def test_call__name_and_password_in_the_url__go_as_basic_authentication() -> None:
    with http_node(results("0x1")) as node:
        JsonRpc(node.url.replace("http://", "http://Aladdin:open%20sesame@"), 5).call("a")

    assert node.authorizations == ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]  # the example of RFC 7617


def test_call__proxy_in_the_environment__is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_node(results("0x1")) as node, http_node(results("proxy")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)

        assert JsonRpc(node.url, 5).call("a") == "0x1"
        assert proxy.questions == []
