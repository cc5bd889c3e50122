"""An API behind the real HTTP server: what it answers, what it logs, how it ends."""

import io
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
import structlog
from bonafides.consent import ConsentMode
from bonafides.errors import BonafidesError, InvalidSettings
from bonafides.http_api.app import new_app
from bonafides.http_api.serving import bind_api_port, serve
from bonafides.process import Stop
from bonafides.runtime import Runtime
from bonafides.settings import ServiceSettings
from bonafides_lab.processes import free_port
from fastapi import FastAPI
from sqlalchemy import create_engine

pytestmark = pytest.mark.integration

WALLET = "ab" * 20
PATH = f"/v1/wallets/0x{WALLET}"
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MTIzNDU2Nzg5MA=="
)


@dataclass
class Served:
    """An API that runs in this process, and its end."""

    port: int
    stop: Stop
    thread: threading.Thread
    lines: io.StringIO
    """Our log; what the libraries log is in `caplog`."""

    def exchange(self, request: str) -> str:
        """What the server says to these bytes, until it closes or has nothing more to say."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection, suppress(TimeoutError):
            connection.sendall(request.encode())
            answer = b""
            while more := connection.recv(65_536):
                answer += more
        return answer.decode()


def runtime_of(stop: Stop) -> Runtime[ServiceSettings]:
    return Runtime(ServiceSettings(), "sample", stop, create_engine("sqlite://"))


@pytest.fixture
def served() -> Iterator[Served]:
    lines = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(lines), cache_logger_on_first_use=False)
    app, stop = new_app("Sample", "", ConsentMode.OPEN), Stop()

    @app.get("/v1/wallets/{address}")
    def read(address: str) -> str:
        raise RuntimeError(address)

    bound = bind_api_port(ServiceSettings(), "127.0.0.1", 0)
    thread = threading.Thread(target=serve, args=(runtime_of(stop), app, bound))
    found = Served(bound.getsockname()[1], stop, thread, lines)
    thread.start()
    yield found
    stop.ask()
    thread.join()
    structlog.reset_defaults()


def _wait_until_listening(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            threading.Event().wait(0.05)
        else:
            return
    raise AssertionError("nobody listens")


def test_serve__requests_of_every_kind__leave_no_path_in_the_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    _wait_until_listening(served.port)

    answers = [
        served.exchange(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        served.exchange(f"GET {PATH}/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        served.exchange(f"GET {PATH}/socket HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n\r\n"),
        served.exchange(f"NONSENSE {PATH} HTTP/9\r\n\r\n"),
        served.exchange(f"GET {PATH} HTTP/1.1\r\n: {WALLET}\r\n\r\n"),
    ]

    said = served.lines.getvalue() + caplog.text
    assert [answer.split(" ")[1] for answer in answers] == ["500", "404", "404", "400", "400"]
    assert WALLET not in said
    assert "/v1/wallets/{address}" in said
    assert WALLET not in "".join(answers)


def test_serve__asked_to_stop__ends_and_lets_nobody_in(served: Served) -> None:
    _wait_until_listening(served.port)

    served.stop.ask()
    served.thread.join(15)

    assert not served.thread.is_alive()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", served.port), timeout=1)


def test_serve__server_ends_by_itself__ends_the_process() -> None:
    @asynccontextmanager
    async def failing(_: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no start")
        yield

    bound = bind_api_port(ServiceSettings(), "127.0.0.1", 0)

    with pytest.raises(BonafidesError, match="ended by itself"):
        serve(runtime_of(Stop()), FastAPI(lifespan=failing), bound)


def test_bind_api_port__before_serving__takes_the_address_and_lets_nobody_in() -> None:
    port = free_port()
    with bind_api_port(ServiceSettings(), "127.0.0.1", port), pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_bind_api_port__host_that_is_not_ours__is_refused_by_name() -> None:
    with pytest.raises(InvalidSettings, match=r"API_PORT: 192\.0\.2\.1:"):
        bind_api_port(ServiceSettings(), "192.0.2.1", free_port())
