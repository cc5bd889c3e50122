"""Two ports of the attester: `Attester.attest` knows what it signs, `RawSigner` sees a digest alone.

```
issuer ── message, leaves ──► Attester: policy, commitment ── digest ──► RawSigner (keystore file; later web3signer)
       ◄── signature ── release ◄── compare ◄── recover ◄── 65 bytes ──┘
```
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import coincurve
from bonafides.errors import InvalidInput, InvariantViolation
from bonafides.hashing import keccak
from bonafides.types import Address, Digest, ModelClass
from bonafides.verify.leaves import LEAF_TYPES, Leaf, check_consistency, check_value
from bonafides.verify.signature import recover_signer
from bonafides.verify.typed_data import ScoreAttestation, attestation_digest

from bonafides_attestation.commitment import commitment_root
from bonafides_attestation.policy import IssuingRules, refusal_of_message
from bonafides_attestation.states import Refusal


class RawSigner(Protocol):
    """Signs 32 bytes. It cannot know what they mean, so nothing but `Attester` may call it."""

    @property
    def address(self) -> Address:
        """The key's address."""

    def sign_digest(self, digest: Digest) -> bytes:
        """65 bytes r ‖ s ‖ v, low s, v of 27 or 28. Raises Unavailable when the signer does not answer."""


class KeySigner:
    """`RawSigner` of a key in this process's memory. Deterministic (RFC 6979): signing twice gives the same bytes."""

    def __init__(self, secret: bytes) -> None:
        self._key = coincurve.PrivateKey(secret)
        public: bytes = self._key.public_key.format(compressed=False)
        self._address = Address(keccak(public[1:])[12:])

    @property
    def address(self) -> Address:
        return self._address

    def sign_digest(self, digest: Digest) -> bytes:
        signature: bytes = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([signature[64] + 27])


class NotAttestable(Exception):
    """Policy refuses this message. Stays inside the issuer: the member becomes a tombstone."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Attester:
    """Signs attestations of one issuer, and nothing else."""

    signer: RawSigner
    rules: IssuingRules

    def attest(self, message: ScoreAttestation, leaves: Sequence[Leaf], model_class: ModelClass) -> bytes:
        """Check, sign, recover, compare, release.

        Raises:
            NotAttestable: policy refuses the message, or the leaves are not those that it commits to.
            Unavailable: the raw signer does not answer.
            InvariantViolation: the raw signer answered with something that is not its own signature.
        """
        if refusal := refusal_of_message(message, model_class, self.rules) or _refusal_of_leaves(message, leaves):
            raise NotAttestable(refusal)
        digest = attestation_digest(self.rules.domain, message)
        signature = self.signer.sign_digest(digest)
        try:
            recovered = recover_signer(digest, signature)
        except InvalidInput as exc:
            raise InvariantViolation(f"the raw signer gave a signature that nobody may accept: {exc}") from exc
        if recovered != self.signer.address:
            raise InvariantViolation("the raw signer signed with another key, or another digest, than it was asked to")
        return signature


def _refusal_of_leaves(message: ScoreAttestation, leaves: Sequence[Leaf]) -> Refusal | None:
    values = {leaf.name: leaf.value for leaf in leaves}
    if [leaf.name for leaf in leaves] != list(LEAF_TYPES):
        return Refusal.NOT_OURS
    try:
        for name, value in values.items():
            check_value(name, value)
        check_consistency(values)
    except InvalidInput:
        return Refusal.INCONSISTENT
    return None if commitment_root(leaves) == message.commitment else Refusal.NOT_OURS
