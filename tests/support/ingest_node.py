"""A JSON-RPC node made of a `ChainOfLogs`, with real blooms, that can be told to lie. No socket."""

from collections.abc import Callable, Sequence
from typing import Any

from bonafides.hashing import keccak
from bonafides.json_rpc import Call, JsonRpc, NodeRefused
from bonafides.types import Address, Json
from bonafides_ingest.chain import Log

from tests.support.ingest_logs import CHAIN, ChainOfLogs, block_at


def _bloom(logs: Sequence[Log]) -> bytes:
    """Yellow Paper 4.3.1, written apart from the code under test."""
    bits = 0
    for log in logs:
        for value in (log.address, *log.topics):
            digest = keccak(value)
            for pair in (digest[0:2], digest[2:4], digest[4:6]):
                bits |= 1 << (int.from_bytes(pair) % 2048)
    return bits.to_bytes(256)


def log_object(log: Log) -> dict[str, Json]:
    position = log.position
    return {
        "blockNumber": hex(position.block.number),
        "blockHash": "0x" + position.block.hash.hex(),
        "transactionHash": "0x" + position.tx_hash.hex(),
        "transactionIndex": hex(position.tx_index),
        "logIndex": hex(position.log_index),
        "address": "0x" + log.address.hex(),
        "topics": ["0x" + topic.hex() for topic in log.topics],
        "data": "0x" + log.payload.hex(),
        "removed": False,
    }


type Answer = Callable[[Any, list[Any]], Any]


class FakeNode(JsonRpc):
    """Answers as a node would; `lies` replaces the answer of a method by what it makes of the true one."""

    def __init__(self, chain: ChainOfLogs) -> None:
        super().__init__("http://node.invalid", 1.0)
        self.chain = chain
        self.chain_id = int(CHAIN)
        self.live_blocks = 2
        """Above the finalized one."""
        self.most_blocks = 10**9
        """A larger range is refused."""
        self.lies: dict[str, Answer] = {}
        self.calls: list[str] = []
        self._served: dict[str, int] = {}
        """Numbers of the blocks whose headers it sent, by hash."""

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        return [self._answer(method, list(params)) for method, params in calls]

    def answer(self, method: str, params: list[Json]) -> Json:
        """To one call, as it stands in a batch. Raises NodeRefused."""
        return self._answer(method, params)

    def _answer(self, method: str, params: list[Json]) -> Json:
        self.calls.append(method)
        truth = self._truth(method, params)
        return self.lies[method](truth, params) if method in self.lies else truth

    def _truth(self, method: str, params: list[Any]) -> Json:
        match method:
            case "eth_chainId":
                return hex(self.chain_id)
            case "eth_blockNumber":
                return hex(self.chain.head + self.live_blocks)
            case "eth_syncing":
                return False
            case "eth_getBlockByNumber":
                tags = {"finalized": self.chain.head, "latest": self.chain.head + self.live_blocks}
                number = tags[params[0]] if params[0] in tags else int(params[0], 16)
                return self._header(number) if number <= self.chain.head + self.live_blocks else None
            case "eth_getLogs" if "blockHash" in params[0]:
                number = self._number_of(params[0]["blockHash"])
                return self._logs({**params[0], "fromBlock": hex(number), "toBlock": hex(number)})
            case "eth_getLogs":
                return self._logs(params[0])
            case "eth_getBlockReceipts":
                return [*self._receipts(self._number_of(params[0]))]
            case "eth_getTransactionReceipt":
                return next(
                    receipt
                    for number in sorted({log.position.block.number for log in self.chain.logs})
                    for receipt in self._receipts(number)
                    if receipt["transactionHash"] == params[0]
                )
        raise AssertionError(method)

    def _logs_of(self, number: int) -> list[Log]:
        return [log for log in self.chain.logs if log.position.block.number == number]

    def _number_of(self, block_hash: str) -> int:
        if block_hash not in self._served:
            raise NodeRefused("eth_getLogs", -32000, "unknown block")
        return self._served[block_hash]

    def _receipts(self, number: int) -> list[dict[str, Json]]:
        logs = self._logs_of(number)
        return [
            {"transactionHash": hash, "logs": [log_object(log) for log in logs if _text(log.position.tx_hash) == hash]}
            for hash in self._transactions(number)
        ]

    def _transactions(self, number: int) -> list[str]:
        """Those with logs; a block has no others."""
        places = sorted({(log.position.tx_index, log.position.tx_hash) for log in self._logs_of(number)})
        return [_text(hash) for _, hash in places]

    def _header(self, number: int) -> Json:
        block = block_at(number)
        self._served[_text(block.hash)] = number
        return {
            "number": hex(number),
            "hash": "0x" + block.hash.hex(),
            "parentHash": "0x" + block_at(number - 1).hash.hex(),
            "timestamp": hex(block.timestamp),
            "logsBloom": "0x" + _bloom(self._logs_of(number)).hex(),
            "transactions": list(self._transactions(number)),
        }

    def _logs(self, criteria: dict[str, Any]) -> Json:
        first, last = int(criteria["fromBlock"], 16), int(criteria["toBlock"], 16)
        if last - first + 1 > self.most_blocks:
            raise NodeRefused("eth_getLogs", -32602, "too many blocks")
        addresses = (
            {Address(bytes.fromhex(text[2:])) for text in criteria["address"]} if "address" in criteria else None
        )
        (asked,) = criteria.get("topics", [None])
        topic0 = [bytes.fromhex(topic[2:]) for topic in ([asked] if isinstance(asked, str) else asked or [])]
        return [
            log_object(log)
            for log in sorted(self.chain.logs, key=lambda log: log.position.order)
            if first <= log.position.block.number <= last
            and (addresses is None or log.address in addresses)
            and (not topic0 or log.topics[0] in topic0)
        ]


def _text(value: bytes) -> str:
    return "0x" + value.hex()
