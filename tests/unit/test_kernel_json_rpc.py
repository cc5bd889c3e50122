"""JSON-RPC: what is asked, which answers count, and what the errors say."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from bonafides.errors import InvalidInput, Unavailable
from bonafides.json_rpc import (
    AnswerTooLong,
    JsonRpc,
    NodeLied,
    NodeRefused,
    check_node_url,
    items,
    member,
    octets,
    quantity,
)
from bonafides.types import Json

pytestmark = pytest.mark.unit

URL = "http://node.invalid/v2/secret-key"


def client(answer: Callable[[Any], Any], status: int = 200, **options: Any) -> JsonRpc:
    """A client whose node answers each question with what `answer` makes of it."""
    return JsonRpc(URL, 1, exchange=lambda body: (status, json.dumps(answer(json.loads(body))).encode()), **options)


def refusal(error: Any, **options: Any) -> NodeRefused:
    with pytest.raises(NodeRefused) as caught:
        client(lambda asked: {"id": asked["id"], "error": error}, **options).call("eth_call")
    return caught.value


def test_call__result__is_that_of_the_question() -> None:
    seen: list[Any] = []

    def node(asked: Any) -> Any:
        seen.append(asked)
        return {"id": asked["id"], "result": [1, "0x2", None]}

    answer = client(node).call("m", "a", True)

    assert answer == [1, "0x2", None]
    assert seen == [{"jsonrpc": "2.0", "id": 1, "method": "m", "params": ["a", True]}]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        {"id": 99, "result": "0x1"},
        {"id": 99, "error": {"code": 1, "message": "of another question"}},
        {"result": "0x1"},
        {"id": 1},
        [{"id": 1, "result": "0x1"}],
    ],
)
def test_call__no_answer_to_the_question__is_unavailable(answer: Any) -> None:
    with pytest.raises(Unavailable, match="eth_chainId"):
        client(lambda _: answer).call("eth_chainId")


@pytest.mark.parametrize("raw", [b"", b"<html>", b"\xff", b"[" * 100_000])
def test_call__no_json__is_unavailable(raw: bytes) -> None:
    with pytest.raises(Unavailable, match="not JSON"):
        JsonRpc(URL, 1, exchange=lambda _: (200, raw)).call("eth_chainId")


@pytest.mark.parametrize("status", [201, 302, 404, 500, 503])
def test_call__result_of_another_http_status__does_not_count(status: int) -> None:
    with pytest.raises(Unavailable, match=str(status)):
        client(lambda asked: {"id": asked["id"], "result": "0x1"}, status).call("eth_chainId")


def test_call__error_with_an_http_error__is_the_nodes_reason() -> None:
    with pytest.raises(NodeRefused) as caught:
        client(lambda _: {"id": None, "error": {"code": -32600, "message": "bad request"}}, 400).call("eth_chainId")

    assert (caught.value.code, caught.value.message) == (-32600, "bad request")


def test_call__http_429__is_refused_as_429_whatever_the_body() -> None:
    with pytest.raises(NodeRefused) as caught:
        JsonRpc(URL, 1, exchange=lambda _: (429, b"<html>")).call("eth_chainId")

    assert caught.value.code == 429


@pytest.mark.parametrize("error", [ConnectionRefusedError(111, "refused " + URL), TimeoutError(), UnicodeError("idna")])
def test_call__network_fails__is_unavailable_without_the_url(error: Exception) -> None:
    def fail(_: bytes) -> tuple[int, bytes]:
        raise error

    with pytest.raises(Unavailable, match=f"eth_chainId: {type(error).__name__}") as caught:
        JsonRpc(URL, 1, exchange=fail).call("eth_chainId")
    assert "secret" not in str(caught.value)


def test_call__answer_too_long__says_so() -> None:
    def fail(_: bytes) -> tuple[int, bytes]:
        raise AnswerTooLong("too long")

    with pytest.raises(AnswerTooLong):
        JsonRpc(URL, 1, exchange=fail).call("eth_getLogs")


@pytest.mark.parametrize(
    ("error", "code", "message", "revert"),
    [
        ({"code": 3, "message": "execution reverted", "data": "0x1234"}, 3, "execution reverted", b"\x12\x34"),
        ({"code": -32015, "message": "VM", "data": {"data": "0x12"}}, -32015, "VM", b"\x12"),
        ({"code": "3", "message": "x" * 600, "data": "Reverted"}, None, "x" * 500, b""),
        ({"code": -32000, "message": "nonce too low", "data": 5}, -32000, "nonce too low", b""),
        ("busy", None, "no reason given", b""),
        ({}, None, "no reason given", b""),
    ],
)
def test_call__error__carries_code_words_and_revert_data(
    error: Any, code: int | None, message: str, revert: bytes
) -> None:
    found = refusal(error)

    assert (found.method, found.code, found.message, found.revert) == ("eth_call", code, message, revert)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"rate": {"allowed_rps": 1, "backoff_seconds": 30, "current_rps": 1.5}, "see": "https://x.invalid"}, 30.0),
        ({"rate": {"backoff_seconds": 1e300}}, 86_400.0),
        ({"rate": {"backoff_seconds": float("nan")}}, None),
        ({"rate": {"backoff_seconds": -1}}, None),
        ({"rate": {"backoff_seconds": True}}, None),
        ({"rate": {"backoff_seconds": "30"}}, None),
        ({"rate": 30}, None),
        ("0x", None),
        (None, None),
    ],
)
def test_call__quota_with_infuras_backoff__carries_its_seconds(data: Any, expected: float | None) -> None:
    found = refusal({"code": -32005, "message": "project ID request rate exceeded", "data": data})

    assert found.retry_after_s == expected


def test_node_refused__text__holds_the_nodes_words_only_when_asked_to() -> None:
    error = {"code": -32000, "message": "unknown key secret-key"}

    assert str(refusal(error)) == "the node refused eth_call (JSON-RPC error -32000)"
    assert str(refusal(error, shows_messages=True)).endswith("(JSON-RPC error -32000): unknown key secret-key")


@pytest.mark.parametrize(
    ("error", "is_revert"),
    [
        ({"code": 3, "message": ""}, True),
        ({"code": -32000, "message": "Execution Reverted"}, True),
        ({"code": -32015, "message": "VM", "data": "0x12"}, True),
        ({"code": -32000, "message": "header not found"}, False),
        ({"code": -32005, "message": "limit exceeded"}, False),
    ],
)
def test_is_revert__of_refusals__is_the_contracts_no(error: Any, is_revert: bool) -> None:
    assert refusal(error).is_revert is is_revert


def test_batch__answers_in_another_order__come_in_the_order_of_the_calls() -> None:
    rpc = client(lambda asked: [{"id": call["id"], "result": call["method"]} for call in reversed(asked)])

    assert rpc.batch([("a", []), ("b", ()), ("c", [])]) == ["a", "b", "c"]


def test_batch__more_calls_than_its_size__goes_out_in_parts() -> None:
    sizes: list[int] = []

    def node(asked: Any) -> Any:
        sizes.append(len(asked))
        return [{"id": call["id"], "result": call["params"][0]} for call in asked]

    rpc = client(node, batch_size=2)

    assert rpc.batch([("a", [number]) for number in range(5)]) == [0, 1, 2, 3, 4]
    assert sizes == [2, 2, 1]


def test_batch__no_calls__asks_nothing() -> None:
    assert client(lambda _: None).batch([]) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda asked: [{"id": asked[0]["id"], "result": 1}], Unavailable),
        (lambda asked: [{"id": str(call["id"]), "result": 1} for call in asked], Unavailable),
        (lambda asked: [{"id": [], "result": 1} for _ in asked], Unavailable),
        (lambda _: "0x1", Unavailable),
        (lambda _: {}, Unavailable),
        (lambda _: {"id": None, "error": {"code": -32005, "message": "batch too large"}}, NodeRefused),
        (lambda asked: [{"id": call["id"], "error": {"code": 1}} for call in asked], NodeRefused),
    ],
)
def test_batch__not_an_answer_to_each__is_an_error(answer: Callable[[Any], Any], expected: type[Exception]) -> None:
    with pytest.raises(expected):
        client(answer).batch([("a", []), ("b", [])])


def test_batch__one_call_refused__names_that_call() -> None:
    with pytest.raises(NodeRefused, match="refused b"):
        client(lambda asked: [{"id": asked[0]["id"], "result": 1}, {"id": asked[1]["id"], "error": {"code": 1}}]).batch(
            [("a", []), ("b", [])]
        )


@pytest.mark.parametrize(
    "url",
    [
        "ftp://node",
        "node:8545",
        "http:///path?key=secret",
        "http://node:port",
        "http://node:70000",
        "http://[::1",
        "http://node/a b",
        "http://node/\r\nHost: other",
        "http://nöde",
        "",
    ],
)
def test_check_node_url__no_url_of_a_node__is_refused_without_repeating_it(url: str) -> None:
    for check in (check_node_url, lambda text: JsonRpc(text, 1)):
        with pytest.raises(InvalidInput, match="malformed") as caught:
            check(url)
        assert not url or url not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8545", "https://name:pass%40word@node.example/v2/key?x=1", "http://[::1]:1"]
)
def test_check_node_url__url_of_a_node__is_taken(url: str) -> None:
    check_node_url(url)


def test_quantity__number__is_read() -> None:
    assert [quantity(text) for text in ("0x0", "0x1f", "0x1F")] == [0, 31, 31]


@pytest.mark.parametrize("value", [None, 5, "5", "0x", "0xg", "0X1", "0x1_0", "0x1 ", "-0x1", "0x١"])
def test_quantity__not_a_number__is_a_lie(value: Any) -> None:
    with pytest.raises(NodeLied):
        quantity(value)


def test_octets__bytes__are_read() -> None:
    assert (octets("0x"), octets("0x00fF"), octets("0x12", 1)) == (b"", b"\x00\xff", b"\x12")


@pytest.mark.parametrize("value", [None, "12", "0x1", "0x1234", "0xzz", "0x 12", ["0x12"]])
def test_octets__not_of_the_size__is_a_lie(value: Any) -> None:
    with pytest.raises(NodeLied):
        octets(value, 1)


def test_member_and_items__what_is_there__is_given() -> None:
    assert member({"a": None}, "a") is None
    assert items([1]) == [1]


def test_member_and_items__something_else__is_a_lie() -> None:
    no_objects: list[Json] = [{}, [], "a", None]
    for value in no_objects:
        with pytest.raises(NodeLied, match="without a"):
            member(value, "a")
    no_lists: list[Json] = [{}, "a", None]
    for value in no_lists:
        with pytest.raises(NodeLied, match="no list"):
            items(value)
