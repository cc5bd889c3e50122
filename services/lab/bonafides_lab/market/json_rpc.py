"""JSON-RPC in batches over one kept connection: what makes a thousand calls to a local node take a moment."""

import http.client
import json
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

from bonafides.errors import InvalidInput, Unavailable
from pydantic import BaseModel, ConfigDict

type JsonValue = str | int | bool | Sequence["JsonValue"] | dict[str, "JsonValue"] | None

REQUESTS_PER_BATCH = 500
"""Well under anvil's body limit of 2 MB when each request carries an Aave call."""
TIMEOUT_S = 60


class _RpcError(BaseModel):
    model_config = ConfigDict(extra="ignore")

    code: int
    message: str


class _RpcAnswer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: int | None = None
    result: object = None
    error: _RpcError | None = None


class RefusedByNode(InvalidInput):
    """The node answered with an error: the request will not become right by asking again."""


class JsonRpc:
    """A node's JSON-RPC endpoint over plain HTTP, meant for one on this machine."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise InvalidInput("the market plays on a local node: expected an address like http://127.0.0.1:8545")
        self._path = parts.path or "/"
        self.port = parts.port or http.client.HTTP_PORT
        self._connection = http.client.HTTPConnection(parts.hostname, self.port, timeout=TIMEOUT_S)

    def close(self) -> None:
        """Close the connection; a later request opens it again."""
        self._connection.close()

    def one(self, method: str, *parameters: JsonValue) -> JsonValue:
        """The result of one request."""
        return self.batch([(method, parameters)])[0]

    def batch(self, requests: Sequence[tuple[str, Sequence[JsonValue]]]) -> list[JsonValue]:
        """The results of the requests, in their order.

        Raises:
            Unavailable: nobody answers, or not with JSON-RPC.
            RefusedByNode: one of the requests was answered with an error.
        """
        results: list[JsonValue] = []
        for start in range(0, len(requests), REQUESTS_PER_BATCH):
            results += self._post(requests[start : start + REQUESTS_PER_BATCH])
        return results

    def _post(self, requests: Sequence[tuple[str, Sequence[JsonValue]]]) -> list[JsonValue]:
        body = json.dumps(
            [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
                for number, (method, parameters) in enumerate(requests)
            ]
        )
        try:
            self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
            raw = self._connection.getresponse().read()
            answers = sorted((_RpcAnswer.model_validate(answer) for answer in json.loads(raw)), key=_place)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self._connection.close()
            raise Unavailable("the node does not answer JSON-RPC batches; is anvil running at this address?") from exc
        if len(answers) != len(requests):
            raise Unavailable(f"the node answered {len(answers)} of {len(requests)} requests of a batch")
        for answer, (method, _) in zip(answers, requests, strict=True):
            if answer.error is not None:
                raise RefusedByNode(f"{method}: {answer.error.message} (code {answer.error.code})")
        return [cast(JsonValue, answer.result) for answer in answers]


def _place(answer: _RpcAnswer) -> int:
    return -1 if answer.id is None else answer.id


def quantity(value: JsonValue) -> int:
    """A number as JSON-RPC writes it, for example `"0x1f"`."""
    if not isinstance(value, str):
        raise Unavailable(f"the node sent {type(value).__name__} where a hexadecimal number was expected")
    return int(value, 16)


def octets(value: JsonValue) -> bytes:
    """Bytes as JSON-RPC writes them, for example `"0x00ff"`."""
    if not isinstance(value, str):
        raise Unavailable(f"the node sent {type(value).__name__} where hexadecimal bytes were expected")
    return bytes.fromhex(value.removeprefix("0x"))


def field(value: JsonValue, name: str) -> JsonValue:
    """One member of a JSON object that the node sent."""
    if not isinstance(value, dict) or name not in value:
        raise Unavailable(f"the node sent no {name}; is it a full node with the eth API?")
    return value[name]
