"""What of an Aave V3 deployment must be known to read its logs. All of it comes from logs, so a replay finds it again.

```
ReserveInitialized + the aToken's Initialized (same transaction)  ─► Reserve: its tokens, decimals, treasury
AssetSourceUpdated  ─► which feed prices an asset from here on
AnswerUpdated       ─► a feed's latest answer, for the next AssetSourceUpdated
PriceOracleUpdated  ─► which oracle the market asks; with another one than the registry's no price is known
```
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from bonafides.errors import InvariantViolation
from bonafides.types import ZERO_ADDRESS, Address, Json, address_text, parse_address

from bonafides_ingest.deployments import Deployment, RegistryAddress
from bonafides_ingest.protocols.state import DeploymentState, FactKey, Watched


class AaveV3Deployment(Deployment):
    """One market of Aave V3, or of a fork such as Spark."""

    pool: RegistryAddress
    configurator: RegistryAddress
    oracle: RegistryAddress
    provider: RegistryAddress
    """PoolAddressesProvider."""

    def contracts(self) -> frozenset[Address]:
        return frozenset({self.pool, self.configurator, self.oracle, self.provider})


class ContractKind(StrEnum):
    """What a watched contract is: it decides which events it can emit."""

    POOL = "pool"
    CONFIGURATOR = "configurator"
    ORACLE = "oracle"
    PROVIDER = "provider"
    A_TOKEN = "a_token"  # noqa: S105  # no password
    VARIABLE_DEBT_TOKEN = "variable_debt_token"  # noqa: S105
    STABLE_DEBT_TOKEN = "stable_debt_token"  # noqa: S105
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class Reserve:
    """One listed asset."""

    asset: Address
    a_token: Address
    stable_debt_token: Address
    variable_debt_token: Address
    decimals: int
    treasury: Address
    """Collects interest and fees in aTokens; no credit wallet."""


@dataclass(frozen=True)
class AaveV3State(DeploymentState):
    """A deployment of Aave V3 as its logs up to some point describe it."""

    market_kinds = frozenset({ContractKind.CONFIGURATOR, ContractKind.ORACLE, ContractKind.PROVIDER, ContractKind.FEED})

    deployment: AaveV3Deployment
    reserves: Mapping[Address, Reserve] = MappingProxyType({})
    """By asset."""
    sources: Mapping[Address, Address] = MappingProxyType({})
    """Feed of each asset."""
    answers: Mapping[Address, int] = MappingProxyType({})
    """Latest answer of each feed that was seen, priced in by an oracle yet or not: USD · 1e8, 0 where it is no price. A
    restart forgets them."""
    asked_oracle: Address | None = None
    """The price oracle that the market asks; the registry's (None) until a log names another."""
    watched: Mapping[Address, Watched] = field(init=False)
    not_wallets: frozenset[Address] = field(init=False)
    assets_by_feed: Mapping[Address, tuple[Address, ...]] = field(init=False)
    """Ascending, so that the points of one answer come in the same order in every replay."""

    def __post_init__(self) -> None:
        deployment = self.deployment
        watched = {
            deployment.pool: Watched(ContractKind.POOL, ZERO_ADDRESS),
            deployment.configurator: Watched(ContractKind.CONFIGURATOR, ZERO_ADDRESS),
            deployment.oracle: Watched(ContractKind.ORACLE, ZERO_ADDRESS),
            deployment.provider: Watched(ContractKind.PROVIDER, ZERO_ADDRESS),
        }
        by_feed: dict[Address, tuple[Address, ...]] = {}
        for asset, feed in sorted(self.sources.items()):
            watched[feed] = Watched(ContractKind.FEED, ZERO_ADDRESS)
            by_feed[feed] = (*by_feed.get(feed, ()), asset)
        for reserve in self.reserves.values():
            watched[reserve.a_token] = Watched(ContractKind.A_TOKEN, reserve.asset)
            watched[reserve.variable_debt_token] = Watched(ContractKind.VARIABLE_DEBT_TOKEN, reserve.asset)
            watched[reserve.stable_debt_token] = Watched(ContractKind.STABLE_DEBT_TOKEN, reserve.asset)
        watched.pop(ZERO_ADDRESS, None)  # an asset without a feed; a reserve without stable debt (V3.2 and later)
        treasuries = {reserve.treasury for reserve in self.reserves.values()}
        object.__setattr__(self, "watched", watched)
        object.__setattr__(self, "assets_by_feed", by_feed)
        object.__setattr__(self, "not_wallets", frozenset({ZERO_ADDRESS, *watched, *treasuries, *deployment.gateways}))

    def facts(self) -> Mapping[FactKey, Json]:
        facts: dict[FactKey, Json] = {
            ("reserve", address_text(asset)): _reserve_fact(reserve) for asset, reserve in self.reserves.items()
        }
        for asset, feed in self.sources.items():
            facts["price_source", address_text(asset)] = address_text(feed)
        if self.asked_oracle is not None:
            facts["asked_oracle", ""] = address_text(self.asked_oracle)
        return facts

    @property
    def is_oracle_known(self) -> bool:
        """Whether the market asks the oracle whose sources are read."""
        return self.asked_oracle in (None, self.deployment.oracle)

    def price_of(self, asset: Address) -> int:
        """USD · 1e8; 0 where it is unknown: another oracle, no feed, or one that never answered with a price."""
        return self.answers.get(self.sources.get(asset, ZERO_ADDRESS), 0) if self.is_oracle_known else 0

    def with_reserves(self, reserves: Iterable[Reserve]) -> "AaveV3State":
        """With these listed, or listed again."""
        return replace(self, reserves={**self.reserves, **{reserve.asset: reserve for reserve in reserves}})

    def with_source(self, asset: Address, feed: Address) -> "AaveV3State":
        """With this feed for this asset."""
        return replace(self, sources={**self.sources, asset: feed})

    def with_oracle(self, oracle: Address) -> "AaveV3State":
        """With the market asking this oracle."""
        return replace(self, asked_oracle=oracle)

    def with_answers_of_watched(self) -> "AaveV3State":
        """Without the answers of feeds that price nothing now: they are not fetched, so newer ones may be missing."""
        known = {feed: answer for feed, answer in self.answers.items() if feed in self.assets_by_feed}
        return self if len(known) == len(self.answers) else replace(self, answers=known)

    def with_answer(self, feed: Address, answer: int) -> "AaveV3State":
        """With this latest answer of a feed. What is watched does not change, so nothing is derived again."""
        changed = object.__new__(AaveV3State)
        changed.__dict__.update(self.__dict__ | {"answers": {**self.answers, feed: answer}})
        return changed


