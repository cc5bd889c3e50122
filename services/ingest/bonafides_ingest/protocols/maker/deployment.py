"""Maker in the registry: its contracts, and the token and decimals of each collateral type, which no log tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from bonafides.types import Address, Digest
from pydantic import BaseModel, ConfigDict, Field

from bonafides_ingest.deployments import Deployment, RegistryAddress
from bonafides_ingest.protocols.ray import RAY

VAT_DECIMALS = 18
"""The Vat counts every collateral in wad; the join adapters scale tokens of fewer decimals up."""

MAX_ILKS = 128
"""An urn that is given moves with every ilk in it; each takes two of the 256 legs that tell a log's events apart."""


class MakerIlk(BaseModel):
    """One collateral type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[\x21-\x7e]{1,32}$")
    """Such as `ETH-A`."""
    gem: RegistryAddress
    decimals: int = Field(ge=0, le=VAT_DECIMALS)


@dataclass(frozen=True, slots=True)
class Collateral:
    """The token of a collateral type."""

    gem: Address
    index_ray: int
    """Multiplies an ink (wad) to the token's smallest unit: 1 ray for 18 decimals."""

    def units(self, ink: int) -> int:
        """An ink ≥ 0 in the token's smallest unit, rounded down."""
        return ink * self.index_ray // RAY


class MakerDeployment(Deployment):
    """Maker on one chain."""

    vat: RegistryAddress
    dai: RegistryAddress
    spotter: RegistryAddress
    dog: RegistryAddress | None = None
    cats: Annotated[tuple[RegistryAddress, ...], Field(strict=False)] = ()
    """The liquidators before the Dog, each that ever was."""
    cdp_manager: RegistryAddress | None = None
    ilks: Annotated[tuple[MakerIlk, ...], Field(strict=False, max_length=MAX_ILKS)]

    def contracts(self) -> frozenset[Address]:
        optional = (address for address in (self.dog, self.cdp_manager) if address is not None)
        return frozenset({self.vat, self.spotter, *self.cats, *optional})

    @cached_property
    def collateral(self) -> Mapping[Digest, Collateral]:
        """By ilk, as the contracts name it: the name, and zeros up to 32 bytes."""
        return {
            Digest(ilk.name.encode().ljust(32, b"\0")): Collateral(ilk.gem, RAY // 10 ** (VAT_DECIMALS - ilk.decimals))
            for ilk in self.ilks
        }
