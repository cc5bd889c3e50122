"""Price feeds as the registry lists them: how old an answer may be, and who answered where a source says so."""

import re
from itertools import pairwise
from typing import Annotated, Self

from bonafides.types import ChainId
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bonafides_ingest.feeds import ListedFeed, Phase
from bonafides_ingest.registry_entries import SOURCE, RegistryAddress


class FeedPhaseEntry(BaseModel):
    """Who answers from a block on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    aggregator: RegistryAddress
    from_block: int = Field(ge=0)
    """First block at whose end it does."""


class FeedEntry(BaseModel):
    """One price feed of one chain: what an oracle names as a source."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    chain_id: ChainId = Field(ge=1)
    address: RegistryAddress
    decimals: int = Field(ge=0, le=36)
    """Of its answers."""
    max_age_s: int = Field(ge=0)
    """How old an answer may be and still be a price; 0: as old as it likes. Its heartbeat, and some."""
    phases: Annotated[tuple[FeedPhaseEntry, ...], Field(strict=False)] = ()
    """Empty: the node is asked."""
    source: str
    """Where this is from: package@version or repository@commit."""

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if not re.match(SOURCE, self.source):
            raise ValueError("source must be package@version or repository@commit")
        if any(earlier.from_block >= later.from_block for earlier, later in pairwise(self.phases)):
            raise ValueError("phases must begin at ascending blocks")
        return self

    @property
    def listed(self) -> ListedFeed:
        """What it says."""
        return ListedFeed(self.max_age_s, tuple(Phase(phase.from_block, phase.aggregator) for phase in self.phases))
