"""attestation-api: documents for the wallets of a subject.

A holder file goes to the subject alone; a lender gets a presentation that the subject makes of it. Without a proof by a
wallet of the subject the answer is 403 (`consent_mode=required`); `open` is for public data and development, and every
answer says so. Each read is written to the access log before it is answered.
"""

from typing import Annotated

from bonafides import crashpoints
from bonafides.consent import ConsentMissing, ConsentMode, require_consent
from bonafides.database import transaction
from bonafides.errors import NotFound
from bonafides.http_api import problems
from bonafides.http_api.app import new_app
from bonafides.types import AttestationStatus, Digest
from bonafides.verify.documents import Presentation
from bonafides.verify.json_types import JsonAddress, JsonDigest, JsonInteger, JsonModel
from bonafides.verify.leaves import LEAF_TYPES
from fastapi import FastAPI, Path, Query
from pydantic import Field
from sqlalchemy import Engine

from bonafides_attestation import api_store
from bonafides_attestation.document import HolderFile, present

ANYBODY = "anybody"
REFUSAL = "documents go to the wallets of their subject alone, and this request proves none"
DigestText = Annotated[str, Path(pattern="^0x[0-9a-f]{64}$", description="0x and 64 lower-case hexadecimal digits.")]


class Summary(JsonModel):
    """Where one attestation of a score stands."""

    attestation_id: JsonDigest
    status: AttestationStatus
    revocation_index: JsonInteger
    valid_from: JsonInteger
    valid_until: JsonInteger


class Summaries(JsonModel):
    """Every attestation of a score, newest first."""

    score_id: JsonDigest
    attestations: list[Summary]


class PresentationRequest(JsonModel):
    """What to open. Open no more than the lender needs."""

    leaves: Annotated[list[str], Field(min_length=1, max_length=len(LEAF_TYPES))]
    wallet: JsonAddress
    """The wallet to show, one of the subject."""


_PROBLEMS = problems.responses(
    {
        403: "No wallet of the subject has allowed this read.",
        404: "There is no such attestation.",
        422: "A parameter or the request's body is not as expected.",
        500: "Something is wrong on our side.",
        503: "The database does not answer; try again.",
    }
)


def create_app(engine: Engine, consent_mode: ConsentMode) -> FastAPI:
    """The application. It holds no key. `engine` needs `bonafides.http_api.app.WORKER_THREADS` connections."""
    app = new_app(
        "Bonafides attestation API",
        "Documents for the wallets of a subject. Lenders verify presentations by themselves.",
        consent_mode,
    )
    reads = _Reads(engine, consent_mode)

    @app.get("/v1/attestations/{attestation_id}", responses=_PROBLEMS)
    def read_attestation(attestation_id: DigestText) -> HolderFile:
        """The holder file: every leaf with its salt. For the subject alone."""
        return reads.holder_file("/v1/attestations/{attestation_id}", _digest(attestation_id))

    @app.post("/v1/attestations/{attestation_id}/presentations", responses=_PROBLEMS)
    def make_presentation(attestation_id: DigestText, request: PresentationRequest) -> Presentation:
        """A presentation that opens the named leaves and one wallet, without that wallet's signature for a lender."""
        route = "/v1/attestations/{attestation_id}/presentations"
        file = reads.holder_file(route, _digest(attestation_id))
        return present(file, request.leaves, request.wallet)

    @app.get("/v1/attestations", responses=_PROBLEMS)
    def list_attestations(
        score_id: Annotated[str, Query(pattern="^0x[0-9a-f]{64}$", description="Score id: digest of its receipt.")],
    ) -> Summaries:
        """Where the attestations of a score stand."""
        return reads.summaries("/v1/attestations", _digest(score_id))

    return app


class _Reads:
    """Reads that are allowed, and the access log of all of them."""

    def __init__(self, engine: Engine, consent_mode: ConsentMode) -> None:
        self._engine = engine
        self._consent_mode = consent_mode
        self._trees = api_store.TreeCache()

    def holder_file(self, route: str, attestation_id: Digest) -> HolderFile:
        self._check_consent(route, attestation_id)
        try:
            with transaction(self._engine) as connection:
                file = api_store.read_holder_file(connection, attestation_id, self._trees)
        except NotFound:
            self._audit(route, attestation_id, 404)
            raise
        self._audit(route, attestation_id, 200)
        return file

    def summaries(self, route: str, score_id: Digest) -> Summaries:
        self._check_consent(route, None)
        with transaction(self._engine) as connection:
            found = api_store.list_attestations(connection, score_id)
        self._audit(route, None, 200)
        rows = [
            Summary(
                attestation_id=row.attestation_id,
                status=row.status,
                revocation_index=row.revocation_index,
                valid_from=row.valid_from,
                valid_until=row.valid_until,
            )
            for row in found
        ]
        return Summaries(score_id=score_id, attestations=rows)

    def _check_consent(self, route: str, attestation_id: Digest | None) -> None:
        try:
            require_consent(self._consent_mode, REFUSAL)
        except ConsentMissing:
            self._audit(route, attestation_id, 403)
            raise

    def _audit(self, route: str, attestation_id: Digest | None, http_status: int) -> None:
        crashpoints.reach("api.before_audit")
        with transaction(self._engine) as connection:
            api_store.write_audit(connection, route, attestation_id, ANYBODY, self._consent_mode.value, http_status)
        crashpoints.reach("api.after_audit")


def _digest(text: str) -> Digest:
    return Digest(bytes.fromhex(text[2:]))
