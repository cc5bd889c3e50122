"""Decoded events of wallets and facts of markets: what ingest says and scoring folds.

An event is identified by where it stands on the chain, never by what it says (`event_id`). Among copies of one event
the highest (`fork_epoch`, `decoder_version`) wins; the same pair with other content is an `InvariantViolation`.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple, Self

from bonafides.errors import InvalidMessage
from bonafides.hashing import sha256
from bonafides.types import (
    ZERO_DIGEST,
    Address,
    BlockRef,
    ChainId,
    Digest,
    EventType,
    Finality,
    MarketPointKind,
    Protocol,
    Role,
)

MAX_UINT256 = 2**256 - 1
MAX_INT256 = 2**255 - 1
LAST_IN_BLOCK = 2**32 - 1
"""Index of a transaction and of a log that no real one has."""


class SubIndexKey(NamedTuple):
    """What tells apart the events that one log gives."""

    type: EventType
    role: Role
    leg: int = 0
    """Which part of a split log: Comet's Withdraw is `withdrawn` (leg 0) and `borrowed` (leg 1). 0 ≤ leg < 256."""


def sub_index(key: SubIndexKey) -> int:
    """The committed number of one event of a log, below 2**16. Never renumbered.

    ```
    leg // 16 · 4096 + type code · 256 + role code · 16 + leg % 16        codes of types and roles are below 16
    ```
    """
    if not 0 <= key.leg < 256:
        raise InvalidMessage(f"split leg out of range: saw {key.leg}, expected 0..255")
    page, leg = divmod(key.leg, 16)
    return page * 4096 + key.type.code * 256 + key.role.code * 16 + leg


def event_id(chain_id: ChainId, block_hash: Digest, log_index: int, sub: int) -> Digest:
    """`sha256(chain_id u64 ‖ block_hash ‖ log_index u32 ‖ sub_index u16)`, big-endian.

    It holds the block's hash and not its number: the same log on another branch of the chain is another event.
    """
    return sha256(struct.pack(">Q32sIH", chain_id, block_hash, log_index, sub))


def market_point_id(
    chain_id: ChainId,
    block_hash: Digest,
    log_index: int,
    sub: int,
    deployment: str,
    asset: Address,
    market: Digest = ZERO_DIGEST,
) -> Digest:
    """The bytes of `event_id` ‖ u16 length ‖ deployment in UTF-8 ‖ asset (20 bytes) ‖ market (32 bytes, unless zero).

    One log can be a fact of several markets: two deployments that share a price feed, a feed that prices two assets,
    two isolated markets of one asset.
    """
    name = deployment.encode()
    place = struct.pack(">Q32sIH", chain_id, block_hash, log_index, sub)
    return sha256(place, struct.pack(">H", len(name)), name, asset, market if any(market) else b"")


@dataclass(frozen=True, slots=True)
class Position:
    """Where an event stands in its chain. Order is canonical: (block, tx_index, log_index, sub_index)."""

    block: BlockRef
    tx_hash: Digest
    tx_index: int
    log_index: int

    @classmethod
    def at_end_of(cls, block: BlockRef) -> Self:
        """Behind every log of a block: where a fact stands that no log tells. It has no transaction (hash zero)."""
        return cls(block, ZERO_DIGEST, LAST_IN_BLOCK, LAST_IN_BLOCK)

    @property
    def order(self) -> tuple[int, int, int]:
        """Sort key without the sub-index."""
        return (self.block.number, self.tx_index, self.log_index)


@dataclass(frozen=True, slots=True)
class LendingEvent:
    """One thing that happened to one wallet. Amounts are exact integers in the token's smallest unit."""

    position: Position
    sub_index: int
    fork_epoch: int
    decoder_version: int
    protocol: Protocol
    deployment: str
    """Id in the deployments registry, such as `aave-v3-ethereum`."""
    type: EventType
    role: Role
    wallet: Address
    counterparty: Address | None
    """The other wallet of this event: payer, recipient, liquidator, sender or receiver; None where there is none."""
    asset: Address
    """Underlying token. For `liquidated` the debt that was repaid."""
    amount: int
    """Smallest units of `asset`, 0 ≤ amount < 2**256; the e-mode category for `emode_set`."""
    second_asset: Address | None = None
    """The collateral seized by a liquidation."""
    second_amount: int = 0
    scaled_delta: int = 0
    """Change of the ledger balance in the protocol's own shares (Aave: scaled balance), signed 256-bit."""
    index_ray: int = 0
    """The index (ray, 1e27) at which the ledger entry was made, or the rate of a stable debt; 0 where there is none."""
    market: Digest = ZERO_DIGEST
    """The isolated market inside a deployment: Morpho's market id, Maker's ilk; zero where all assets are one pool."""

    @property
    def id(self) -> Digest:
        """See `event_id`."""
        block = self.position.block
        return event_id(block.chain_id, block.hash, self.position.log_index, self.sub_index)

    @property
    def order(self) -> tuple[int, int, int, int]:
        """Canonical order inside one chain."""
        return (*self.position.order, self.sub_index)

    @property
    def precedence(self) -> tuple[int, int]:
        """Among copies of one event the highest wins."""
        return (self.fork_epoch, self.decoder_version)


