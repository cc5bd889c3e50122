"""Run an ASGI application until asked to stop, with exit code 0: uvicorn alone would end by the signal it was sent."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import structlog
import uvicorn
from bonafides.process import Stop
from fastapi import FastAPI

DRAIN_S = 10
log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """Leaves the signals to `Stop`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(app: FastAPI, host: str, port: int, stop: Stop, beat: Callable[[], None]) -> None:
    """Answer until asked to stop; requests that run are finished, for `DRAIN_S` at most."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,  # it would write raw paths
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, name="http", daemon=True)
    thread.start()
    log.info("listening", host=host, port=port)
    while not stop.wait(1.0) and thread.is_alive():
        beat()
    server.should_exit = True
    thread.join(DRAIN_S + 5)
