"""A TCP proxy before the node that behaves as bad networks do."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from enum import StrEnum

SLOW_S = 0.7
CHUNK = 1 << 16


class Mode(StrEnum):
    """What happens to connections and to what travels on them."""

    PASS = "pass"
    RESET = "reset"
    """Connections are reset, old ones and new ones."""
    HALF_OPEN = "half open"
    """Connections are taken, and nothing ever comes back."""
    SLOW = "slow"
    """Each piece of an answer comes late."""
    CUT = "cut"
    """Half of a piece of an answer comes, then a reset."""


class NodeProxy:
    """Listens on a free port of 127.0.0.1 from `start` to `close`, and passes everything on to another port."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._mode = Mode.PASS
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="node-proxy", daemon=True)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = int(self._server.sockets[0].getsockname()[1])

    def set_mode(self, mode: Mode) -> None:
        """From now on, for open connections too."""
        self._call(self._change(mode))

    def close(self) -> None:
        """Reset what is open and end."""
        self._call(self._change(Mode.RESET))
        if self._server is not None:
            self._server.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call[T](self, what: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(timeout=10)

    async def _change(self, mode: Mode) -> None:
        was_dead = self._mode is Mode.HALF_OPEN
        self._mode = mode
        if mode is Mode.RESET or was_dead:  # what was swallowed never comes
            for writer in list(self._open):
                _reset(writer)
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._mode is Mode.RESET:
                return
            with contextlib.suppress(OSError):
                upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self._target_port)
                try:
                    questions = asyncio.ensure_future(self._pump(reader, upstream, is_answer=False))
                    answers = asyncio.ensure_future(self._pump(upstream_reader, writer, is_answer=True))
                    _, left = await asyncio.wait((questions, answers), return_when=asyncio.FIRST_COMPLETED)
                    for task in left:
                        task.cancel()
                    await asyncio.gather(questions, answers, return_exceptions=True)
                finally:
                    upstream.close()
        finally:
            self._open.discard(writer)
            if self._mode in (Mode.RESET, Mode.CUT):
                _reset(writer)
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        while piece := await reader.read(CHUNK):
            if self._mode is Mode.HALF_OPEN:
                continue
            if is_answer and self._mode is Mode.SLOW:
                await asyncio.sleep(SLOW_S)
            if is_answer and self._mode is Mode.CUT:
                writer.write(piece[: len(piece) // 2])
                await writer.drain()
                return
            writer.write(piece)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End it with a reset instead of an orderly end."""
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
