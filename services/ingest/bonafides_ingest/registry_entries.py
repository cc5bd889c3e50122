"""What every entry of the registry says: contracts of one chain, from which block on, and who says so."""

import re
from abc import ABC, abstractmethod
from typing import Annotated, Self

from bonafides.errors import BonafidesError
from bonafides.events import BlockRange
from bonafides.types import DEVELOPMENT_CHAINS, Address, ChainId, parse_address
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

LAST_BLOCK = 2**63 - 1
"""The end of a deployment that goes on."""
SOURCE = r"^(@[\w.-]+/)?[\w.-]+(/[\w.-]+)?@[\w.+-]+$"
"""package@version or repository@commit."""


def _address(value: object) -> object:
    """YAML reads an unquoted 0x… as a number: refused with the remedy."""
    if not isinstance(value, str):
        raise ValueError("expected an address in quotes")  # noqa: TRY004  # what pydantic asks for
    try:
        return parse_address(value)
    except BonafidesError as exc:
        raise ValueError(str(exc)) from exc


type RegistryAddress = Annotated[Address, BeforeValidator(_address)]


class RegistryEntry(BaseModel, ABC):
    """Some contracts of one chain, to be read from one block to another."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    """Such as `aave-v3-ethereum`; stands in every event, never changed."""
    chain_id: ChainId = Field(ge=1)
    from_block: int = Field(ge=0)
    """First block to read: at or before the first log. Never lowered once blocks of this id were read."""
    to_block: int = Field(default=LAST_BLOCK, ge=0, le=LAST_BLOCK)
    """Last block to read, of a deployment that ended or went over to an entry of its own."""
    source: str
    """Where the addresses are from: package@version or repository@commit."""
    development: bool = False
    """On a development chain only: refused elsewhere."""

    @abstractmethod
    def contracts(self) -> frozenset[Address]:
        """The addresses that stand in this entry and decide what its logs say."""

    @property
    def span(self) -> BlockRange:
        """The blocks to read."""
        return BlockRange(self.from_block, self.to_block)

    def covers(self, block_number: int) -> bool:
        """Whether logs of this block can be this entry's."""
        return self.from_block <= block_number <= self.to_block

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if not re.match(SOURCE, self.source):
            raise ValueError("source must be package@version or repository@commit")
        if self.to_block < self.from_block:
            raise ValueError("to_block lies before from_block")
        if self.development != (self.chain_id in DEVELOPMENT_CHAINS):
            raise ValueError("development must be true on a development chain and false elsewhere")
        return self
