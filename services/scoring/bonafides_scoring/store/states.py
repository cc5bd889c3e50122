"""Folded states as snapshots, and which of them are not to be trusted any more."""

from collections.abc import Iterable, Mapping
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
from bonafides_scoring.store.tables import fork_epoch, partition_progress, unfolded, wallet_snapshot

SNAPSHOTS_KEPT = 4
"""Newest snapshots of a wallet and chain that stay, of final blocks and of live ones each: a late event that is older
than all of them folds from nothing. Counted apart, since a wallet that acts in every live block would else push out
those that finalized scores are folded from."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition is on one chain."""

    number: int = 0
    """Of the newest boundary whose mark was handled; 0 before the first."""
    final_block: int = -1
    """Of the newest finalized boundary that was folded to; -1 before the first."""


def asked_blocks(blocks: Mapping[Address, int]) -> TableValuedAlias:
    """A block per wallet as rows to join with: columns `wallet` and `block`."""
    wallets, numbers = cast(list(blocks), ARRAY(LargeBinary)), cast(list(blocks.values()), ARRAY(BigInteger))
    rows = func.unnest(wallets, numbers).table_valued(column("wallet", LargeBinary), column("block", BigInteger))
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


def unfolded_until(connection: Connection, partition: int, chain_id: ChainId, block: int) -> dict[Address, int]:
    """Wallets of a partition with something not folded yet at or below a block, and the first such block."""
    table = unfolded
    rows = connection.execute(
        select(table.c.wallet, table.c.first_block).where(
            table.c.partition == partition, table.c.chain_id == chain_id, table.c.first_block <= block
        )
    )
    return {Address(bytes(row.wallet)): row.first_block for row in rows}


def unfolded_of(connection: Connection, wallet: Address, chain_id: ChainId) -> int | None:
    """The first block of a wallet with something not folded yet; None when there is none."""
    table = unfolded
    return connection.scalar(select(table.c.first_block).where(table.c.wallet == wallet, table.c.chain_id == chain_id))


def moved_between(connection: Connection, partition: int, chain_id: ChainId, after: int, until: int) -> list[Address]:
    """Wallets of a partition that were folded to a block above `after`, with events in (after, until]: what live
    boundaries folded and a finalized one confirms."""
    table, other = wallet_snapshot, event_table
    has_moved = (
        select(other.c.id)
        .where(
            other.c.wallet == table.c.wallet,
            other.c.chain_id == chain_id,
            other.c.block_number > after,
            other.c.block_number <= until,
        )
        .exists()
    )
    rows = connection.scalars(
        select(table.c.wallet)
        .distinct()
        .where(table.c.partition == partition, table.c.chain_id == chain_id, table.c.block_number > after, has_moved)
    )
    return [Address(bytes(wallet)) for wallet in rows]


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
    for row in rows:
        distrust(connection, row.partition, chain_id, {Address(bytes(row.wallet)): row.first_block})


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


def save_snapshots(
    connection: Connection,
    partition: int,
    chain_id: ChainId,
    block: int,
    states: Mapping[Address, bytes],
    *,
    final_block: int,
) -> None:
    """Add or replace the snapshots at a block, and let go of old ones. `final_block` and all below it stay for ever."""
    if not states:
        return
    statement = insert(wallet_snapshot)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["wallet", "chain_id", "block_number"], set_={"state": statement.excluded.state}
        ),
        [
            {"wallet": wallet, "chain_id": chain_id, "block_number": block, "partition": partition, "state": state}
            for wallet, state in sorted(states.items())
        ],
    )
    table = wallet_snapshot
    is_live = table.c.block_number > final_block
    ranked = (
        select(
            table.c.wallet,
            table.c.block_number,
            func.row_number()
            .over(partition_by=(table.c.wallet, is_live), order_by=table.c.block_number.desc())
            .label("place"),
        )
        .where(table.c.wallet.in_(list(states)), table.c.chain_id == chain_id)
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


def progress_of(connection: Connection, partition: int) -> dict[ChainId, Progress]:
    """How far a partition is, per chain."""
    table = partition_progress
    rows = connection.execute(
        select(table.c.chain_id, table.c.boundary_number, table.c.final_block).where(table.c.partition == partition)
    )
    return {ChainId(row.chain_id): Progress(row.boundary_number, row.final_block) for row in rows}


def save_progress(connection: Connection, partition: int, chain_id: ChainId, progress: Progress) -> None:
    """The mark of this boundary was read and everything up to it is folded."""
    table = partition_progress
    statement = insert(table).values(
        partition=partition,
        chain_id=chain_id,
        boundary_number=progress.number,
        final_block=progress.final_block,
    )
    columns = ("boundary_number", "final_block")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["partition", "chain_id"],
            set_={name: func.greatest(table.c[name], statement.excluded[name]) for name in columns},
        )
    )


def epochs_between(connection: Connection, chain_id: ChainId, after: int, until: int) -> list[ForkEpoch]:
    """Epochs first listed by boundaries in (after, until]."""
    table = fork_epoch
    rows = connection.execute(
        select(table.c.epoch, table.c.fork_block).where(
            table.c.chain_id == chain_id, table.c.boundary_number > after, table.c.boundary_number <= until
        )
    )
    return [ForkEpoch(row.epoch, row.fork_block) for row in rows]
