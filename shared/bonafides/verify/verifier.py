"""Verify one presentation. THE FLOW of the lender's side; reads no clock, no file, no setting.

    format → trust → signature → disclosure → holder → time → root → revocation

The first check that fails names the status. If none fails, the first that could not be made does: so an answer that
ends in UNCHECKED means that everything else passed.
"""

from collections.abc import Callable
from enum import StrEnum

from bonafides.digests import as_of_digest
from bonafides.errors import InvalidInput
from bonafides.types import DEVELOPMENT_CHAINS, ChainId, Digest, ModelClass, ScoreFlag, VerificationStatus
from bonafides.verify.chain import ChainView, RegistryFacts
from bonafides.verify.documents import Presentation, read_presentation
from bonafides.verify.holder import Holder, check_holder
from bonafides.verify.leaves import LEAF_TYPES, check_consistency
from bonafides.verify.merkle import batch_leaf, root_from_multiproof, root_from_proof
from bonafides.verify.outcome import Claims, Refused, Stage, StageOutcome, StageResult, Unchecked, Verification
from bonafides.verify.signature import recover_signer
from bonafides.verify.trust import TrustedModel, TrustFile
from bonafides.verify.typed_data import attestation_digest, struct_hash

_NO_ROOT = Digest(bytes(32))


class Policy(StrEnum):
    """How much a lender asks for. None accepts a root alone: the hot publisher key could then forge."""

    SIG_AND_ROOT = "sig-and-root"
    """The signature, and its inclusion in a published root."""
    SIG_ONLY = "sig-only"
    """The signature, with key record and revocation from the chain; the root is left unchecked.

    A signed document whose batch was never published shares its index with one of a later batch, so here its revocation
    may be the other one's.
    """


def verify(
    presentation: bytes | str | Presentation,
    trust: TrustFile,
    holder: Holder | None,
    at: int,
    chain: ChainView | None,
    policy: Policy = Policy.SIG_AND_ROOT,
) -> Verification:
    """Check a presentation against what the lender trusts.

    Args:
        presentation: the file as received, or already read.
        trust: the lender's own file.
        holder: who stands before the lender; without it the answer is never VALID.
        at: the moment of the check, Unix seconds.
        chain: a node that the lender trusts; without it the answer is never VALID.
        policy: see `Policy`.

    Raises:
        InvalidInput: the lender's own mistake: a chain of another id, or no registry at the address.
        Unavailable: the node does not answer.
    """
    return _Run(presentation, trust, holder, at, chain, policy).result()


