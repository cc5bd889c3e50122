"""What every HTTP API of ours does alike: consent, problems, headers, log lines, what it says of itself."""

import io
import json
from collections.abc import Awaitable, Callable, Iterator

import pytest
import structlog
from bonafides.consent import ConsentMissing, ConsentMode, require_consent
from bonafides.errors import BonafidesError, InvalidInput, InvariantViolation, NotFound, Unavailable
from bonafides.http_api import metrics
from bonafides.http_api.guard import JSON_POLICY, Guard
from bonafides.http_api.problems import ProblemType, problem_of, told
from bonafides_attestation import api as attestation_api
from bonafides_scoring.api import app as scoring_api
from fastapi import FastAPI
from prometheus_client import generate_latest
from sqlalchemy import create_engine
from starlette.types import Message, Receive, Scope, Send

pytestmark = pytest.mark.unit

WALLET = "0x" + "ab" * 20
POLICY = "default-src 'none'"
FAILURES = {"403", "404", "422", "500", "503"}


class Route:
    """What a router leaves in the scope."""

    path = "/v1/wallets/{address}/score"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The log of a test."""
    written = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(written), cache_logger_on_first_use=False)
    yield written
    structlog.reset_defaults()


def serve(
    app: Callable[[Scope, Receive, Send], Awaitable[None]], method: str = "GET", body: tuple[bytes, ...] = (b"",)
) -> tuple[int, dict[str, str], bytes]:
    """One request through the guard. Nothing in it waits, so no event loop is needed."""
    sent: list[Message] = []
    parts = iter(body)
    left = len(body)

    async def receive() -> Message:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(parts), "more_body": left > 0}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": method, "path": f"/v1/wallets/{WALLET}/score", "headers": []}
    with pytest.raises(StopIteration):
        Guard(app, ConsentMode.REQUIRED, POLICY)(scope, receive, send).send(None)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    scope["route"] = Route()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def echoing(scope: Scope, receive: Receive, send: Send) -> None:
    scope["route"] = Route()
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    scope["route"] = Route()
    raise ValueError(f"cannot read {scope['path']}")


async def failing_unrouted(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError(scope["path"])


def test_guard__any_answer__carries_headers_policy_and_consent_mode() -> None:
    status, headers, body = serve(answering)

    assert (status, body) == (200, b"ok")
    assert headers["content-security-policy"] == POLICY
    assert headers["bonafides-consent-mode"] == "required"
    assert headers["cache-control"] == "no-store"
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


def test_guard__body_in_parts__reaches_the_application_whole() -> None:
    assert serve(echoing, "POST", (b"a" * 5_000, b"b" * 5_000))[2] == b"a" * 5_000 + b"b" * 5_000


def test_guard__body_larger_than_any_question__is_refused_before_the_rest_of_it_is_read() -> None:
    parts = (b"x" * 10_000, b"x" * 10_000, b"never read")

    status, headers, body = serve(echoing, "POST", parts)

    assert (status, headers["content-type"]) == (413, "application/problem+json")
    assert json.loads(body)["type"] == ProblemType.TOO_LARGE


@pytest.mark.parametrize("app", [failing, failing_unrouted])
def test_guard__what_nobody_expected__is_a_problem_without_a_value_anywhere(
    app: Callable[[Scope, Receive, Send], Awaitable[None]], lines: io.StringIO
) -> None:
    status, headers, body = serve(app)

    assert (status, headers["content-type"]) == (500, "application/problem+json")
    assert json.loads(body)["type"] == ProblemType.INTERNAL
    assert headers["bonafides-consent-mode"] == "required"
    assert "ValueError" in lines.getvalue()
    assert WALLET not in lines.getvalue() + body.decode() + generate_latest().decode()


def test_guard__each_request__is_logged_and_counted_by_template_alone(lines: io.StringIO) -> None:
    labels = (Route.path, "GET", "2xx")
    before = metrics.request_seconds.labels(*labels)._sum.get()

    serve(answering)

    assert metrics.request_seconds.labels(*labels)._sum.get() > before
    assert metrics.in_flight._value.get() == 0
    assert "answered" in lines.getvalue()
    assert Route.path in lines.getvalue()
    assert WALLET not in lines.getvalue()


def test_guard__method_that_nobody_has__is_no_label_of_its_own() -> None:
    serve(answering, "WALLET0X12")

    assert "WALLET0X12" not in generate_latest().decode()
    assert metrics.request_seconds.labels(Route.path, "other", "2xx")._sum.get() > 0


def test_require_consent__required__refuses_everybody_the_same_way() -> None:
    with pytest.raises(ConsentMissing, match="no grant"):
        require_consent(ConsentMode.REQUIRED, "there is no grant")


def test_require_consent__open__lets_pass() -> None:
    require_consent(ConsentMode.OPEN, "there is no grant")


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ConsentMissing("no"), 403, ProblemType.CONSENT_MISSING),
        (NotFound("nothing"), 404, ProblemType.NOT_FOUND),
        (InvalidInput("bad"), 422, ProblemType.INVALID_INPUT),
        (Unavailable("db.internal refuses"), 503, ProblemType.UNAVAILABLE),
        (InvariantViolation("secret detail"), 500, ProblemType.INTERNAL),
    ],
)
def test_problem_of__each_class_of_error__names_itself(error: BonafidesError, status: int, kind: ProblemType) -> None:
    problem = problem_of(error)

    assert (problem.status, problem.type) == (status, kind)


@pytest.mark.parametrize(
    ("error", "level"), [(Unavailable("db.internal"), "warning"), (InvariantViolation("secret"), "critical")]
)
def test_told__our_own_failure__is_logged_by_its_class_and_keeps_its_text_inside(
    error: BonafidesError, level: str, lines: io.StringIO
) -> None:
    problem = told(error)

    assert str(error) not in problem.detail + lines.getvalue()
    assert type(error).__name__ in lines.getvalue()
    assert level in lines.getvalue()


def apps() -> list[FastAPI]:
    """Both APIs, on an engine that connects lazily, and here never."""
    engine = create_engine("postgresql+psycopg://nobody@localhost:1/nothing")
    return [make(engine, ConsentMode.OPEN) for make in (scoring_api.create_app, attestation_api.create_app)]


@pytest.mark.parametrize("app", apps(), ids=lambda app: app.title)
def test_openapi__each_operation__declares_its_failures_as_problem_json(app: FastAPI) -> None:
    document = app.openapi()

    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert operations
    for operation in operations:
        failures = {status: answer for status, answer in operation["responses"].items() if status != "200"}
        assert set(failures) == FAILURES
        assert all(set(answer["content"]) == {"application/problem+json"} for answer in failures.values())
    assert document["components"]["schemas"]["ProblemType"]["enum"] == [kind.value for kind in ProblemType]


def test_content_policy__page_and_json__differ_by_what_the_page_loads() -> None:
    pages, plain = (app.user_middleware[0].kwargs["content_policy"] for app in apps())

    assert plain == JSON_POLICY == "default-src 'none'; frame-ancestors 'none'"
    assert pages == scoring_api.PAGE_POLICY
