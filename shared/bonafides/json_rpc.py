"""JSON-RPC of an Ethereum node, with the standard library only: the one way in which anything here talks to a node.

No web3.py: it follows `OffchainLookup` reverts (CCIP read) to addresses that a contract names, and some of these
processes hold keys. What a node says is not trusted: `quantity`, `octets`, `member` and `items` read its answers.

No message of ours repeats a node's URL, which may hold a key, nor a provider's words, which may repeat what was asked.
"""

import http.client
import json
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from itertools import count
from typing import Final

from bonafides.errors import InvalidInput, Unavailable
from bonafides.node_http import NodeHttp, split_url
from bonafides.types import Json

type Call = tuple[str, Sequence[Json]]
"""A method and its parameters."""
type Exchange = Callable[[bytes], tuple[int, bytes]]
"""Sends a body, gives HTTP status and body of the answer; raises OSError, HTTPException or `AnswerTooLong`."""

MAX_ANSWER_BYTES: Final = 16 << 20
REVERTED: Final = 3  # code of a call that the contract reverts, as geth, Nethermind, Reth and anvil give it
MOST_WORDS: Final = 500  # Alchemy's longest refusal has 304 characters, and its last ones are what counts
LONGEST_WAIT_S: Final = 86_400.0  # no node's word holds anything up for more than a day
_QUANTITY = re.compile(r"0x[0-9a-fA-F]+")


class NodeRefused(InvalidInput):
    """The node answered a call with an error. Whether to ask again, and how, its caller must know.

    `message` holds the node's own words, at most 500 characters: never to be logged where the node is a provider's.
    `revert` holds the data that a contract reverted with, if there was any; `retry_after_s` how long the node asks to
    wait (`Retry-After`, or Infura's `backoff_seconds`), where it does.
    """

    def __init__(
        self,
        method: str,
        code: int | None,
        message: str = "",
        revert: bytes = b"",
        *,
        shows_message: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        self.method, self.code, self.message, self.revert = method, code, message[:MOST_WORDS], revert
        self.retry_after_s = retry_after_s
        reason = f": {self.message}" if shows_message else ""
        super().__init__(f"the node refused {method} (JSON-RPC error {code}){reason}")

    @property
    def is_revert(self) -> bool:
        """Whether a contract said no, and not the node."""
        return bool(self.revert) or self.code == REVERTED or "revert" in self.message.lower()


class NodeLied(Unavailable):
    """A node's answer makes no sense or contradicts another one: nothing of it is used, and it is asked again."""


class AnswerTooLong(Unavailable):
    """A node's answer is longer than the caller takes: ask for less."""


class JsonRpc:
    """One node. Threads may share it: each has a connection of its own, kept between calls (`NodeHttp`).

    Args:
        url: http(s)://[name:password@]host[:port][/path]; name and password go as Basic authentication.
        timeout_s: how long the node may be silent.
        batch_size: most calls in one request of `batch`.
        max_answer_bytes: a longer answer to one request raises AnswerTooLong.
        shows_messages: put the node's words into NodeRefused's text. Only for a node of our own without a key.
        exchange: for tests: what stands in for the network.

    Raises:
        InvalidInput: the URL is malformed.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float,
        *,
        batch_size: int = 100,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        shows_messages: bool = False,
        exchange: Exchange | None = None,
    ) -> None:
        self._http = NodeHttp(split_url(url), timeout_s, max_answer_bytes)
        self._exchange = exchange or self._http.exchange
        self._batch_size, self._shows_messages, self._max_answer_bytes = batch_size, shows_messages, max_answer_bytes
        self._ids = count(1)

    def call(self, method: str, *params: Json) -> Json:
        """The result of one call.

        Raises:
            NodeRefused: the node answered with an error, or with HTTP 429, which counts as error 429.
            Unavailable: no answer, or one that is no JSON-RPC.
        """
        number, question = self._question((method, params))
        answer = self._ask(question, method)
        return self._result(answer, number, method)

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        """The results of calls, in their order. The first error that the node answers is raised, as `call` does."""
        results: list[Json] = []
        for start in range(0, len(calls), self._batch_size):
            results += self._batch(calls[start : start + self._batch_size])
        return results

    def close(self) -> None:
        """Close this thread's connection; a later call opens it again. Others end with their threads."""
        self._http.close()

    def _batch(self, calls: Sequence[Call]) -> list[Json]:
        numbered = [self._question(call) for call in calls]
        answers = self._ask([question for _, question in numbered], calls[0][0])
        if isinstance(answers, dict):
            self._raise_error(answers, calls[0][0])
        if not isinstance(answers, list):
            raise Unavailable("the node's answer to a batch is no batch")
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict) and _has_id(answer)}
        return [
            self._result(by_id.get(number, {}), number, method)
            for (number, _), (method, _) in zip(numbered, calls, strict=True)
        ]

    def _question(self, call: Call) -> tuple[int, Json]:
        number = next(self._ids)
        return number, {"jsonrpc": "2.0", "id": number, "method": call[0], "params": list(call[1])}

    def _ask(self, question: Json, method: str) -> Json:
        try:
            status, raw = self._exchange(json.dumps(question).encode())
        except (OSError, http.client.HTTPException, UnicodeError) as exc:  # the last: a host that is no DNS name
            raise Unavailable(f"the node does not answer {method}: {type(exc).__name__}") from exc
        if len(raw) > self._max_answer_bytes:
            raise AnswerTooLong(f"the node's answer is longer than {self._max_answer_bytes} bytes")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise NodeRefused(
                method,
                status,
                "Too Many Requests",
                shows_message=self._shows_messages,
                retry_after_s=_seconds(self._http.retry_after),
            )
        try:
            answer: Json = json.loads(raw)
        except (ValueError, RecursionError) as exc:
            raise Unavailable(f"the node's answer to {method} is not JSON (HTTP {status})") from exc
        if status != HTTPStatus.OK:  # then its reason counts, where it gives one, but no result does
            self._raise_error(answer, method)
            raise Unavailable(f"the node answered {method} with HTTP {status}")
        return answer

    def _result(self, answer: Json, number: int, method: str) -> Json:
        # An error may come without an id: the node could not read the question that it belongs to.
        if isinstance(answer, dict) and answer.get("id") in (None, number):
            self._raise_error(answer, method)
        if not isinstance(answer, dict) or answer.get("id") != number or "result" not in answer:
            raise Unavailable(f"the node did not answer {method}, but something else")
        return answer["result"]

    def _raise_error(self, answer: Json, method: str) -> None:
        """Raises NodeRefused when the answer is a JSON-RPC error."""
        error = answer.get("error") if isinstance(answer, dict) else None
        if error is None:
            return
        found = error if isinstance(error, dict) else {}
        code, message = found.get("code"), found.get("message")
        raise NodeRefused(
            method,
            code if isinstance(code, int) else None,
            str(message or "no reason given"),
            _revert_data(found.get("data")),
            shows_message=self._shows_messages,
            retry_after_s=_backoff(found.get("data")),
        )


