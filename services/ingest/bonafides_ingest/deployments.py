"""The registry of lending deployments: which contracts, on which chain, from which block, and who says so."""

from abc import abstractmethod
from typing import Annotated, Self

from bonafides.errors import InvalidSettings
from bonafides.hashing import sha256
from bonafides.types import DEVELOPMENT_CHAINS, Address, ChainId, Protocol
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bonafides_ingest.accounts.link_sources import LinkSource
from bonafides_ingest.feed_entries import FeedEntry
from bonafides_ingest.feeds import DEFAULT_MAX_AGE_S, FeedList
from bonafides_ingest.registry_entries import LAST_BLOCK, RegistryAddress, RegistryEntry

__all__ = ["LAST_BLOCK", "Deployment", "Registry", "RegistryAddress"]


class Deployment(RegistryEntry):
    """One deployment of one protocol. Each protocol's file adds its own addresses."""

    protocol: Annotated[Protocol, Field(strict=False)]
    gateways: Annotated[tuple[RegistryAddress, ...], Field(strict=False)] = ()
    """Contracts that act for whoever calls them, such as those that wrap the chain's coin: no wallets."""

    @abstractmethod
    def contracts(self) -> frozenset[Address]:
        """The addresses that emit this deployment's logs and stand in its entry, gateways left out."""


class Registry(BaseModel):
    """All deployments of one registry file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: int = Field(ge=1)
    """Raised with every change; stands in each score's coverage."""
    deployments: tuple[Deployment, ...]
    links: tuple[LinkSource, ...] = ()
    feeds: tuple[FeedEntry, ...] = ()
    default_max_age_s: int = Field(default=DEFAULT_MAX_AGE_S, ge=1)
    """How old an answer of a feed that is not listed may be and still be a price. None on a development chain: its
    clock jumps, and nobody answers there every day."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [entry.id for entry in (*self.deployments, *self.links)]
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
        feeds = [(feed.chain_id, feed.address) for feed in self.feeds]
        if len(feeds) != len(set(feeds)):
            raise ValueError("two entries name the same price feed")
        factories = [(link.chain_id, link.address) for link in self.links]
        if len(factories) != len(set(factories)):
            raise ValueError("two sources of links name the same contract: its accounts would belong to both")
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

    def digest_of_chain(self, chain_id: ChainId) -> bytes:
        """Tells apart what is said about one chain: with another digest the same logs may be told in another way."""
        entries: list[BaseModel] = [*self.of_chain(chain_id), *self.links_of_chain(chain_id)]
        entries += [feed for feed in self.feeds if feed.chain_id == chain_id]
        said = sorted(repr(_ordered(entry.model_dump())) for entry in entries)
        return sha256("\n".join((*said, str(self.default_max_age_s))).encode())

    def feeds_of_chain(self, chain_id: ChainId) -> FeedList:
        """What is said about the price feeds of one chain, listed or not."""
        return FeedList(
            {feed.address: feed.listed for feed in self.feeds if feed.chain_id == chain_id},
            0 if chain_id in DEVELOPMENT_CHAINS else self.default_max_age_s,
        )

    def links_of_chain(self, chain_id: ChainId) -> tuple[LinkSource, ...]:
        """The sources of links of one chain, by id."""
        return tuple(sorted((link for link in self.links if link.chain_id == chain_id), key=lambda link: link.id))


def _ordered(value: object) -> object:
    """The same whatever the order of keys and of sets."""
    match value:
        case dict():
            return sorted((repr(key), _ordered(one)) for key, one in value.items())
        case set() | frozenset():
            return sorted(map(repr, value))
        case tuple() | list():
            return [_ordered(one) for one in value]
        case _:
            return value
