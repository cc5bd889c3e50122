"""Who owns which account as a Parquet file, beside those of `event_files`: `links.parquet`, in canonical order.

A row holds from its log on, to the next row of the same account.
"""

from collections.abc import Iterator
from pathlib import Path

from bonafides.accounts import AccountFact
from bonafides.errors import InvalidMessage
from bonafides.event_files import Layout, Row, RowWriter, read_rows
from bonafides.types import AccountKind, Address, BlockRef, ChainId, Digest

LINKS_FILE = "links.parquet"


def links_writer(folder: Path) -> RowWriter[AccountFact]:
    """Writer of a folder's `links.parquet`, for facts that logs say."""
    return RowWriter(folder / LINKS_FILE, _LINKS)


def read_links(folder: Path) -> Iterator[AccountFact]:
    """The links of a folder, in file order. Raises InvalidInput for a file that is missing or not ours."""
    return read_rows(folder / LINKS_FILE, _LINKS)


def _row(fact: AccountFact) -> Row:
    if fact.tx_index is None or fact.log_index is None:
        raise InvalidMessage("a fact that no log says is no link: it holds for a block and not from a log on")
    return {
        "chain_id": fact.block.chain_id,
        "block_number": fact.block.number,
        "block_hash": fact.block.hash,
        "block_timestamp": fact.block.timestamp,
        "tx_index": fact.tx_index,
        "log_index": fact.log_index,
        "fork_epoch": fact.fork_epoch,
        "decoder_version": fact.decoder_version,
        "source": fact.source,
        "account": fact.account,
        "kind": fact.kind.value,
        "owners": list(fact.owners),
        "threshold": fact.threshold,
    }


def _fact(row: Row) -> AccountFact:
    return AccountFact(
        block=BlockRef(
            ChainId(row["chain_id"]), row["block_number"], Digest(row["block_hash"]), row["block_timestamp"]
        ),
        tx_index=row["tx_index"],
        log_index=row["log_index"],
        fork_epoch=row["fork_epoch"],
        decoder_version=row["decoder_version"],
        source=row["source"],
        account=Address(row["account"]),
        kind=AccountKind(row["kind"]),
        owners=tuple(Address(owner) for owner in row["owners"]),
        threshold=row["threshold"],
    )


_LINKS = Layout(
    "links",
    (
        ("chain_id", "u64"),
        ("block_number", "u64"),
        ("block_hash", "bytes32"),
        ("block_timestamp", "u64"),
        ("tx_index", "u32"),
        ("log_index", "u32"),
        ("fork_epoch", "u64"),
        ("decoder_version", "u32"),
        ("source", "word"),
        ("account", "address"),
        ("kind", "word"),
        ("owners", "addresses"),
        ("threshold", "u64"),
    ),
    _row,
    _fact,
)
