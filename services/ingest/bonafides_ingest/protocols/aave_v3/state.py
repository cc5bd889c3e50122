"""What of an Aave V3 deployment must be known to read its logs. All of it comes from logs, so a replay finds it again.

```
ReserveInitialized + the aToken's Initialized (same transaction)  ─► Reserve: its tokens, decimals, treasury
Initialized of a listed aToken (an upgrade)                       ─► another treasury, besides
PoolUpdated                                                       ─► which implementation the Pool has: how it rounds
AssetSourceUpdated, AnswerUpdated, PriceOracleUpdated             ─► prices: `aave/prices.py`
```
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Self

from bonafides.errors import InvalidSettings, InvariantViolation
from bonafides.types import ZERO_ADDRESS, Address, Json, address_text, parse_address
from pydantic import Field, model_validator

from bonafides_ingest.deployments import Deployment, RegistryAddress
from bonafides_ingest.protocols.aave.prices import AavePrices, PricedState
from bonafides_ingest.protocols.aave.reserves import ReserveTokens, token_facts, tokens_of
from bonafides_ingest.protocols.aave_v3.rounding import Paired, PoolVersion, Rounding
from bonafides_ingest.protocols.state import FactKey, Watched


class AaveV3Deployment(Deployment):
    """One market of Aave V3, or of a fork such as Spark."""

    pool: RegistryAddress
    configurator: RegistryAddress
    oracle: RegistryAddress
    provider: RegistryAddress
    """PoolAddressesProvider."""
    pool_versions: Annotated[tuple[PoolVersion, ...], Field(strict=False)] = ()
    """The implementations that the Pool has had, and how each rounds. Under another one the tokens are not read."""
    token_implementations: Annotated[tuple[RegistryAddress, ...], Field(strict=False)] = ()
    """What the tokens may be upgraded to, where they can be without the Pool: after another one they are not read.
    Empty: they are upgraded together with the Pool alone."""
    rounding: Annotated[Rounding | None, Field(strict=False)] = None
    """How this deployment rounds, whatever its Pool: on a development chain alone, instead of `pool_versions`."""

    @model_validator(mode="after")
    def _rounds(self) -> Self:
        if (self.rounding is None) != bool(self.pool_versions):
            raise ValueError("expected pool_versions, or on a development chain rounding, and not both")
        if self.rounding is not None and not self.development:
            raise ValueError("rounding is for development chains: expected pool_versions")
        implementations = [version.implementation for version in self.pool_versions]
        if len(implementations) != len(set(implementations)):
            raise ValueError("pool_versions names an implementation twice")
        return self

    def rounding_of(self, implementation: Address | None) -> Rounding | None:
        """How the tokens round under this implementation of the Pool; None where nobody said."""
        if self.rounding is not None:
            return self.rounding
        return next((v.rounding for v in self.pool_versions if v.implementation == implementation), None)

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
class Reserve(ReserveTokens):
    """One listed asset."""

    decimals: int
    treasury: Address
    """Collects interest and fees in aTokens; no credit wallet."""


@dataclass(frozen=True)
class AaveV3State(PricedState):
    """A deployment of Aave V3 as its logs up to some point describe it."""

    market_kinds = frozenset({ContractKind.CONFIGURATOR, ContractKind.ORACLE, ContractKind.PROVIDER, ContractKind.FEED})

    deployment: AaveV3Deployment
    reserves: Mapping[Address, Reserve] = MappingProxyType({})
    """By asset."""
    prices: AavePrices = field(default=None)  # type: ignore[assignment]  # those of a market before its first log
    implementation: Address | None = None
    """Of the Pool; None before a log names one."""
    treasuries: frozenset[Address] = frozenset()
    """Treasuries of aTokens since they were upgraded, besides those of the listings."""
    foreign_tokens: frozenset[Address] = frozenset()
    """Implementations that tokens were upgraded to and that the registry entry does not list."""
    paired: Paired = field(default_factory=Paired, compare=False, repr=False)
    """Of the transaction that is being read, where its tokens round by operation. Not kept."""
    watched: Mapping[Address, Watched] = field(init=False)
    not_wallets: frozenset[Address] = field(init=False)

    def __post_init__(self) -> None:
        deployment = self.deployment
        if self.prices is None:
            object.__setattr__(self, "prices", AavePrices(deployment.oracle))
        watched = {
            deployment.pool: Watched(ContractKind.POOL, ZERO_ADDRESS),
            deployment.configurator: Watched(ContractKind.CONFIGURATOR, ZERO_ADDRESS),
            deployment.oracle: Watched(ContractKind.ORACLE, ZERO_ADDRESS),
            deployment.provider: Watched(ContractKind.PROVIDER, ZERO_ADDRESS),
        }
        for aggregator in self.prices.aggregators:
            watched[aggregator] = Watched(ContractKind.FEED, ZERO_ADDRESS)
        for reserve in self.reserves.values():
            watched[reserve.a_token] = Watched(ContractKind.A_TOKEN, reserve.asset)
            watched[reserve.variable_debt_token] = Watched(ContractKind.VARIABLE_DEBT_TOKEN, reserve.asset)
            watched[reserve.stable_debt_token] = Watched(ContractKind.STABLE_DEBT_TOKEN, reserve.asset)
        watched.pop(ZERO_ADDRESS, None)  # an asset without a feed; a reserve without stable debt (V3.2 and later)
        treasuries = {*self.treasuries, *(reserve.treasury for reserve in self.reserves.values())}
        object.__setattr__(self, "watched", watched)
        # A feed is no contract of the market's: who answers is known window by window, and must decide no event.
        own = {address for address, what in watched.items() if what.kind is not ContractKind.FEED}
        object.__setattr__(self, "not_wallets", frozenset({ZERO_ADDRESS, *own, *treasuries, *deployment.gateways}))

    def facts(self) -> Mapping[FactKey, Json]:
        facts: dict[FactKey, Json] = {
            ("reserve", address_text(asset)): _reserve_fact(reserve) for asset, reserve in self.reserves.items()
        }
        for treasury in self.treasuries:
            facts["treasury", address_text(treasury)] = True
        for token in self.foreign_tokens:
            facts["foreign_token", address_text(token)] = True
        if self.implementation is not None:
            facts["pool_implementation", ""] = {
                "implementation": address_text(self.implementation),
                "rounding": None if self.rounding is None else self.rounding.value,
            }
        return facts | self.prices.facts()

    @property
    def rounding(self) -> Rounding | None:
        """How the tokens round from here on; None where the Pool's implementation is not known, or a token's."""
        return None if self.foreign_tokens else self.deployment.rounding_of(self.implementation)

    def a_token_of(self, asset: Address) -> Address | None:
        """The aToken of an asset; None where it is not listed."""
        reserve = self.reserves.get(asset)
        return reserve.a_token if reserve else None

    def with_reserves(self, reserves: Iterable[Reserve]) -> "AaveV3State":
        """With these listed, or listed again."""
        return replace(self, reserves={**self.reserves, **{reserve.asset: reserve for reserve in reserves}})

    def with_implementation(self, implementation: Address) -> "AaveV3State":
        """With this implementation of the Pool."""
        return replace(self, implementation=implementation)

    def with_treasury(self, treasury: Address) -> "AaveV3State":
        """With one more treasury."""
        return replace(self, treasuries=self.treasuries | {treasury})

    def with_token_implementation(self, implementation: Address) -> "AaveV3State":
        """With one more that a token has."""
        listed = self.deployment.token_implementations
        if not listed or implementation in listed:
            return self
        return replace(self, foreign_tokens=self.foreign_tokens | {implementation})

    def with_paired(self, paired: Paired) -> "AaveV3State":
        """With this transaction's pairs. What is watched does not change, so nothing is derived again."""
        changed = object.__new__(AaveV3State)
        changed.__dict__.update(self.__dict__ | {"paired": paired})
        return changed


