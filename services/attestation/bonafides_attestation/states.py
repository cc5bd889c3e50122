"""Closed lists of the attestation service: states and reasons, word for word as the database holds them."""

from enum import StrEnum


class ResultState(StrEnum):
    """What became of the latest result of a subject."""

    WAITING = "waiting"
    """For a batch, or for its owner's opt-in."""
    ISSUED = "issued"
    REFUSED = "refused"
    """Policy said no; `reason` says why."""
    UNSCORABLE = "unscorable"
    WITHDRAWN = "withdrawn"


class BatchState(StrEnum):
    """The life of a batch. STUCK: it can never be published; its members are issued again."""

    BUILT = "built"
    QUEUED = "queued"
    SENT = "sent"
    MINED = "mined"
    FINAL = "final"
    STUCK = "stuck"


class DocumentState(StrEnum):
    """The issuer's own part of a document's life; what follows the signature is the state of its batch."""

    BUILT = "built"
    SIGNED = "signed"
    TOMBSTONE = "tombstone"
    """It could not be signed: its index stays and its leaf says nothing."""
    STRANDED = "stranded"
    """Its batch is stuck. The score was put back and gets another document."""
    ERASED = "erased"


class Refusal(StrEnum):
    """Why a score is not attested."""

    SYNTHETIC_ON_LIVE_CHAIN = "synthetic_on_live_chain"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    FLAG_NOT_ATTESTABLE = "flag_not_attestable"
    INCONSISTENT = "inconsistent"
    """Values that no honest scorer puts together."""
    EXPIRED = "expired"
    KEY_NOT_VALID = "key_not_valid"
    """The registry does not know the attester key, or the document's time lies outside its life."""
    LIFE_TOO_LONG = "life_too_long"
    NOT_OURS = "not_ours"
    """A message that is not what was committed to."""
    WITHDRAWN = "withdrawn"
    """Disputed or recalled after its batch was closed."""


class RevocationReason(StrEnum):
    """Why an index is revoked."""

    DISPUTE = "dispute"
    RECALL = "recall"
    SUPERSEDED = "superseded"
    UNSCORABLE = "unscorable"
    ERASED = "erased"
