"""Around every request: a bound on its body, security headers, the log line and metrics by route template, and the
last net for errors."""

import time
from collections.abc import Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bonafides.consent import ConsentMode
from bonafides.http_api import metrics, problems

log = structlog.get_logger(__name__)

JSON_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Content security of an API without pages: a browser that shows an answer may load nothing for it."""
MAX_BODY_BYTES = 16 * 1024
"""The largest question there is, a presentation's, has under a thousand; anybody may ask, so memory must be bounded."""
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

    def __init__(
        self,
        app: ASGIApp,
        consent_mode: ConsentMode,
        content_policy: str,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._headers = HEADERS | {
            "Bonafides-Consent-Mode": consent_mode.value,
            "Content-Security-Policy": content_policy,
        }
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
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        started = self._now()
        metrics.in_flight.inc()
        try:
            body = await _read_body(receive)
            if body is None:
                await problems.too_large(MAX_BODY_BYTES)(scope, receive, send_guarded)
            else:
                await self._app(scope, _replaying(body, receive), send_guarded)
        except Exception as exc:  # the outermost loop: nothing may reach the client or the log as it is
            where = problems.place_of(exc)
            log.error("request failed", error=type(exc).__name__, where=where, route=_route(scope))  # noqa: TRY400
            if not has_started:
                await problems.internal_error()(scope, receive, send_guarded)
        finally:
            metrics.in_flight.dec()
            route, method = _route(scope), _method(scope)
            metrics.request_seconds.labels(route, method, f"{status // 100}xx").observe(self._now() - started)
            log.info("answered", route=route, method=method, status=status)


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None as soon as it is larger than allowed, whatever its headers say."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return body


def _replaying(body: bytes, receive: Receive) -> Receive:
    """What the application receives: the body that was read, then whatever comes."""
    is_read = False

    async def receive_again() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _route(scope: Scope) -> str:
    """The route's template. A path holds a wallet and a guess of one may be anything: neither is logged or a label."""
    route = scope.get("route")
    return str(getattr(route, "path", "unmatched"))


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
