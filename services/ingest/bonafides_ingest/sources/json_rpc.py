"""JSON-RPC over HTTP: batches out, checked values back.

Plain `http.client`: ingest reads logs and headers and never signs, so nothing of web3.py would be used but its session
– and its CCIP-read, which lets a contract make the client call other servers, could not be left on.
"""

import base64
import http.client
import json
import ssl
from collections.abc import Sequence
from typing import cast
from urllib.parse import unquote, urlsplit

from bonafides.errors import InvalidSettings, Unavailable

from bonafides_ingest.sources.errors import NodeLied, RangeRefused, RateLimited

type JsonValue = bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None
type JsonObject = dict[str, JsonValue]
type Call = tuple[str, list[JsonValue]]

LIMIT_EXCEEDED = -32005  # EIP-1474; providers use it for ranges and for quotas alike
_QUOTA_WORDS = ("rate", "quota", "capacity", "compute units", "too many requests", "throughput")
_HOST_OF_MESSAGES = "the node"  # its URL may hold a key, so no message names it


class JsonRpc:
    """A connection to one node. Not for several threads."""

    def __init__(self, url: str, timeout_s: float, batch_size: int) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise InvalidSettings("the node's URL is wrong: expected http://host:port or https://host/path")
        self._host, self._port, self._is_tls = parts.hostname, parts.port, parts.scheme == "https"
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout_s, self._batch_size = timeout_s, batch_size
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        self._connection: http.client.HTTPConnection | None = None

    def one(self, method: str, *params: JsonValue) -> JsonValue:
        """The result of one call."""
        return self.batch([(method, list(params))])[0]

    def batch(self, calls: Sequence[Call]) -> list[JsonValue]:
        """The results of calls, in their order.

        Raises:
            Unavailable: no answer, or none that is JSON-RPC.
            RateLimited: the provider asks to slow down.
            RangeRefused: the node answers a call with another error.
        """
        results: list[JsonValue] = []
        for start in range(0, len(calls), self._batch_size):
            results += self._post(calls[start : start + self._batch_size])
        return results

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, calls: Sequence[Call]) -> list[JsonValue]:
        body = json.dumps(
            [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                for number, (method, params) in enumerate(calls)
            ]
        )
        status, raw = self._exchange(body.encode())
        if status == http.client.TOO_MANY_REQUESTS:
            raise RateLimited(f"{_HOST_OF_MESSAGES} asks to slow down (HTTP 429)")
        try:
            answers: JsonValue = json.loads(raw)
        except ValueError as exc:
            raise Unavailable(f"{_HOST_OF_MESSAGES} answered HTTP {status} and no JSON") from exc
        if isinstance(answers, dict) and "error" in answers:
            raise _refusal(answers["error"], calls[0][0])
        if not isinstance(answers, list):
            raise Unavailable(f"{_HOST_OF_MESSAGES} answered HTTP {status} and no JSON-RPC batch")
        by_id = {cast("int", answer.get("id")): answer for answer in answers if isinstance(answer, dict)}
        results: list[JsonValue] = []
        for number, (method, _) in enumerate(calls):
            answer = by_id.get(number, {})
            if "error" in answer:
                raise _refusal(answer["error"], method)
            if "result" not in answer:
                raise Unavailable(f"{_HOST_OF_MESSAGES} left {method} of a batch unanswered")
            results.append(answer["result"])
        return results

    def _exchange(self, body: bytes) -> tuple[int, bytes]:
        try:
            return self._request(body)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self.close()  # an idle connection that the node let go of: once more on a new one
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            raise Unavailable(f"{_HOST_OF_MESSAGES} does not answer: {type(exc).__name__}") from exc
        try:
            return self._request(body)
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            raise Unavailable(f"{_HOST_OF_MESSAGES} does not answer: {type(exc).__name__}") from exc

    def _request(self, body: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = (
                http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout_s, context=ssl.create_default_context()
                )
                if self._is_tls
                else http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            )
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        return response.status, response.read()


def _refusal(error: JsonValue, method: str) -> Unavailable:
    """The class of a JSON-RPC error. Its text is the provider's and stays out of ours: it may repeat what was asked."""
    details = error if isinstance(error, dict) else {}
    code, text = details.get("code"), str(details.get("message", "")).lower()
    if code in (LIMIT_EXCEEDED, 429, -32029) and any(word in text for word in _QUOTA_WORDS):
        return RateLimited(f"{_HOST_OF_MESSAGES} asks to slow down (JSON-RPC error {code})")
    return RangeRefused(f"{_HOST_OF_MESSAGES} refused {method} (JSON-RPC error {code})")


def member(value: JsonValue, name: str) -> JsonValue:
    """A member of an object. Raises NodeLied when there is none."""
    if not isinstance(value, dict) or name not in value:
        raise NodeLied(f"{_HOST_OF_MESSAGES} sent an answer without {name}")
    return value[name]


def items(value: JsonValue) -> list[JsonValue]:
    """A list. Raises NodeLied for anything else."""
    if not isinstance(value, list):
        raise NodeLied(f"{_HOST_OF_MESSAGES} sent no list where one belongs")
    return value


def quantity(value: JsonValue) -> int:
    """A 0x… number. Raises NodeLied for anything else."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise NodeLied(f"{_HOST_OF_MESSAGES} sent no 0x number where one belongs")


def octets(value: JsonValue, size: int | None = None) -> bytes:
    """0x… bytes, of this size where given. Raises NodeLied for anything else."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            raw = bytes.fromhex(value[2:])
        except ValueError:
            raw = None
        if raw is not None and size in (None, len(raw)):
            return raw
    raise NodeLied(f"{_HOST_OF_MESSAGES} sent no bytes{f' of length {size}' if size else ''} where they belong")
