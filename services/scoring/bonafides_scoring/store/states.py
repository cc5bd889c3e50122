"""Folded states as snapshots, and which of them are not to be trusted any more."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bonafides.events import ForkEpoch
from bonafides.types import Address, ChainId
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Integer,
    LargeBinary,
    TableValuedAlias,
    cast,
    column,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert

from bonafides_scoring.store.tables import event as event_table
from bonafides_scoring.store.tables import unfolded, wallet_snapshot

SNAPSHOTS_KEPT = 4
"""Newest snapshots of a wallet and chain that stay, of final blocks and of live ones each: a late event that is older
than all of them folds from nothing. Counted apart, since a wallet that acts in every live block would else push out
those that finalized scores are folded from."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A wallet's state at a block, to be kept."""

    wallet: Address
    partition: int
    state: bytes
    """Canonical bytes."""
    final_block: int
    """Of the newest finalized boundary that its partition was folded to: this and all below it stay for ever."""


def asked_blocks(blocks: Mapping[Address, int]) -> TableValuedAlias:
    """A block per wallet as rows to join with: columns `wallet` and `block`."""
    wallets, numbers = cast(list(blocks), ARRAY(LargeBinary)), cast(list(blocks.values()), ARRAY(BigInteger))
    rows = func.unnest(wallets, numbers).table_valued(column("wallet", LargeBinary), column("block", BigInteger))
    return rows.render_derived("asked")


def asked_stretches(above: Mapping[Address, int], below: Mapping[Address, int]) -> TableValuedAlias:
    """The block above which and the offset below which each wallet is asked for: `wallet`, `block`, `below`."""
    rows = func.unnest(
        cast(list(above), ARRAY(LargeBinary)),
        cast(list(above.values()), ARRAY(BigInteger)),
        cast([below[wallet] for wallet in above], ARRAY(BigInteger)),
    ).table_valued(column("wallet", LargeBinary), column("block", BigInteger), column("below", BigInteger))
    return rows.render_derived("asked")


def distrust(connection: Connection, partition: int, chain_id: ChainId, first: dict[Address, int]) -> None:
    """Remember that snapshots of these wallets hold too little from these blocks on."""
    distrust_wallets(connection, chain_id, {wallet: (partition, block) for wallet, block in first.items()})


def distrust_wallets(connection: Connection, chain_id: ChainId, first: Mapping[Address, tuple[int, int]]) -> None:
    """The same for wallets of several partitions: (partition, block) of each."""
    if not first:
        return
    ordered = sorted(first.items())  # so that two workers never wait for each other
    asked = (
        func.unnest(
            cast([wallet for wallet, _ in ordered], ARRAY(LargeBinary)),
            cast([partition for _, (partition, _) in ordered], ARRAY(Integer)),
            cast([block for _, (_, block) in ordered], ARRAY(BigInteger)),
        )
        .table_valued(column("wallet", LargeBinary), column("partition", Integer), column("block", BigInteger))
        .render_derived("asked")
    )
    # In a backfill most are distrusted from an earlier block already: reading that is cheaper than writing it again.
    is_known = (
        select(unfolded.c.wallet)
        .where(
            unfolded.c.wallet == asked.c.wallet,
            unfolded.c.chain_id == chain_id,
            unfolded.c.first_block <= asked.c.block,
        )
        .exists()
    )
    rows = select(asked.c.wallet, literal(chain_id, BigInteger), asked.c.partition, asked.c.block).where(~is_known)
    statement = insert(unfolded).from_select(["wallet", "chain_id", "partition", "first_block"], rows)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["wallet", "chain_id"],
            set_={"first_block": func.least(unfolded.c.first_block, statement.excluded.first_block)},
        )
    )


def distrust_void(
    connection: Connection, partition: int, chain_id: ChainId, opened: Iterable[ForkEpoch]
) -> dict[Address, int]:
    """Distrust snapshots of wallets of a partition with events that a newly opened epoch made void; returns them with
    the first such block."""
    found: dict[Address, int] = {}
    table = event_table
    for epoch in opened:
        touched = (
            select(table.c.wallet, func.min(table.c.block_number).label("first_block"))
            .where(
                table.c.chain_id == chain_id,
                table.c.block_number >= epoch.fork_block,
                table.c.fork_epoch < epoch.epoch,
                table.c.partition == partition,
            )
            .group_by(table.c.wallet)
        )
        for row in connection.execute(touched):
            wallet = Address(bytes(row.wallet))
            found[wallet] = min(row.first_block, found.get(wallet, row.first_block))
    distrust(connection, partition, chain_id, found)
    return found


def unfolded_until(
    connection: Connection, partitions: Iterable[int], chain_id: ChainId, block: int
) -> dict[Address, tuple[int, int]]:
    """Wallets of these partitions with something not folded yet at or below a block: partition, and the first such
    block."""
    table = unfolded
    rows = connection.execute(
        select(table.c.wallet, table.c.partition, table.c.first_block).where(
            table.c.partition.in_(list(partitions)), table.c.chain_id == chain_id, table.c.first_block <= block
        )
    )
    return {Address(bytes(row.wallet)): (row.partition, row.first_block) for row in rows}


