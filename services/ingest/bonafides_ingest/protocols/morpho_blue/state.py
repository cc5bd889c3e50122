"""What of a Morpho Blue deployment must be known to read its logs: its markets, and who gets the fees."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bonafides.errors import InvalidMessage, InvariantViolation
from bonafides.types import ZERO_ADDRESS, Address, Digest, Json, address_text, parse_address
from rpds import HashTrieMap

from bonafides_ingest.deployments import Deployment, RegistryAddress
from bonafides_ingest.protocols.state import DeploymentState, FactKey, Watched


class MorphoBlueDeployment(Deployment):
    """Morpho Blue on one chain: one contract holds all its markets."""

    morpho: RegistryAddress

    def contracts(self) -> frozenset[Address]:
        return frozenset({self.morpho})


class ContractKind(StrEnum):
    """What a watched contract is."""

    MORPHO = "morpho"


@dataclass(frozen=True, slots=True)
class Market:
    """One isolated market. Its tokens never change."""

    loan: Address
    collateral: Address
    fee_wad: int = 0
    """Share of the interest that the fee recipient gets; 1e18 is all of it."""


@dataclass(frozen=True)
class MorphoBlueState(DeploymentState):
    """A deployment of Morpho Blue as its logs up to some point describe it."""

    deployment: MorphoBlueDeployment
    markets: "HashTrieMap[Digest, Market]" = field(default_factory=HashTrieMap)
    """By id. There are thousands, and anybody may make one. Quoted: rpds has no generics at run time."""
    fee_recipient: Address = ZERO_ADDRESS
    watched: Mapping[Address, Watched] = field(init=False)
    not_wallets: frozenset[Address] = field(init=False)

    def __post_init__(self) -> None:
        watched = {self.deployment.morpho: Watched(ContractKind.MORPHO, ZERO_ADDRESS)}
        object.__setattr__(self, "watched", watched)
        object.__setattr__(self, "not_wallets", frozenset({ZERO_ADDRESS, *watched, *self.deployment.gateways}))

    def facts(self) -> Mapping[FactKey, Json]:
        facts: dict[FactKey, Json] = {
            ("market", id.hex()): {
                "loan": address_text(market.loan),
                "collateral": address_text(market.collateral),
                "fee_wad": market.fee_wad,
            }
            for id, market in self.markets.items()
        }
        return facts | {("fee_recipient", ""): address_text(self.fee_recipient)}

    def market(self, id: Digest) -> Market:
        """A market by its id. Raises InvalidMessage for one whose CreateMarket was not read."""
        market = self.markets.get(id)
        if market is None:
            raise InvalidMessage("log of an unknown market: no CreateMarket log of its id was read before it")
        return market

    def with_market(self, id: Digest, market: Market) -> "MorphoBlueState":
        """With this market, or with this of it."""
        return replace(self, markets=self.markets.insert(id, market))

    def with_fee_recipient(self, fee_recipient: Address) -> "MorphoBlueState":
        """With fees going there from now on."""
        return replace(self, fee_recipient=fee_recipient)


def restore_state(deployment: Deployment, facts: Mapping[FactKey, Json]) -> MorphoBlueState:
    """The state that gave these facts."""
    if not isinstance(deployment, MorphoBlueDeployment):
        raise InvariantViolation(f"deployment {deployment.id} was handed to the reader of Morpho Blue")
    markets = {Digest(bytes.fromhex(key)): _market(fact) for (kind, key), fact in facts.items() if kind == "market"}
    recipient = facts.get(("fee_recipient", ""))
    return MorphoBlueState(
        deployment,
        markets=HashTrieMap(markets),
        fee_recipient=ZERO_ADDRESS if recipient is None else parse_address(str(recipient)),
    )


def _market(fact: Json) -> Market:
    if not isinstance(fact, dict):
        raise InvariantViolation("a stored market is no record: the table was changed by hand")
    loan, collateral = (parse_address(str(fact[name])) for name in ("loan", "collateral"))
    return Market(loan, collateral, int(str(fact["fee_wad"])))
