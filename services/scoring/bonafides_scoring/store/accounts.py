"""Facts about accounts as rows: what an address is, and who owns it. No score is computed from them yet.

Their sources do stand in the coverage, and that is meant: a gap in one makes wallets `history_incomplete`, since what
was not attributed in full shall not look complete.

Each copy is added once and never changed, with the offset at which it was read, like events.
"""

from collections.abc import Sequence
from typing import Any

from bonafides.accounts import AccountFact
from bonafides.errors import InvariantViolation
from bonafides.types import AccountKind, Address, BlockRef, ChainId, Digest
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    RowMapping,
    Table,
    Text,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert

from bonafides_scoring.store.tables import metadata

account_fact = Table(
    "account_fact",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("fork_epoch", BigInteger, primary_key=True),
    Column("decoder_version", Integer, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("account", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("owners", ARRAY(LargeBinary), nullable=False),
    Column("threshold", BigInteger, nullable=False),
    Column("source", Text, nullable=False, comment="source of links in the registry; empty: the account's code"),
    Column("block_number", BigInteger, nullable=False),
    Column("block_hash", LargeBinary, nullable=False),
    Column("block_timestamp", BigInteger, nullable=False),
    Column("tx_index", BigInteger, comment="null, like log_index: as of the end of the block"),
    Column("log_index", BigInteger),
    Column("log_offset", BigInteger, nullable=False, comment="where this copy was first read in its partition"),
    Index("account_fact_by_account", "account", "chain_id", "block_number"),
)

type _Key = tuple[Digest, int, int]


def add_accounts(connection: Connection, read: Sequence[tuple[int, AccountFact]]) -> None:
    """Add copies with the offsets they were read at; what is there already stays.

    Raises InvariantViolation when a copy of the same precedence says something else.
    """
    copies: dict[_Key, tuple[int, AccountFact]] = {}
    for offset, fact in read:
        _check_same(copies.setdefault(_key_of(fact), (offset, fact))[1], fact)
    if not copies:
        return
    table = account_fact
    key = tuple_(table.c.id, table.c.fork_epoch, table.c.decoder_version)
    known = [fact_of(row) for row in connection.execute(select(table).where(key.in_(list(copies)))).mappings()]
    for kept in known:
        _check_same(kept, copies.pop(_key_of(kept))[1])
    if copies:
        # On a conflict here another worker holds our partition: the offset's compare-and-set will undo us.
        rows = [_row_of(fact, offset) for offset, fact in copies.values()]
        connection.execute(insert(table).on_conflict_do_nothing(), rows)


def fact_of(row: RowMapping) -> AccountFact:
    """The fact that a row holds."""
    return AccountFact(
        block=BlockRef(
            ChainId(row["chain_id"]), row["block_number"], Digest(bytes(row["block_hash"])), row["block_timestamp"]
        ),
        tx_index=row["tx_index"],
        log_index=row["log_index"],
        fork_epoch=row["fork_epoch"],
        decoder_version=row["decoder_version"],
        source=row["source"],
        account=Address(bytes(row["account"])),
        kind=AccountKind(row["kind"]),
        owners=tuple(Address(bytes(owner)) for owner in row["owners"]),
        threshold=row["threshold"],
    )


def _row_of(fact: AccountFact, offset: int) -> dict[str, Any]:
    return {
        "id": fact.id,
        "fork_epoch": fact.fork_epoch,
        "decoder_version": fact.decoder_version,
        "chain_id": fact.block.chain_id,
        "account": fact.account,
        "kind": fact.kind.value,
        "owners": list(fact.owners),
        "threshold": fact.threshold,
        "source": fact.source,
        "block_number": fact.block.number,
        "block_hash": fact.block.hash,
        "block_timestamp": fact.block.timestamp,
        "tx_index": fact.tx_index,
        "log_index": fact.log_index,
        "log_offset": offset,
    }


def _key_of(fact: AccountFact) -> _Key:
    return (fact.id, fact.fork_epoch, fact.decoder_version)


def _check_same(kept: AccountFact, seen: AccountFact) -> None:
    if kept != seen:
        raise InvariantViolation(
            f"two copies of account fact {seen.id.hex()} with the same fork epoch and decoder version say different "
            "things: one of two indexers is wrong; find out which before anything is made of them"
        )
