"""The receipt of a score: what it was made from and what came out, in bytes that anyone can make again.

Its digest is the score id. The encoding is versioned, fixed in width and big-endian; it is never edited in place.
Golden bytes stand in `tests/vectors/receipt.json`.

    "bonafides/receipt/1"
    u32 n ‖ n wallets · 20, ascending
    u32 n ‖ n blocks · (u64 chain, u64 number, 32 hash, u64 timestamp)
    coverage digest ‖ event-set digest ‖ market digest ‖ feature digest ‖ feature schema hash     5 · 32
    u32 fold version ‖ model id 32
    margin f64 bits ‖ u32 n ‖ n family contributions f64 bits
    i32 base points ‖ n family points i32 ‖ i32 clip
"""

import struct
from dataclasses import dataclass

from bonafides.digests import coverage_digest, encode_block, wallets_encoding
from bonafides.errors import InvariantViolation
from bonafides.events import DeploymentCoverage
from bonafides.hashing import sha256
from bonafides.types import Address, AsOf, Digest

RECEIPT_TAG = b"bonafides/receipt/1"


@dataclass(frozen=True, slots=True)
class Receipt:
    """See the module."""

    wallets: tuple[Address, ...]
    """Ascending."""
    as_of: AsOf
    coverage: tuple[DeploymentCoverage, ...]
    """Sorted by (chain, deployment)."""
    event_set_digest: Digest
    market_digest: Digest
    feature_digest: Digest
    feature_schema_hash: Digest
    fold_version: int
    model_id: Digest
    margin: float
    """Float64 that holds a float32."""
    families: tuple[float, ...]
    """Contributions in schema order, log-odds."""
    base_points: int
    family_points: tuple[int, ...]
    clip: int

    def __post_init__(self) -> None:
        if list(self.wallets) != sorted(set(self.wallets)) or not self.wallets:
            raise InvariantViolation("a receipt names its wallets once each, in ascending order")
        if len(self.families) != len(self.family_points):
            raise InvariantViolation("a receipt has as many family points as family contributions")

    @property
    def score(self) -> int:
        """The shown score, which the points add up to."""
        return self.base_points + sum(self.family_points) + self.clip

    @property
    def coverage_digest(self) -> Digest:
        """Digest of what was read."""
        return coverage_digest(self.coverage)

    @property
    def digest(self) -> Digest:
        """The score id."""
        return sha256(encode_receipt(self))


def encode_receipt(receipt: Receipt) -> bytes:
    """The receipt's bytes."""
    count = len(receipt.families)
    return b"".join(
        (
            RECEIPT_TAG,
            wallets_encoding(receipt.wallets),
            struct.pack(">I", len(receipt.as_of.blocks)),
            *(encode_block(block) for block in receipt.as_of.blocks),
            receipt.coverage_digest,
            receipt.event_set_digest,
            receipt.market_digest,
            receipt.feature_digest,
            receipt.feature_schema_hash,
            struct.pack(">I", receipt.fold_version),
            receipt.model_id,
            struct.pack(f">dI{count}d", receipt.margin, count, *receipt.families),
            struct.pack(f">i{count}ii", receipt.base_points, *receipt.family_points, receipt.clip),
        )
    )