@dataclass(frozen=True, slots=True)
class MarketPoint:
    """One fact of a market at one log: a price, reserve indices and rates, thresholds, e-modes.

    `values` are the numbers of the kind, in this order:

    - price: (price in USD · 1e8,) or (price, stale after); a price of 0 says that it is unknown from here on; in blocks
      with a later timestamp than `stale after` (unix seconds; 0 and left out: never) it is unknown, too
    - reserve_index: (liquidity rate ray, variable borrow rate ray, liquidity index ray, variable borrow index ray)
    - reserve_config: (ltv bps, liquidation threshold bps, liquidation bonus bps, decimals)
    - emode_config: (ltv bps, liquidation threshold bps, liquidation bonus bps), `category` says which
    - emode_asset: (1,) – from here on the asset is collateral of `category`, besides others; (0,) – it is not; () – it
      is, and (before decoder version 2) no longer of another
    - rounding: (0,) – from here on the deployment's contracts round half up; (1,) – each time for the protocol; (2,) –
      half up, and compound interest from a rate per second (Aave V2)
    """

    position: Position
    sub_index: int
    fork_epoch: int
    decoder_version: int
    deployment: str
    kind: MarketPointKind
    asset: Address
    category: int
    values: tuple[int, ...]
    market: Digest = ZERO_DIGEST
    """The isolated market inside a deployment, as in `LendingEvent`."""

    @property
    def id(self) -> Digest:
        """See `market_point_id`."""
        block = self.position.block
        return market_point_id(
            block.chain_id,
            block.hash,
            self.position.log_index,
            self.sub_index,
            self.deployment,
            self.asset,
            self.market,
        )

    @property
    def order(self) -> tuple[int, int, int, int]:
        """Order inside one chain. Points of one log may be equal in it: see `canonical_order`."""
        return (*self.position.order, self.sub_index)

    @property
    def canonical_order(self) -> tuple[int, tuple[int, int, int, int], str, Digest, Address, int]:
        """Order of any points: (chain, order, deployment, market, asset, category). No two facts are equal in it."""
        return (self.position.block.chain_id, self.order, self.deployment, self.market, self.asset, self.category)

    @property
    def precedence(self) -> tuple[int, int]:
        """Among copies of one point the highest wins."""
        return (self.fork_epoch, self.decoder_version)


@dataclass(frozen=True, slots=True)
class ForkEpoch:
    """Epoch `epoch` was opened at block `fork_block`: an event of a block ≥ it with a lower epoch is void."""

    epoch: int
    fork_block: int


def is_void(block_number: int, fork_epoch: int, epochs: tuple[ForkEpoch, ...]) -> bool:
    """Whether an event of this block and epoch was made void by one of the epochs opened since."""
    return any(fork_epoch < opened.epoch and block_number >= opened.fork_block for opened in epochs)


@dataclass(frozen=True, slots=True)
class BlockRange:
    """Blocks `first` to `last`, both inclusive."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class DeploymentCoverage:
    """What was read of one deployment. "Never liquidated" and "not scanned" must never look alike."""

    deployment: str
    chain_id: ChainId
    registry_version: int
    scanned_from: int
    """First block read; the deployment's first block when nothing is missing."""
    complete_to: int
    """Last block read, inclusive; gaps below it are listed."""
    gaps: tuple[BlockRange, ...]
    dead_letters: int
    """Dead letters whose wallet is unknown; those of a known wallet travel in `wallet-events.v1`."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """Says that everything of a chain up to `block`, events and market, is in the log (DESIGN 5)."""

    number: int
    """k: 1, 2, 3 … per chain, without holes."""
    block: BlockRef
    finality: Finality
    is_scoring: bool
    """Whether the worker scores here; boundaries of a backfill do not."""
    fork_epochs: tuple[ForkEpoch, ...]
    """Epochs opened since finalized, in ascending order."""
    coverage: tuple[DeploymentCoverage, ...]
    """Sorted by deployment id."""


@dataclass(frozen=True, slots=True)
class BoundaryMark:
    """A boundary's number inside one partition of `wallet-events.v1`; the full record stands in `market.v1`."""

    chain_id: ChainId
    number: int


@dataclass(frozen=True, slots=True)
class Hydrated:
    """A boundary for one wallet alone: its history of one chain was read on demand, from..to."""

    wallet: Address
    scanned_from: int
    block: BlockRef
    """At most finalized."""
    coverage: tuple[DeploymentCoverage, ...]


@dataclass(frozen=True, slots=True)
class WalletDeadLetter:
    """A log of a known wallet could not be decoded: its history is incomplete from here on until mended."""

    position: Position
    deployment: str
    wallet: Address
    reason: str
