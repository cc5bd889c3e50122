"""What is asked of a node: headers, logs and receipts, each read and checked for sense."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bonafides.events import BlockRange
from bonafides.json_rpc import Call, JsonRpc, NodeLied, NodeRefused, quantity
from bonafides.types import ChainId, Json

from bonafides_ingest.sources.answers import Asked, FoundLog, NodeHeader, read_header, read_logs
from bonafides_ingest.sources.providers.refusals import NodeBehind, refusals_told_apart
from bonafides_ingest.sources.refused_words import is_unknown_method

RECEIPTS_AT_ONCE = 16
"""Blocks: receipts of a large one are megabytes, and no more than these are held."""


class NodeReader:
    """One node of one chain."""

    def __init__(self, rpc: JsonRpc, chain_id: ChainId) -> None:
        self._rpc, self.chain_id = rpc, chain_id
        self._has_block_receipts = True
        self._knows_syncing = True
        self.finalized = -1
        """The highest block that it called finalized."""

    def ask(self, calls: Sequence[Call]) -> list[Json]:
        """The answers to these calls. What the node refuses is RateLimited or RangeRefused."""
        with refusals_told_apart():
            return self._rpc.batch(calls)

    def ask_raw(self, calls: Sequence[Call]) -> list[Json]:
        """The answers to these calls; raises NodeRefused as the node does."""
        return self._rpc.batch(calls)

    def note_finalized(self, number: int) -> int:
        """What the node now calls finalized. Raises NodeBehind when it called a higher block so."""
        if number < self.finalized:
            raise NodeBehind(f"the node's finalized block went back from {self.finalized} to {number}: it lags")
        self.finalized = number
        return number

    def state(self, *calls: Call) -> list[Json]:
        """The answers to these calls, from a node that is on the right chain and not syncing: one request.

        Raises:
            NodeLied: it is on another chain.
            NodeBehind: it is still syncing.
        """
        while True:
            asked: list[Call] = [("eth_chainId", []), *([("eth_syncing", [])] if self._knows_syncing else []), *calls]
            try:
                chain, *answers = self._rpc.batch(asked)
                break
            except NodeRefused as exc:
                if exc.method == "eth_syncing" and is_unknown_method(exc):
                    self._knows_syncing = False
                    continue
                with refusals_told_apart():
                    raise
        if quantity(chain) != self.chain_id:
            raise NodeLied(f"the node is on chain {quantity(chain)} now, and was on {self.chain_id}")
        if self._knows_syncing and answers.pop(0) is not False:
            raise NodeBehind("the node is still syncing")
        return answers

    def logs_in(
        self, ranges: Sequence[BlockRange], asked: Asked, numbers: Iterable[int] = ()
    ) -> tuple[list[list[FoundLog]], dict[int, NodeHeader]]:
        """The logs of each range, and the headers of these blocks, asked for in one batch."""
        filters, ordered = asked.filters(), sorted(numbers)
        calls: list[Call] = [
            ("eth_getLogs", [{**criteria, "fromBlock": hex(blocks.first), "toBlock": hex(blocks.last)}])
            for blocks in ranges
            for criteria in filters
        ]
        # In one batch with the head: a node behind a balancer that lags would answer [] for blocks it does not have.
        head, *answers = self.ask([("eth_blockNumber", []), *calls, *map(header_call, ordered)])
        newest, each = max(blocks.last for blocks in ranges), len(filters)
        if quantity(head) < newest <= self.finalized:
            raise NodeLied(f"the node's head is below block {newest}, which it called finalized")
        if quantity(head) < newest:
            raise NodeBehind(f"the node's head is below block {newest}: it lags, or is still syncing")
        found = [
            read_logs(answers[number * each : (number + 1) * each], blocks, asked)
            for number, blocks in enumerate(ranges)
        ]
        return found, self._read_headers(ordered, answers[len(calls) :])

    def headers(self, numbers: Iterable[int]) -> dict[int, NodeHeader]:
        """The headers of these final blocks."""
        ordered = sorted(numbers)
        return self._read_headers(ordered, self.ask([header_call(number) for number in ordered]))

    def _read_headers(self, numbers: Sequence[int], answers: Sequence[Json]) -> dict[int, NodeHeader]:
        headers = {}
        for number, answer in zip(numbers, answers, strict=True):
            header = read_header(answer, self.chain_id)
            if header.ref.number != number:
                raise NodeLied(f"the node sent another block than {number}")
            headers[number] = header
        return headers

    def receipts(self, headers: Iterable[NodeHeader]) -> Iterator[tuple[NodeHeader, Json]]:
        """Each of these final blocks with its receipts as the node sends them, a few blocks in a request."""
        ordered = list(headers)
        for start in range(0, len(ordered), RECEIPTS_AT_ONCE):
            some = ordered[start : start + RECEIPTS_AT_ONCE]
            with refusals_told_apart():
                _, receipts = self.with_receipts((), some)
            yield from ((header, receipts[header.ref.number]) for header in some)

    def with_receipts(
        self, calls: Sequence[Call], headers: Sequence[NodeHeader]
    ) -> tuple[list[Json], Mapping[int, Json]]:
        """The answers to these calls, and before them in the same batch the receipts of these blocks, by number.

        Raises NodeRefused as the node does.
        """
        if self._has_block_receipts:
            try:
                # By hash: what was replaced meanwhile is not there any more, instead of being another block's.
                mine: list[Call] = [("eth_getBlockReceipts", [hash_text(header.ref.hash)]) for header in headers]
                answers = self._rpc.batch([*mine, *calls])
                return answers[len(mine) :], {
                    header.ref.number: answer for header, answer in zip(headers, answers, strict=False)
                }
            except NodeRefused as exc:
                if exc.method != "eth_getBlockReceipts" or not is_unknown_method(exc):
                    raise
                self._has_block_receipts = False
        single: list[Call] = [
            ("eth_getTransactionReceipt", [hash_text(hash)]) for header in headers for hash in header.transactions
        ]
        answers, receipts, start = self._rpc.batch([*single, *calls]), dict[int, Json](), 0
        for header in headers:
            receipts[header.ref.number] = answers[start : start + len(header.transactions)]
            start += len(header.transactions)
        return answers[len(single) :], receipts


def header_call(number: int) -> Call:
    """Asks for a block's header."""
    return "eth_getBlockByNumber", [hex(number), False]


def hash_text(value: bytes) -> str:
    """A hash as JSON-RPC writes it."""
    return "0x" + value.hex()
