"""Logs, pseudonyms, metrics, and the small HTTP server for probes.

Logs are JSON lines: a constant message and fields. No wallet, key, salt or score is ever a field; a subject is named by
a keyed pseudonym that only this process can make, and that its key's rotation ends.
"""

import hashlib
import hmac
import logging
import secrets
import sys
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from bonafides.types import Address


def configure_logging(level: str, process: str) -> None:
    """JSON lines on standard error, with the process's name on each. Called once, by a service's `__main__`."""
    logging.basicConfig(level=level, stream=sys.stderr, format="%(message)s", force=True)
    logging.getLogger("uvicorn.access").disabled = True  # it writes raw paths, and a path holds a wallet
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


class Pseudonyms:
    """Names a wallet in logs without naming it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def from_file(cls, path: Path | None) -> "Pseudonyms":
        """The operator's key, or a new one that dies with this process."""
        return cls(path.read_bytes() if path else secrets.token_bytes(32))

    def of(self, wallet: Address) -> str:
        """`subject_ref` of a wallet: 12 hexadecimal digits."""
        return hmac.new(self._key, wallet, hashlib.sha256).hexdigest()[:12]


type Check = Callable[[], str | None]
"""A readiness check: None when ready, else what is missing."""


class ProbeServer:
    """/healthz (this process turns), /readyz (what it needs answers) and /metrics, on a thread of its own.

    `beat` marks a turn of the main loop; without one for `stuck_after_s`, /healthz answers 503 and the orchestrator
    restarts the process. Readiness never looks at what others need of us, and liveness never at what we need.
    """

    def __init__(
        self,
        host: str,
        port: int,
        checks: Iterable[Check],
        *,
        stuck_after_s: float = 120.0,
        now: Callable[[], float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._checks = tuple(checks)
        self._stuck_after_s = stuck_after_s
        self._now = now
        self._last_beat = now()
        self._registry = registry
        self._is_draining = False
        self._address = (host, port)
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; the one asked for before `start`."""
        return int(self._server.server_address[1]) if self._server else self._address[1]

    def start(self) -> None:
        """Listen and answer from now on. Raises OSError when the address cannot be listened on."""
        probe = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = probe.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Probes are not logged."""

        self._server = ThreadingHTTPServer(self._address, Handler)
        threading.Thread(target=self._server.serve_forever, name="probes", daemon=True).start()

    def beat(self) -> None:
        """The main loop turned."""
        self._last_beat = self._now()

    def drain(self) -> None:
        """Not ready any more: the process is about to stop."""
        self._is_draining = True

    def stop(self) -> None:
        """Stop answering."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a path."""
        match path.partition("?")[0]:
            case "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
            case "/healthz":
                quiet_s = self._now() - self._last_beat
                is_stuck = quiet_s > self._stuck_after_s
                return (503, "text/plain", f"no turn for {quiet_s:.0f} s\n".encode()) if is_stuck else _OK
            case "/readyz":
                missing = ["draining"] if self._is_draining else [why for check in self._checks if (why := check())]
                return (503, "text/plain", "\n".join(missing).encode()) if missing else _OK
            case _:
                return 404, "text/plain", b"there are /healthz, /readyz and /metrics\n"


_OK = (200, "text/plain", b"ok\n")
