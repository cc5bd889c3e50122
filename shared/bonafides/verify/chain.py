"""What a verifier asks a chain: the port, and the facts it answers with."""

from dataclasses import dataclass
from typing import Protocol

from bonafides.types import Address, ChainId, Digest


@dataclass(frozen=True, slots=True)
class RootRecord:
    """A published root. The batch owns the indexes [first_index, first_index + count)."""

    published_at: int
    """Unix seconds of the block."""
    epoch: int
    first_index: int
    count: int


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """When the signatures of an attester key count; Unix seconds."""

    valid_from: int
    """Inclusive, for `issuedAt`."""
    valid_until: int
    """Exclusive, for `issuedAt` and for the block of the root."""
    revoked_at: int
    """0 if never. Afterwards a signature counts only in a root published before."""


@dataclass(frozen=True, slots=True)
class RegistryFacts:
    """What the registry knows about one attestation."""

    root: RootRecord | None
    """As of the newest *finalized* block: a root that may still vanish does not count."""
    root_at_head: RootRecord | None
    """As of the newest block; only to explain why `root` is missing."""
    key: KeyRecord | None
    """As of the newest block: a revocation counts at once."""
    revoked: bool
    """As of the newest block."""


class ChainView(Protocol):
    """A chain as a verifier sees it. Methods raise Unavailable when the node does not answer."""

    def chain_id(self) -> ChainId:
        """The chain's id, asked from the node."""
        ...

    def registry_facts(self, registry: Address, root: Digest, attester: Address, index: int) -> RegistryFacts:
        """What the registry knows; raises InvalidInput when there is no registry at this address."""
        ...

    def is_valid_signature(self, wallet: Address, digest: Digest, signature: bytes) -> bool:
        """Whether the contract wallet accepts the signature (ERC-1271); False when there is no contract."""
        ...
