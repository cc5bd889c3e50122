"""What of a deployment must be known to read its logs. All of it comes from its logs, so a replay finds it again."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Self

from bonafides.types import Address, Json

from bonafides_ingest.deployments import Deployment

type FactKey = tuple[str, str]
"""Kind of a fact, and what tells it from others of its kind."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A contract whose logs we read."""

    kind: StrEnum
    """What it is: it decides which events it can emit."""
    asset: Address
    """Of a token of the protocol, its underlying; else the zero address."""


class DeploymentState(ABC):
    """A deployment as its logs up to some point describe it. Frozen: changing it gives a new one."""

    market_kinds: ClassVar[frozenset[StrEnum]] = frozenset()
    """Kinds of contracts that speak of markets and of no wallet."""

    deployment: Deployment
    watched: Mapping[Address, Watched]
    not_wallets: frozenset[Address]
    """The protocol's own contracts, gateways and treasuries, and the zero address: no credit history of theirs is
    kept."""

    @abstractmethod
    def facts(self) -> Mapping[FactKey, Json]:
        """What a restart must find again. A fact may change, and is never taken back."""

    def facts_since(self, earlier: Self) -> Mapping[FactKey, Json]:
        """Those that are new or other than in an earlier state. A state of very many facts knows a shorter way."""
        known = earlier.facts()
        return {key: value for key, value in self.facts().items() if key not in known or known[key] != value}
