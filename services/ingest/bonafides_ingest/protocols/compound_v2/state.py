"""What of a Compound V2 deployment must be known to read its logs: the books of each cToken, kept from its logs alone.

```
underlying of a wallet's cTokens = cTokens · exchange rate                        (CToken.exchangeRateStoredInternal)
exchange rate (1e18) = (cash + totalBorrows − totalReserves) · 1e18 / totalSupply

Transfer from the cToken itself, to it         ─► totalSupply
AccrueInterest                                 ─► borrowIndex, totalBorrows, totalReserves (by the reserve factor), cash
Mint, Redeem, Borrow, RepayBorrow, Reserves…   ─► cash, totalBorrows, totalReserves
```

What was sent to a cToken outside of its functions is cash that no log tells until the next AccrueInterest; those of
2019 never tell it. Until then the rate, and every amount that is reckoned with it, is too low by that gift.

Source: CToken.sol of @thenextblock/hardhat-compound@0.0.14, which is compound-protocol v2.8.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Self

from bonafides.errors import InvalidMessage, InvariantViolation
from bonafides.types import ZERO_ADDRESS, ZERO_DIGEST, Address, Digest, Json, address_text, parse_address
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bonafides_ingest.deployments import Deployment, RegistryAddress
from bonafides_ingest.protocols.state import DeploymentState, FactKey, Watched

MANTISSA = 10**18
"""One, in Compound's fixed point."""
RAY_PER_MANTISSA = 10**9


class CompoundV2Market(BaseModel):
    """One cToken and what no log tells of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    c_token: RegistryAddress
    underlying: RegistryAddress
    """Of cETH, which holds the chain's coin: 0xEeee…EEeE (ERC-7528)."""
    decimals: int = Field(ge=0, le=77)
    """Of the underlying; a cToken's own are always 8."""
    apart: bool = False
    """Set for a second cToken of one underlying (Compound has two of WBTC): its positions are then kept apart from the
    first one's, by `market`."""

    @property
    def market(self) -> Digest:
        """What events and points carry as their market: zero, or the cToken where it stands apart."""
        return Digest(self.c_token.rjust(32, b"\0")) if self.apart else ZERO_DIGEST


class CompoundV2Deployment(Deployment):
    """One Comptroller of Compound V2, or of a fork that kept its events, and its cTokens."""

    comptroller: RegistryAddress
    """Unitroller, the proxy: it emits the logs."""
    markets: Annotated[tuple[CompoundV2Market, ...], Field(strict=False, min_length=1)]

    def contracts(self) -> frozenset[Address]:
        return frozenset({self.comptroller, *(market.c_token for market in self.markets)})

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(self.contracts()) != len(self.markets) + 1:
            raise ValueError("two of the contracts have the same address")
        shared = [market.underlying for market in self.markets if not market.apart]
        if len(shared) != len(set(shared)):
            raise ValueError("two cTokens have the same underlying: set `apart: true` for the later one")
        return self


class ContractKind(StrEnum):
    """What a watched contract is: it decides which events it can emit."""

    COMPTROLLER = "comptroller"
    C_TOKEN = "c_token"  # noqa: S105  # no password


@dataclass(frozen=True, slots=True)
class Books:
    """A cToken's totals after some log. Amounts in the underlying's smallest unit, factors in 1e18."""

    borrow_index: int = MANTISSA
    """As `initialize` sets it, which no log tells."""
    total_supply: int = 0
    """cTokens."""
    total_borrows: int = 0
    total_reserves: int = 0
    cash: int = 0
    reserve_factor: int = 0
    collateral_factor: int = 0

    @property
    def exchange_rate(self) -> int:
        """Underlying per cToken, 1e18; 0 while there are no cTokens, when the contract has a rate that no log tells."""
        holdings = self.cash + self.total_borrows - self.total_reserves
        return holdings * MANTISSA // self.total_supply if self.total_supply > 0 and holdings > 0 else 0

    def underlying_of(self, c_tokens: int) -> int:
        """What so many cTokens are worth, rounded down as the contract does."""
        return c_tokens * self.exchange_rate // MANTISSA

    def accrued(self, interest: int, borrow_index: int, total_borrows: int, cash: int | None) -> "Books":
        """After an AccrueInterest; `cash` where it tells it."""
        return replace(
            self,
            borrow_index=borrow_index,
            total_borrows=total_borrows,
            total_reserves=self.total_reserves + self.reserve_factor * interest // MANTISSA,
            cash=self.cash if cash is None else cash,
        )


