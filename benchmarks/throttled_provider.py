"""A provider with limits, in front of a node: `python -m benchmarks.throttled_provider NODE_PORT PORT`.

The limits are those that providers state in public, one each (read in November 2026):

| limit | here | who states it |
|---|---|---|
| blocks in one `eth_getLogs` | 10,000 | QuickNode, paid plans (docs, `eth_getLogs`) |
| results of one `eth_getLogs` | 10,000 | MetaMask/Infura, with code and words (docs, `eth_getLogs`, constraints) |
| calls a second | 500 | Chainstack, Business plan (support, "Node and connection limitations") |
| … each call of a batch counted | | Chainstack (support, "429 errors") |
| above that | HTTP 429, `Retry-After: 1` | SwiftNodes (docs, "Rate limits") |

How long an answer takes no provider states. Here: 100 ms to the provider and back, and for `eth_getLogs` 2 ms per 1,000
blocks and 10 ms per 1,000 results, whether it is answered or refused for its results: the node had to look.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from bonafides.types import Json

from benchmarks.json_http import HttpAnswer, NodeConnections, serve

RANGE_REFUSED = -32614  # QuickNode's code
LIMIT_EXCEEDED = -32005  # EIP-1474, Infura's code
_RESULT_MARK = b'"logIndex"'


@dataclass(frozen=True, slots=True)
class ProviderLimits:
    """What the provider allows, and how long it takes."""

    most_blocks: int = 10_000
    """In one `eth_getLogs`."""
    most_results: int = 10_000
    """Of one `eth_getLogs`."""
    calls_per_s: int = 500
    """Each call of a batch counts; a second's worth may come at once."""
    round_trip_s: float = 0.100
    per_thousand_blocks_s: float = 0.002
    per_thousand_results_s: float = 0.010

    def seconds(self, blocks: int, results: int) -> float:
        """How long one request takes that looks at so many blocks and finds so many logs."""
        looked = blocks * self.per_thousand_blocks_s + results * self.per_thousand_results_s
        return self.round_trip_s + looked / 1_000

    @property
    def told(self) -> str:
        """For the results file."""
        base, blocks, results = (
            f"{seconds * 1_000:.0f} ms"
            for seconds in (self.round_trip_s, self.per_thousand_blocks_s, self.per_thousand_results_s)
        )
        return (
            f"at most {self.most_blocks:,} blocks and {self.most_results:,} results in one eth_getLogs, "
            f"{self.calls_per_s:,} calls a second with each of a batch counted (else HTTP 429, Retry-After 1), an "
            f"answer after {base} + {blocks} per 1,000 blocks + {results} per 1,000 results"
        )


class Bucket:
    """A token bucket that holds one second's worth."""

    def __init__(self, per_s: float, now: float) -> None:
        self._per_s, self._held, self._at = per_s, per_s, now

    def take(self, count: int, now: float) -> bool:
        """Whether so many are there; then they are gone."""
        self._held = min(self._per_s, self._held + (now - self._at) * self._per_s)
        self._at = now
        if count > self._held:
            return False
        self._held -= count
        return True


class ThrottledProvider:
    """Passes to a node what its limits allow."""

    def __init__(self, node: NodeConnections, limits: ProviderLimits) -> None:
        self._node, self._limits = node, limits
        self._bucket = Bucket(limits.calls_per_s, time.monotonic())

    async def handle(self, body: bytes) -> HttpAnswer:
        """Answer one request, alone or in a batch, as late as the provider would."""
        arrived = time.monotonic()
        asked = json.loads(body)
        calls: list[dict[str, Json]] = asked if isinstance(asked, list) else [asked]
        if not self._bucket.take(len(calls), arrived):
            await asyncio.sleep(self._limits.round_trip_s)
            refused = _error(None, HTTPStatus.TOO_MANY_REQUESTS, "Too Many Requests")
            return HttpAnswer(refused, HTTPStatus.TOO_MANY_REQUESTS, (("Retry-After", "1"),))
        answers, seconds = await self._answers(calls)
        await asyncio.sleep(max(arrived + seconds - time.monotonic(), 0))
        return HttpAnswer(b"[" + b",".join(answers) + b"]" if isinstance(asked, list) else answers[0])

    async def _answers(self, calls: Sequence[Mapping[str, Json]]) -> tuple[list[bytes], float]:
        """Answers in the order of the calls, and how long they take."""
        looks = {at: call for at, call in enumerate(calls) if call.get("method") == "eth_getLogs"}
        others = [call for at, call in enumerate(calls) if at not in looks]
        blocks = results = 0
        found: dict[int, bytes] = {}
        for at, call in looks.items():
            found[at], looked, came = await self._logs(call)
            blocks, results = blocks + looked, results + came
        if not others:
            return list(found.values()), self._limits.seconds(blocks, results)
        rest = await self._node.ask(json.dumps(others if len(others) > 1 else others[0]).encode())
        if not looks:  # nothing to put into order
            return [rest.removeprefix(b"[").removesuffix(b"]")], self._limits.seconds(0, 0)
        parts = json.loads(rest) if len(others) > 1 else [json.loads(rest)]
        texts = iter([json.dumps(part).encode() for part in parts])
        ordered = [found[at] if at in found else next(texts) for at in range(len(calls))]
        return ordered, self._limits.seconds(blocks, results)

    async def _logs(self, call: Mapping[str, Json]) -> tuple[bytes, int, int]:
        """The answer to one `eth_getLogs`, with blocks looked at and logs found."""
        blocks = _blocks_of(call)
        if blocks > self._limits.most_blocks:
            words = f"eth_getLogs is limited to a {self._limits.most_blocks:,} range"
            return _error(call, RANGE_REFUSED, words), 0, 0
        answer = await self._node.ask(json.dumps(call).encode())
        results = answer.count(_RESULT_MARK)
        if results > self._limits.most_results:
            words = f"query returned more than {self._limits.most_results} results"
            return _error(call, LIMIT_EXCEEDED, words), blocks, self._limits.most_results
        return answer, blocks, results


def _blocks_of(call: Mapping[str, Json]) -> int:
    match call.get("params"):
        case [{"fromBlock": str(first), "toBlock": str(last)}] if first.startswith("0x") and last.startswith("0x"):
            return int(last, 16) - int(first, 16) + 1
        case _:
            return 1


def _error(call: Mapping[str, Json] | None, code: int, words: str) -> bytes:
    number = None if call is None else call.get("id")
    return json.dumps({"jsonrpc": "2.0", "id": number, "error": {"code": int(code), "message": words}}).encode()


def main() -> None:
    async def run(node_port: int, port: int) -> None:
        provider = ThrottledProvider(NodeConnections(node_port), ProviderLimits())
        await serve(provider.handle, port)

    asyncio.run(run(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
