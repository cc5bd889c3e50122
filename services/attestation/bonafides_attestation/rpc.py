"""JSON-RPC of an Ethereum node, with the standard library only.

No web3: it would follow `OffchainLookup` reverts (CCIP read) to addresses that a contract names, and these processes
hold keys.
"""

import http.client
import json
import ssl
from base64 import b64encode
from itertools import count
from urllib.parse import unquote, urlsplit

from bonafides.errors import InvalidSettings, Unavailable
from bonafides.verify.strict_json import Json

MAX_ANSWER_BYTES = 16 << 20


class NodeRefusal(Exception):
    """The node answered with an error. `revert` holds the revert data of a call, if there was any."""

    def __init__(self, message: str, revert: bytes) -> None:
        super().__init__(message)
        self.revert = revert


class JsonRpc:
    """One node. A connection a call: turns are seconds apart, and a dead connection is one error less."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Raises InvalidSettings when it is no http(s) URL; the URL is not repeated, it may hold a password."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise InvalidSettings("the node's URL is malformed: expected http://host:port or https://host/path")
        self._host, self._port, self._is_tls = parts.hostname, parts.port, parts.scheme == "https"
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"Content-Type": "application/json"}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        self._timeout_s = timeout_s
        self._ids = count(1)

    def call(self, method: str, *params: Json) -> Json:
        """One call.

        Raises:
            NodeRefusal: the node answered with an error.
            Unavailable: no answer, or one that is none.
        """
        number = next(self._ids)
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)})
        try:
            connection = self._connect()
            try:
                connection.request("POST", self._target, body, self._headers)
                response = connection.getresponse()
                raw = response.read(MAX_ANSWER_BYTES + 1)
            finally:
                connection.close()
            answer: Json = json.loads(raw)
        except (OSError, http.client.HTTPException) as exc:
            raise Unavailable(f"the node at {self._host} does not answer {method}: {type(exc).__name__}") from exc
        except (ValueError, RecursionError) as exc:
            raise Unavailable(f"the node's answer to {method} is not JSON (HTTP {response.status})") from exc
        if not isinstance(answer, dict) or answer.get("id") != number:
            raise Unavailable(f"the node's answer to {method} belongs to another question")
        if (error := answer.get("error")) is not None:
            raise _refusal(error)
        return answer.get("result")

    def _connect(self) -> http.client.HTTPConnection:
        if self._is_tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)


def _refusal(error: Json) -> NodeRefusal:
    if not isinstance(error, dict):
        return NodeRefusal("no reason given", b"")
    found = error.get("data")
    if isinstance(found, dict):  # some nodes wrap the revert data once more
        found = found.get("data")
    try:
        revert = bytes.fromhex(found.removeprefix("0x")) if isinstance(found, str) else b""
    except ValueError:
        revert = b""
    return NodeRefusal(str(error.get("message") or "no reason given")[:300], revert)
