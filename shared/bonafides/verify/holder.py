"""Who stands before the lender: without this check a document proves a score of somebody."""

from dataclasses import dataclass

from bonafides.errors import InvalidInput
from bonafides.types import Address, Digest, VerificationStatus
from bonafides.verify.chain import ChainView
from bonafides.verify.documents import Presentation
from bonafides.verify.merkle import root_from_proof, subject_leaf
from bonafides.verify.outcome import Refused, Unchecked
from bonafides.verify.signature import recover_signer
from bonafides.verify.typed_data import Domain, presentation_digest


@dataclass(frozen=True, slots=True)
class DealsWith:
    """The lender already deals with this wallet, as when it is to receive the loan."""

    wallet: Address


@dataclass(frozen=True, slots=True)
class AskedFor:
    """The lender asked for a presentation with its own name and a fresh nonce."""

    audience: str
    nonce: Digest
    """32 random bytes, used once: the lender must forget it after the first verification."""


Holder = DealsWith | AskedFor


def check_opening(document: Presentation) -> None:
    """The opened wallet belongs to the signed subject.

    Raises:
        Refused: HOLDER_MISMATCH.
    """
    opening = document.holder
    leaf = subject_leaf(opening.wallet, opening.salt)
    if root_from_proof(leaf, opening.proof) != document.typed_data.message.subject:
        raise Refused(VerificationStatus.HOLDER_MISMATCH, "the wallet shown does not belong to the score's subject")


def check_holder(
    document: Presentation, domain: Domain, holder: Holder | None, at: int, chain: ChainView | None
) -> None:
    """The one who shows the document may do so.

    Raises:
        Refused: HOLDER_MISMATCH, AUDIENCE_MISMATCH or PRESENTATION_EXPIRED.
        Unchecked: HOLDER_UNCHECKED without a holder, NEEDS_CHAIN for a contract wallet without a chain.
    """
    check_opening(document)
    match holder:
        case None:
            raise Unchecked(
                VerificationStatus.HOLDER_UNCHECKED, "name the wallet you deal with, or your audience and nonce"
            )
        case DealsWith(wallet):
            if wallet != document.holder.wallet:
                raise Refused(VerificationStatus.HOLDER_MISMATCH, "the document is about another wallet than yours")
        case AskedFor():
            _check_presented(document, domain, holder, at, chain)


def _check_presented(document: Presentation, domain: Domain, asked: AskedFor, at: int, chain: ChainView | None) -> None:
    presented = document.presented
    if presented is None:
        raise Refused(VerificationStatus.HOLDER_MISMATCH, "no wallet of the subject signed this presentation")
    if (presented.audience, presented.nonce) != (asked.audience, asked.nonce):
        raise Refused(
            VerificationStatus.AUDIENCE_MISMATCH, "signed for another audience or nonce: perhaps shown to you again"
        )
    if at >= presented.expiry:
        raise Refused(VerificationStatus.PRESENTATION_EXPIRED, "the holder's signature is too old; ask for a new one")
    digest = presentation_digest(domain, presented.to_message(document.typed_data.message.commitment))
    if presented.signature_type == "erc1271":
        if chain is None:
            raise Unchecked(VerificationStatus.NEEDS_CHAIN, "the holder is a contract wallet: only a chain can answer")
        signed = chain.is_valid_signature(document.holder.wallet, digest, presented.signature)
    else:
        try:
            signed = recover_signer(digest, presented.signature) == document.holder.wallet
        except InvalidInput:
            signed = False
    if not signed:
        raise Refused(VerificationStatus.HOLDER_MISMATCH, "the wallet shown did not sign this presentation")
