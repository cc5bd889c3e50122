"""The contracts that say who owns what, as the registry lists them: each is read like a deployment."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Self

from bonafides.types import Address, Digest
from pydantic import Field, model_validator

from bonafides_ingest.accounts import link_events as abi
from bonafides_ingest.registry_entries import RegistryAddress, RegistryEntry


class LinkKind(StrEnum):
    """What kind of contract a source of links is."""

    DS_PROXY_FACTORY = "ds_proxy_factory"
    SAFE_FACTORY = "safe_factory"
    MAKER_CDP_MANAGER = "maker_cdp_manager"


class LinkSource(RegistryEntry):
    """One contract whose logs tell owners, or name the accounts whose logs do."""

    kind: Annotated[LinkKind, Field(strict=False)]
    address: RegistryAddress
    singletons: Annotated[tuple[RegistryAddress, ...], Field(strict=False)] = ()
    """Of a Safe factory: the code of the Safes that it makes, version 1.3.0 or later. Anyone may have it make a proxy
    of other code, which may emit what it likes: that is no Safe to us."""

    def contracts(self) -> frozenset[Address]:
        return frozenset({self.address, *self.singletons})

    @model_validator(mode="after")
    def _singletons_of_safes(self) -> Self:
        if bool(self.singletons) != (self.kind is LinkKind.SAFE_FACTORY):
            raise ValueError("a safe_factory has singletons, and no other kind")
        return self


_ACCOUNT_TOPICS = {
    LinkKind.DS_PROXY_FACTORY: frozenset({abi.LOG_SET_OWNER.topic0}),
    LinkKind.SAFE_FACTORY: frozenset(
        codec.topic0
        for codec in (
            abi.SAFE_SETUP,
            abi.ADDED_OWNER,
            abi.REMOVED_OWNER,
            abi.CHANGED_THRESHOLD,
            abi.CHANGED_MASTER_COPY,
        )
    ),
    LinkKind.MAKER_CDP_MANAGER: frozenset[Digest](),
}


def watched_by(sources: Iterable[LinkSource]) -> frozenset[Address]:
    """The contracts whose logs are read for these sources."""
    return frozenset(source.address for source in sources)


def topics_anywhere(sources: Iterable[LinkSource]) -> frozenset[Digest]:
    """Signatures that are read whoever emits them: the accounts are too many to ask for each by its address."""
    return frozenset[Digest]().union(*(_ACCOUNT_TOPICS[source.kind] for source in sources))