def check_node_url(url: str) -> None:
    """Raises InvalidInput, without repeating it, when `JsonRpc` would not take this URL."""
    split_url(url)


def member(value: Json, name: str) -> Json:
    """A member of an object. Raises NodeLied when there is none."""
    if not isinstance(value, dict) or name not in value:
        raise NodeLied(f"the node sent an answer without {name}")
    return value[name]


def items(value: Json) -> list[Json]:
    """A list. Raises NodeLied for anything else."""
    if not isinstance(value, list):
        raise NodeLied("the node sent no list where one belongs")
    return value


def quantity(value: Json) -> int:
    """A number as JSON-RPC writes it, for example `"0x1f"`. Raises NodeLied for anything else."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise NodeLied("the node sent no 0x number where one belongs")
    return int(value, 16)


def octets(value: Json, size: int | None = None) -> bytes:
    """Bytes as JSON-RPC writes them, for example `"0x00ff"`, so many where given. Raises NodeLied for anything else."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            raw = bytes.fromhex(value[2:])
        except ValueError:
            raw = None
        # fromhex skips white space, so the length of the text is compared too.
        if raw is not None and size in (None, len(raw)) and 2 + 2 * len(raw) == len(value):
            return raw
    raise NodeLied(f"the node sent no {'bytes' if size is None else f'{size} bytes'} where they belong")


def _has_id(answer: dict[str, Json]) -> bool:
    return type(answer.get("id")) is int


def _seconds(text: str | None) -> float | None:
    """`Retry-After` in seconds; None for a date, which would need a clock that agrees with the node's."""
    return min(float(text), LONGEST_WAIT_S) if text and text.isascii() and text.isdigit() else None


def _backoff(found: Json) -> float | None:
    """How long Infura asks to wait, in the data of its error."""
    rate = found.get("rate") if isinstance(found, dict) else None
    seconds = rate.get("backoff_seconds") if isinstance(rate, dict) else None
    if (
        not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds >= 0
    ):  # not a number is not, either
        return None
    return min(float(seconds), LONGEST_WAIT_S)


def _revert_data(found: Json) -> bytes:
    if isinstance(found, dict):  # some nodes wrap the revert data once more
        found = found.get("data")
    try:
        return bytes.fromhex(found.removeprefix("0x")) if isinstance(found, str) else b""
    except ValueError:
        return b""
