"""The protocols that can be read. A new one is a folder under `protocols/`, and a line here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bonafides.types import Protocol

from bonafides_ingest.deployments import Deployment
from bonafides_ingest.protocols.aave_v2.protocol import AaveV2
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.compound_v2.protocol import CompoundV2
from bonafides_ingest.protocols.compound_v3.protocol import CompoundV3
from bonafides_ingest.protocols.maker.protocol import Maker
from bonafides_ingest.protocols.morpho_blue.protocol import MorphoBlue
from bonafides_ingest.protocols.protocol import LendingProtocol
from bonafides_ingest.protocols.state import DeploymentState

type AnyProtocol = LendingProtocol[Any]
"""Which state fits which protocol is known by the deployment in it, not by a type."""

PROTOCOLS: Mapping[Protocol, AnyProtocol] = MappingProxyType(
    {
        Protocol.AAVE_V2: AaveV2(),
        Protocol.AAVE_V3: AaveV3(),
        Protocol.COMPOUND_V2: CompoundV2(),
        Protocol.COMPOUND_V3: CompoundV3(),
        Protocol.MAKER: Maker(),
        Protocol.MORPHO_BLUE: MorphoBlue(),
    }
)


def protocol_of(about: Deployment | DeploymentState) -> AnyProtocol:
    """The protocol of a deployment."""
    deployment = about if isinstance(about, Deployment) else about.deployment
    return PROTOCOLS[deployment.protocol]
