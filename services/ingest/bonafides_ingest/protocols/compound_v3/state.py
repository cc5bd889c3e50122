"""A deployment of Compound V3 is one Comet: one base asset. Its logs are read without anything kept between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bonafides.errors import InvariantViolation
from bonafides.types import ZERO_ADDRESS, Address, Json
from pydantic import Field

from bonafides_ingest.deployments import Deployment, RegistryAddress
from bonafides_ingest.protocols.state import DeploymentState, FactKey, Watched


class CompoundV3Deployment(Deployment):
    """One Comet. Bulkers and other helpers stand in `gateways`."""

    comet: RegistryAddress
    """The proxy: it emits the logs."""
    base: RegistryAddress
    """The asset that is supplied and borrowed; no log says it."""
    rest_logged_from: int | None = Field(default=None, ge=0)
    """First block in which this Comet surely logs what an absorption leaves to the borrower; left out: not known. The
    very first one, that of USDC on Ethereum, began to with an upgrade at the end of 2022 (compound-finance/comet,
    migration 1665028496); those that were created later always did."""

    def contracts(self) -> frozenset[Address]:
        return frozenset({self.comet})

    def logs_rest(self, block_number: int) -> bool:
        """Whether an absorption of this block surely logged what it left to the borrower, where it left anything."""
        return self.rest_logged_from is not None and block_number >= self.rest_logged_from


class ContractKind(StrEnum):
    """What a watched contract is: it decides which events it can emit."""

    COMET = "comet"


@dataclass(frozen=True)
class CompoundV3State(DeploymentState):
    """A Comet: the same before every log."""

    deployment: CompoundV3Deployment
    watched: Mapping[Address, Watched] = field(init=False)
    not_wallets: frozenset[Address] = field(init=False)

    def __post_init__(self) -> None:
        deployment = self.deployment
        object.__setattr__(self, "watched", {deployment.comet: Watched(ContractKind.COMET, deployment.base)})
        own = frozenset({ZERO_ADDRESS, deployment.comet, *deployment.gateways})
        object.__setattr__(self, "not_wallets", own)

    def facts(self) -> Mapping[FactKey, Json]:
        return {}


def restore_state(deployment: Deployment) -> CompoundV3State:
    """The state of a deployment."""
    if not isinstance(deployment, CompoundV3Deployment):
        raise InvariantViolation(f"deployment {deployment.id} was handed to the reader of Compound V3")
    return CompoundV3State(deployment)
