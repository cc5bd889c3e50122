"""The pages: a start page, a wallet's page, the API in words. No script, nothing from elsewhere."""

from importlib.resources import files
from typing import Any

from bonafides.consent import ConsentMode
from bonafides.errors import BonafidesError, InvalidInput
from bonafides.http_api import problems
from bonafides.types import Address, Band, parse_address
from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection

from bonafides_scoring.api import answers, schemas
from bonafides_scoring.api.audit import Read, Reader
from bonafides_scoring.web import drawings, texts

ASSETS = {"page.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}

type Scores = schemas.ScoredAnswer | schemas.UnscorableAnswer | schemas.ProvisionalAnswer
type Explanations = schemas.ExplainedAnswer | schemas.UnscorableAnswer | None


def router(reader: Reader, documented: FastAPI | None) -> APIRouter:
    """Pages for people. `documented` is the application that /docs describes; None leaves it out."""
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    templates = _templates(reader.consent_mode, has_docs=documented is not None)

    def page(name: str, values: dict[str, object], http_status: int = 200) -> HTMLResponse:
        return HTMLResponse(templates.get_template(name).render(values), status_code=http_status)

    @routes.get("/")
    def start() -> HTMLResponse:
        return page("start.html", {"problem": None})

    @routes.get("/wallets")
    def find(address: str = "") -> Response:
        try:
            wallet = parse_address(address.strip())
        except InvalidInput as exc:
            return page("start.html", {"problem": _sentence(str(exc))}, 422)
        return RedirectResponse(f"/wallets/{answers.hex_text(wallet)}", status_code=303)

    @routes.get("/wallets/{address}")
    def wallet_page(address: str) -> HTMLResponse:
        try:
            wallet = parse_address(address)
            found, explained = reader.read(
                Read("/wallets/{address}", wallet=wallet), lambda connection, mode: _answers(connection, wallet, mode)
            )
        except BonafidesError as exc:
            problem = problems.told(exc)
            values: dict[str, object] = {
                "status": problem.status,
                "title": _TITLES.get(problem.type, problem.title),
                "detail": _sentence(problem.detail),
            }
            return page("error.html", values, problem.status)
        return page("wallet.html", _wallet_values(found, explained))

    @routes.get("/assets/{name}")
    def asset(name: str) -> Response:
        if name not in ASSETS:
            return problems.respond(problems.not_found())
        content = (files("bonafides_scoring.web") / "assets" / name).read_bytes()
        return Response(content, media_type=ASSETS[name], headers={"Cache-Control": "public, max-age=3600"})

    if documented is not None:

        @routes.get("/docs")
        def docs() -> HTMLResponse:
            schema = documented.openapi()
            return page(
                "docs.html", {"paragraphs": _paragraphs(documented.description), "operations": _operations(schema)}
            )

    return routes


_TITLES = {
    problems.ProblemType.CONSENT_MISSING: "The borrower has not allowed this",
    problems.ProblemType.NOT_FOUND: "Nothing is known of this address",
    problems.ProblemType.INVALID_INPUT: "That is not an address",
    problems.ProblemType.UNAVAILABLE: "Try again in a moment",
}
_FLAG_TEXTS = {
    schemas.FlagName.REFERENCE_POSITION: "no open debt: scored at the reference position",
    schemas.FlagName.THIN_FILE: "thin file: little history",
    schemas.FlagName.DISPUTED: "disputed",
    schemas.FlagName.STALE: "stale",
    schemas.FlagName.PARTIAL_COVERAGE: "partial coverage",
}


def _templates(mode: ConsentMode, *, has_docs: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("bonafides_scoring", "web/templates"), autoescape=True, undefined=StrictUndefined
    )
    environment.globals |= {
        "consent_mode": mode.value,
        "has_docs": has_docs,
        "signed": texts.signed,
        "shown_time": texts.shown_time,
        "attestation_texts": texts.ATTESTATION_TEXTS,
        "not_attested": texts.NOT_ATTESTED,
        "provisional_texts": texts.PROVISIONAL_TEXTS,
        "flag_texts": _FLAG_TEXTS,
        "reason_texts": texts.UNSCORABLE_TEXTS,
    }
    return environment


def _answers(connection: Connection, wallet: Address, mode: ConsentMode) -> tuple[Scores, Explanations]:
    found = answers.score_answer(connection, wallet, mode)
    if isinstance(found, schemas.ProvisionalAnswer):
        return found, None
    return found, answers.explanation_answer(connection, wallet, mode)


def _wallet_values(found: Scores, explained: Explanations) -> dict[str, object]:
    values: dict[str, object] = {"answer": found, "score": None, "as_of_time": texts.shown_time(found.as_of_time)}
    if isinstance(found, schemas.ScoredAnswer) and isinstance(explained, schemas.ExplainedAnswer):
        values |= {
            "score": found,
            "explanation": explained,
            "flags": [flag.value for flag in found.flags],
            "gauge": drawings.gauge(found.score, Band(found.band)),
            "waterfall": drawings.waterfall(waterfall_steps(explained)),
        }
    return values


def waterfall_steps(explained: schemas.ExplainedAnswer) -> list[drawings.Step]:
    """The lines of the waterfall: the start, what helped, what held back, what did nothing, the clip, the score."""
    total = explained.base_points
    steps = [drawings.Step("Start: the average wallet", str(total), "total", total, total)]
    lines = [(line.label, line.points) for line in sorted(explained.families, key=lambda line: -line.points)]
    lines = [line for line in lines if line[1]] + [line for line in lines if not line[1]]
    if explained.clip:
        lines.append(("Kept within 300 to 850", explained.clip))
    for label, points in lines:
        kind = "up" if points > 0 else "down" if points < 0 else "none"
        steps.append(drawings.Step(label, texts.signed(points), kind, total, total + points))
        total += points
    steps.append(drawings.Step("Score", str(explained.score), "total", total, total))
    return steps


def _paragraphs(description: str) -> list[str]:
    return [_plain(line).strip(" *").replace("**", "") for line in description.splitlines() if line.strip()]


def _plain(text: str) -> str:
    return text.replace("`", "")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _operations(schema: dict[str, Any]) -> list[dict[str, object]]:
    return [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation["summary"],
            "description": _plain(operation.get("description", "")),
            "parameters": [
                (one["name"], one.get("description", "").replace("`", "")) for one in operation.get("parameters", [])
            ],
            "statuses": [(status, one["description"]) for status, one in sorted(operation["responses"].items())],
        }
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
