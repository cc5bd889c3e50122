"""The settings classes as tables: what documents, chart and compose file are held to."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bonafides.settings import ServiceSettings
from bonafides_attestation.settings import AttestationSettings
from bonafides_ingest.settings import IngestSettings
from bonafides_scoring.settings import ScoringSettings
from pydantic import SecretStr

SERVICES: dict[str, type[ServiceSettings]] = {
    "ingest": IngestSettings,
    "scoring": ScoringSettings,
    "attestation": AttestationSettings,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of one service."""

    service: str
    name: str
    """In lower case, without prefix."""
    is_required: bool
    default: str
    """As it would stand in a variable; empty when unset."""
    meaning: str
    """Its docstring, in one line."""

    @property
    def variable(self) -> str:
        """Name of its environment variable."""
        return f"{prefix_of(self.service)}{self.name.upper()}"


def prefix_of(service: str) -> str:
    """`BONAFIDES_<SERVICE>_`, as the class says it."""
    return str(SERVICES[service].model_config.get("env_prefix", ""))


def service_of(variable: str) -> str | None:
    """Which service reads a variable; None for one that none of ours reads."""
    return next((service for service in SERVICES if variable.startswith(prefix_of(service))), None)


def settings_of(service: str) -> list[Setting]:
    """All settings of a service in the order of its class, the common ones first."""
    meanings = _docstrings(SERVICES[service])
    return [
        Setting(service, name, field.is_required(), _text(field.get_default(call_default_factory=True)), meanings[name])
        for name, field in SERVICES[service].model_fields.items()
    ]


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case SecretStr():
            return value.get_secret_value()
        case tuple() | list():
            return ",".join(_text(entry) for entry in value)
        case dict():
            return ",".join(f"{_text(key)}={_text(entry)}" for key, entry in value.items())
        case float() if value.is_integer():
            return str(int(value))
        case Path() | str() | int() | float():
            return str(value)
        case _:
            return "" if repr(value) == "PydanticUndefined" else str(value)


def _docstrings(settings: type[ServiceSettings]) -> dict[str, str]:
    found = dict.fromkeys(settings.model_fields, "")
    for kind in reversed(settings.__mro__):
        if issubclass(kind, ServiceSettings):
            found |= dict(_attribute_docstrings(kind))
    return {name: found[name] for name in settings.model_fields}


def _attribute_docstrings(kind: type) -> Iterator[tuple[str, str]]:
    body = ast.parse(inspect.getsource(kind)).body[0]
    if not isinstance(body, ast.ClassDef):
        return
    for statement, following in zip(body.body, [*body.body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        match following:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield statement.target.id, " ".join(text.split())
            case _:
                yield statement.target.id, ""
