"""Blocks above finalized, of a node that is not trusted: read by hash, and each proved by its bloom and receipts.

A live block may be replaced between two questions, and a node says so in many ways: null, "unknown block", no logs,
other receipts. So the header is asked for again behind the logs, in the same batch: a block that is still there vouches
for what came before it, and what disagrees then is a lie; a block that is not is gone, and nobody lied.

Every block whose bloom may hold a log of ours has its receipts read, not only the silent ones: a bloom cannot tell one
log from two.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import Call, NodeLied, NodeRefused
from bonafides.types import Address, Json

from bonafides_ingest.chain import BlockGone, ChainTips, Header, Log
from bonafides_ingest.sources.answers import (
    Asked,
    NodeHeader,
    broken_link,
    place_logs,
    read_header,
    read_logs,
    read_ref,
)
from bonafides_ingest.sources.node_reader import RECEIPTS_AT_ONCE, NodeReader, hash_text, header_call
from bonafides_ingest.sources.proof import ReceiptsMissing, check_receipts
from bonafides_ingest.sources.providers.refusals import refusals_told_apart
from bonafides_ingest.sources.refused_words import is_unknown_block

_MOST_SEEN = 512  # headers; one of 200 transactions takes about 14 kB


class LiveBlocks:
    """`chain.LiveSource`, as far as it goes above finalized, over one node."""

    def __init__(self, node: NodeReader) -> None:
        self._node = node
        self._seen: OrderedDict[bytes, NodeHeader] = OrderedDict()
        """By hash: so that `logs_of` knows the blooms in advance."""

    def tips(self) -> ChainTips:
        """See `chain.LiveSource`. One request."""
        calls: list[Call] = [("eth_getBlockByNumber", [tag, False]) for tag in ("finalized", "latest")]
        finalized, head = self._node.state(*calls)
        if finalized is None or head is None:
            raise Unavailable("the node knows no finalized block: it is still syncing, or its chain has no finality")
        final, newest = read_ref(finalized, self._node.chain_id), self._read(head)
        if newest.ref.number < final.number or newest.ref.timestamp < final.timestamp:
            raise NodeLied(f"the node's head is below block {final.number}, which it calls finalized")
        return ChainTips(newest.header, self._node.note_finalized(finalized).number)

    def headers(self, wanted: BlockRange) -> tuple[Header, ...]:
        """See `chain.LiveSource`. One request."""
        broken, numbers = None, range(wanted.first, wanted.last + 1)
        # Blocks may be replaced while the node answers: only what does not hang together twice is no chain.
        for _ in range(2):
            answers = self._node.ask([header_call(number) for number in numbers])
            found = {number: self._read(answer, number) for number, answer in zip(numbers, answers, strict=True)}
            broken = broken_link(found, wanted)
            if broken is None:
                return tuple(header.header for header in found.values())
        raise NodeLied(f"the node's block {broken} does not stand on the one below it, asked twice")

    def logs_of(self, headers: Sequence[Header], addresses: frozenset[Address]) -> tuple[Log, ...]:
        """See `chain.LiveSource`. One request for 16 blocks, where the headers came from this node."""
        if not addresses:
            return ()
        known = self._known(headers)
        return tuple(
            log
            for start in range(0, len(known), RECEIPTS_AT_ONCE)
            for log in self._proved_logs(known[start : start + RECEIPTS_AT_ONCE], Asked(addresses))
        )

    def _known(self, headers: Sequence[Header]) -> list[NodeHeader]:
        """These blocks with their blooms."""
        if unknown := [header.ref.number for header in headers if header.ref.hash not in self._seen]:
            answers = self._node.ask([header_call(number) for number in unknown])
            for number, answer in zip(unknown, answers, strict=True):
                self._read(answer, number)
        found = []
        for header in headers:
            known = self._seen.get(header.ref.hash)
            if known is None:
                raise BlockGone(f"block {header.ref.number} was replaced")
            if known.header != header:
                raise NodeLied(f"the node's block {header.ref.number} has one hash and two contents")
            found.append(known)
        return found

    def _proved_logs(self, headers: Sequence[NodeHeader], asked: Asked) -> tuple[Log, ...]:
        unsure = [header for header in headers if asked.silent_maybe(header.bloom)]
        (criteria,) = asked.filters()
        calls: list[Call] = [
            ("eth_getLogs", [{**criteria, "blockHash": hash_text(header.ref.hash)}]) for header in headers
        ]
        calls += [header_call(header.ref.number) for header in headers]
        try:
            answers, receipts = self._node.with_receipts(calls, unsure)
        except NodeRefused as exc:
            if is_unknown_block(exc):
                raise BlockGone("the node does not know a block any more, that it had shown") from exc
            with refusals_told_apart():
                raise
        for header, answer in zip(headers, answers[len(headers) :], strict=True):
            if self._read(answer, header.ref.number) != header:
                raise BlockGone(f"block {header.ref.number} was replaced")
        return _checked(headers, answers[: len(headers)], receipts, asked)

    def _read(self, answer: Json, number: int | None = None) -> NodeHeader:
        if answer is None:
            raise BlockGone(f"the node does not have block {number} any more")
        header = read_header(answer, self._node.chain_id)
        if number is not None and header.ref.number != number:
            raise NodeLied(f"the node sent another block than {number}")
        known = self._seen.setdefault(header.ref.hash, header)
        if known != header:
            raise NodeLied(f"the node's block {header.ref.number} has one hash and two contents")
        self._seen.move_to_end(header.ref.hash)
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        return header


def _checked(
    headers: Sequence[NodeHeader], answers: Sequence[Json], receipts: Mapping[int, Json], asked: Asked
) -> tuple[Log, ...]:
    """The logs of blocks that are still there after they were asked for."""
    logs: list[Log] = []
    for header, answer in zip(headers, answers, strict=True):
        number = header.ref.number
        if answer is None:
            raise ReceiptsMissing(f"the node has no logs of block {number}, whose header it gave")
        found = read_logs([answer], BlockRange(number, number), asked)
        logs += place_logs(found, {number: header})
        if number in receipts:
            check_receipts(header, receipts[number], asked, found)
    return tuple(logs)
