"""An HTTP server in place of a node: it answers as it is told and remembers who asked what."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

type Answer = tuple[int, bytes]
"""HTTP status and body."""


@dataclass
class HttpNode:
    """What came in, and how the next question is answered."""

    url: str
    answer: Callable[[Any], Answer]
    """Gets the parsed question."""
    drops_after_answer: bool = False
    """Close the connection without announcing it, as a node does with one that was idle for long."""
    drops_before_answer: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    """That go with each answer."""
    questions: list[Any] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    """Client port of each question."""
    closed: threading.Event = field(default_factory=threading.Event)
    """Set once the server has closed a connection."""


@contextmanager
def http_node(answer: Callable[[Any], Answer]) -> Iterator[HttpNode]:
    """A server on a free port of this machine that keeps connections, as nodes do."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            node.questions.append(asked)
            node.authorizations.append(self.headers["Authorization"])
            node.connections.append(self.client_address[1])
            if node.drops_before_answer:
                self.close_connection = True
                return
            status, body = node.answer(asked)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in node.headers.items():
                self.send_header(name, value)
            if 300 <= status < 400:
                self.send_header("Location", f"{node.url}/elsewhere")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = node.drops_after_answer

        def do_GET(self) -> None:
            raise AssertionError("a redirect was followed")

        def finish(self) -> None:
            super().finish()
            self.connection.close()
            node.closed.set()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests show what failed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    node = HttpNode(f"http://127.0.0.1:{server.server_port}", answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield node
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def results(value: Any) -> Callable[[Any], Answer]:
    """Answers every call, alone or in a batch, with this result."""

    def answer(asked: Any) -> Answer:
        if isinstance(asked, list):
            return 200, json.dumps([_result(call, value) for call in asked]).encode()
        return 200, json.dumps(_result(asked, value)).encode()

    return answer


def fixed(body: bytes, status: int = 200) -> Callable[[Any], Answer]:
    """Answers every call with these bytes; {id} becomes the call's id."""
    return lambda asked: (status, body.replace(b"{id}", str(asked["id"]).encode()))


def _result(call: Any, value: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call["id"], "result": value}
