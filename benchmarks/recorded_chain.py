"""A chain of many blocks made of a simulated market's logs: what a node would say of it.

anvil takes a minute for five thousand empty blocks, and a backfill over RPC is about tens of thousands. So the logs of
`bonafides lab simulate` are laid over a chain whose blocks come at a fixed pace, with the empty ones between:

```
simulated   ├ 00:00 prices ┤        ├ 01:00 somebody borrows ┤                   ├ 13:00 … ┤
recorded    ├ block n ┤ n+1, empty ├ n+2 ┤ n+3 … n+25, empty                     ├ n+26 ┤
```
Contents, order and times are the simulation's. Hashes are made up (a digest of the block's number), blooms are real.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from bonafides.hashing import keccak
from bonafides.types import address_text
from bonafides_ingest.chain import Log
from bonafides_ingest.sources.parquet import open_log_folder

BLOOM_BITS = 2_048
_EMPTY_BLOOM = bytes(BLOOM_BITS // 8)
_ZERO_ROOT = "0x" + "00" * 32


@dataclass(frozen=True, slots=True)
class RecordedBlock:
    """A block that holds logs."""

    number: int
    timestamp: int
    logs: tuple[Log, ...]


class RecordedChain:
    """Blocks 0 to `head`, all of them final, in the words of JSON-RPC: each answer is the bytes of a JSON value."""

    def __init__(self, blocks: Sequence[RecordedBlock], block_s: int) -> None:
        self.block_s = block_s
        self._active = {block.number: block for block in blocks}
        self._numbers = [block.number for block in blocks]
        self.head = blocks[-1].number + 1
        self._headers: dict[int, bytes] = {}
        self._log_numbers: list[int] = []
        self._log_addresses: list[str] = []
        self._log_topics: list[tuple[str, ...]] = []
        self._log_texts: list[bytes] = []
        for block in blocks:
            for log in block.logs:
                self._log_numbers.append(block.number)
                self._log_addresses.append(address_text(log.address))
                self._log_topics.append(tuple("0x" + topic.hex() for topic in log.topics))
                self._log_texts.append(_log_text(log, block))

    @property
    def log_count(self) -> int:
        return len(self._log_numbers)

    @property
    def contracts(self) -> frozenset[str]:
        """Everybody who logged."""
        return frozenset(self._log_addresses)

    @property
    def active_blocks(self) -> int:
        """Blocks that hold logs."""
        return len(self._numbers)

    def block(self, number: int, *, full: bool) -> bytes:
        """A block with its transactions or their hashes; `null` above the head."""
        if not 0 <= number <= self.head:
            return b"null"
        if full:
            return self._block_text(number, full=True)
        text = self._headers.get(number)
        if text is None:
            text = self._headers[number] = self._block_text(number, full=False)
        return text

    def number_of(self, block_hash: str) -> int:
        """The block with this hash; -1 when there is none."""
        return self._numbers_by_hash.get(block_hash, -1)

    def logs(self, first: int, last: int, addresses: frozenset[str] | None, topics: Sequence[frozenset[str]]) -> bytes:
        """The logs of a range: of these addresses, None for all; per place these topics, an empty set for all."""
        start, end = bisect_left(self._log_numbers, first), bisect_right(self._log_numbers, last)
        found: Iterable[int] = range(start, end)
        if addresses is not None:
            of = self._log_addresses
            found = [at for at in found if of[at] in addresses]
        if any(topics):
            found = [at for at in found if _fits(self._log_topics[at], topics)]
        texts = self._log_texts
        return b"[" + b",".join([texts[at] for at in found]) + b"]"

    def receipts(self, number: int) -> bytes:
        """The receipts of a block's transactions; `null` above the head."""
        if not 0 <= number <= self.head:
            return b"null"
        block = self._active.get(number)
        return b"[" + b",".join(_receipt_texts(block).values()) + b"]" if block else b"[]"

    def receipt(self, transaction_hash: str) -> bytes:
        """The receipt of one transaction; `null` when there is none."""
        number = self._blocks_by_transaction.get(transaction_hash)
        return b"null" if number is None else _receipt_texts(self._active[number])[transaction_hash]

    def timestamp(self, number: int) -> int:
        """Unix seconds; empty blocks follow the last one with logs at the chain's pace."""
        at = bisect_right(self._numbers, number) - 1
        if at < 0:
            return self._active[self._numbers[0]].timestamp - (self._numbers[0] - number) * self.block_s
        before = self._active[self._numbers[at]]
        return before.timestamp + (number - before.number) * self.block_s

    @cached_property
    def _numbers_by_hash(self) -> Mapping[str, int]:
        return {_hash_text(number): number for number in range(self.head + 1)}

    @cached_property
    def _blocks_by_transaction(self) -> Mapping[str, int]:
        return {
            "0x" + log.position.tx_hash.hex(): block.number for block in self._active.values() for log in block.logs
        }

    def _block_text(self, number: int, *, full: bool) -> bytes:
        block = self._active.get(number)
        by_hash = _transactions(block) if block else {}
        if full and block:
            transactions = ",".join(_transaction_text(block, text, index) for text, index in by_hash.items())
        else:
            transactions = ",".join(f'"{text}"' for text in by_hash)
        bloom = bloom_of(block.logs) if block else _EMPTY_BLOOM
        zero = "0x" + "00" * 20
        return (
            f'{{"number":"{number:#x}","hash":"{_hash_text(number)}","parentHash":"{_hash_text(number - 1)}",'
            f'"timestamp":"{self.timestamp(number):#x}","logsBloom":"0x{bloom.hex()}","miner":"{zero}",'
            f'"nonce":"0x0000000000000000","sha3Uncles":"{_ZERO_ROOT}","transactionsRoot":"{_ZERO_ROOT}",'
            f'"stateRoot":"{_ZERO_ROOT}","receiptsRoot":"{_ZERO_ROOT}","mixHash":"{_ZERO_ROOT}","difficulty":"0x0",'
            f'"totalDifficulty":"0x0","size":"0x400","extraData":"0x","gasLimit":"0x1c9c380","gasUsed":"0x0",'
            f'"baseFeePerGas":"0x0","uncles":[],"transactions":[{transactions}]}}'
        ).encode()


