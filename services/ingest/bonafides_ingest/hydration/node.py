"""`past.PastSource` over JSON-RPC."""

from collections.abc import Sequence
from dataclasses import replace

from bonafides.events import BlockRange, Position
from bonafides.json_rpc import Call, NodeLied, items, member, octets, quantity
from bonafides.types import BlockRef, Digest, Json, address_text

from bonafides_ingest.chain import Log, Window
from bonafides_ingest.protocols.search import Criteria
from bonafides_ingest.sources.answers import FoundLog, NodeHeader, Texts, place_logs, read_log
from bonafides_ingest.sources.node_reader import NodeReader
from bonafides_ingest.sources.providers.refusals import RangeRefused

MOST_LOGS = 20_000
"""Found at once: of a wallet with more, fewer blocks are asked for. Bounds what is held, to some tens of MB."""


class NodePast:
    """One node's final past. Not for several threads."""

    def __init__(self, reader: NodeReader) -> None:
        self._reader = reader
        self._most_blocks: int | None = None
        """Asked for at once; None: as many as are wanted, for a node of one's own answers for all of them."""
        self._headers: dict[int, NodeHeader] = {}
        """Of the blocks that `find` gave last, without their transactions."""

    def find(self, wanted: BlockRange, criteria: Sequence[Criteria]) -> Window:
        asked = wanted
        if self._most_blocks is not None:
            asked = BlockRange(wanted.first, min(wanted.last, wanted.first + self._most_blocks - 1))
        while True:
            try:
                found = self._logs(asked, criteria)
                break
            except RangeRefused:
                if asked.first == asked.last:
                    raise  # not even one block
                self._most_blocks = (asked.last - asked.first + 1) // 2
                asked = BlockRange(asked.first, asked.first + self._most_blocks - 1)
        if self._most_blocks is not None and asked.last < wanted.last:
            self._most_blocks *= 2
        headers = self._reader.headers({log.block_number for log in found} | {asked.last})
        self._headers = {number: replace(header, transactions=()) for number, header in headers.items()}
        return Window(asked, place_logs(found, headers), headers[asked.last].ref)

    def receipts(self, found: Sequence[Log], criteria: Sequence[Criteria]) -> tuple[Log, ...]:
        transactions = list({log.position.tx_hash: log.position for log in found}.values())
        numbers = {position.block.number for position in transactions}
        if missing := numbers - self._headers.keys():  # another provider found them
            self._headers |= self._reader.headers(missing)
        logs = place_logs(self._receipts(transactions), self._headers)
        if list(found) != [log for log in logs if any(one.fit(log) for one in criteria)]:
            raise NodeLied("the node's receipts hold other logs of the wallet than it was found by")
        return logs

    def block(self, number: int) -> BlockRef:
        return self._reader.headers({number})[number].ref

    def _receipts(self, transactions: Sequence[Position]) -> list[FoundLog]:
        try:
            answers = self._reader.ask([_receipt_call(position) for position in transactions])
        except RangeRefused:
            if len(transactions) == 1:
                raise
            half = len(transactions) // 2
            return self._receipts(transactions[:half]) + self._receipts(transactions[half:])
        texts = Texts()
        return [
            log
            for position, answer in zip(transactions, answers, strict=True)
            for log in _logs(position, answer, texts)
        ]

    def _logs(self, asked: BlockRange, criteria: Sequence[Criteria]) -> list[FoundLog]:
        calls: list[Call] = [("eth_getLogs", [_filter(asked, one)]) for one in criteria]
        # In one batch with the head: a node behind a balancer that lags would answer [] for blocks it does not have.
        head, *answers = self._reader.ask([("eth_blockNumber", []), *calls])
        if quantity(head) < asked.last:
            raise NodeLied(f"the node's head is below block {asked.last}, which it called finalized")
        placed: dict[tuple[int, int], FoundLog] = {}
        texts = Texts()
        for one, answer in zip(criteria, answers, strict=True):
            for log in (read_log(entry, texts) for entry in items(answer)):
                if not asked.first <= log.block_number <= asked.last or not one.fit(log):
                    raise NodeLied("the node sent a log that was not asked for: another block, address or topic")
                if placed.setdefault((log.block_number, log.log_index), log) != log:
                    raise NodeLied("the node sent two logs of one place")
        if len(placed) > MOST_LOGS and asked.first < asked.last:
            raise RangeRefused(f"more than {MOST_LOGS} logs at once are not held")
        return [placed[place] for place in sorted(placed)]


def _filter(asked: BlockRange, criteria: Criteria) -> Json:
    return {
        "fromBlock": hex(asked.first),
        "toBlock": hex(asked.last),
        "address": [address_text(address) for address in sorted(criteria.addresses)],
        "topics": [[_text(value) for value in sorted(wanted)] or None for wanted in criteria.topics],
    }


def _receipt_call(position: Position) -> Call:
    return "eth_getTransactionReceipt", [_text(position.tx_hash)]


def _logs(position: Position, receipt: Json, texts: Texts) -> list[FoundLog]:
    """All logs of a receipt, which must be that of the transaction as it was found."""
    if receipt is None:
        raise NodeLied("the node has no receipt of a transaction whose logs it gave")
    of = Digest(octets(member(receipt, "transactionHash"), 32)), quantity(member(receipt, "transactionIndex"))
    if of != (position.tx_hash, position.tx_index):
        raise NodeLied("the node sent the receipt of another transaction")
    found = [read_log(entry, texts) for entry in items(member(receipt, "logs"))]
    place = (position.block.number, position.block.hash, position.tx_hash, position.tx_index)
    if any((log.block_number, log.block_hash, log.tx_hash, log.tx_index) != place for log in found):
        raise NodeLied("a receipt holds a log of another block or transaction")
    indexes = [log.log_index for log in found]
    if indexes != sorted(set(indexes)):
        raise NodeLied("the logs of a receipt are out of order")
    return found


def _text(value: bytes) -> str:
    return "0x" + value.hex()
