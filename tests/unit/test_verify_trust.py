"""The trust file: closed, strict, and with a JSON schema that says the same."""

import json
from typing import Any

import jsonschema
import pytest
from bonafides.errors import InvalidInput
from bonafides.types import ScoreFlag
from bonafides.verify import Presentation, TrustFile, read_trust_file

from tests.support.attestation_edits import golden_document
from tests.support.attestation_fixtures import MODEL_ID, TRUST

pytestmark = pytest.mark.unit

MODEL = "0x" + MODEL_ID.hex()


def trust_json() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(TRUST.to_json())
    return found


def test_trust_file__written_and_read__is_the_same() -> None:
    assert read_trust_file(TRUST.to_json()) == TRUST


def test_trust_file__accepted_flags__are_bits() -> None:
    document = trust_json()
    document["models"][MODEL]["acceptedFlags"] = ["thin_file", "disputed"]

    assert read_trust_file(json.dumps(document)).models[MODEL_ID].flags == ScoreFlag.THIN_FILE | ScoreFlag.DISPUTED


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "bonafides-trust/2"),
        (("chainId",), "31337"),
        (("chainId",), 0),
        (("registry",), "0x00"),
        (("registry",), "0x" + "AB" * 20),
        (("attesters",), ["0x00"]),
        (("attesters",), None),
        (("models",), {}),
        (("models", "0x00"), {"class": "real", "outcome": "loss", "horizonDays": 30}),
        (("models", MODEL, "class"), "imaginary"),
        (("models", MODEL, "horizonDays"), 0),
        (("models", MODEL, "acceptedFlags"), ["partial_coverage"]),
        (("models", MODEL, "outcome"), "Bad Things"),
        (("pinned",), True),
    ],
)
def test_read_trust_file__a_mistake__is_refused_and_by_the_schema_too(path: tuple[str, ...], value: object) -> None:
    document = trust_json()
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value

    with pytest.raises(InvalidInput, match="trust file"):
        read_trust_file(json.dumps(document))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, TrustFile.model_json_schema())


def test_schemas__good_files__fit() -> None:
    jsonschema.validate(trust_json(), TrustFile.model_json_schema())
    jsonschema.validate(golden_document(), Presentation.model_json_schema())


def test_presentation_schema__an_unknown_field__does_not_fit() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(golden_document() | {"comment": "hello"}, Presentation.model_json_schema())