def load_recorded_chain(market: Path, block_s: int) -> RecordedChain:
    """The market's logs on a chain with a block every `block_s` seconds.

    The first block with logs keeps its number, so that the market's registry holds for this chain, too.
    """
    logs = (log for stretch in open_log_folder(market).read_logs() for log in stretch)
    blocks: list[RecordedBlock] = []
    for block, found in groupby(logs, key=lambda log: log.position.block):
        if not blocks:
            number = block.number
        else:
            number = blocks[-1].number + max(1, (block.timestamp - blocks[-1].timestamp) // block_s)
        blocks.append(RecordedBlock(number, block.timestamp, tuple(found)))
    return RecordedChain(blocks, block_s)


def bloom_of(logs: Iterable[Log]) -> bytes:
    """The bloom filter of a block (Yellow Paper 4.3.1), written apart from the code that checks it."""
    bits = 0
    for value in {value for log in logs for value in (log.address, *log.topics)}:
        digest = keccak(value)
        for place in (0, 2, 4):
            bits |= 1 << (int.from_bytes(digest[place : place + 2]) % BLOOM_BITS)
    return bits.to_bytes(BLOOM_BITS // 8)


def _fits(topics: Sequence[str], wanted: Sequence[frozenset[str]]) -> bool:
    return len(topics) >= len(wanted) and all(
        not some or topic in some for topic, some in zip(topics, wanted, strict=False)
    )


def _hash_text(number: int) -> str:
    return "0x" + keccak(b"bonafides recorded chain", max(number, 0).to_bytes(8), bytes([number < 0])).hex()


def _transactions(block: RecordedBlock) -> Mapping[str, int]:
    """Hash and place of those that logged: others are not known."""
    return {"0x" + log.position.tx_hash.hex(): log.position.tx_index for log in block.logs}


def _transaction_text(block: RecordedBlock, text: str, index: int) -> str:
    """Who sent what to whom is not recorded: zeroes."""
    zero = "0x" + "00" * 20
    return (
        f'{{"hash":"{text}","nonce":"0x0","blockHash":"{_hash_text(block.number)}","blockNumber":"{block.number:#x}",'
        f'"transactionIndex":"{index:#x}","from":"{zero}","to":"{zero}","value":"0x0","gas":"0x0","gasPrice":"0x0",'
        f'"input":"0x","type":"0x0"}}'
    )


def _receipt_texts(block: RecordedBlock) -> Mapping[str, bytes]:
    """By transaction, in order."""
    by_transaction: dict[str, list[bytes]] = {}
    for log in block.logs:
        by_transaction.setdefault("0x" + log.position.tx_hash.hex(), []).append(_log_text(log, block))
    return {
        text: (
            f'{{"transactionHash":"{text}","transactionIndex":"{index:#x}","blockHash":"{_hash_text(block.number)}",'
            f'"blockNumber":"{block.number:#x}","cumulativeGasUsed":"0x0","gasUsed":"0x0","contractAddress":null,'
            f'"status":"0x1","effectiveGasPrice":"0x0","type":"0x0","logs":['
        ).encode()
        + b",".join(by_transaction[text])
        + b"]}"
        for text, index in _transactions(block).items()
    }


def _log_text(log: Log, block: RecordedBlock) -> bytes:
    position = log.position
    topics = ",".join(f'"0x{topic.hex()}"' for topic in log.topics)
    return (
        f'{{"address":"{address_text(log.address)}","topics":[{topics}],"data":"0x{log.payload.hex()}",'
        f'"blockNumber":"{block.number:#x}","transactionHash":"0x{position.tx_hash.hex()}",'
        f'"transactionIndex":"{position.tx_index:#x}","blockHash":"{_hash_text(block.number)}",'
        f'"logIndex":"{position.log_index:#x}","blockTimestamp":"{block.timestamp:#x}","removed":false}}'
    ).encode()
