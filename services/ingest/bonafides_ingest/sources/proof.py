"""Whether the receipts of a block show just the logs that came. Pure.

Receipts are the node's word, too, so they are held against the header: they are of just its transactions, in their
order, and their logs explain every bit of its bloom. What was left out of both, a log and all that its receipt would
show of it, leaves bits that nothing explains.
"""

from collections.abc import Sequence

from bonafides.errors import Unavailable
from bonafides.hashing import keccak
from bonafides.json_rpc import NodeLied, items, member, octets
from bonafides.types import Json

from bonafides_ingest.sources.answers import Asked, FoundLog, NodeHeader, Texts, read_log
from bonafides_ingest.sources.bloom import FULL_BLOOM, bloom_of


class ReceiptsMissing(Unavailable):
    """The node does not have the receipts of a block whose header it gave."""


def check_receipts(header: NodeHeader, receipts: Json, asked: Asked, came: Sequence[FoundLog]) -> None:
    """Raise NodeLied when the block's receipts show other logs than came, or are not those of its header.

    Raises ReceiptsMissing when there are none.
    """
    number = header.ref.number
    if receipts is None or (isinstance(receipts, list) and None in receipts):
        raise ReceiptsMissing(f"the node has no receipts of block {number}, whose header it gave")
    transactions = [octets(member(receipt, "transactionHash"), 32) for receipt in items(receipts)]
    extra = _state_sync_transaction(header)
    if [hash for hash in transactions if hash != extra] != [
        hash for hash in header.transactions or () if hash != extra
    ]:
        raise NodeLied(f"the node's receipts of block {number} are not of the transactions in its header")
    texts = Texts()
    logs = [
        _logged(entry, hash, header, texts)
        for hash, receipt in zip(transactions, items(receipts), strict=True)
        for entry in items(member(receipt, "logs"))
    ]
    if len({log.log_index for log in logs}) != len(logs):
        raise NodeLied(f"the node's receipts of block {number} show two logs of one place")
    shown = bloom_of(value for log in logs for value in (log.address, *log.topics))
    if header.bloom != FULL_BLOOM and header.bloom & ~shown:
        raise NodeLied(f"the bloom of block {number} holds more than the logs of its receipts: some were left out")
    if sorted(filter(asked.fits, logs), key=lambda log: log.log_index) != list(came):
        raise NodeLied(f"the node's logs of block {number} are not those of its receipts")


def _logged(entry: Json, transaction: bytes, header: NodeHeader, texts: Texts) -> FoundLog:
    log = read_log(entry, texts)
    if (log.block_number, log.block_hash, log.tx_hash) != (header.ref.number, header.ref.hash, transaction):
        raise NodeLied(f"a receipt of block {header.ref.number} shows a log of another block or transaction")
    return log


def _state_sync_transaction(header: NodeHeader) -> bytes:
    """What Polygon adds to a block that is in neither its receipts root nor its bloom; some nodes show it, some do not.

    Source: 0xPolygon/bor, pull request 90.
    """
    return keccak(b"matic-bor-receipt-" + header.ref.number.to_bytes(8) + header.ref.hash)
