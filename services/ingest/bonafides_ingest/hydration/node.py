"""`past.PastSource` over one node, which is not trusted (DESIGN 7).

Each `find` is held against what the node says when it is not asked for the wallet: the logs of everybody, in a few
blocks drawn by chance, and the receipts of some blocks whose bloom may hold what was asked for. A draw is a draw:
a node that leaves a wallet out everywhere is found out by chance, or by another provider (`providers_past`).
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random, SystemRandom

from bonafides.errors import Unavailable
from bonafides.events import BlockRange, Position
from bonafides.json_rpc import Call, NodeLied, items, member, octets, quantity
from bonafides.types import BlockRef, Digest, Json, address_text

from bonafides_ingest.chain import Log, StillLooking, Window
from bonafides_ingest.protocols.search import Criteria, merged
from bonafides_ingest.sources.answers import Asked, FoundLog, NodeHeader, Texts, by_block, place_logs, read_log
from bonafides_ingest.sources.bloom import bloom_may_hold
from bonafides_ingest.sources.node_reader import NodeReader
from bonafides_ingest.sources.proof import check_receipts
from bonafides_ingest.sources.providers.pace import GROW_BELOW_S, Pace
from bonafides_ingest.sources.providers.refusals import NodeBehind, RangeRefused, RateLimited

MOST_LOGS = 20_000
"""Found at once: of a wallet with more, fewer blocks are asked for. Bounds what is held, to some tens of MB."""


RECEIPTS_AT_ONCE = 50
"""Of transactions: answers that are held as they came."""
AUDIT_BLOCKS = 4
"""Drawn by chance, of each `find`."""
EVERYBODYS_BLOCKS = 256
"""In which the logs of everybody are asked for, of each `find`: a busy contract has some thousands there."""
MOST_SPLITTING_S = 60.0
"""A question that is not answered is halved for so long: whoever asks must be heard of by its group."""


@dataclass(frozen=True, slots=True)
class _AskedBy(Asked):
    """What `check_receipts` is told was asked for."""

    criteria: tuple[Criteria, ...] = ()

    def fits(self, log: FoundLog) -> bool:
        return any(one.fit(log) for one in self.criteria)


class NodePast:
    """One node's final past. Not for several threads.

    Args:
        blocks: asked for at once at first.
        most_blocks: never exceeded.
    """

    def __init__(
        self,
        reader: NodeReader,
        *,
        blocks: int = 2_000,
        most_blocks: int = 100_000,
        random: Random | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader, self._timer = reader, timer
        self._random = random or SystemRandom()  # a node that could foresee the draw would behave there
        self._pace = Pace(blocks, most_blocks)
        self._everybodys_blocks = EVERYBODYS_BLOCKS
        self._headers: dict[int, NodeHeader] = {}
        """Of the blocks that `find` gave last, without their transactions."""

    def find(self, wanted: BlockRange, criteria: Sequence[Criteria]) -> Window:
        since = self._timer()
        while True:
            asked = BlockRange(wanted.first, min(wanted.last, wanted.first + self._pace.blocks - 1))
            began = self._timer()
            try:
                found = self._logs(asked, criteria)
                break
            except RangeRefused as exc:
                if asked.first == asked.last:
                    raise  # not even one block
                self._pace.refused(asked, exc.hint)
            except (RateLimited, NodeBehind, NodeLied):
                raise  # whatever the size
            except Unavailable as exc:
                seconds = self._timer() - began
                if seconds < GROW_BELOW_S or asked.first == asked.last:
                    raise
                self._pace.unanswered(asked, seconds)
                if self._timer() - since > MOST_SPLITTING_S:
                    # It is the question that was too large: no word of the provider's health, which the scan needs.
                    raise StillLooking("the node does not answer in time: fewer blocks are asked for next") from exc
        self._pace.answered(asked, self._timer() - began, len(found))
        headers = self._lean_headers({log.block_number for log in found} | {asked.last})
        self._audit(asked, criteria, found)
        self._headers = headers
        return Window(asked, place_logs(found, headers), headers[asked.last].ref)

    def receipts(self, found: Sequence[Log], criteria: Sequence[Criteria]) -> tuple[Log, ...]:
        transactions = list({log.position.tx_hash: log.position for log in found}.values())
        numbers = {position.block.number for position in transactions}
        if missing := numbers - self._headers.keys():  # another provider found them
            self._headers |= self._lean_headers(missing)
        logs = place_logs(self._receipts(transactions), self._headers)
        if list(found) != [log for log in logs if any(one.fit(log) for one in criteria)]:
            raise NodeLied("the node's receipts hold other logs of the wallet than it was found by")
        return logs

    def is_confirmed(self, window: Window, criteria: Sequence[Criteria]) -> bool:
        return False  # one node's word

    def prove(self, numbers: Collection[int], criteria: Sequence[Criteria], logs: Iterable[Log]) -> None:
        """Raise NodeLied when the receipts of these blocks show other logs than these, which this node gave."""
        came = by_block(
            FoundLog(
                log.position.block.number,
                log.position.block.hash,
                log.position.tx_hash,
                log.position.tx_index,
                log.position.log_index,
                log.address,
                log.topics,
                log.payload,
            )
            for log in logs
        )
        asked = _AskedBy(frozenset(), criteria=tuple(criteria))
        for header, receipts in self._reader.receipts(self._lean_headers(numbers).values()):
            check_receipts(header, receipts, asked, came.get(header.ref.number, ()))

    def _audit(self, asked: BlockRange, criteria: Sequence[Criteria], found: Sequence[FoundLog]) -> None:
        """Raise NodeLied when what came is not what everybody's logs, or the receipts of some blocks, say."""
        came = by_block(found)
        spoken = self._check_with_everybodys(asked, criteria, found)
        size = asked.last - asked.first + 1
        drawn = {asked.first + place for place in self._random.sample(range(size), min(AUDIT_BLOCKS, size))}
        for known in (sorted(came), sorted(spoken)):
            drawn.update(self._random.sample(known, min(1, len(known))))
        headers = self._lean_headers(drawn)
        maybe = [header for number, header in headers.items() if number in came or _may_hold(header.bloom, criteria)]
        proof = _AskedBy(frozenset(), criteria=tuple(criteria))
        for header, receipts in self._reader.receipts(maybe):
            check_receipts(header, receipts, proof, came.get(header.ref.number, ()))

    def _check_with_everybodys(
        self, asked: BlockRange, criteria: Sequence[Criteria], found: Sequence[FoundLog]
    ) -> set[int]:
        """Ask for the logs of everybody in a few blocks drawn by chance; returns the blocks that have any.

        Where the same few contracts say nothing of anybody's, nothing can be compared.
        """
        everybodys = merged(Criteria(one.addresses, one.topics[:1]) for one in criteria)
        if everybodys == merged(criteria):
            return set()  # nobody in particular was asked for
        while True:
            size = min(self._everybodys_blocks, asked.last - asked.first + 1)
            first = asked.first + self._random.randrange(asked.last - asked.first + 2 - size)
            blocks = BlockRange(first, first + size - 1)
            try:
                logs = self._logs(blocks, everybodys)
                break
            except RangeRefused:
                if size == 1:
                    raise
                self._everybodys_blocks = size // 2
        here = [log for log in found if blocks.first <= log.block_number <= blocks.last]
        if [log for log in logs if any(one.fit(log) for one in criteria)] != here:
            raise NodeLied("the node's logs of one wallet are not those that it gives with everybody's")
        return {log.block_number for log in logs}

    def _lean_headers(self, numbers: Iterable[int]) -> dict[int, NodeHeader]:
        """Without their transactions: of a large block these are thousands."""
        return {header.ref.number: replace(header, transactions=None) for header in self._reader.each_header(numbers)}

    def block(self, number: int) -> BlockRef:
        return self._reader.headers({number})[number].ref

    def _receipts(self, transactions: Sequence[Position]) -> list[FoundLog]:
        if len(transactions) > RECEIPTS_AT_ONCE:
            first, rest = transactions[:RECEIPTS_AT_ONCE], transactions[RECEIPTS_AT_ONCE:]
            return self._receipts(first) + self._receipts(rest)
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


def _may_hold(bloom: int, criteria: Sequence[Criteria]) -> bool:
    places = ((one.addresses, *filter(None, one.topics)) for one in criteria)
    return any(all(any(bloom_may_hold(bloom, value) for value in values) for values in each) for each in places)


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
