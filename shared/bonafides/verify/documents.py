"""The presentation: the file that a lender checks. Reading it is the `format` stage of verification.

```
presentation = typed data (what was signed) + signature + inclusion in a batch (once published) + the as-of blocks
             + disclosure (chosen leaves and a multiproof) + one wallet of the subject + its signature for this lender
```
Nothing in it is believed: the trust file, the holder and the chain decide.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from bonafides.errors import InvalidInput
from bonafides.types import AsOf, BlockRef, ChainId, Digest
from bonafides.verify.json_types import (
    JsonAddress,
    JsonBytes,
    JsonDigest,
    JsonInteger,
    JsonModel,
    JsonSignature,
)
from bonafides.verify.leaves import LEAF_TYPES, Leaf, LeafType, value_from_json, value_to_json
from bonafides.verify.strict_json import read_strict_json
from bonafides.verify.typed_data import DOMAIN_NAME, DOMAIN_VERSION, Domain, PresentationMessage, ScoreAttestation

PRESENTATION_FORMAT: Literal["bonafides-presentation/1"] = "bonafides-presentation/1"
_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}|0x[0-9a-f]{64}")
MAX_PROOF = 64  # a batch has at most 65,536 leaves: 16 levels; a subject far fewer
Proof = Annotated[tuple[JsonDigest, ...], Field(max_length=MAX_PROOF, strict=False)]
Audience = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]
"""Printable ASCII without blanks, such as `https://lender.example`: one spelling only."""


class DomainJson(JsonModel):
    """EIP-712 domain. It must be the one of the trust file."""

    name: Literal["Bonafides CreditScoreRegistry"] = DOMAIN_NAME
    version: Literal["1"] = DOMAIN_VERSION
    chain_id: Annotated[JsonInteger, Field(ge=1)]
    verifying_contract: JsonAddress

    def to_domain(self) -> Domain:
        """As the hash functions take it."""
        return Domain(ChainId(self.chain_id), self.verifying_contract)


class AttestationJson(JsonModel):
    """The signed struct, field by field."""

    subject: JsonDigest
    commitment: JsonDigest
    model_id: JsonDigest
    as_of_digest: JsonDigest
    as_of_time: JsonInteger
    issued_at: JsonInteger
    valid_from: JsonInteger
    valid_until: JsonInteger
    revocation_index: JsonInteger
    flags: Annotated[JsonInteger, Field(lt=2**32)]

    @classmethod
    def of(cls, attestation: ScoreAttestation) -> Self:
        """The JSON form of a struct."""
        return cls(**{name: getattr(attestation, name) for name in cls.model_fields})

    def to_attestation(self) -> ScoreAttestation:
        """As the hash functions take it."""
        return ScoreAttestation(
            subject=self.subject,
            commitment=self.commitment,
            model_id=self.model_id,
            as_of_digest=self.as_of_digest,
            as_of_time=self.as_of_time,
            issued_at=self.issued_at,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            revocation_index=self.revocation_index,
            flags=self.flags,
        )


class TypedDataJson(JsonModel):
    """EIP-712 typed data; its types are fixed and not repeated."""

    domain: DomainJson
    primary_type: Literal["ScoreAttestation"] = "ScoreAttestation"
    message: AttestationJson


class SignatureJson(JsonModel):
    """Who signed, by the document's own word, and the signature."""

    signer: JsonAddress
    value: JsonSignature


class InclusionJson(JsonModel):
    """The published root, and the path from this attestation's leaf to it."""

    root: JsonDigest
    proof: Proof


class BlockJson(JsonModel):
    """One block of the as-of moment."""

    chain_id: Annotated[JsonInteger, Field(ge=1)]
    number: JsonInteger
    hash: JsonDigest
    timestamp: JsonInteger

    @classmethod
    def of(cls, block: BlockRef) -> Self:
        """The JSON form of a block."""
        return cls(chain_id=block.chain_id, number=block.number, hash=block.hash, timestamp=block.timestamp)

    def to_block(self) -> BlockRef:
        """As the digest takes it."""
        return BlockRef(ChainId(self.chain_id), self.number, self.hash, self.timestamp)