def unfolded_of(connection: Connection, wallet: Address, chain_id: ChainId) -> int | None:
    """The first block of a wallet with something not folded yet; None when there is none."""
    table = unfolded
    return connection.scalar(select(table.c.first_block).where(table.c.wallet == wallet, table.c.chain_id == chain_id))


def moved_between(
    connection: Connection, chain_id: ChainId, after: Mapping[int, int], until: int
) -> dict[Address, int]:
    """Wallets that were folded to a block above the one in `after` of their partition, with events from there up to
    `until`: what live boundaries folded and a finalized one confirms. With their partitions."""
    table, other = wallet_snapshot, event_table
    asked = (
        func.unnest(cast(list(after), ARRAY(Integer)), cast(list(after.values()), ARRAY(BigInteger)))
        .table_valued(column("partition", Integer), column("block", BigInteger))
        .render_derived("asked")
    )
    has_moved = (
        select(other.c.id)
        .where(
            other.c.wallet == table.c.wallet,
            other.c.chain_id == chain_id,
            other.c.block_number > asked.c.block,
            other.c.block_number <= until,
        )
        .exists()
    )
    rows = connection.execute(
        select(table.c.wallet, table.c.partition)
        .distinct()
        .join(asked, asked.c.partition == table.c.partition)
        .where(table.c.chain_id == chain_id, table.c.block_number > asked.c.block, has_moved)
    )
    return {Address(bytes(row.wallet)): row.partition for row in rows}


def drop_untrusted(connection: Connection, chain_id: ChainId, first: Mapping[Address, int], folded_to: int) -> None:
    """Drop the snapshots from each wallet's first unfolded block on, and remember what stands above `folded_to`."""
    if not first:
        return
    asked = asked_blocks(first)
    table = wallet_snapshot
    connection.execute(
        delete(table).where(
            table.c.wallet == asked.c.wallet, table.c.chain_id == chain_id, table.c.block_number >= asked.c.block
        )
    )
    later = (
        select(event_table.c.wallet, event_table.c.partition, func.min(event_table.c.block_number).label("first_block"))
        .where(
            event_table.c.wallet.in_(list(first)),
            event_table.c.chain_id == chain_id,
            event_table.c.block_number > folded_to,
        )
        .group_by(event_table.c.wallet, event_table.c.partition)
    )
    rows = connection.execute(later).all()
    connection.execute(delete(unfolded).where(unfolded.c.wallet.in_(list(first)), unfolded.c.chain_id == chain_id))
    distrust_wallets(
        connection, chain_id, {Address(bytes(row.wallet)): (row.partition, row.first_block) for row in rows}
    )


def snapshots_at(
    connection: Connection, wallets: Iterable[Address], chain_id: ChainId, block: int
) -> dict[Address, tuple[int, bytes]]:
    """The newest snapshot to be trusted of each wallet at or below a block: (its block, canonical bytes)."""
    table = wallet_snapshot
    is_own = (unfolded.c.wallet == table.c.wallet) & (unfolded.c.chain_id == chain_id)
    rows = connection.execute(
        select(table.c.wallet, table.c.block_number, table.c.state)
        .ext(distinct_on(table.c.wallet))
        .outerjoin(unfolded, is_own)
        .where(
            table.c.wallet.in_(list(wallets)),
            table.c.chain_id == chain_id,
            table.c.block_number <= block,
            or_(unfolded.c.first_block.is_(None), unfolded.c.first_block > table.c.block_number),
        )
        .order_by(table.c.wallet, table.c.block_number.desc())
    )
    return {Address(bytes(row.wallet)): (row.block_number, bytes(row.state)) for row in rows}


def save_snapshots(connection: Connection, chain_id: ChainId, block: int, snapshots: Sequence[Snapshot]) -> None:
    """Add or replace the snapshots at a block, and let go of old ones."""
    if not snapshots:
        return
    statement = insert(wallet_snapshot)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["wallet", "chain_id", "block_number"], set_={"state": statement.excluded.state}
        ),
        [
            {
                "wallet": one.wallet,
                "chain_id": chain_id,
                "block_number": block,
                "partition": one.partition,
                "state": one.state,
            }
            for one in sorted(snapshots, key=lambda one: one.wallet)
        ],
    )
    table = wallet_snapshot
    asked = asked_blocks({one.wallet: one.final_block for one in snapshots})
    is_live = table.c.block_number > asked.c.block
    ranked = (
        select(
            table.c.wallet,
            table.c.block_number,
            func.row_number()
            .over(partition_by=(table.c.wallet, is_live), order_by=table.c.block_number.desc())
            .label("place"),
        )
        .join(asked, asked.c.wallet == table.c.wallet)
        .where(table.c.chain_id == chain_id)
        .subquery()
    )
    old = select(ranked.c.wallet, ranked.c.block_number).where(ranked.c.place > SNAPSHOTS_KEPT)
    connection.execute(
        delete(table).where(table.c.chain_id == chain_id, tuple_(table.c.wallet, table.c.block_number).in_(old))
    )


def wallets_of(connection: Connection, partition: int) -> list[Address]:
    """Every wallet of a partition that was ever folded, ascending."""
    table = wallet_snapshot
    rows = connection.scalars(select(table.c.wallet).distinct().where(table.c.partition == partition))
    return sorted(Address(bytes(wallet)) for wallet in rows)
