"""Reads a registry file: each entry by the protocol that it names."""

from importlib.resources import files
from pathlib import Path

import yaml
from bonafides.errors import InvalidSettings
from bonafides.types import Protocol
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bonafides_ingest.accounts.link_sources import LinkSource
from bonafides_ingest.catalogue import PROTOCOLS
from bonafides_ingest.deployments import Deployment, Registry
from bonafides_ingest.feed_entries import FeedEntry
from bonafides_ingest.feeds import DEFAULT_MAX_AGE_S


class _RegistryFile(BaseModel):
    """The file before its entries are read."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: int = Field(ge=1)
    deployments: list[dict[str, object]]
    links: list[dict[str, object]] = []
    feeds: list[dict[str, object]] = []
    default_max_age_s: int = DEFAULT_MAX_AGE_S


def load_registry(path: Path | None) -> Registry:
    """The registry in a file, or the one that ships with this package. Raises InvalidSettings naming what is wrong."""
    name = path.name if path else "the packaged registry"
    try:
        text = path.read_text() if path else (files("bonafides_ingest") / "deployments.yaml").read_text()
        file = _RegistryFile.model_validate(yaml.safe_load(text))
        deployments = tuple(_deployment(name, place, entry) for place, entry in enumerate(file.deployments))
        links = tuple(_link_source(name, place, entry) for place, entry in enumerate(file.links))
        feeds = tuple(_feed(name, place, entry) for place, entry in enumerate(file.feeds))
        return Registry(
            version=file.version,
            deployments=deployments,
            links=links,
            feeds=feeds,
            default_max_age_s=file.default_max_age_s,
        )
    except OSError as exc:
        raise InvalidSettings(f"the deployments registry {name} cannot be read: {exc.strerror}") from exc
    except yaml.YAMLError as exc:
        raise InvalidSettings(f"the deployments registry {name} is no YAML") from exc
    except ValidationError as exc:
        raise InvalidSettings(f"the deployments registry {name} is refused: {_problems(exc, 'file')}") from exc


def _deployment(name: str, place: int, entry: dict[str, object]) -> Deployment:
    where = str(entry.get("id") or f"entry {place + 1}")
    protocol = entry.get("protocol")
    if not isinstance(protocol, str) or protocol not in set(Protocol):
        raise InvalidSettings(
            f"the deployments registry {name} is refused: {where}: protocol is {protocol!r}, "
            f"expected one of {', '.join(Protocol)}"
        )
    try:
        return PROTOCOLS[Protocol(protocol)].deployment_type.model_validate(entry)
    except ValidationError as exc:
        raise InvalidSettings(f"the deployments registry {name} is refused: {_problems(exc, where)}") from exc


def _link_source(name: str, place: int, entry: dict[str, object]) -> LinkSource:
    where = str(entry.get("id") or f"link {place + 1}")
    try:
        return LinkSource.model_validate(entry)
    except ValidationError as exc:
        raise InvalidSettings(f"the deployments registry {name} is refused: {_problems(exc, where)}") from exc


def _feed(name: str, place: int, entry: dict[str, object]) -> FeedEntry:
    try:
        return FeedEntry.model_validate(entry)
    except ValidationError as exc:
        where = f"feed {place + 1}"
        raise InvalidSettings(f"the deployments registry {name} is refused: {_problems(exc, where)}") from exc


def _problems(exc: ValidationError, where: str) -> str:
    return "; ".join(
        ": ".join((".".join((where, *(str(part) for part in error["loc"]))), error["msg"]))
        for error in exc.errors(include_input=False, include_url=False)
    )
