"""The holder file, which opens everything, and the presentations made of it.

The holder file is the borrower's own. A lender gets a presentation: chosen leaves, one wallet, and where the lender
asked for it the wallet's signature over the lender's audience and nonce.
"""

from collections.abc import Collection, Sequence
from typing import Annotated, Literal, Self

from bonafides.digests import as_of_digest
from bonafides.errors import InvalidInput
from bonafides.types import Address, AsOf, Digest
from bonafides.verify.documents import (
    AttestationJson,
    BlockJson,
    DisclosureJson,
    DomainJson,
    HolderJson,
    InclusionJson,
    LeafJson,
    Presentation,
    PresentedJson,
    SignatureJson,
    TypedDataJson,
    explain_validation_error,
)
from bonafides.verify.json_types import JsonAddress, JsonDigest, JsonModel
from bonafides.verify.leaves import LEAF_TYPES
from bonafides.verify.merkle import batch_leaf
from bonafides.verify.strict_json import read_strict_json
from bonafides.verify.typed_data import Domain, PresentationMessage, ScoreAttestation, struct_hash
from pydantic import Field, ValidationError, model_validator

from bonafides_attestation.commitment import Commitment, SubjectWallet, commitment_root, subject_root
from bonafides_attestation.merkle import StandardMerkleTree

HOLDER_FORMAT: Literal["bonafides-holder/1"] = "bonafides-holder/1"
MAX_WALLETS = 64
_NO_STRUCT = Digest(bytes(32))


class WalletJson(JsonModel):
    """One wallet of the subject and its salt."""

    wallet: JsonAddress
    salt: JsonDigest


class HolderFile(JsonModel):
    """All leaves and all wallets with their salts. Whoever has it knows everything about the score."""

    format: Literal["bonafides-holder/1"] = HOLDER_FORMAT
    typed_data: TypedDataJson
    signature: SignatureJson
    inclusion: InclusionJson | None
    """Null until the batch is published."""
    as_of: Annotated[tuple[BlockJson, ...], Field(min_length=1, max_length=64, strict=False)]
    leaves: Annotated[tuple[LeafJson, ...], Field(strict=False)]
    """All of them, in their fixed order."""
    wallets: Annotated[tuple[WalletJson, ...], Field(min_length=1, max_length=MAX_WALLETS, strict=False)]
    """Ascending by address."""

    @model_validator(mode="after")
    def _opens_what_was_signed(self) -> Self:
        if [leaf.name for leaf in self.leaves] != list(LEAF_TYPES):
            raise ValueError("a holder file opens every leaf once, in the fixed order")
        try:
            commitment = commitment_root([leaf.to_leaf() for leaf in self.leaves])
            subject = subject_root([SubjectWallet(row.wallet, row.salt) for row in self.wallets])
            as_of = AsOf(tuple(block.to_block() for block in self.as_of))
        except InvalidInput as exc:
            raise ValueError(str(exc)) from exc
        signed = self.typed_data.message
        if (commitment, subject) != (signed.commitment, signed.subject):
            raise ValueError("the leaves or the wallets are not the signed ones")
        if (as_of_digest(as_of), as_of.time) != (signed.as_of_digest, signed.as_of_time):
            raise ValueError("the as-of blocks are not the signed ones")
        return self

    def to_json(self) -> str:
        """The file."""
        return self.model_dump_json(indent=2) + "\n"


def read_holder_file(raw: bytes | str) -> HolderFile:
    """Read a holder file.

    Raises:
        InvalidInput: anything but the one form; names the place, never the value.
    """
    try:
        return HolderFile.model_validate(read_strict_json(raw))
    except ValidationError as exc:
        raise InvalidInput(f"the holder file is wrong: {explain_validation_error(exc)}") from exc


