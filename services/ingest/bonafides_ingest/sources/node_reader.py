"""What is asked of a node: headers, logs and receipts, each read and checked for sense."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from bonafides.events import BlockRange
from bonafides.json_rpc import Call, JsonRpc, NodeLied, NodeRefused, quantity
from bonafides.types import BlockRef, ChainId, Json

from bonafides_ingest.sources.answers import Asked, FoundLog, NodeHeader, broken_link, read_header, read_logs, read_ref
from bonafides_ingest.sources.providers.refusals import NodeBehind, refusals_told_apart
from bonafides_ingest.sources.refused_words import is_unknown_method

RECEIPTS_AT_ONCE = 16
"""Blocks: receipts of a large one are megabytes, and no more than these are held."""
HEADERS_AT_ONCE: Final = 100
"""Each with the hashes of its transactions, until it is read."""
MOST_UNCHECKED_RISE: Final = 16
"""Blocks that a finalized block may rise by before it is looked up: some chains finalize every second, the others an
epoch at once, in minutes."""
TIMES_LOWER: Final = 5
"""Answers in a row with a lower finalized block, after which the higher one is taken for a mistake."""


class NodeReader:
    """One node of one chain."""

    def __init__(self, rpc: JsonRpc, chain_id: ChainId) -> None:
        self._rpc, self.chain_id = rpc, chain_id
        self._has_block_receipts = True
        self._knows_syncing = True
        self.finalized = -1
        """What it called finalized."""
        self._lower: list[int] = []
        """What it called finalized since then, where that was lower."""

    def ask(self, calls: Sequence[Call]) -> list[Json]:
        """The answers to these calls. What the node refuses is RateLimited or RangeRefused."""
        with refusals_told_apart():
            return self._rpc.batch(calls)

    def ask_raw(self, calls: Sequence[Call]) -> list[Json]:
        """The answers to these calls; raises NodeRefused as the node does."""
        return self._rpc.batch(calls)

    def note_finalized(self, answer: Json) -> BlockRef:
        """What the node now calls finalized, as it sends that block.

        A number alone could be a mistake that would be kept: a block well above the last one must be there when it is
        asked for by its number, and stand on the one below it.

        Raises:
            NodeBehind: it called a higher block so; or it does not have this one.
            NodeLied: it has another one.
        """
        block = read_ref(answer, self.chain_id)
        if block.number < self.finalized:
            self._lower = [lower for lower in self._lower if lower <= block.number] + [block.number]
            if len(self._lower) < TIMES_LOWER:
                lower = f"from {self.finalized} to {block.number}"
                raise NodeBehind(f"the node's finalized block went back {lower}: it lags")
        if abs(block.number - self.finalized) > MOST_UNCHECKED_RISE:
            self._look_up(block)
        self.finalized, self._lower = block.number, []
        return block

    def _look_up(self, block: BlockRef) -> None:
        below = max(block.number - 1, 0)
        numbers = range(below, block.number + 1)
        answers = self.ask([header_call(number) for number in numbers])
        if None in answers:
            raise NodeBehind(f"the node calls block {block.number} finalized, and does not have it")
        found = self._read_headers(numbers, answers)
        if found[block.number].ref != block or broken_link(found, BlockRange(below, block.number)) is not None:
            raise NodeLied(f"the node's finalized block {block.number} is not the one that it has there")
        if found[below].ref.timestamp > block.timestamp:
            raise NodeLied(f"the node's finalized block {block.number} is older than the one below it")

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
        return {header.ref.number: header for header in self.each_header(numbers)}

    def each_header(self, numbers: Iterable[int]) -> Iterator[NodeHeader]:
        """The headers of these final blocks, ascending; `HEADERS_AT_ONCE` are held, so keep the less of each."""
        ordered = sorted(set(numbers))
        for start in range(0, len(ordered), HEADERS_AT_ONCE):
            some = ordered[start : start + HEADERS_AT_ONCE]
            yield from self._read_headers(some, self.ask([header_call(number) for number in some])).values()

    def _read_headers(self, numbers: Sequence[int], answers: Sequence[Json]) -> dict[int, NodeHeader]:
        headers = {}
        for number, answer in zip(numbers, answers, strict=True):
            header = read_header(answer, self.chain_id)
            if header.ref.number != number:
                raise NodeLied(f"the node sent another block than {number}")
            headers[number] = header
        return headers

    def receipts(self, headers: Iterable[NodeHeader]) -> Iterator[tuple[NodeHeader, Json]]:
        """Each of these final blocks with its receipts as the node sends them, a few blocks in a request.

        The transactions of those that let them go are asked for again.
        """
        ordered = list(headers)
        for start in range(0, len(ordered), RECEIPTS_AT_ONCE):
            some = self._whole(ordered[start : start + RECEIPTS_AT_ONCE])
            with refusals_told_apart():
                _, receipts = self.with_receipts((), some)
            yield from ((header, receipts[header.ref.number]) for header in some)

    def _whole(self, headers: Sequence[NodeHeader]) -> list[NodeHeader]:
        again = self.headers(header.ref.number for header in headers if header.transactions is None)
        for header in headers:
            read = again.get(header.ref.number)
            if read is not None and replace(read, transactions=None) != header:
                raise NodeLied(f"the node's block {header.ref.number} is another one than a moment ago")
        return [again.get(header.ref.number, header) for header in headers]

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
            ("eth_getTransactionReceipt", [hash_text(hash)]) for header in headers for hash in header.transactions or ()
        ]
        answers, receipts, start = self._rpc.batch([*single, *calls]), dict[int, Json](), 0
        for header in headers:
            end = start + len(header.transactions or ())
            receipts[header.ref.number] = answers[start:end]
            start = end
        return answers[len(single) :], receipts


def header_call(number: int) -> Call:
    """Asks for a block's header."""
    return "eth_getBlockByNumber", [hex(number), False]


def hash_text(value: bytes) -> str:
    """A hash as JSON-RPC writes it."""
    return "0x" + value.hex()
