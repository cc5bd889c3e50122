"""Errors as problem+json (RFC 9457). `type` names the error class; nothing of the request is repeated."""

import traceback
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from bonafides.consent import ConsentMissing
from bonafides.errors import BonafidesError, InvalidInput, NotFound, Unavailable

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
OUR_FAULT = "something is wrong on our side; it was logged"


class ProblemType(StrEnum):
    """Every `type` that a problem can have."""

    INVALID_INPUT = "urn:bonafides:error:InvalidInput"
    CONSENT_MISSING = "urn:bonafides:error:ConsentMissing"
    NOT_FOUND = "urn:bonafides:error:NotFound"
    UNAVAILABLE = "urn:bonafides:error:Unavailable"
    METHOD_NOT_ALLOWED = "urn:bonafides:error:MethodNotAllowed"
    TOO_LARGE = "urn:bonafides:error:TooLarge"
    INTERNAL = "urn:bonafides:error:InternalError"


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: ProblemType
    title: str
    status: int
    detail: str


def problem_of(error: BonafidesError) -> Problem:
    """The problem that an error of ours is told as."""
    match error:
        case ConsentMissing():
            return _problem(ProblemType.CONSENT_MISSING, 403, str(error))
        case NotFound():
            return _problem(ProblemType.NOT_FOUND, 404, str(error))
        case InvalidInput():
            return _problem(ProblemType.INVALID_INPUT, 422, str(error))
        case Unavailable():
            # The text names hosts and roles, which are no business of the caller.
            return _problem(ProblemType.UNAVAILABLE, 503, "the database does not answer now; try again in a moment")
        case _:
            return _problem(ProblemType.INTERNAL, 500, OUR_FAULT)


def told(error: BonafidesError) -> Problem:
    """The problem to answer with; what is our fault goes to the log, by its class and place alone."""
    problem = problem_of(error)
    match error:
        case Unavailable():
            log.warning("request failed", error=type(error).__name__, status=problem.status)
        case _ if problem.status >= 500:
            log.critical("request failed", error=type(error).__name__, status=problem.status, where=place_of(error))
    return problem


def responses(described: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """What a route's OpenAPI says of its failures."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": text, "content": {MEDIA_TYPE: {"schema": schema}}} for status, text in described.items()
    }


def component() -> dict[str, Any]:
    """The schemas that `responses` refers to, for the components of an OpenAPI document."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts: dict[str, Any] = schema.pop("$defs", {})
    return parts | {"Problem": schema}


def respond(problem: Problem) -> JSONResponse:
    """The HTTP answer of a problem."""
    headers = {"Retry-After": "5"} if problem.status == 503 else None
    return JSONResponse(
        problem.model_dump(mode="json"), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers
    )


def install(app: FastAPI) -> None:
    """Answer every failure as a problem."""

    @app.exception_handler(BonafidesError)
    def ours(request: Request, error: BonafidesError) -> JSONResponse:
        return respond(told(error))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        places = sorted({".".join(str(part) for part in one["loc"]) for one in error.errors()})
        return respond(_problem(ProblemType.INVALID_INPUT, 422, f"not as expected: {', '.join(places)}"))

    @app.exception_handler(HTTPException)
    def framework(request: Request, error: HTTPException) -> JSONResponse:
        match error.status_code:
            case 404:
                return respond(not_found())
            case 405:
                return respond(_problem(ProblemType.METHOD_NOT_ALLOWED, 405, "this path takes another method"))
            case status if status < 500:
                return respond(_problem(ProblemType.INVALID_INPUT, status, "the request cannot be read"))
            case _:
                return internal_error()


def not_found() -> Problem:
    """Nothing stands at this path."""
    return _problem(ProblemType.NOT_FOUND, 404, "there is nothing at this path; /openapi.json lists what there is")


def too_large(limit_bytes: int) -> JSONResponse:
    """The answer to a body that nothing here asks for."""
    return respond(_problem(ProblemType.TOO_LARGE, 413, f"a request body has at most {limit_bytes} bytes"))


def internal_error() -> JSONResponse:
    """The answer to what nobody expected."""
    return respond(_problem(ProblemType.INTERNAL, 500, OUR_FAULT))


def place_of(error: BaseException) -> str:
    """File and line where it broke, without any value: a stack trace would show some, and a value may be a wallet."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "unknown"


def _problem(kind: ProblemType, status: int, detail: str) -> Problem:
    return Problem(type=kind, title=HTTPStatus(status).phrase, status=status, detail=detail)
