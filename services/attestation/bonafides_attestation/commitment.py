"""From a score to what is signed about it: salts, leaves, commitment, subject.

```
seed (32 random bytes, one per document)
  ├─ HMAC-SHA256(seed, leaf name)             salt of a leaf     → 14 leaves → commitment
  └─ HMAC-SHA256(seed, "wallet" ‖ address)    salt of a wallet   → 1.. wallets → subject
```
Deleting one seed is erasure: without it no leaf of the document can be tried out. A bare hash of a score falls to
brute force in a tenth of a second.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from bonafides.errors import InvalidInput
from bonafides.types import Address, Digest
from bonafides.verify.leaves import Leaf, ScoreFacts
from bonafides.verify.merkle import subject_leaf

from bonafides_attestation.merkle import StandardMerkleTree

SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class SubjectWallet:
    """One wallet of a subject with its salt."""

    wallet: Address
    salt: Digest

    @property
    def hash(self) -> Digest:
        """Its leaf in the subject tree."""
        return subject_leaf(self.wallet, self.salt)


@dataclass(frozen=True, slots=True)
class Commitment:
    """Everything that one seed makes of one score. Secret but for the two roots."""

    leaves: tuple[Leaf, ...]
    """In the order of the holder file."""
    wallets: tuple[SubjectWallet, ...]
    """Ascending by address."""
    commitment: Digest
    subject: Digest


def commit(facts: ScoreFacts, wallets: Sequence[Address], seed: bytes) -> Commitment:
    """Commit to a score about some wallets.

    Args:
        facts: what the leaves say.
        wallets: the subject, in any order, each once.
        seed: 32 random bytes of this document alone (`secrets.token_bytes(32)`), kept where documents are kept.

    Raises:
        InvalidInput: a short seed, no wallet or one twice, or a fact out of its range.
    """
    if len(seed) != SEED_BYTES:
        raise InvalidInput(f"a seed has {SEED_BYTES} bytes, saw {len(seed)}")
    leaves = tuple(Leaf(name, value, leaf_salt(seed, name)) for name, value in facts.leaf_values().items())
    opened = tuple(SubjectWallet(wallet, wallet_salt(seed, wallet)) for wallet in sorted(wallets))
    return Commitment(leaves, opened, commitment_root(leaves), subject_root(opened))


def leaf_salt(seed: bytes, name: str) -> Digest:
    """Salt of one leaf."""
    return Digest(hmac.digest(seed, name.encode(), "sha256"))


def wallet_salt(seed: bytes, wallet: Address) -> Digest:
    """Salt of one wallet in the subject tree."""
    return Digest(hmac.digest(seed, b"wallet" + wallet, "sha256"))


def commitment_root(leaves: Sequence[Leaf]) -> Digest:
    """Root over the leaves: the signed `commitment`."""
    return StandardMerkleTree([leaf.hash for leaf in leaves]).root


def subject_root(wallets: Sequence[SubjectWallet]) -> Digest:
    """Root over the wallets: the signed `subject`. One wallet is a tree of one leaf."""
    return StandardMerkleTree([wallet.hash for wallet in wallets]).root
