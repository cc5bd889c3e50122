"""A node that serves a recorded chain over JSON-RPC: `python -m benchmarks.recorded_node MARKET BLOCK_S PORT`.

It holds every answer's parts ready as bytes, so that it is quicker than a node that reads a database would be: what is
timed against it is the reader.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bonafides.types import Json

from benchmarks.json_http import HttpAnswer, serve
from benchmarks.recorded_chain import RecordedChain, load_recorded_chain
from benchmarks.simulator import CHAIN

_REFUSED_CALL = (3, "execution reverted")
"""What a contract answers that has no such method: every price feed of the market is its own aggregator."""
_NO_METHOD = (-32601, "the method does not exist or is not recorded")


class RecordedNode:
    """Answers questions about one chain."""

    def __init__(self, chain: RecordedChain) -> None:
        self._chain = chain

    async def handle(self, body: bytes) -> HttpAnswer:
        """Answer one request, alone or in a batch."""
        asked = json.loads(body)
        if isinstance(asked, list):
            return HttpAnswer(b"[" + b",".join([self._answer(call) for call in asked]) + b"]")
        return HttpAnswer(self._answer(asked))

    def _answer(self, call: Mapping[str, Json]) -> bytes:
        number = json.dumps(call.get("id")).encode()
        params = call.get("params")
        found = self._result(str(call.get("method")), params if isinstance(params, list) else [])
        if isinstance(found, tuple):
            error = json.dumps({"code": found[0], "message": found[1]}).encode()
            return b'{"jsonrpc":"2.0","id":' + number + b',"error":' + error + b"}"
        return b'{"jsonrpc":"2.0","id":' + number + b',"result":' + found + b"}"

    def _result(self, method: str, params: Sequence[Json]) -> bytes | tuple[int, str]:
        chain = self._chain
        match method, params:
            case "eth_chainId", _:
                return _quoted(hex(CHAIN))
            case "net_version", _:
                return _quoted(str(CHAIN))
            case "web3_clientVersion", _:
                return b'"recorded"'
            case "eth_syncing", _:
                return b"false"
            case "eth_blockNumber", _:
                return _quoted(hex(chain.head))
            case "eth_getBlockByNumber", [str(number), *rest]:
                return chain.block(self._number(number), full=rest[:1] == [True])
            case "eth_getBlockByHash", [str(block_hash), *rest]:
                return chain.block(chain.number_of(block_hash), full=rest[:1] == [True])
            case "eth_getLogs", [dict(criteria)]:
                return self._logs(criteria)
            case "eth_getBlockReceipts", [str(block)]:
                return chain.receipts(chain.number_of(block) if len(block) == 66 else self._number(block))
            case "eth_getTransactionReceipt", [str(transaction)]:
                return chain.receipt(transaction)
            case "eth_getCode", _:
                return b'"0x"'
            case "eth_call", _:
                return _REFUSED_CALL
            case _:
                return _NO_METHOD

    def _logs(self, criteria: Mapping[str, Json]) -> bytes:
        match criteria.get("blockHash"):
            case str(block_hash):
                first = last = self._chain.number_of(block_hash)
            case _:
                first = self._number(str(criteria.get("fromBlock", "latest")))
                last = self._number(str(criteria.get("toBlock", "latest")))
        addresses = _words(criteria.get("address")) or None
        wanted = criteria.get("topics")
        topics = [_words(topic) for topic in wanted] if isinstance(wanted, list) else []
        return self._chain.logs(first, last, addresses, topics)

    def _number(self, text: str) -> int:
        match text:
            case "latest" | "safe" | "finalized" | "pending":
                return self._chain.head
            case "earliest":
                return 0
            case _:
                return int(text, 16)


def _words(value: Json) -> frozenset[str]:
    """One or a list of them; none for all."""
    match value:
        case str():
            return frozenset({value.lower()})
        case list():
            return frozenset(str(word).lower() for word in value)
        case _:
            return frozenset()


def _quoted(text: str) -> bytes:
    return f'"{text}"'.encode()


def main() -> None:
    market, block_s, port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    node = RecordedNode(load_recorded_chain(market, block_s))
    asyncio.run(serve(node.handle, port))


if __name__ == "__main__":
    main()
