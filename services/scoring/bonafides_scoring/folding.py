"""Folds what a partition brought, up to a boundary, and answers what a wallet's state was at a block.

```
snapshot at 40     late event at 37          drop 40, fold again from the snapshot at 30
   30 ─── 40 ─── 50 (boundary)               (or from nothing), save at 50
```
Events above the boundary's block stay unfolded: the boundary says nothing of them yet, and a reorg may void them.
"""

from collections.abc import Callable, Iterable
from itertools import batched

from bonafides.errors import InvalidMessage
from bonafides.events import Boundary, ForkEpoch
from bonafides.types import Address, ChainId
from sqlalchemy import Connection

from bonafides_scoring.fold import WalletState, decode_state, empty_state, encode_state, fold
from bonafides_scoring.store import events, market, states

WALLETS_AT_ONCE = 500
"""Wallets whose histories are in memory together; the size changes no result."""
BEFORE_ALL = -1
"""Below every block: fold from nothing."""


def fold_to_boundary(
    connection: Connection,
    partition: int,
    boundary: Boundary,
    *,
    after_number: int,
    below_offset: int,
    beat: Callable[[], None],
    wallets_at_once: int = WALLETS_AT_ONCE,
) -> int:
    """Fold what a partition holds up to a boundary's block; returns how many wallets were folded.

    `after_number` is the newest boundary that was folded to before; the epochs opened since void what they void.
    `beat` is called after every `wallets_at_once`: the first boundary after a backfill folds everybody.
    """
    chain_id = boundary.block.chain_id
    is_next = boundary.number == after_number + 1
    if not is_next or boundary.fork_epochs:
        opened = states.epochs_between(connection, chain_id, after_number, boundary.number)
        states.distrust_void(connection, partition, chain_id, opened)
    first = states.unfolded_until(connection, partition, chain_id, boundary.block.number)
    if not first:
        return 0
    epochs = market.epochs_until(connection, chain_id, boundary.number)
    block = boundary.block.number
    for wallets in batched(sorted(first), wallets_at_once):
        states.drop_untrusted(connection, chain_id, {wallet: first[wallet] for wallet in wallets}, block)
        folded = states_at(connection, wallets, chain_id, block, epochs=epochs, below_offset=below_offset)
        encoded = {wallet: encode_state(state) for wallet, state in folded.items()}
        states.save_snapshots(connection, partition, chain_id, block, encoded)
        beat()
    return len(first)


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