def make_holder_file(
    domain: Domain,
    attestation: ScoreAttestation,
    attester: Address,
    signature: bytes,
    committed: Commitment,
    as_of: AsOf,
) -> HolderFile:
    """The file of a signed attestation, not yet published.

    Raises:
        InvalidInput: leaves, wallets or as-of blocks are not those that were signed.
    """
    try:
        return HolderFile(
            typed_data=TypedDataJson(
                domain=DomainJson(chain_id=domain.chain_id, verifying_contract=domain.registry),
                message=AttestationJson.of(attestation),
            ),
            signature=SignatureJson(signer=attester, value=signature),
            inclusion=None,
            as_of=tuple(BlockJson.of(block) for block in as_of.blocks),
            leaves=tuple(LeafJson.of(leaf) for leaf in committed.leaves),
            wallets=tuple(WalletJson(wallet=row.wallet, salt=row.salt) for row in committed.wallets),
        )
    except ValidationError as exc:
        raise InvalidInput(f"the holder file would be wrong: {explain_validation_error(exc)}") from exc


def with_inclusion(file: HolderFile, root: Digest, proof: Sequence[Digest]) -> HolderFile:
    """The same file with its place in a published root."""
    return file.model_copy(update={"inclusion": InclusionJson(root=root, proof=tuple(proof))})


def attestation_leaf(attestation: ScoreAttestation) -> Digest:
    """Leaf of an attestation in the batch tree."""
    return batch_leaf(attestation.revocation_index, struct_hash(attestation))


def tombstone_leaf(revocation_index: int) -> Digest:
    """Leaf of an index whose attestation could not be signed: a struct hash of zeros, which no struct has."""
    return batch_leaf(revocation_index, _NO_STRUCT)


def present(
    file: HolderFile, names: Collection[str], wallet: Address, presented: PresentedJson | None = None
) -> Presentation:
    """Open some leaves and one wallet for one lender.

    Args:
        file: the borrower's file.
        names: leaves to open; open no more than the lender needs.
        wallet: the wallet to show, one of the subject.
        presented: the wallet's signature, where the lender gave an audience and a nonce (`presented_by`).

    Raises:
        InvalidInput: no leaf, an unknown one, or a wallet that is not in the subject.
    """
    if unknown := sorted(set(names) - set(LEAF_TYPES)):
        raise InvalidInput(f"unknown leaves: {', '.join(unknown)}; there are {', '.join(LEAF_TYPES)}")
    by_hash = {leaf.to_leaf().hash: leaf for leaf in file.leaves}
    chosen = [hashed for hashed, leaf in by_hash.items() if leaf.name in names]
    multiproof = StandardMerkleTree(list(by_hash)).multiproof(chosen)
    return Presentation(
        typed_data=file.typed_data,
        signature=file.signature,
        inclusion=file.inclusion,
        as_of=file.as_of,
        disclosure=DisclosureJson(
            leaves=tuple(by_hash[hashed] for hashed in multiproof.leaves),
            proof=multiproof.proof,
            proof_flags=multiproof.flags,
        ),
        holder=_open_wallet(file, wallet),
        presented=presented,
    )


def presented_by(
    message: PresentationMessage, signature: bytes, signature_type: Literal["ecdsa", "erc1271"] = "ecdsa"
) -> PresentedJson:
    """The signature of a wallet of the subject over `presentation_digest`, as the presentation holds it."""
    return PresentedJson(
        audience=message.audience,
        nonce=message.nonce,
        expiry=message.expiry,
        signature_type=signature_type,
        signature=signature,
    )


def _open_wallet(file: HolderFile, wallet: Address) -> HolderJson:
    wallets = {row.wallet: SubjectWallet(row.wallet, row.salt) for row in file.wallets}
    shown = wallets.get(wallet)
    if shown is None:
        raise InvalidInput("this wallet is not in the subject of the score")
    proof = StandardMerkleTree([row.hash for row in wallets.values()]).proof(shown.hash)
    return HolderJson(wallet=wallet, salt=shown.salt, proof=proof)