class _Run:
    """One verification: the stages in order, and what they found out for each other."""

    def __init__(
        self,
        raw: bytes | str | Presentation,
        trust: TrustFile,
        holder: Holder | None,
        at: int,
        chain: ChainView | None,
        policy: Policy,
    ) -> None:
        self._raw = raw
        self._trust = trust
        self._holder = holder
        self._at = at
        self._chain = chain
        self._policy = policy
        self._document: Presentation
        self._model: TrustedModel
        self._facts: RegistryFacts | None = None

    def result(self) -> Verification:
        """Run the stages until one refuses."""
        checks: dict[Stage, Callable[[], None]] = {
            Stage.FORMAT: self._read,
            Stage.TRUST: self._check_trust,
            Stage.SIGNATURE: self._check_signature,
            Stage.DISCLOSURE: self._check_disclosure,
            Stage.HOLDER: self._check_holder,
            Stage.TIME: self._check_time,
            Stage.ROOT: self._check_root,
            Stage.REVOCATION: self._check_revocation,
        }
        results: list[StageResult] = []
        status, detail = VerificationStatus.VALID, "every check passed"
        for stage, check in checks.items():
            try:
                check()
            except Refused as refusal:
                results.append(StageResult(stage, StageOutcome.FAILED, refusal.reason))
                results += [StageResult(later, StageOutcome.NOT_REACHED, "") for later in list(Stage)[len(results) :]]
                return Verification(refusal.status, None, refusal.reason, tuple(results))
            except Unchecked as question:
                results.append(StageResult(stage, StageOutcome.UNCHECKED, question.reason))
                if status is VerificationStatus.VALID:  # the first open question names the status
                    status, detail = question.status or status, question.reason
            else:
                results.append(StageResult(stage, StageOutcome.PASSED, ""))
        return Verification(status, self._claims(), detail, tuple(results))

    def _read(self) -> None:
        if isinstance(self._raw, Presentation):
            self._document = self._raw
            return
        try:
            self._document = read_presentation(self._raw)
        except InvalidInput as exc:
            raise Refused(VerificationStatus.MALFORMED, str(exc)) from exc

    def _check_trust(self) -> None:
        trust, message = self._trust, self._document.typed_data.message
        if self._document.typed_data.domain.to_domain() != trust.domain:
            raise Refused(VerificationStatus.UNTRUSTED_ISSUER, "made for another registry or chain than you trust")
        model = trust.models.get(message.model_id)
        if model is None:
            raise Refused(VerificationStatus.UNTRUSTED_MODEL, "your trust file does not name this model")
        if message.flags & ~model.flags:
            raise Refused(VerificationStatus.FLAG_NOT_ACCEPTED, "the score carries a flag that you do not accept")
        if model.model_class is ModelClass.SYNTHETIC and ChainId(trust.chain_id) not in DEVELOPMENT_CHAINS:
            raise Refused(
                VerificationStatus.SYNTHETIC_ON_LIVE_CHAIN,
                "a model trained on synthetic data counts nowhere but in tests",
            )
        self._model = model

    def _check_signature(self) -> None:
        document, signer = self._document, self._document.signature.signer
        message = document.typed_data.message.to_attestation()
        try:
            recovered = recover_signer(attestation_digest(self._trust.domain, message), document.signature.value)
        except InvalidInput as exc:
            raise Refused(VerificationStatus.BAD_SIGNATURE, str(exc)) from exc
        if recovered != signer:
            raise Refused(
                VerificationStatus.BAD_SIGNATURE, "the named signer did not sign this: it was changed or forged"
            )
        if self._trust.attesters and signer not in self._trust.attesters:
            raise Refused(VerificationStatus.UNTRUSTED_KEY, "signed by a key that your trust file does not pin")
        self._check_key_record()

    def _check_key_record(self) -> None:
        if self._chain is None:
            if self._trust.attesters:
                return
            raise Unchecked(
                VerificationStatus.ROOT_UNCHECKED, "no node and no pinned key: anybody may have signed this"
            )
        found = self._chain.chain_id()
        if found != self._trust.chain_id:
            raise InvalidInput(f"the node serves chain {found}, the trust file names chain {self._trust.chain_id}")
        document, message = self._document, self._document.typed_data.message
        root = document.inclusion.root if document.inclusion else _NO_ROOT
        facts = self._chain.registry_facts(
            self._trust.registry, root, document.signature.signer, message.revocation_index
        )
        self._facts = facts
        if facts.key is None:
            raise Refused(VerificationStatus.UNTRUSTED_KEY, "the registry does not know the key that signed this")
        if not facts.key.valid_from <= message.issued_at < facts.key.valid_until:
            raise Refused(VerificationStatus.UNTRUSTED_KEY, "issued outside the life of the key that signed it")
        published_at = facts.root.published_at if facts.root is not None and self._is_included(facts) else None
        if facts.key.revoked_at and (published_at is None or published_at >= facts.key.revoked_at):
            raise Refused(VerificationStatus.KEY_REVOKED, "the key was revoked, and no earlier root holds this score")
        if published_at is not None and published_at >= facts.key.valid_until:
            raise Refused(VerificationStatus.UNTRUSTED_KEY, "published after the end of the key that signed it")

    def _check_disclosure(self) -> None:
        document = self._document
        message, opened = document.typed_data.message, document.disclosure
        as_of = document.to_as_of()
        if as_of_digest(as_of) != message.as_of_digest or as_of.time != message.as_of_time:
            raise Refused(VerificationStatus.BAD_DISCLOSURE, "the as-of blocks are not the signed ones")
        leaves = [leaf.to_leaf() for leaf in opened.leaves]
        values = {leaf.name: leaf.value for leaf in leaves}
        if len(values) != len(leaves):
            raise Refused(VerificationStatus.BAD_DISCLOSURE, "a leaf is opened twice")
        try:
            root = root_from_multiproof([leaf.hash for leaf in leaves], opened.proof, opened.proof_flags)
            if root != message.commitment:
                raise Refused(VerificationStatus.BAD_DISCLOSURE, "the opened leaves are not the signed ones")
            check_consistency(values)
        except InvalidInput as exc:
            raise Refused(VerificationStatus.BAD_DISCLOSURE, str(exc)) from exc

    def _check_holder(self) -> None:
        check_holder(self._document, self._trust.domain, self._holder, self._at, self._chain)

    def _check_time(self) -> None:
        message = self._document.typed_data.message
        if self._at < message.valid_from:
            raise Refused(VerificationStatus.NOT_YET_VALID, "the attestation is not valid yet")
        if self._at >= message.valid_until:
            raise Refused(VerificationStatus.EXPIRED, "the attestation has expired; ask for a newer one")

    def _check_root(self) -> None:
        document, facts = self._document, self._facts
        if self._policy is Policy.SIG_ONLY:
            status = None if facts is not None else VerificationStatus.ROOT_UNCHECKED
            raise Unchecked(status, "the policy asks for the signature only")
        if document.inclusion is None:
            raise Refused(VerificationStatus.NOT_INCLUDED, "the attestation was not published yet")
        if not self._path_leads_to_root():
            raise Refused(VerificationStatus.NOT_INCLUDED, "the path does not lead from this attestation to the root")
        if facts is None:
            raise Unchecked(VerificationStatus.ROOT_UNCHECKED, "without a node nobody knows whether the root exists")
        if facts.root is None:
            waiting = facts.root_at_head is not None
            raise Refused(
                VerificationStatus.ROOT_UNKNOWN,
                "the root is published but not final yet; try again" if waiting else "no such root was published",
            )
        if not self._is_included(facts):
            raise Refused(VerificationStatus.NOT_INCLUDED, "the root does not own this revocation index")

    def _check_revocation(self) -> None:
        if self._facts is None:
            raise Unchecked(VerificationStatus.ROOT_UNCHECKED, "without a node nobody knows what was revoked")
        if self._facts.revoked:
            raise Refused(VerificationStatus.REVOKED, "the issuer revoked this attestation")

    def _path_leads_to_root(self) -> bool:
        document = self._document
        if document.inclusion is None:
            return False
        message = document.typed_data.message.to_attestation()
        leaf = batch_leaf(message.revocation_index, struct_hash(message))
        return root_from_proof(leaf, document.inclusion.proof) == document.inclusion.root

    def _is_included(self, facts: RegistryFacts) -> bool:
        index, root = self._document.typed_data.message.revocation_index, facts.root
        if root is None or not root.first_index <= index < root.first_index + root.count:
            return False
        return self._path_leads_to_root()

    def _claims(self) -> Claims:
        document, model = self._document, self._model
        message = document.typed_data.message
        values = {leaf.name: leaf.value for leaf in (leaf.to_leaf() for leaf in document.disclosure.leaves)}
        return Claims(
            issuer=self._trust.issuer,
            attester=document.signature.signer,
            model_id=message.model_id,
            model_class=model.model_class,
            outcome=model.outcome,
            horizon_days=model.horizon_days,
            flags=ScoreFlag(message.flags),
            as_of=document.to_as_of(),
            issued_at=message.issued_at,
            valid_from=message.valid_from,
            valid_until=message.valid_until,
            revocation_index=message.revocation_index,
            subject=message.subject,
            commitment=message.commitment,
            wallet=document.holder.wallet,
            disclosed={name: values[name] for name in LEAF_TYPES if name in values},
        )
