"""The verifier's answer, stage by stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bonafides.types import Address, AsOf, Digest, ModelClass, ScoreFlag, VerificationStatus
from bonafides.verify.leaves import LeafValue


class Stage(StrEnum):
    """The checks, in their order."""

    FORMAT = "format"
    TRUST = "trust"
    SIGNATURE = "signature"
    DISCLOSURE = "disclosure"
    HOLDER = "holder"
    TIME = "time"
    ROOT = "root"
    REVOCATION = "revocation"


class StageOutcome(StrEnum):
    """How a stage ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNCHECKED = "unchecked"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage and why it ended so; `reason` is empty for what passed."""

    stage: Stage
    outcome: StageOutcome
    reason: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What a document says. Believe it only as far as the status goes."""

    issuer: str
    attester: Address
    model_id: Digest
    model_class: ModelClass
    outcome: str
    horizon_days: int
    flags: ScoreFlag
    as_of: AsOf
    issued_at: int
    valid_from: int
    valid_until: int
    revocation_index: int
    subject: Digest
    commitment: Digest
    wallet: Address
    disclosed: Mapping[str, LeafValue]
    """Opened leaves by name, in the order of the holder file."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer. Lend on `VALID` only.

    A status that ends in UNCHECKED, or NEEDS_CHAIN, says that nothing failed and something was not looked at.
    """

    status: VerificationStatus
    claims: Claims | None
    """None when a check failed: what a refused document says is worth nothing."""
    detail: str
    stages: tuple[StageResult, ...]

    @property
    def unchecked(self) -> tuple[Stage, ...]:
        """What was not looked at; not empty even for VALID under `SIG_ONLY`."""
        return tuple(result.stage for result in self.stages if result.outcome is StageOutcome.UNCHECKED)


class Refused(Exception):
    """A check failed. Stays inside the verifier."""

    def __init__(self, status: VerificationStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Unchecked(Exception):
    """A check could not be made. Stays inside the verifier; `status` is None where the policy asks for no more."""

    def __init__(self, status: VerificationStatus | None, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
