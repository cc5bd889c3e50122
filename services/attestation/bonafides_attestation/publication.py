"""What to do next about a transaction of the publisher, from what the database holds and what the chain shows. Pure.

```
QUEUED ──Start──► SENT ──Mine──► MINED ──Finish──► FINAL
   ▲                │ ▲             │
   └──Requeue───────┘ └──Unmine─────┘   a reorg took the block: the stored bytes are sent again
```
A root is published once whatever happens here: the registry refuses a known root and a wrong epoch. So every step may
be taken twice, and a wrong step costs gas at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from bonafides.errors import InvariantViolation
from bonafides.types import Digest

from bonafides_attestation.fees import Fees
from bonafides_attestation.states import BatchState


@dataclass(frozen=True, slots=True)
class Attempt:
    """One raw transaction, stored before it was sent."""

    nonce: int
    raw_tx: bytes
    tx_hash: Digest
    fees: Fees
    stored_at_block: int
    """Head when it was made."""
    sent_at: int | None
    """Unix seconds of the last broadcast; None when it may never have been sent."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction, as of this turn."""

    tx_hash: Digest
    block_number: int
    block_hash: Digest
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """What the database holds about the one transaction in flight."""

    state: BatchState
    attempts: Sequence[Attempt]
    """Oldest first."""
    block_number: int | None = None
    block_hash: Digest | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What the chain shows."""

    head: int
    finalized: int
    account_nonce: int
    """Transactions of the publisher in the newest block."""
    receipts: Mapping[Digest, Receipt]
    canonical_hash: Digest | None
    """Hash of the block at `Progress.block_number`; None when there is no such block."""
    is_done: bool
    """The registry at the head already holds what the transaction is for."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before doing more."""

    bump_after_blocks: int
    rebroadcast_after_s: float


@dataclass(frozen=True, slots=True)
class Start:
    """Make, store and send a first transaction."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these stored bytes, again or for the first time."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Replace:
    """Make another transaction at the same nonce with higher fees; send these bytes again if fees may not rise."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Mine:
    """The transaction is in a block."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Adopt:
    """It is done on-chain, by a transaction that we have no receipt of: find it in the registry's log."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """No attempt can be mined any more: begin again with another nonce."""

    why: str


@dataclass(frozen=True, slots=True)
class Unmine:
    """The block is not canonical any more."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Final."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do this turn."""


Action = Start | Send | Replace | Mine | Adopt | Requeue | Unmine | Finish | Wait


def next_action(progress: Progress, sight: Sight, patience: Patience, now: float) -> Action:
    """The one thing to do now. `now` is Unix seconds of the machine and paces rebroadcasts alone."""
    match progress.state:
        case BatchState.QUEUED:
            return Adopt() if sight.is_done else Start()
        case BatchState.SENT:
            return _after_sending(progress, sight, patience, now)
        case BatchState.MINED:
            if progress.block_number is None:
                return Unmine()
            if sight.head < progress.block_number:
                return Wait()  # a node that is behind knows nothing about this block
            if sight.canonical_hash != progress.block_hash:
                return Unmine()
            return Finish() if sight.finalized >= progress.block_number else Wait()
        case BatchState.BUILT | BatchState.FINAL | BatchState.STUCK:
            raise InvariantViolation(f"a transaction in state {progress.state} is not the publisher's to move")
    assert_never(progress.state)


def _after_sending(progress: Progress, sight: Sight, patience: Patience, now: float) -> Action:
    receipts = [sight.receipts[a.tx_hash] for a in progress.attempts if a.tx_hash in sight.receipts]
    for receipt in receipts:
        if receipt.succeeded:
            return Mine(receipt)
    if sight.is_done:
        return Adopt()
    if not progress.attempts:
        return Start()
    newest = progress.attempts[-1]
    if any(receipt.tx_hash == newest.tx_hash for receipt in receipts):
        return Requeue("the transaction reverted")
    if sight.account_nonce > newest.nonce:
        return Requeue("its nonce was taken by another transaction")
    # Before all sending: bytes that no node took, because their fees were low by then, would be refused for ever.
    if sight.head - newest.stored_at_block >= patience.bump_after_blocks:
        return Replace(newest)
    if newest.sent_at is None:
        return Send(newest)
    if now - newest.sent_at >= patience.rebroadcast_after_s:
        return Send(newest)
    return Wait()
