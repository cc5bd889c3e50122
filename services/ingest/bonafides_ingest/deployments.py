"""The registry of lending deployments: which contracts, on which chain, from which block, and who says so."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Self

import yaml
from bonafides.errors import BonafidesError, InvalidSettings
from bonafides.types import DEVELOPMENT_CHAINS, Address, ChainId, Protocol, parse_address
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

_SOURCE = re.compile(r"^(@[\w.-]+/)?[\w.-]+(/[\w.-]+)?@[\w.+-]+$")


def _address(value: object) -> object:
    """YAML reads an unquoted 0x… as a number: refused with the remedy."""
    if not isinstance(value, str):
        raise ValueError("expected an address in quotes")  # noqa: TRY004  # what pydantic asks for
    try:
        return parse_address(value)
    except BonafidesError as exc:
        raise ValueError(str(exc)) from exc


type RegistryAddress = Annotated[Address, BeforeValidator(_address)]


class Deployment(BaseModel):
    """One deployment of one protocol."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    """Such as `aave-v3-ethereum`; stands in every event, never changed."""
    chain_id: ChainId = Field(ge=1)
    protocol: Annotated[Protocol, Field(strict=False)]
    pool: RegistryAddress
    configurator: RegistryAddress
    oracle: RegistryAddress
    provider: RegistryAddress
    from_block: int = Field(ge=0)
    """First block to read: at or before the protocol's first log. Never lowered once blocks of this id were read."""
    source: str
    """Where the addresses are from: package@version or repository@commit."""
    development: bool = False
    """On a development chain only: refused elsewhere."""

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if not _SOURCE.match(self.source):
            raise ValueError("source must be package@version or repository@commit")
        if self.development != (self.chain_id in DEVELOPMENT_CHAINS):
            raise ValueError("development must be true on a development chain and false elsewhere")
        return self


class Registry(BaseModel):
    """All deployments of one registry file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: int = Field(ge=1)
    """Raised with every change; stands in each score's coverage."""
    deployments: Annotated[tuple[Deployment, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [deployment.id for deployment in self.deployments]
        if len(ids) != len(set(ids)):
            raise ValueError("two deployments have the same id")
        contracts = [
            (deployment.chain_id, address)
            for deployment in self.deployments
            for address in {deployment.pool, deployment.configurator, deployment.oracle, deployment.provider}
        ]
        if len(contracts) != len(set(contracts)):
            # One log would then be two events of one id.
            raise ValueError("two deployments of a chain name the same contract")
        return self

    def of_chain(self, chain_id: ChainId) -> tuple[Deployment, ...]:
        """The deployments of one chain, by id. Raises InvalidSettings when there is none."""
        found = tuple(sorted((d for d in self.deployments if d.chain_id == chain_id), key=lambda d: d.id))
        if not found:
            raise InvalidSettings(
                f"the deployments registry has nothing on chain {chain_id}: set the right chain id, "
                "or name a registry file (BONAFIDES_INGEST_DEPLOYMENTS_FILE)"
            )
        return found


def load_registry(path: Path | None) -> Registry:
    """The registry in a file, or the one that ships with this package. Raises InvalidSettings naming what is wrong."""
    name = path.name if path else "the packaged registry"
    try:
        text = path.read_text() if path else (files("bonafides_ingest") / "deployments.yaml").read_text()
        return Registry.model_validate(yaml.safe_load(text))
    except OSError as exc:
        raise InvalidSettings(f"the deployments registry {name} cannot be read: {exc.strerror}") from exc
    except yaml.YAMLError as exc:
        raise InvalidSettings(f"the deployments registry {name} is no YAML") from exc
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in error['loc']) or 'file'}: {error['msg']}"
            for error in exc.errors(include_input=False, include_url=False)
        )
        raise InvalidSettings(f"the deployments registry {name} is refused: {problems}") from exc
