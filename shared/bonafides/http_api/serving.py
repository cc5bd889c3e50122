"""Serve an application until the process is asked to stop, with exit code 0: uvicorn alone would end by the signal."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from bonafides.errors import BonafidesError
from bonafides.runtime import Runtime
from bonafides.settings import ServiceSettings

BEAT_S = 1.0
DRAIN_S = 10
"""Requests that run when the stop is asked for are finished, for so long at most."""

log = structlog.get_logger(__name__)


def bind_api_port(settings: ServiceSettings, host: str, port: int) -> socket.socket:
    """Take the address before anything is waited for; nobody is let in until `serve` listens on it.

    Raises InvalidSettings that names the setting `api_port` when the address cannot be had.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart needs no wait for old connections
    try:
        bound.bind((host, port))
    except OSError as exc:
        bound.close()
        raise settings.address_refused("api_port", host, port, exc) from exc
    return bound


def serve[S: ServiceSettings](runtime: Runtime[S], app: FastAPI, bound: socket.socket) -> None:
    """Answer on the bound address until asked to stop."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="error",  # what it warns of is a caller's doing: malformed requests, upgrades that are not offered
        access_log=False,  # it writes raw paths, and a path holds a wallet
        ws="none",  # so do the lines about web sockets, of which there are none here
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="http", daemon=True)
    thread.start()
    host, port = bound.getsockname()[:2]
    log.info("listening", host=host, port=port)

    def turn() -> bool:
        if not thread.is_alive():
            raise BonafidesError("the HTTP server ended by itself; the lines before this one say why")
        return False

    try:
        runtime.run(turn, idle_s=BEAT_S, needs=(lambda: None if server.started else "not listening yet",))
    finally:
        server.should_exit = True
        thread.join(DRAIN_S + 5)


class _Server(uvicorn.Server):
    """Leaves the signals to `Stop`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
