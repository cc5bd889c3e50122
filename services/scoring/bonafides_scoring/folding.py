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

from collections.abc import Callable, Iterable
from itertools import batched

from bonafides.errors import InvalidMessage
from bonafides.events import Boundary, ForkEpoch
from bonafides.types import Address, BlockRef, ChainId, Finality
from sqlalchemy import Connection

from bonafides_scoring.fold import WalletState, decode_state, empty_state, encode_state, fold
from bonafides_scoring.store import events, market, provisional, states
from bonafides_scoring.store.states import Progress

WALLETS_AT_ONCE = 500
"""Wallets whose histories are in memory together; the size changes no result."""
BEFORE_ALL = -1
"""Below every block: fold from nothing."""


def fold_to_boundary(
    connection: Connection,
    partition: int,
    boundary: Boundary,
    *,
    after: Progress,
    below_offset: int,
    beat: Callable[[], None],
    wallets_at_once: int = WALLETS_AT_ONCE,
) -> int:
    """Fold what a partition holds up to a boundary's block; returns how many wallets were folded.

    `after` is how far it was folded before; the epochs opened since void what they void, provisional answers too.
    `beat` is called after every `wallets_at_once`: the first boundary after a backfill folds everybody.
    """
    chain_id, block = boundary.block.chain_id, boundary.block.number
    is_final = boundary.finality is Finality.FINALIZED
    first: dict[Address, int] = {}
    if boundary.number != after.number + 1 or boundary.fork_epochs:
        opened = states.epochs_between(connection, chain_id, after.number, boundary.number)
        # Folded wherever the fork is: what their newest snapshot holds may be void, and it is what features are.
        first |= states.distrust_void(connection, partition, chain_id, opened)
        for epoch in opened:
            provisional.drop_void(connection, partition, chain_id, epoch, listed_by=boundary.number)
    first |= states.unfolded_until(connection, partition, chain_id, block)
    moved = states.moved_between(connection, partition, chain_id, after.final_block, block) if is_final else []
    wanted = sorted(first.keys() | moved)
    if not wanted:
        return 0
    epochs = market.epochs_until(connection, chain_id, boundary.number)
    final_block = max(after.final_block, block) if is_final else after.final_block
    for wallets in batched(wanted, wallets_at_once):
        untrusted = {wallet: first[wallet] for wallet in wallets if wallet in first}
        states.drop_untrusted(connection, chain_id, untrusted, block)
        folded = states_at(connection, wallets, chain_id, block, epochs=epochs, below_offset=below_offset)
        encoded = {wallet: encode_state(state) for wallet, state in folded.items()}
        states.save_snapshots(connection, partition, chain_id, block, encoded, final_block=final_block)
        beat()
    return len(wanted)


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
    encoded = {wallet: encode_state(state) for wallet, state in folded.items()}
    states.save_snapshots(connection, partition, chain_id, block.number, encoded, final_block=after.final_block)


def states_at(
    connection: Connection,
    wallets: Iterable[Address],
    chain_id: ChainId,
    block: int,
    *,
    epochs: tuple[ForkEpoch, ...],
    below_offset: int,
) -> dict[Address, WalletState]:
    """The state of each wallet on one chain at a block, from its newest snapshot at or below it."""
    wanted = sorted(wallets)
    snapshots = states.snapshots_at(connection, wanted, chain_id, block)
    bases: dict[Address, WalletState] = {}
    above: dict[Address, int] = {}
    for wallet in wanted:
        bases[wallet], above[wallet] = _base_of(wallet, chain_id, snapshots.get(wallet))
    later = events.events_known(connection, above, chain_id, to_block=block, below_offset=below_offset, epochs=epochs)
    return {wallet: fold(base, later[wallet]) if wallet in later else base for wallet, base in bases.items()}


def _base_of(wallet: Address, chain_id: ChainId, snapshot: tuple[int, bytes] | None) -> tuple[WalletState, int]:
    if snapshot is not None:
        block, raw = snapshot
        try:
            return decode_state(raw), block
        except InvalidMessage:
            pass  # of another fold version: fold again from nothing
    return empty_state(wallet, chain_id), BEFORE_ALL
