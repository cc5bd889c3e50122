"""A small JSON-RPC server over HTTP for what stands in for a node here: keeps connections, answers one after another.

Written with asyncio's streams, since what is measured shares two cores with it: a framework's time would be the node's.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What goes back to one question."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = field(default=())


type Handler = Callable[[bytes], Awaitable[HttpAnswer]]
"""Gets the body of a POST."""


async def serve(handler: Handler, port: int) -> None:
    """Answer on a port of this machine until cancelled. A GET of anything says 200, so that readiness can be asked."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await _read_head(reader):
                body = await reader.readexactly(_content_length(head))
                answer = await handler(body) if head.startswith(b"POST") else HttpAnswer(b"{}")
                writer.write(_written(answer))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    server = await asyncio.start_server(connected, HOST, port, limit=64 << 20)
    async with server:
        await server.serve_forever()


class NodeConnections:
    """Connections to a node that are kept and shared: one question at a time on each."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, body: bytes) -> bytes:
        """The body of the node's answer. Raises ConnectionError when it does not answer."""
        reader, writer = (
            self._idle.pop() if self._idle else await asyncio.open_connection(HOST, self._port, limit=1 << 30)
        )
        head = (
            f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        answer_head = await _read_head(reader)
        if not answer_head:
            raise ConnectionError("the node closed the connection")
        answer = await reader.readexactly(_content_length(answer_head))
        self._idle.append((reader, writer))
        return answer


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _written(answer: HttpAnswer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status.value} {answer.status.phrase}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    lines += [f"Content-Length: {len(answer.body)}", "", ""]
    return "\r\n".join(lines).encode() + answer.body
