"""attestation-api: documents for the wallets of a subject.

A holder file goes to the subject alone; a lender gets a presentation that the subject makes of it. Without a proof by a
wallet of the subject the answer is 403 (`consent_mode=required`); `open` is for public data and development, and every
answer says so. Each read is written to the access log before it is answered.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import structlog
from bonafides import crashpoints
from bonafides.database import transaction
from bonafides.errors import BonafidesError, InvalidInput, NotFound, Unavailable
from bonafides.types import AttestationStatus, Digest
from bonafides.verify.documents import Presentation
from bonafides.verify.json_types import JsonAddress, JsonDigest, JsonInteger, JsonModel
from bonafides.verify.leaves import LEAF_TYPES
from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy import Engine
from starlette.exceptions import HTTPException

from bonafides_attestation import api_store, metrics
from bonafides_attestation.document import HolderFile, present

ConsentMode = Literal["required", "open"]
ANYBODY = "anybody"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
DigestText = Annotated[str, Path(pattern="^0x[0-9a-f]{64}$", description="0x and 64 lower-case hexadecimal digits.")]

log = structlog.get_logger(__name__)


class ConsentRequired(BonafidesError):
    """The reader has not proven to be a wallet of the subject."""


class Problem(JsonModel):
    """RFC 9457. `type` names the class of the error."""

    type: Literal["invalid-input", "not-found", "consent-required", "unavailable", "internal", "http"]
    title: str
    status: int
    detail: str


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


_PROBLEMS: dict[int | str, dict[str, object]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}} for status in (403, 404, 422, 500, 503)
}


def create_app(engine: Engine, consent_mode: ConsentMode) -> FastAPI:
    """The application. It holds no key and no setting."""
    app = FastAPI(
        title="Bonafides attestation API",
        version="1",
        description="Documents for the wallets of a subject. Lenders verify presentations by themselves.",
        docs_url=None,  # its page would load scripts from elsewhere; the description itself is at /openapi.json
        redoc_url=None,
    )
    reads = _Reads(engine, consent_mode)
    _add_error_handlers(app)
    _add_middleware(app, consent_mode)

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
        if self._consent_mode == "open":
            return
        self._audit(route, attestation_id, 403)
        raise ConsentRequired("documents go to the wallets of their subject alone, and this request proves none")

    def _audit(self, route: str, attestation_id: Digest | None, http_status: int) -> None:
        crashpoints.reach("api.before_audit")
        with transaction(self._engine) as connection:
            api_store.write_audit(connection, route, attestation_id, ANYBODY, self._consent_mode, http_status)
        crashpoints.reach("api.after_audit")


def _digest(text: str) -> Digest:
    return Digest(bytes.fromhex(text[2:]))


def _problem(kind: str, status: int, title: str, detail: str) -> JSONResponse:
    body = {"type": kind, "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")


def _add_error_handlers(app: FastAPI) -> None:
    async def on_refusal(_: Request, exc: Exception) -> Response:
        match exc:
            case NotFound():
                return _problem("not-found", 404, "Not found", str(exc))
            case InvalidInput():
                return _problem("invalid-input", 422, "Invalid input", str(exc))
            case ConsentRequired():
                return _problem("consent-required", 403, "Consent required", str(exc))
            case Unavailable():
                return _problem(
                    "unavailable", 503, "Unavailable", "the service cannot read its database now; try again"
                )
            case BonafidesError():
                log.critical("a stored document cannot be true", reason=str(exc))
                return _problem("internal", 500, "Internal error", "a stored document cannot be true; we were paged")
            case RequestValidationError():
                first = exc.errors()[0]
                place = ".".join(str(part) for part in first["loc"])
                return _problem("invalid-input", 422, "Invalid input", f"{place}: {first['msg']}")
            case HTTPException():
                return _problem("http", exc.status_code, str(exc.detail), str(exc.detail))
        return _problem("internal", 500, "Internal error", "something here is wrong; the trace is in our log")

    for kind in (BonafidesError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, on_refusal)


def _add_middleware(app: FastAPI, consent_mode: ConsentMode) -> None:
    @app.middleware("http")
    async def say_and_measure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        response = await call_next(request)
        for name, value in HEADERS.items():
            response.headers[name] = value
        response.headers["Bonafides-Consent-Mode"] = consent_mode
        route = getattr(request.scope.get("route"), "path", "other")
        metrics.http_requests_total.labels(route, f"{response.status_code // 100}xx").inc()
        metrics.http_request_duration_seconds.labels(route).observe(time.perf_counter() - started)
        log.info("answered", route=route, method=request.method, status=response.status_code)
        return response
