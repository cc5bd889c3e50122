"""What ingest remembers of accounts, in Postgres: who owns them from which log on, and what the wallets are."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bonafides.accounts import AccountFact
from bonafides.database import transaction
from bonafides.events import BlockRange
from bonafides.types import AccountKind, Address, BlockRef, ChainId, Digest
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    LargeBinary,
    Text,
    any_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert

from bonafides_ingest import tables
from bonafides_ingest.accounts.link_sources import LinkSource
from bonafides_ingest.accounts.links import Place
from bonafides_ingest.accounts.tables import account as account_table
from bonafides_ingest.accounts.tables import link as link_table
from bonafides_ingest.decoders import DECODER_VERSION
from bonafides_ingest.lease import Lease, hold_lease, lock_chain

MOST_REMEMBERED = 100_000
"""Wallets, 10 MB: those that act again and again. Looking for a row takes 30 µs, and a window has thousands."""

NOBODY = ""
"""Source of a link whose source is no longer listed: it is believed no more, and says where something was sent."""


class AccountStore:
    """One chain's accounts."""

    def __init__(self, engine: Engine, chain_id: ChainId, lease_s: float) -> None:
        self._engine, self._chain_id, self._lease_s = engine, chain_id, lease_s
        self._have_rows: set[Address] = set()

    def without_row(self, wallets: frozenset[Address]) -> frozenset[Address]:
        """Those of these wallets that may not have a row yet: the others need no look at the table."""
        return wallets - self._have_rows

    def have_rows(self, wallets: frozenset[Address]) -> None:
        """The rows of these wallets are committed. Rows are never taken away."""
        if len(self._have_rows) > MOST_REMEMBERED:
            self._have_rows.clear()
        self._have_rows |= wallets

    def memory_of(self, sources: Iterable[LinkSource]) -> "StoredLinks":
        """What these sources, which are read now, said before."""
        return StoredLinks(self._engine, self._chain_id, frozenset(source.id for source in sources))

    def forget_unlisted(self, lease: Lease, deployments: Collection[str], sources: Collection[str]) -> None:
        """Forget which blocks were read of a source that is no longer listed: another may take its accounts over.

        Put back, it is read from its first block. What it said becomes nobody's word, kept for where it was sent.
        Raises LeaseLost.
        """
        links, done = link_table, tables.done_range
        is_ours, is_link = done.c.chain_id == self._chain_id, done.c.deployment.not_in(deployments)
        by_unlisted = exists().where(links.c.chain_id == self._chain_id, links.c.source == done.c.deployment)
        unlisted = select(done.c.deployment).where(
            is_ours, is_link, done.c.deployment.not_in(sources), by_unlisted
        )  # the ranges of an old deployment, which said nothing about owners, stay
        with transaction(self._engine) as connection:
            hold_lease(connection, self._chain_id, lease, self._lease_s, {})
            gone = list(connection.scalars(unlisted.distinct()))
            if gone:
                connection.execute(delete(done).where(is_ours, done.c.deployment.in_(gone)))
                mine = (links.c.chain_id == self._chain_id) & links.c.source.in_(gone)
                connection.execute(update(links).where(mine).values(source=NOBODY))

    def ask_again(self, gateways: Collection[Address]) -> None:
        """Have these marked as gateways, and no others, at the next questions."""
        table, gateway = account_table, AccountKind.GATEWAY.value
        rows = [{"chain_id": self._chain_id, "account": address} for address in sorted(gateways)]
        is_listed = table.c.account == any_(_addresses(gateways))
        with transaction(self._engine) as connection:
            if rows:
                connection.execute(insert(table).on_conflict_do_nothing(), rows)
            connection.execute(
                update(table)
                .where(
                    table.c.chain_id == self._chain_id,
                    or_(is_listed & (table.c.kind != gateway), ~is_listed & (table.c.kind == gateway)),
                )
                .values(kind=None, block_number=None)
            )

    def unknown(self, most: int) -> tuple[Address, ...]:
        """Accounts of which nobody knows what they are, at most so many."""
        table = account_table
        query = (
            select(table.c.account)
            .where(table.c.chain_id == self._chain_id, table.c.kind.is_(None))
            .order_by(table.c.account)
            .limit(most)
        )
        with transaction(self._engine) as connection:
            return tuple(Address(bytes(found)) for found in connection.scalars(query))

    def set_kinds(self, lease: Lease, facts: Sequence[AccountFact], partitions: frozenset[int]) -> Lease:
        """Remember what accounts are, once the partitions have been told. Raises LeaseLost."""
        with transaction(self._engine) as connection:
            pending = partitions.union(lock_chain(connection, self._chain_id)["pending_partitions"])
            hold_lease(connection, self._chain_id, lease, self._lease_s, {"pending_partitions": sorted(pending)})
            _set_kinds(connection, self._chain_id, facts)
        return replace(lease, pending_partitions=pending)


