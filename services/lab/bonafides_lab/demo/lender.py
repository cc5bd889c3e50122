"""The lender: takes one document, believes nothing, and asks the verifier of the base install.

```
borrower ── presentation ──► lender: bonafides verify FILE --trust TRUST --wallet W --rpc NODE
```
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bonafides.errors import InvariantViolation
from bonafides.hashing import keccak
from bonafides.types import Address, VerificationStatus, address_text
from bonafides.verify.documents import AttestationJson, Presentation, SignatureJson
from bonafides.verify.typed_data import attestation_digest
from coincurve import PrivateKey

OPENED = ("score", "band", "pdBps", "scoreGte600", "scoreGte700", "reason1")
"""What this lender asks to see."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One document shown to the lender, and what must come of it."""

    title: str
    document: str
    expected: VerificationStatus
    wallet: Address
    has_node: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier said."""

    attempt: Attempt
    status: VerificationStatus
    detail: str

    @property
    def is_as_expected(self) -> bool:
        """Whether it is the answer that this attempt must get."""
        return self.status is self.attempt.expected


@dataclass(frozen=True, slots=True)
class Lender:
    """One who has the base install, a trust file and a node, and nothing else of ours."""

    command: Path
    trust_file: Path
    rpc_url: str
    folder: Path

    def check(self, attempt: Attempt) -> Verdict:
        """Run the verifier on what was shown."""
        self.folder.mkdir(parents=True, exist_ok=True)
        shown = self.shown(attempt)
        shown.write_text(attempt.document)
        done = subprocess.run(  # noqa: S603 - our own command
            self.argv(shown, attempt), capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 1):
            raise InvariantViolation(f"the verifier gave no verdict on {attempt.title!r}: {done.stderr.strip()[-500:]}")
        answer = json.loads(done.stdout)
        status = VerificationStatus(answer["status"])
        return Verdict(attempt, status, str(answer["detail"]))

    def shown(self, attempt: Attempt) -> Path:
        """The file that holds what is shown."""
        return self.folder / f"{attempt.title.replace(' ', '-').replace(',', '')}.json"

    def argv(self, shown: Path, attempt: Attempt, *, as_json: bool = True) -> list[str]:
        """The command line, as a person would type it."""
        argv = [str(self.command), "verify", str(shown), "--trust", str(self.trust_file)]
        argv += ["--wallet", address_text(attempt.wallet)]
        argv += ["--rpc", self.rpc_url] if attempt.has_node else []
        return [*argv, "--json"] if as_json else argv


def attempts(document: Presentation, borrower: Address, other_borrower: Address) -> list[Attempt]:
    """The honest document first, then what must be refused."""
    honest = document.to_json()
    return [
        Attempt("the honest document", honest, VerificationStatus.VALID, borrower),
        Attempt("one flipped bit", flip_one_bit(document), VerificationStatus.BAD_DISCLOSURE, borrower),
        Attempt("another issuer's key", sign_with_a_foreign_key(document), VerificationStatus.UNTRUSTED_KEY, borrower),
        Attempt("another borrower shows it", honest, VerificationStatus.HOLDER_MISMATCH, other_borrower),
        Attempt("no node to ask", honest, VerificationStatus.ROOT_UNCHECKED, borrower, has_node=False),
    ]


def flip_one_bit(document: Presentation) -> str:
    """The same document with one bit of the salt of its first opened leaf flipped."""
    opened = document.disclosure.leaves[0]
    flipped = bytes([opened.salt[0] ^ 1]) + opened.salt[1:]
    leaves = (opened.model_copy(update={"salt": flipped}), *document.disclosure.leaves[1:])
    disclosure = document.disclosure.model_copy(update={"leaves": leaves})
    return document.model_copy(update={"disclosure": disclosure}).to_json()


def sign_with_a_foreign_key(document: Presentation) -> str:
    """The same claims, properly signed by somebody whom the trust file does not name."""
    foreign = PrivateKey()
    message: AttestationJson = document.typed_data.message
    digest = attestation_digest(document.typed_data.domain.to_domain(), message.to_attestation())
    raw = foreign.sign_recoverable(digest, hasher=None)
    signature = SignatureJson(signer=_address_of(foreign), value=raw[:64] + bytes([27 + raw[64]]))
    return document.model_copy(update={"signature": signature}).to_json()


def _address_of(key: PrivateKey) -> Address:
    return Address(keccak(key.public_key.format(compressed=False)[1:])[12:])