class LeafJson(JsonModel):
    """One opened leaf, spelled as EAS private data spells it."""

    type: LeafType = Field(strict=False)
    name: Annotated[str, Field(max_length=32)]
    value: bool | int | str
    salt: JsonDigest

    @classmethod
    def of(cls, leaf: Leaf) -> Self:
        """The JSON form of a leaf."""
        return cls(type=LEAF_TYPES[leaf.name], name=leaf.name, value=value_to_json(leaf.value), salt=leaf.salt)

    @model_validator(mode="after")
    def _type_and_value_are_those_of_the_name(self) -> Self:
        try:
            value_from_json(self.name, self.value)
        except InvalidInput as exc:
            raise ValueError(str(exc)) from exc
        if self.type is not LEAF_TYPES[self.name]:
            raise ValueError(f"leaf {self.name}: expected the type {LEAF_TYPES[self.name]}")
        return self

    def to_leaf(self) -> Leaf:
        """As the hash functions take it."""
        return Leaf(self.name, value_from_json(self.name, self.value), self.salt)


class DisclosureJson(JsonModel):
    """Chosen leaves and the multiproof to the commitment (EAS `MerkleMultiProof`, without its root)."""

    leaves: Annotated[tuple[LeafJson, ...], Field(max_length=len(LEAF_TYPES), strict=False)]
    proof: Proof
    proof_flags: Annotated[tuple[bool, ...], Field(max_length=MAX_PROOF, strict=False)]


class HolderJson(JsonModel):
    """One wallet of the subject, opened: proves that the score is about it, not that its owner is here."""

    wallet: JsonAddress
    salt: JsonDigest
    proof: Proof


class PresentedJson(JsonModel):
    """The holder's signature for one lender: EIP-712 `ScorePresentation` in the registry's domain."""

    audience: Audience
    nonce: JsonDigest
    expiry: JsonInteger
    signature_type: Literal["ecdsa", "erc1271"] = "ecdsa"
    """`erc1271` when the wallet is a contract: only a chain can answer."""
    signature: JsonBytes

    def to_message(self, commitment: Digest) -> PresentationMessage:
        """What was signed."""
        return PresentationMessage(commitment, self.audience, self.nonce, self.expiry)


class Presentation(JsonModel):
    """What a borrower shows to a lender."""

    format: Literal["bonafides-presentation/1"] = PRESENTATION_FORMAT
    typed_data: TypedDataJson
    signature: SignatureJson
    inclusion: InclusionJson | None
    """Null until the batch is published."""
    as_of: Annotated[tuple[BlockJson, ...], Field(min_length=1, max_length=64, strict=False)]
    """Ascending by chain id."""
    disclosure: DisclosureJson
    holder: HolderJson
    presented: PresentedJson | None = None

    @model_validator(mode="after")
    def _blocks_ascend(self) -> Self:
        try:
            self.to_as_of()
        except InvalidInput as exc:
            raise ValueError(str(exc)) from exc
        return self

    def to_as_of(self) -> AsOf:
        """The moment that the score speaks of, as the document says."""
        return AsOf(tuple(block.to_block() for block in self.as_of))

    def to_json(self) -> str:
        """The file."""
        return self.model_dump_json(indent=2) + "\n"


def read_presentation(raw: bytes | str) -> Presentation:
    """Read a presentation file.

    Raises:
        InvalidInput: anything but the one form; names the place, never the value.
    """
    found = read_strict_json(raw)
    if isinstance(found, dict) and found.get("format") == "bonafides-holder/1":
        raise InvalidInput("this is a holder file, which opens everything: make a presentation of it first")
    try:
        return Presentation.model_validate(found)
    except ValidationError as exc:
        raise InvalidInput(explain_validation_error(exc)) from exc


def explain_validation_error(error: ValidationError) -> str:
    """Where the first mistake is and what was expected; never the value, which may be a salt.

    A key that is none of ours is not repeated either: it could carry control characters to a terminal.
    """
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(_place_name(part) for part in first["loc"]) or "the file"
    return f"{place}: {first['msg']}"


def _place_name(part: int | str) -> str:
    return str(part) if isinstance(part, int) or _PLAIN_KEY.fullmatch(part) else "(an unknown key)"
