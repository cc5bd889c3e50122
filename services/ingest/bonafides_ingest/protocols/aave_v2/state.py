"""What of an Aave V2 deployment must be known to read its logs.

```
ReserveInitialized                                      ─► Reserve: its tokens
the aToken's Initialized (releases after the first)     ─► its decimals and treasury; an upgrade may say others
AssetSourceUpdated, AnswerUpdated, PriceOracleUpdated   ─► prices: `prices.py`
```

The first release, which Ethereum's main market was deployed with, has no Initialized: there the registry says decimals
and treasury.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from bonafides.errors import InvariantViolation
from bonafides.types import ZERO_ADDRESS, Address, Json, address_text, parse_address
from pydantic import Field

from bonafides_ingest.deployments import Deployment, RegistryAddress
from bonafides_ingest.protocols.aave.prices import PricedState
from bonafides_ingest.protocols.aave.reserves import ReserveTokens, token_facts, tokens_of
from bonafides_ingest.protocols.aave_v2.prices import BaseCurrency, BasePrices
from bonafides_ingest.protocols.state import FactKey, Watched


class AaveV2Deployment(Deployment):
    """One market of Aave V2, or of a fork that kept its events and its arithmetic."""

    pool: RegistryAddress
    """LendingPool."""
    configurator: RegistryAddress
    """LendingPoolConfigurator."""
    oracle: RegistryAddress
    provider: RegistryAddress
    """LendingPoolAddressesProvider."""
    base: BaseCurrency | None = None
    """What the oracle answers in; None: USD with 8 decimals."""
    decimals: Mapping[RegistryAddress, Annotated[int, Field(ge=0, le=77)]] = Field(default_factory=dict)
    """By asset, where its aToken logs no Initialized."""
    treasuries: Annotated[tuple[RegistryAddress, ...], Field(strict=False)] = ()
    """Who collects interest and fees in aTokens, where no Initialized says it: no credit wallets."""
    rebasing: Annotated[tuple[RegistryAddress, ...], Field(strict=False)] = ()
    """Assets whose tokens divide by an index of their own, such as stETH: their logs tell no scaled balance."""

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
    REBASING_TOKEN = "rebasing_token"  # noqa: S105
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class Reserve(ReserveTokens):
    """One listed asset."""

    decimals: int | None
    """None until something says it."""


@dataclass(frozen=True)
class AaveV2State(PricedState):
    """A deployment of Aave V2 as its logs up to some point describe it."""

    market_kinds = frozenset({ContractKind.CONFIGURATOR, ContractKind.ORACLE, ContractKind.PROVIDER, ContractKind.FEED})

    deployment: AaveV2Deployment
    prices: BasePrices
    reserves: Mapping[Address, Reserve] = MappingProxyType({})
    """By asset."""
    treasuries: frozenset[Address] = frozenset()
    """Those that an Initialized named: an earlier one stays no wallet."""
    watched: Mapping[Address, Watched] = field(init=False)
    not_wallets: frozenset[Address] = field(init=False)

    def __post_init__(self) -> None:
        deployment = self.deployment
        watched = {
            deployment.pool: Watched(ContractKind.POOL, ZERO_ADDRESS),
            deployment.configurator: Watched(ContractKind.CONFIGURATOR, ZERO_ADDRESS),
            deployment.oracle: Watched(ContractKind.ORACLE, ZERO_ADDRESS),
            deployment.provider: Watched(ContractKind.PROVIDER, ZERO_ADDRESS),
        }
        for aggregator in self.prices.aggregators:
            watched[aggregator] = Watched(ContractKind.FEED, ZERO_ADDRESS)
        for asset, reserve in self.reserves.items():
            is_rebasing = asset in deployment.rebasing
            for token, kind in (
                (reserve.a_token, ContractKind.A_TOKEN),
                (reserve.variable_debt_token, ContractKind.VARIABLE_DEBT_TOKEN),
                (reserve.stable_debt_token, ContractKind.STABLE_DEBT_TOKEN),
            ):
                watched[token] = Watched(ContractKind.REBASING_TOKEN if is_rebasing else kind, asset)
        watched.pop(ZERO_ADDRESS, None)  # an asset without a feed
        # A feed is no contract of the market's: who answers is known window by window, and must decide no event.
        contracts = {address for address, what in watched.items() if what.kind is not ContractKind.FEED}
        own = {*contracts, *self.treasuries, *deployment.treasuries, *deployment.gateways}
        object.__setattr__(self, "watched", watched)
        object.__setattr__(self, "not_wallets", frozenset({ZERO_ADDRESS, *own}))

    def facts(self) -> Mapping[FactKey, Json]:
        facts: dict[FactKey, Json] = {
            ("reserve", address_text(asset)): _reserve_fact(reserve) for asset, reserve in self.reserves.items()
        }
        facts |= {("treasury", address_text(treasury)): True for treasury in self.treasuries}
        return facts | self.prices.facts()

    def a_token_of(self, asset: Address) -> Address | None:
        """The aToken of an asset; None where it is not listed."""
        reserve = self.reserves.get(asset)
        return reserve.a_token if reserve else None

    def with_reserves(self, reserves: Iterable[Reserve]) -> "AaveV2State":
        """With these listed, or listed again."""
        return replace(self, reserves={**self.reserves, **{reserve.asset: reserve for reserve in reserves}})

    def with_initialized(self, asset: Address, decimals: int, treasury: Address) -> "AaveV2State":
        """With what the aToken of a listed asset says of itself."""
        reserve = replace(self.reserves[asset], decimals=decimals)
        return replace(self, reserves={**self.reserves, asset: reserve}, treasuries=self.treasuries | {treasury})


def restore_state(deployment: Deployment, facts: Mapping[FactKey, Json]) -> AaveV2State:
    """The state that gave these facts."""
    if not isinstance(deployment, AaveV2Deployment):
        raise InvariantViolation(f"deployment {deployment.id} was handed to the reader of Aave V2")
    return AaveV2State(
        deployment,
        prices=replace(BasePrices.restore(deployment.oracle, facts), base=deployment.base),
        reserves={
            parse_address(key): _reserve(deployment, parse_address(key), fact)
            for (kind, key), fact in facts.items()
            if kind == "reserve"
        },
        treasuries=frozenset(parse_address(key) for kind, key in facts if kind == "treasury"),
    )


def _reserve_fact(reserve: Reserve) -> Json:
    return token_facts(reserve) | {"decimals": reserve.decimals}


def _reserve(deployment: AaveV2Deployment, asset: Address, fact: Json) -> Reserve:
    record, tokens = tokens_of(fact)
    logged = record["decimals"]
    # What no log told the registry may say by now.
    decimals = deployment.decimals.get(asset) if logged is None else int(str(logged))
    return Reserve(asset, *tokens, decimals)
