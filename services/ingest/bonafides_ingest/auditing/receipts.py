"""All logs of final blocks, as their receipts show them; each block's receipts are held against its header."""

from collections.abc import Iterator
from typing import Protocol

from bonafides.events import BlockRange
from bonafides.json_rpc import items, member
from bonafides.types import BlockRef, Json

from bonafides_ingest.chain import Log
from bonafides_ingest.sources.answers import Asked, NodeHeader, check_links, place_logs, read_log
from bonafides_ingest.sources.node_reader import NodeReader
from bonafides_ingest.sources.proof import check_receipts


class BlockLogs(Protocol):
    """Knows all logs of any final block."""

    def blocks(self, wanted: BlockRange) -> Iterator[tuple[BlockRef, tuple[Log, ...]]]:
        """Each block of a range with all its logs in order, ascending. Raises Unavailable."""


class NodeReceipts:
    """`BlockLogs` of one node."""

    def __init__(self, node: NodeReader) -> None:
        self._node = node

    def blocks(self, wanted: BlockRange) -> Iterator[tuple[BlockRef, tuple[Log, ...]]]:
        headers = self._node.headers(range(wanted.first, wanted.last + 1))
        check_links(headers, wanted)
        for header, receipts in self._node.receipts(headers.values()):
            yield header.ref, _logs_of(header, receipts)


def _logs_of(header: NodeHeader, receipts: Json) -> tuple[Log, ...]:
    found = []
    if isinstance(receipts, list):
        whole = [receipt for receipt in receipts if receipt is not None]
        found = [read_log(entry) for receipt in whole for entry in items(member(receipt, "logs"))]
    found.sort(key=lambda log: log.log_index)
    # What the receipts show is all that was asked for: what is left to check is that they are this block's, and whole.
    check_receipts(header, receipts, Asked(frozenset(log.address for log in found)), found)
    return place_logs(found, {header.ref.number: header})