@dataclass(frozen=True, slots=True)
class StoredLinks:
    """`LinkMemory` of some sources."""

    engine: Engine
    chain_id: ChainId
    sources: frozenset[str]

    def newest_links(self, accounts: Iterable[Address], before: int) -> dict[Address, AccountFact]:
        """The newest word of their logs below block `before` about each of these accounts, where there is one."""
        table = link_table
        query = (
            select(table)
            .ext(distinct_on(table.c.account))
            .where(
                table.c.chain_id == self.chain_id,
                table.c.account == any_(_addresses(accounts)),
                table.c.source.in_(self.sources),
                table.c.block_number < before,
            )
            .order_by(table.c.account, table.c.block_number.desc(), table.c.log_index.desc())
        )
        with transaction(self.engine) as connection:
            return {
                Address(bytes(row["account"])): AccountFact(
                    block=BlockRef(
                        self.chain_id, row["block_number"], Digest(bytes(row["block_hash"])), row["block_timestamp"]
                    ),
                    tx_index=row["tx_index"],
                    log_index=row["log_index"],
                    fork_epoch=0,
                    decoder_version=DECODER_VERSION,
                    source=row["source"],
                    account=Address(bytes(row["account"])),
                    kind=AccountKind(row["kind"]),
                    owners=tuple(Address(bytes(owner)) for owner in row["owners"]),
                    threshold=row["threshold"],
                )
                for row in connection.execute(query).mappings()
            }

    def void_places(self, accounts: Iterable[Address], blocks: BlockRange) -> frozenset[Place]:
        """Where in these blocks a source that is no longer listed said something about these accounts."""
        table = link_table
        query = select(table.c.account, table.c.block_number, table.c.log_index).where(
            table.c.chain_id == self.chain_id,
            table.c.account == any_(_addresses(accounts)),
            table.c.source == NOBODY,
            table.c.block_number.between(blocks.first, blocks.last),
        )
        with transaction(self.engine) as connection:
            return frozenset((Address(bytes(row[0])), row[1], row[2]) for row in connection.execute(query))


def put_links(connection: Connection, chain_id: ChainId, facts: Sequence[AccountFact]) -> None:
    """Add what logs said about owners. Said again by the same log, it replaces what was said."""
    if not facts:
        return
    statement = insert(link_table)
    key = ("chain_id", "account", "block_number", "log_index")
    rows = [
        {
            "chain_id": chain_id,
            "account": fact.account,
            "block_number": fact.block.number,
            "log_index": fact.log_index,
            "tx_index": fact.tx_index,
            "block_hash": fact.block.hash,
            "block_timestamp": fact.block.timestamp,
            "source": fact.source,
            "kind": fact.kind.value,
            "owners": list(fact.owners),
            "threshold": fact.threshold,
        }
        for fact in facts
    ]
    values = {name: statement.excluded[name] for name in rows[0] if name not in key}
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values), rows)
    _set_kinds(connection, chain_id, facts)


def put_wallets(connection: Connection, chain_id: ChainId, wallets: Collection[Address]) -> None:
    """Have the node asked about those of these that are new, unless logs say what they are."""
    if not wallets:
        return
    links = link_table
    wallet = func.unnest(_addresses(sorted(wallets))).table_valued("account", name="wallet").render_derived()
    newest = (
        select(links.c.kind, links.c.block_number)
        .where(links.c.chain_id == chain_id, links.c.account == wallet.c.account, links.c.source != NOBODY)
        .order_by(links.c.block_number.desc(), links.c.log_index.desc())
        .limit(1)
        .lateral("newest")
    )
    found = select(literal(chain_id), wallet.c.account, newest.c.kind, newest.c.block_number).select_from(
        wallet.outerjoin(newest, true())
    )
    statement = insert(account_table).from_select(["chain_id", "account", "kind", "block_number"], found)
    connection.execute(statement.on_conflict_do_nothing())


def _set_kinds(connection: Connection, chain_id: ChainId, facts: Sequence[AccountFact]) -> None:
    """Of accounts that are wallets of events or gateways; of others nothing is kept here. `facts` in their order."""
    newest = {fact.account: fact for fact in facts}
    if not newest:
        return
    columns = (
        _addresses(newest),
        literal([fact.kind.value for fact in newest.values()], ARRAY(Text)),
        literal([fact.block.number for fact in newest.values()], ARRAY(BigInteger)),
    )
    told = func.unnest(*columns).table_valued("account", "kind", "block_number", name="told").render_derived()
    connection.execute(
        update(account_table)
        .where(account_table.c.chain_id == chain_id, account_table.c.account == told.c.account)
        .values(kind=told.c.kind, block_number=told.c.block_number)
    )


def _addresses(found: Iterable[Address]) -> ColumnElement[Any]:
    """One parameter, however many they are."""
    return literal(list(found), ARRAY(LargeBinary))