def restore_state(deployment: Deployment, facts: Mapping[FactKey, Json]) -> AaveV3State:
    """The state that gave these facts."""
    if not isinstance(deployment, AaveV3Deployment):
        raise InvariantViolation(f"deployment {deployment.id} was handed to the reader of Aave V3")
    return AaveV3State(
        deployment,
        reserves={
            parse_address(key): _reserve(parse_address(key), fact)
            for (kind, key), fact in facts.items()
            if kind == "reserve"
        },
        prices=AavePrices.restore(deployment.oracle, facts),
        implementation=_implementation(deployment, facts.get(("pool_implementation", ""))),
        treasuries=frozenset(parse_address(key) for kind, key in facts if kind == "treasury"),
        foreign_tokens=frozenset(parse_address(key) for kind, key in facts if kind == "foreign_token")
        - frozenset(deployment.token_implementations),
    )


def _implementation(deployment: AaveV3Deployment, fact: Json) -> Address | None:
    if fact is None:
        return None
    if not isinstance(fact, dict):
        raise InvariantViolation("a stored implementation of the Pool is no record: the table was changed by hand")
    implementation = parse_address(str(fact["implementation"]))
    if fact["rounding"] not in (None, deployment.rounding_of(implementation)):
        raise InvalidSettings(
            f"deployment {deployment.id}: the logs were read with the rounding {fact['rounding']} and the registry now "
            "says another for the same Pool: enter the deployment under another id"
        )
    return implementation


def _reserve_fact(reserve: Reserve) -> Json:
    return token_facts(reserve) | {"decimals": reserve.decimals, "treasury": address_text(reserve.treasury)}


def _reserve(asset: Address, fact: Json) -> Reserve:
    record, tokens = tokens_of(fact)
    return Reserve(asset, *tokens, int(str(record["decimals"])), parse_address(str(record["treasury"])))