def restore_state(deployment: Deployment, facts: Mapping[FactKey, Json]) -> AaveV3State:
    """The state that gave these facts."""
    if not isinstance(deployment, AaveV3Deployment):
        raise InvariantViolation(f"deployment {deployment.id} was handed to the reader of Aave V3")
    oracle = facts.get(("asked_oracle", ""))
    return AaveV3State(
        deployment,
        reserves={
            parse_address(key): _reserve(parse_address(key), fact)
            for (kind, key), fact in facts.items()
            if kind == "reserve"
        },
        sources={
            parse_address(key): parse_address(str(fact))
            for (kind, key), fact in facts.items()
            if kind == "price_source"
        },
        asked_oracle=None if oracle is None else parse_address(str(oracle)),
    )


_TOKEN_FIELDS = ("a_token", "stable_debt_token", "variable_debt_token", "treasury")


def _reserve_fact(reserve: Reserve) -> Json:
    tokens: dict[str, Json] = {name: address_text(getattr(reserve, name)) for name in _TOKEN_FIELDS}
    return tokens | {"decimals": reserve.decimals}


def _reserve(asset: Address, fact: Json) -> Reserve:
    if not isinstance(fact, dict):
        raise InvariantViolation("a stored reserve is no record: the table was changed by hand")
    a_token, stable, variable, treasury = (parse_address(str(fact[name])) for name in _TOKEN_FIELDS)
    return Reserve(asset, a_token, stable, variable, int(str(fact["decimals"])), treasury)
