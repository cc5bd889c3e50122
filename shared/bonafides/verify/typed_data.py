"""EIP-712 hashes of what an attester and a holder sign.

An encoder of our own: five times faster than a general one, and checked against `eth_account` in the tests. The types
are never edited in place: a new type is a new name or a new domain version.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from bonafides.hashing import keccak
from bonafides.types import Address, ChainId, Digest

DOMAIN_NAME: Literal["Bonafides CreditScoreRegistry"] = "Bonafides CreditScoreRegistry"
DOMAIN_VERSION: Literal["1"] = "1"
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
ATTESTATION_TYPE = (
    "ScoreAttestation(bytes32 subject,bytes32 commitment,bytes32 modelId,bytes32 asOfDigest,uint64 asOfTime,"
    "uint64 issuedAt,uint64 validFrom,uint64 validUntil,uint64 revocationIndex,uint32 flags)"
)
PRESENTATION_TYPE = "ScorePresentation(bytes32 commitment,string audience,bytes32 nonce,uint64 expiry)"

_DOMAIN_TYPEHASH = keccak(DOMAIN_TYPE.encode())
_ATTESTATION_TYPEHASH = keccak(ATTESTATION_TYPE.encode())
_PRESENTATION_TYPEHASH = keccak(PRESENTATION_TYPE.encode())


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature counts: one registry on one chain."""

    chain_id: ChainId
    registry: Address


@dataclass(frozen=True, slots=True)
class ScoreAttestation:
    """What an attester signs about one score. Times are Unix seconds; `valid_until` is exclusive."""

    subject: Digest
    """Merkle root over the wallets and their salts."""
    commitment: Digest
    """Merkle root over the salted leaves."""
    model_id: Digest
    as_of_digest: Digest
    as_of_time: int
    issued_at: int
    """By the issuer's own word: it decides nothing about a revoked key."""
    valid_from: int
    valid_until: int
    revocation_index: int
    """Its bit in the registry's bitmap; per issuer, never twice among published documents."""
    flags: int
    """`ScoreFlag`, the attestable ones only."""


@dataclass(frozen=True, slots=True)
class PresentationMessage:
    """What a wallet of the subject signs to show a document to one lender, once."""

    commitment: Digest
    audience: str
    nonce: Digest
    """Made by the lender, random, and accepted once: the lender keeps that promise, not this code."""
    expiry: int
    """Unix seconds, exclusive."""


@lru_cache(maxsize=64)
def domain_separator(domain: Domain) -> Digest:
    """EIP-712 domain separator; the registry answers the same to `domainSeparator()`."""
    return keccak(
        _DOMAIN_TYPEHASH,
        keccak(DOMAIN_NAME.encode()),
        keccak(DOMAIN_VERSION.encode()),
        domain.chain_id.to_bytes(32),
        bytes(12),
        domain.registry,
    )


def struct_hash(attestation: ScoreAttestation) -> Digest:
    """EIP-712 struct hash: the batch leaf is made of it."""
    return keccak(
        _ATTESTATION_TYPEHASH,
        attestation.subject,
        attestation.commitment,
        attestation.model_id,
        attestation.as_of_digest,
        attestation.as_of_time.to_bytes(32),
        attestation.issued_at.to_bytes(32),
        attestation.valid_from.to_bytes(32),
        attestation.valid_until.to_bytes(32),
        attestation.revocation_index.to_bytes(32),
        attestation.flags.to_bytes(32),
    )


def attestation_digest(domain: Domain, attestation: ScoreAttestation) -> Digest:
    """The 32 bytes that the attester signs."""
    return signing_digest(domain, struct_hash(attestation))


def signing_digest(domain: Domain, hashed_struct: Digest) -> Digest:
    """EIP-712 digest of a struct hash."""
    return keccak(b"\x19\x01", domain_separator(domain), hashed_struct)


def presentation_digest(domain: Domain, message: PresentationMessage) -> Digest:
    """The 32 bytes that a wallet of the subject signs; `audience` counts as UTF-8."""
    hashed = keccak(
        _PRESENTATION_TYPEHASH,
        message.commitment,
        keccak(message.audience.encode()),
        message.nonce,
        message.expiry.to_bytes(32),
    )
    return signing_digest(domain, hashed)
