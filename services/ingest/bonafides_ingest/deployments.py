"""The registry of lending deployments: which contracts, on which chain, from which block, and who says so."""

import re
from abc import ABC, abstractmethod
from typing import Annotated, Self

from bonafides.errors import BonafidesError, InvalidSettings
from bonafides.events import BlockRange
from bonafides.types import DEVELOPMENT_CHAINS, Address, ChainId, Protocol, parse_address
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

LAST_BLOCK = 2**63 - 1
"""The end of a deployment that goes on."""
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


class Deployment(BaseModel, ABC):
    """One deployment of one protocol. Each protocol's file adds its own addresses."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    """Such as `aave-v3-ethereum`; stands in every event, never changed."""
    chain_id: ChainId = Field(ge=1)
    protocol: Annotated[Protocol, Field(strict=False)]
    from_block: int = Field(ge=0)
    """First block to read: at or before the protocol's first log. Never lowered once blocks of this id were read."""
    to_block: int = Field(default=LAST_BLOCK, ge=0, le=LAST_BLOCK)
    """Last block to read, of a deployment that ended or went over to an entry of its own."""
    gateways: Annotated[tuple[RegistryAddress, ...], Field(strict=False)] = ()
    """Contracts that act for whoever calls them, such as those that wrap the chain's coin: no wallets."""
    source: str
    """Where the addresses are from: package@version or repository@commit."""
    development: bool = False
    """On a development chain only: refused elsewhere."""

    @abstractmethod
    def contracts(self) -> frozenset[Address]:
        """The addresses that emit this deployment's logs and stand in its entry, gateways left out."""

    @property
    def span(self) -> BlockRange:
        """The blocks to read."""
        return BlockRange(self.from_block, self.to_block)

    def covers(self, block_number: int) -> bool:
        """Whether logs of this block can be this deployment's."""
        return self.from_block <= block_number <= self.to_block

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if not _SOURCE.match(self.source):
            raise ValueError("source must be package@version or repository@commit")
        if self.to_block < self.from_block:
            raise ValueError("to_block lies before from_block")
        if self.development != (self.chain_id in DEVELOPMENT_CHAINS):
            raise ValueError("development must be true on a development chain and false elsewhere")
        return self


class Registry(BaseModel):
    """All deployments of one registry file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: int = Field(ge=1)
    """Raised with every change; stands in each score's coverage."""
    deployments: tuple[Deployment, ...]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [deployment.id for deployment in self.deployments]
        if len(ids) != len(set(ids)):
            raise ValueError("two deployments have the same id")
        seen: dict[tuple[ChainId, Address], list[Deployment]] = {}
        for deployment in self.deployments:
            for contract in deployment.contracts():
                for other in seen.setdefault((deployment.chain_id, contract), []):
                    if other.from_block <= deployment.to_block and deployment.from_block <= other.to_block:
                        # One log would then be two events of one id.
                        raise ValueError(
                            f"deployments {other.id} and {deployment.id} name the same contract for the same blocks"
                        )
                seen[deployment.chain_id, contract].append(deployment)
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
