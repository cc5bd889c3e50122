"""The JSON-RPC adapter and nodes that misbehave: always Unavailable, never an answer."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from bonafides.errors import InvalidInput, Unavailable
from bonafides.hashing import keccak
from bonafides.types import Address, Digest
from bonafides.verify.rpc import MAX_ANSWER_BYTES, RpcChainView

pytestmark = pytest.mark.integration

WALLET, DIGEST = Address(bytes(19) + b"\x01"), Digest(keccak(b"digest"))


@contextmanager
def node_that_answers(body: bytes, status: int = 200) -> Iterator[str]:
    """An HTTP server that gives every question the same answer; {id} becomes the question's id."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = body.replace(b"{id}", str(asked["id"]).encode())
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            if 300 <= status < 400:
                self.send_header("Location", f"http://127.0.0.1:{server.server_port}/elsewhere")
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            raise AssertionError("a redirect was followed")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests show what failed."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def result(value: str) -> bytes:
    return b'{"jsonrpc":"2.0","id":{id},"result":"' + value.encode() + b'"}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"<html>", 200),
        (b"[]", 200),
        (b'{"id":99,"result":"0x1"}', 200),
        (b'{"id":{id},"error":{"code":-32000,"message":"busy"}}', 200),
        (b'{"id":{id},"result":"many"}', 200),
        (b'{"id":{id},"result":null}', 200),
        (b" " * (MAX_ANSWER_BYTES + 1), 200),
        (b"{}", 500),
        (b"", 302),
    ],
)
def test_chain_id__no_proper_answer__is_unavailable(body: bytes, status: int) -> None:
    with node_that_answers(body, status) as url, pytest.raises(Unavailable):
        RpcChainView(url, timeout_s=5).chain_id()


def test_chain_id__proper_answer__is_read() -> None:
    with node_that_answers(result("0x7a69")) as url:
        assert RpcChainView(url, timeout_s=5).chain_id() == 31337


@pytest.mark.parametrize("words", [7, 9])
def test_registry_facts__another_contract__is_the_lenders_mistake(words: int) -> None:
    with node_that_answers(result("0x" + "00" * 32 * words)) as url, pytest.raises(InvalidInput, match="no registry"):
        RpcChainView(url, timeout_s=5).registry_facts(WALLET, DIGEST, WALLET, 0)


def test_registry_facts__all_zero__knows_nothing() -> None:
    with node_that_answers(result("0x" + "00" * 256)) as url:
        facts = RpcChainView(url, timeout_s=5).registry_facts(WALLET, DIGEST, WALLET, 0)

    assert (facts.root, facts.root_at_head, facts.key, facts.revoked) == (None, None, None, False)


@pytest.mark.parametrize(
    ("body", "is_valid"),
    [
        (result("0x1626ba7e" + "00" * 28), True),
        (result("0x1626ba7e"), False),
        (result("0xffffffff" + "00" * 28), False),
        (result("0x" + "00" * 31 + "01"), False),
        (result("0x"), False),
        (b'{"id":{id},"error":{"code":3,"message":"execution reverted"}}', False),
    ],
)
def test_is_valid_signature__what_a_wallet_answers__only_the_magic_is_yes(body: bytes, is_valid: bool) -> None:
    with node_that_answers(body) as url:
        assert RpcChainView(url, timeout_s=5).is_valid_signature(WALLET, DIGEST, bytes(65)) is is_valid


def test_chain_view__another_scheme__is_refused() -> None:
    with pytest.raises(InvalidInput, match="http://"):
        RpcChainView("file:///etc/passwd")
