"""What the API says of itself: every status, and enums that are as closed as the kernel's."""

from collections.abc import Iterator
from enum import StrEnum

import pytest
from bonafides import types
from bonafides.consent import ConsentMode
from bonafides.http_api.problems import ProblemType
from bonafides_scoring.api.app import create_app
from bonafides_scoring.features.schema import Family
from sqlalchemy import create_engine

pytestmark = pytest.mark.unit

JSON = dict[str, object]
ROUTES = {
    "/v1/wallets/{address}/score",
    "/v1/wallets/{address}/explanation",
    "/v1/wallets/{address}/events",
    "/v1/scores/{score_id}/bundle",
}


@pytest.fixture(scope="module")
def openapi() -> JSON:
    engine = create_engine("postgresql+psycopg://nobody@localhost:1/nothing")  # connects lazily, and here never
    return create_app(engine, ConsentMode.OPEN).openapi()


def part(document: object, *path: str) -> JSON:
    """One object deep inside."""
    for name in path:
        assert isinstance(document, dict)
        document = document[name]
    assert isinstance(document, dict)
    return document


def schemas(openapi: JSON) -> JSON:
    return part(openapi, "components", "schemas")


def objects(document: object) -> Iterator[JSON]:
    """Every object, at any depth."""
    if isinstance(document, dict):
        yield document
        for value in document.values():
            yield from objects(value)
    elif isinstance(document, list):
        for value in document:
            yield from objects(value)


def test_openapi__routes__are_those_of_the_design(openapi: JSON) -> None:
    assert set(part(openapi, "paths")) == ROUTES


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_openapi__each_route__declares_every_status_and_problems_as_problem_json(openapi: JSON, route: str) -> None:
    responses = part(openapi, "paths", route, "get", "responses")

    problems = {status: part(responses, status, "content") for status in responses if status != "200"}
    assert set(responses) == {"200", "403", "404", "422", "500", "503"}
    assert all(set(content) == {"application/problem+json"} for content in problems.values())


@pytest.mark.parametrize(
    ("name", "enum"),
    [
        ("Band", types.Band),
        ("UnscorableReason", types.UnscorableReason),
        ("AdverseReason", types.AdverseReason),
        ("AttestationStatus", types.AttestationStatus),
        ("ModelClass", types.ModelClass),
        ("EventType", types.EventType),
        ("Role", types.Role),
        ("Protocol", types.Protocol),
        ("MarketPointKind", types.MarketPointKind),
        ("Family", Family),
        ("ConsentMode", ConsentMode),
        ("ProblemType", ProblemType),
    ],
)
def test_openapi__enum__holds_the_same_words_as_the_kernel(openapi: JSON, name: str, enum: type[StrEnum]) -> None:
    found = part(schemas(openapi), name)

    # A pydantic enum of one member is written as `const`.
    assert found.get("enum", [found.get("const")]) == [member.value for member in enum]


def test_openapi__score_answer__is_told_apart_by_its_status(openapi: JSON) -> None:
    content = part(openapi, "paths", "/v1/wallets/{address}/score", "get", "responses", "200", "content")

    assert part(content, "application/json", "schema", "discriminator", "mapping") == {
        "provisional": "#/components/schemas/ProvisionalAnswer",
        "scored": "#/components/schemas/ScoredAnswer",
        "unscorable": "#/components/schemas/UnscorableAnswer",
    }


def test_openapi__references__all_lead_somewhere(openapi: JSON) -> None:
    references = {str(one["$ref"]).rpartition("/")[2] for one in objects(openapi) if isinstance(one.get("$ref"), str)}

    assert references
    assert references <= set(schemas(openapi))


def test_openapi__answers__refuse_fields_that_are_not_declared(openapi: JSON) -> None:
    declared = [
        schema for schema in schemas(openapi).values() if isinstance(schema, dict) and schema.get("type") == "object"
    ]

    assert declared
    assert [schema["title"] for schema in declared if schema.get("additionalProperties") is not False] == []
