"""The registry contract as issuer and publisher see it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bonafides.errors import InvalidSettings, Unavailable
from bonafides.hashing import keccak
from bonafides.types import Address, Digest
from bonafides.verify.chain import KeyRecord, RootRecord
from bonafides.verify.typed_data import Domain, domain_separator

from bonafides_attestation.chain import Chain, Reverted

ROOT_PUBLISHED = keccak(b"RootPublished(bytes32,uint32,uint64,uint32)")
_ERRORS = {
    keccak(signature.encode())[:4]: signature.partition("(")[0]
    for signature in (
        "NotPublisher(address)",
        "RegistryPaused()",
        "WrongEpoch(uint32,uint32)",
        "WrongCount(uint32)",
        "ZeroRoot()",
        "RootAlreadyPublished(bytes32)",
        "IndexNotPublished(uint64,uint64)",
    )
}


@dataclass(frozen=True, slots=True)
class RegistryState:
    """The registry at the newest block."""

    epoch: int
    next_index: int
    publisher: Address
    is_paused: bool


@dataclass(frozen=True, slots=True)
class Publication:
    """A root as it stands in the registry's log."""

    tx_hash: Digest
    block_number: int
    block_hash: Digest
    epoch: int
    first_index: int
    count: int


class Registry:
    """One `CreditScoreRegistry`. Every method raises Unavailable when the node does not answer."""

    def __init__(self, chain: Chain, domain: Domain) -> None:
        self.chain = chain
        self.domain = domain

    def check_deployment(self) -> None:
        """Raises InvalidSettings when the node serves another chain, or no registry of ours stands at the address."""
        found = self.chain.chain_id()
        if found != self.domain.chain_id:
            raise InvalidSettings(
                f"the node serves chain {found}, BONAFIDES_ATTESTATION_CHAIN_ID says {self.domain.chain_id}: "
                "signatures would count elsewhere than meant"
            )
        try:
            raw = self.chain.call(self.domain.registry, _selector("domainSeparator()"))
        except Reverted:
            raw = b""
        if raw != domain_separator(self.domain):
            raise InvalidSettings("no CreditScoreRegistry of this version stands at BONAFIDES_ATTESTATION_REGISTRY")

    def state(self) -> RegistryState:
        """The registry now. Four calls, so a publication may fall between them: the simulation has the last word."""
        return RegistryState(
            epoch=self._read("epoch()")[0],
            next_index=self._read("nextIndex()")[0],
            publisher=Address(self._read("publisher()")[0].to_bytes(32)[12:]),
            is_paused=self._read("paused()")[0] != 0,
        )

    def next_index(self, at: int | None = None) -> int:
        """First revocation index of the next root, now or after the block `at`."""
        return self._read("nextIndex()", at=at)[0]

    def root_record(self, root: Digest) -> RootRecord | None:
        """The record of a root at the newest block; None when it is not published."""
        words = self._read("rootRecord(bytes32)", root, words=4)
        return RootRecord(words[0], words[1], words[2], words[3]) if words[0] else None

    def key_record(self, attester: Address) -> KeyRecord | None:
        """The record of an attester key at the newest block; None when it was never added."""
        words = self._read("keyRecord(address)", bytes(12) + attester, words=3)
        return KeyRecord(words[0], words[1], words[2]) if words[1] else None

    def is_revoked(self, index: int) -> bool:
        """Whether the index is revoked at the newest block."""
        return self._read("isRevoked(uint64)", index.to_bytes(32))[0] != 0

    def find_publication(self, root: Digest, from_block: int) -> Publication | None:
        """Where the log says that a root was published; None when it does not."""
        for log in self.chain.logs(self.domain.registry, [ROOT_PUBLISHED, root], from_block):
            if len(log.topics) != 3 or len(log.payload) != 64:
                raise Unavailable("the node's RootPublished entry has another shape than the contract's")
            return Publication(
                tx_hash=log.tx_hash,
                block_number=log.block_number,
                block_hash=log.block_hash,
                epoch=int.from_bytes(log.topics[2]),
                first_index=int.from_bytes(log.payload[:32]),
                count=int.from_bytes(log.payload[32:]),
            )
        return None

    def simulate(self, sender: Address, call_data: bytes) -> bytes:
        """What the registry would answer to a transaction now. Raises Reverted."""
        return self.chain.call(self.domain.registry, call_data, sender)

    def estimate_gas(self, sender: Address, call_data: bytes) -> int:
        """Gas of a transaction after the newest block. Raises Reverted."""
        return self.chain.estimate_gas(self.domain.registry, call_data, sender)

    def _read(self, signature: str, arguments: bytes = b"", *, words: int = 1, at: int | None = None) -> list[int]:
        try:
            raw = self.chain.call(self.domain.registry, _selector(signature) + arguments, at=at)
        except Reverted as exc:
            raise Unavailable(f"the registry refuses {signature}") from exc
        if len(raw) != 32 * words:
            raise Unavailable(f"the registry answers {signature} with {len(raw)} bytes: is this still its chain?")
        return [int.from_bytes(raw[at : at + 32]) for at in range(0, len(raw), 32)]


def error_name(reverted: Reverted) -> str:
    """Name of the registry's error, or `unknown error`."""
    return _ERRORS.get(reverted.data[:4], "unknown error")


def publish_call(root: Digest, size: int, epoch: int) -> bytes:
    """Call data of `publishRoot`."""
    return _selector("publishRoot(bytes32,uint32,uint32)") + root + size.to_bytes(32) + epoch.to_bytes(32)


def revoke_call(indexes: Sequence[int]) -> bytes:
    """Call data of `revoke`."""
    words = b"".join(index.to_bytes(32) for index in indexes)
    return _selector("revoke(uint64[])") + (32).to_bytes(32) + len(indexes).to_bytes(32) + words


def _selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]