@dataclass(frozen=True)
class CompoundV2State(DeploymentState):
    """A deployment of Compound V2 as its logs up to some point describe it."""

    deployment: CompoundV2Deployment
    books: Mapping[Address, Books] = MappingProxyType({})
    """By cToken; one that has not logged yet is not there."""
    liquidation_incentive: int = 0
    """What a liquidator gets for one of debt, 1e18."""
    watched: Mapping[Address, Watched] = field(init=False)
    not_wallets: frozenset[Address] = field(init=False)
    markets: Mapping[Address, CompoundV2Market] = field(init=False)
    """By cToken."""

    def __post_init__(self) -> None:
        deployment = self.deployment
        watched = {deployment.comptroller: Watched(ContractKind.COMPTROLLER, ZERO_ADDRESS)}
        for market in deployment.markets:
            watched[market.c_token] = Watched(ContractKind.C_TOKEN, market.underlying)
        object.__setattr__(self, "watched", watched)
        object.__setattr__(self, "markets", {market.c_token: market for market in deployment.markets})
        object.__setattr__(self, "not_wallets", frozenset({ZERO_ADDRESS, *watched, *deployment.gateways}))

    def facts(self) -> Mapping[FactKey, Json]:
        facts: dict[FactKey, Json] = {
            ("books", address_text(c_token)): {name: str(getattr(books, name)) for name in _BOOK_FIELDS}
            for c_token, books in self.books.items()
        }
        if self.liquidation_incentive:
            facts["liquidation_incentive", ""] = str(self.liquidation_incentive)
        return facts

    def books_of(self, c_token: Address) -> Books:
        """The books of a cToken; empty before its first log."""
        return self.books.get(c_token, _EMPTY_BOOKS)

    def market_of(self, c_token: Address) -> CompoundV2Market:
        """The registry's entry. Raises InvalidMessage where it has none."""
        market = self.markets.get(c_token)
        if market is None:
            raise InvalidMessage(
                f"log refused: the registry does not name the cToken {address_text(c_token)}, so its underlying is "
                "unknown; add it to the deployment's markets"
            )
        return market

    def with_books(self, c_token: Address, books: Books) -> "CompoundV2State":
        """With these books. What is watched does not change, so nothing is derived again."""
        changed = object.__new__(CompoundV2State)
        changed.__dict__.update(self.__dict__ | {"books": {**self.books, c_token: books}})
        return changed

    def with_liquidation_incentive(self, incentive: int) -> "CompoundV2State":
        """With this incentive for liquidators."""
        return replace(self, liquidation_incentive=incentive)


_EMPTY_BOOKS = Books()
_BOOK_FIELDS = tuple(entry.name for entry in fields(Books))


def restore_state(deployment: Deployment, facts: Mapping[FactKey, Json]) -> CompoundV2State:
    """The state that gave these facts."""
    if not isinstance(deployment, CompoundV2Deployment):
        raise InvariantViolation(f"deployment {deployment.id} was handed to the reader of Compound V2")
    return CompoundV2State(
        deployment,
        books={parse_address(key): _books(fact) for (kind, key), fact in facts.items() if kind == "books"},
        liquidation_incentive=int(str(facts.get(("liquidation_incentive", ""), 0))),
    )


def _books(fact: Json) -> Books:
    if not isinstance(fact, dict) or set(fact) != set(_BOOK_FIELDS):
        raise InvariantViolation("stored books are no record of a cToken: the table was changed by hand")
    return Books(**{name: int(str(value)) for name, value in fact.items()})
