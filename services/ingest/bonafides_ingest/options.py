"""What the flow is told by the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from bonafides.events import BlockRange
from bonafides.types import Address, ChainId

from bonafides_ingest.accounts.link_sources import LinkSource
from bonafides_ingest.boundaries import BoundaryPace
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.registry_entries import RegistryEntry


@dataclass(frozen=True)
class IndexerOptions:
    """One chain, what of it is read, and at what pace."""

    chain_id: ChainId
    deployments: tuple[Deployment, ...]
    registry_version: int
    window_blocks: int
    pace: BoundaryPace
    dead_letter_limit: int
    links: tuple[LinkSource, ...] = ()
    """Contracts that say who owns which account: each is read like a deployment, and before them."""
    registry_digest: bytes = b""
    """Of all that the registry says about the chain: replicas with another one do not read it together."""

    @property
    def entries(self) -> tuple[RegistryEntry, ...]:
        """Everything that is read."""
        return (*self.deployments, *self.links)

    @property
    def gateways(self) -> frozenset[Address]:
        """Contracts that act for whoever calls them."""
        return frozenset(gateway for deployment in self.deployments for gateway in deployment.gateways)

    @cached_property
    def deployment_spans(self) -> Mapping[str, BlockRange]:
        """The blocks to read of each deployment."""
        return {deployment.id: deployment.span for deployment in self.deployments}

    @cached_property
    def link_spans(self) -> Mapping[str, BlockRange]:
        """The blocks to read of each source of links."""
        return {source.id: source.span for source in self.links}

    @property
    def spans(self) -> Mapping[str, BlockRange]:
        """The blocks to read of everything."""
        return {**self.deployment_spans, **self.link_spans}

    @property
    def first_block(self) -> int:
        """Where the chain's entries begin."""
        return min(entry.from_block for entry in self.entries)
