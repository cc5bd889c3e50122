"""Around every request: security headers, the metrics by route template, and the last net for errors."""

import time
import traceback
from collections.abc import Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bonafides_scoring import metrics
from bonafides_scoring.api import problems
from bonafides_scoring.consent import ConsentMode

log = structlog.get_logger(__name__)

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The page needs a style sheet and an icon of ours, and nothing else: no script at all."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """The outermost layer. `now` is a monotonic clock in seconds."""

    def __init__(self, app: ASGIApp, consent_mode: ConsentMode, now: Callable[[], float] = time.perf_counter) -> None:
        self._app = app
        self._consent_mode = consent_mode
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        has_started = False

        async def send_guarded(message: Message) -> None:
            nonlocal status, has_started
            if message["type"] == "http.response.start":
                status, has_started = message["status"], True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers["Bonafides-Consent-Mode"] = self._consent_mode.value
                headers["Content-Security-Policy"] = PAGE_POLICY
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        started = self._now()
        metrics.http_in_flight.inc()
        try:
            await self._app(scope, receive, send_guarded)
        except Exception as exc:  # the outermost loop: nothing may reach the client or the log as it is
            # A stack trace would show values, and a value may be a wallet.
            log.error("request failed", error=type(exc).__name__, where=_place(exc), route=_route(scope))  # noqa: TRY400
            if not has_started:
                await problems.internal_error()(scope, receive, send_guarded)
        finally:
            metrics.http_in_flight.dec()
            metrics.http_request_seconds.labels(_route(scope), _method(scope), f"{status // 100}xx").observe(
                self._now() - started
            )


def _route(scope: Scope) -> str:
    """The route's template. A path holds a wallet and a guess of one may be anything: neither is a label."""
    route = scope.get("route")
    return str(getattr(route, "path", "unmatched"))


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"


def _place(exc: BaseException) -> str:
    """File and line where it broke, without any value."""
    frames = traceback.extract_tb(exc.__traceback__)
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "unknown"
