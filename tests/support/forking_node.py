"""A JSON-RPC node over a `ForkingChain`, as nodes answer for blocks that left the chain. No socket."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from bonafides.json_rpc import Call, JsonRpc, NodeRefused
from bonafides.types import Address, Digest, Json
from bonafides_ingest.chain import Log

from tests.support.forking_chain import Block, ForkingChain, bloom_of
from tests.support.ingest_logs import CHAIN
from tests.support.ingest_node import log_object


class Orphans(StrEnum):
    """What a node says of a block that is on the chain no more, when it is asked for by its hash."""

    KEPT = "kept"
    """All of it, as geth does until it prunes."""
    UNKNOWN = "unknown"
    """That it does not know it."""
    EMPTY = "empty"
    """No such block, and of its logs that there are none: a lie that some nodes tell."""


class ForkingNode(JsonRpc):
    """Answers as a node of this chain would. `after_calls` may move the chain between two requests."""

    def __init__(self, chain: ForkingChain, orphans: Orphans = Orphans.KEPT) -> None:
        super().__init__("http://node.invalid", 1.0)
        self.chain, self.orphans = chain, orphans
        self.is_syncing = False
        """Knows blocks only up to one that is far below the chain's finalized one, and no finalized one."""
        self._waiting: tuple[int, Callable[[], None]] | None = None

    def after_calls(self, calls: int, do: Callable[[], None]) -> None:
        """Do this once, before the so manieth call from now: a batch is not answered in one moment."""
        self._waiting = (calls, do)

    def forget_waiting(self) -> None:
        """Whatever was to be done later is done no more."""
        self._waiting = None

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        return [self._answer(method, list(params)) for method, params in calls]

    def call(self, method: str, *params: Json) -> Json:
        return self.batch([(method, params)])[0]

    def _answer(self, method: str, params: list[Any]) -> Json:
        if self._waiting is not None:
            left, do = self._waiting
            self._waiting = (left - 1, do) if left > 1 else None
            if left <= 1:
                do()
        match method:
            case "eth_chainId":
                return hex(CHAIN)
            case "eth_syncing":
                return (
                    {"currentBlock": "0x1", "highestBlock": hex(self.chain.head.number)} if self.is_syncing else False
                )
            case "eth_blockNumber":
                return hex(self._head().number)
            case "eth_getBlockByNumber":
                return _header(self._numbered(params[0]))
            case "eth_getBlockByHash":
                return _header(self._hashed(params[0]))
            case "eth_getLogs":
                return self._logs(params[0])
            case "eth_getBlockReceipts":
                asked = params[0]
                block = self._hashed(asked) if isinstance(asked, str) and len(asked) == 66 else self._at(method, asked)
                return None if block is None else list(_receipts(block))
            case "eth_getTransactionReceipt":
                return self._receipt(params[0])
            case "eth_call":
                self._at(method, params[1])
                raise NodeRefused(method, 3, "execution reverted")  # no feed here is a proxy
            case "eth_getCode":
                self._at(method, params[1])
                return "0x60" if bytes.fromhex(params[0][2:]) in self._feeds() else "0x"
        raise AssertionError(method)

    def _head(self) -> Block:
        return self.chain.head.ancestor(min(1, self.chain.head.number)) if self.is_syncing else self.chain.head

    def _numbered(self, asked: str) -> Block | None:
        match asked:
            case "latest":
                return self._head()
            case "finalized" | "safe":
                return None if self.is_syncing else self.chain.at(self.chain.finalized)
        number = int(asked, 16)
        return self.chain.at(number) if number <= self._head().number else None

    def _hashed(self, asked: str) -> Block | None:
        block = self.chain.blocks.get(Digest(bytes.fromhex(asked[2:])))
        if block is None or (self.orphans is not Orphans.KEPT and not self.chain.is_canonical(block)):
            return None
        return block

    def _at(self, method: str, asked: Any) -> Block:
        """The block that a number or an EIP-1898 object names."""
        if not isinstance(asked, dict):
            if (block := self._numbered(asked)) is None:
                raise NodeRefused(method, -32000, "header not found")
            return block
        block = self._hashed(asked["blockHash"])
        if block is None:
            raise NodeRefused(method, -32000, "header for hash not found")
        if asked.get("requireCanonical") and not self.chain.is_canonical(block):
            raise NodeRefused(method, -32000, "hash is not currently canonical")
        return block

    def _logs(self, criteria: dict[str, Any]) -> Json:
        found: list[Block]
        if "blockHash" in criteria:
            block = self._hashed(criteria["blockHash"])
            if block is None and self.orphans is not Orphans.EMPTY:
                raise NodeRefused("eth_getLogs", -32000, "unknown block")
            found = [block] if block else []
        else:
            first, last = int(criteria["fromBlock"], 16), int(criteria["toBlock"], 16)
            head = self._head()
            found = [block for block in head.down() if first <= block.number <= last][::-1]
        return [log_object(log) for block in found for log in block.logs if _fits(log, criteria)]

    def _receipt(self, asked: str) -> Json:
        for block in self.chain.head.down():
            for receipt in _receipts(block):
                if receipt["transactionHash"] == asked:
                    return receipt
        return None

    def _feeds(self) -> set[Address]:
        return {reserve.feed for block in self.chain.blocks.values() for reserve in block.market.listed.values()}


def _fits(log: Log, criteria: dict[str, Any]) -> bool:
    addresses = criteria.get("address")
    if addresses is not None:
        texts = [addresses] if isinstance(addresses, str) else addresses
        if log.address not in {bytes.fromhex(text[2:]) for text in texts}:
            return False
    for place, asked in enumerate(criteria.get("topics", [])):
        wanted = [asked] if isinstance(asked, str) else asked
        if wanted and (
            place >= len(log.topics) or log.topics[place] not in {bytes.fromhex(text[2:]) for text in wanted}
        ):
            return False
    return True


def _header(block: Block | None) -> Json:
    if block is None:
        return None
    return {
        "number": hex(block.number),
        "hash": "0x" + block.ref.hash.hex(),
        "parentHash": "0x" + block.parent_hash.hex(),
        "timestamp": hex(block.ref.timestamp),
        "logsBloom": "0x" + block.bloom.hex(),
        "transactions": ["0x" + tx_hash.hex() for tx_hash in block.transactions],
    }


def _receipts(block: Block) -> list[dict[str, Json]]:
    receipts: list[dict[str, Json]] = []
    for index, tx_hash in enumerate(block.transactions):
        logs = [log for log in block.logs if log.position.tx_index == index]
        receipts.append(
            {
                "transactionHash": "0x" + tx_hash.hex(),
                "transactionIndex": hex(index),
                "blockHash": "0x" + block.ref.hash.hex(),
                "blockNumber": hex(block.number),
                "status": "0x1",
                "logsBloom": "0x" + bloom_of(logs).hex(),
                "logs": [log_object(log) for log in logs],
            }
        )
    return receipts
