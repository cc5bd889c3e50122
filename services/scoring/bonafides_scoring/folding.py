"""Folds what a partition brought, up to a boundary, and answers what a wallet's state was at a block.

```
snapshot at 40     late event at 37          drop 40, fold again from the snapshot at 30
   30 ─── 40 ─── 50 (boundary)               (or from nothing), save at 50

HEAD 105, FINALIZED 41, HEAD 106, reorg, HEAD 104      block numbers go down as well as up
   live snapshots stand above the last finalized block folded to; a finalized boundary folds again what moved below it,
   so that what is final never rests on the live ones alone, and drops none of them that is still right
```
Events above the boundary's block stay unfolded: the boundary says nothing of them yet, and a reorg may void them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched

from bonafides.errors import InvalidMessage
from bonafides.events import Boundary, ForkEpoch
from bonafides.types import Address, BlockRef, ChainId, Finality
from sqlalchemy import Connection

from bonafides_scoring.fold import WalletState, decode_state, empty_state, encode_state, fold
from bonafides_scoring.store import events, market, provisional, states
from bonafides_scoring.store.market import ListedEpoch
from bonafides_scoring.store.progress import Progress
from bonafides_scoring.store.states import Snapshot

WALLETS_AT_ONCE = 500
"""Wallets whose histories are in memory together; the size changes no result."""
BEFORE_ALL = -1
"""Below every block: fold from nothing."""


@dataclass(frozen=True, slots=True)
class PartitionFold:
    """A partition to be folded to a boundary."""

    partition: int
    after: Progress
    """How far it was folded before."""
    below_offset: int
    """Of the boundary's mark in it: what was read from there on came too late."""


def fold_to_boundary(
    connection: Connection,
    boundary: Boundary,
    asked: Sequence[PartitionFold],
    *,
    epochs: tuple[ListedEpoch, ...],
    beat: Callable[[], None],
    wallets_at_once: int = WALLETS_AT_ONCE,
) -> Counter[int]:
    """Fold what partitions hold up to a boundary's block; returns how many wallets of each were folded.

    In the same few statements for all of them: a block of which each has a little must not wait for a round trip of
    each. Of `epochs`, all that are listed up to this boundary, those a partition has not heard of yet void what they
    void, provisional answers too. `beat` is called after every `wallets_at_once`: the first boundary after a backfill
    folds everybody.
    """
    chain_id, block = boundary.block.chain_id, boundary.block.number
    is_final = boundary.finality is Finality.FINALIZED
    by_partition = {one.partition: one for one in asked}
    first: dict[Address, tuple[int, int]] = {}
    for one in asked:
        # Folded wherever the fork is: what their newest snapshot holds may be void, and it is what features are.
        first |= _distrust_void(connection, one, boundary, epochs)
    first |= states.unfolded_until(connection, by_partition, chain_id, block)
    owners = {wallet: partition for wallet, (partition, _) in first.items()}
    if is_final:
        final_before = {one.partition: one.after.final_block for one in asked}
        owners |= states.moved_between(connection, chain_id, final_before, block)
    for wallets in batched(sorted(owners), wallets_at_once):
        untrusted = {wallet: first[wallet][1] for wallet in wallets if wallet in first}
        states.drop_untrusted(connection, chain_id, untrusted, block)
        folded = states_at(
            connection,
            wallets,
            chain_id,
            block,
            epochs=tuple(listed.epoch for listed in epochs),
            below_offset={wallet: by_partition[owners[wallet]].below_offset for wallet in wallets},
        )
        snapshots = []
        for wallet, state in folded.items():
            before = by_partition[owners[wallet]].after.final_block
            final_block = max(before, block) if is_final else before
            snapshots.append(Snapshot(wallet, owners[wallet], encode_state(state), final_block))
        states.save_snapshots(connection, chain_id, block, snapshots)
        beat()
    return Counter(owners.values())


def fold_wallet(
    connection: Connection, partition: int, wallet: Address, block: BlockRef, *, after: Progress, below_offset: int
) -> None:
    """Fold one wallet up to a finalized block to which its history was read on demand.

    Under the epochs that the partition's boundaries have told so far: one that the next boundary lists makes that one
    fold the wallet again.
    """
    chain_id = block.chain_id
    first = states.unfolded_of(connection, wallet, chain_id)
    if first is not None and first <= block.number:
        states.drop_untrusted(connection, chain_id, {wallet: first}, block.number)
    epochs = market.epochs_until(connection, chain_id, after.number)
    folded = states_at(connection, [wallet], chain_id, block.number, epochs=epochs, below_offset=below_offset)
    snapshot = Snapshot(wallet, partition, encode_state(folded[wallet]), after.final_block)
    states.save_snapshots(connection, chain_id, block.number, [snapshot])


def states_at(
    connection: Connection,
    wallets: Iterable[Address],
    chain_id: ChainId,
    block: int,
    *,
    epochs: tuple[ForkEpoch, ...],
    below_offset: int | Mapping[Address, int],
) -> dict[Address, WalletState]:
    """The state of each wallet on one chain at a block, from its newest snapshot at or below it.

    `below_offset` is one for all, or one for each wallet.
    """
    wanted = sorted(wallets)
    snapshots = states.snapshots_at(connection, wanted, chain_id, block)
    bases: dict[Address, WalletState] = {}
    above: dict[Address, int] = {}
    for wallet in wanted:
        bases[wallet], above[wallet] = _base_of(wallet, chain_id, snapshots.get(wallet))
    later = events.events_known(connection, above, chain_id, to_block=block, below_offset=below_offset, epochs=epochs)
    return {wallet: fold(base, later[wallet]) if wallet in later else base for wallet, base in bases.items()}


def _distrust_void(
    connection: Connection, one: PartitionFold, boundary: Boundary, epochs: tuple[ListedEpoch, ...]
) -> dict[Address, tuple[int, int]]:
    """Wallets of a partition of which epochs it has not heard of made something void: partition, and first block."""
    opened = [listed.epoch for listed in epochs if listed.listed_by > one.after.number]
    if not opened:
        return {}
    chain_id = boundary.block.chain_id
    found = states.distrust_void(connection, one.partition, chain_id, opened)
    for epoch in opened:
        provisional.drop_void(connection, one.partition, chain_id, epoch, listed_by=boundary.number)
    return {wallet: (one.partition, block) for wallet, block in found.items()}


def _base_of(wallet: Address, chain_id: ChainId, snapshot: tuple[int, bytes] | None) -> tuple[WalletState, int]:
    if snapshot is not None:
        block, raw = snapshot
        try:
            return decode_state(raw), block
        except InvalidMessage:
            pass  # of another fold version: fold again from nothing
    return empty_state(wallet, chain_id), BEFORE_ALL
