"""How the contracts of an Aave V3 market round: it changed twice, and no log says so.

What is said is which implementation the Pool has from a log on (`PoolUpdated` of the PoolAddressesProvider); the
registry says how each implementation rounds. One that it does not know makes the market's tokens unreadable from there
on, until an entry names it: a missing number is better than one that is off by a unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, assert_never

from pydantic import BaseModel, ConfigDict, Field

from bonafides_ingest.protocols.ray import ray_div, ray_div_ceil, ray_mul, ray_mul_floor
from bonafides_ingest.registry_entries import RegistryAddress

_SOURCE = r"^(@[\w.-]+/)?[\w.-]+(/[\w.-]+)?@[\w.+-]+$"


class Rounding(StrEnum):
    """What the aTokens and variable debt tokens do with an amount."""

    HALF_UP_PLAIN_TRANSFERS = "half_up_plain_transfers"
    """As HALF_UP, but BalanceTransfer carries the amount, and Transfer the shares. @aave/core-v3@1.16.2 (3.0.0)."""
    HALF_UP = "half_up"
    """To the nearest share; Mint and Burn carry the amount itself. @aave/core-v3@1.17.2 and later (3.0.1 to 3.4)."""
    BY_OPERATION = "by_operation"
    """Up or down by what is done, always for the protocol; Mint and Burn carry differences of rounded balances.
    @aave-dao/aave-v3-origin@3.6.0 (3.5 and later)."""

    @property
    def code(self) -> int:
        """What the market is told: 1 where balances are rounded for the protocol, 0 where half up."""
        return int(self is Rounding.BY_OPERATION)


class PoolVersion(BaseModel):
    """One implementation of a market's Pool."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    implementation: RegistryAddress
    rounding: Annotated[Rounding, Field(strict=False)]
    source: str = Field(pattern=_SOURCE)
    """Who says so: package@version or repository@commit."""


@dataclass(frozen=True, slots=True)
class Paired:
    """What the token logs of one transaction did to scaled balances, by log index, where it takes two logs to know."""

    deltas: Mapping[int, int] = MappingProxyType({})
    reasons: Mapping[int, str] = MappingProxyType({})
    """Why it is not known, for the others."""


def transferred_shares(rounding: Rounding, value: int, index_ray: int) -> int:
    """The scaled balance that a BalanceTransfer with this value moved."""
    return ray_div(value, index_ray) if rounding is Rounding.HALF_UP_PLAIN_TRANSFERS else value


def transferred_amount(rounding: Rounding, value: int, index_ray: int) -> int:
    """What that is worth in the underlying."""
    match rounding:
        case Rounding.HALF_UP_PLAIN_TRANSFERS:
            return value
        case Rounding.HALF_UP:
            return ray_mul(value, index_ray)
        case Rounding.BY_OPERATION:
            return ray_mul_floor(value, index_ray)
        case _:
            assert_never(rounding)


def fits_transfer(rounding: Rounding, value: int, told: int, index_ray: int) -> bool:
    """Whether a BalanceTransfer of this value can stand behind an ERC-20 Transfer that told this number.

    The Transfer tells the amount; in 3.0.0, whose BalanceTransfer does, it tells the shares.
    """
    match rounding:
        case Rounding.HALF_UP_PLAIN_TRANSFERS:
            return told == ray_div(value, index_ray)
        case Rounding.HALF_UP:
            return value == ray_div(told, index_ray)
        case Rounding.BY_OPERATION:
            return value == ray_div_ceil(told, index_ray)
        case _:
            assert_never(rounding)
