"""HTTP to a node: POSTs over one kept connection per thread. No redirects are followed and no proxy is used."""

import http.client
import selectors
import ssl
import threading
from base64 import b64encode
from urllib.parse import SplitResult, unquote, urlsplit

from bonafides.errors import InvalidInput


def split_url(url: str) -> SplitResult:
    """The parts of a node's URL. Raises InvalidInput, without repeating it, for anything but http(s)."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, an IPv6 address that is none
        is_right = False
    if not is_right or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInput("the node's URL is malformed: expected http://host:port or https://host/path")
    return parts


class NodeHttp(threading.local):
    """One address. Threads may share it: each has a connection of its own.

    A kept connection that the node has closed meanwhile is opened again, once, before anything is sent on it; no
    question is ever sent twice.
    """

    def __init__(self, parts: SplitResult, timeout_s: float, max_answer_bytes: int) -> None:
        self._parts, self._timeout_s, self._max_answer_bytes = parts, timeout_s, max_answer_bytes
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        self._kept: _Kept | None = None
        self.retry_after: str | None = None
        """As the last answer to this thread says."""

    def exchange(self, body: bytes) -> tuple[int, bytes]:
        """HTTP status and body of the answer, which is cut off behind one byte more than the most.

        Raises OSError and HTTPException.
        """
        if self._kept is not None and _was_dropped(self._kept.connection):
            self.close()
        if self._kept is None:
            self._kept = _Kept(self._connect())
        connection, is_done = self._kept.connection, False
        try:
            connection.request("POST", self._target, body, self._headers)
            response = connection.getresponse()
            self.retry_after = response.getheader("Retry-After")
            raw = response.read(self._max_answer_bytes + 1)
            is_done = response.isclosed() and len(raw) <= self._max_answer_bytes
        finally:
            if not is_done:  # what is left of this answer must not meet the next question
                self.close()
        return response.status, raw

    def close(self) -> None:
        """Close this thread's connection; a later exchange opens it again."""
        if self._kept is not None:
            self._kept.connection.close()
            self._kept = None

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=context)
        return http.client.HTTPConnection(host, port, timeout=self._timeout_s)


class _Kept:
    """One thread's connection; it is closed when the thread ends or the client goes."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


def _was_dropped(connection: http.client.HTTPConnection) -> bool:
    """Between two questions a node has nothing to say: what can be read then is the end of the connection."""
    if connection.sock is None:
        return False  # http.client saw the end itself, and connects again
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))
