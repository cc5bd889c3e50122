"""Compound V2: the logs of one transaction to events of wallets and facts of the market. Pure.

The ledger is the truth: the sum of `scaled_delta` over a wallet's `supply_balance` entries equals `balanceOf` of the
cToken, and its last `debt_set` gives `borrowBalanceStored` exactly: amount · borrowIndex / index, rounded down.

- No event names a wallet in its topics, except Transfer: a wallet's history cannot be asked of a node, only scanned.
- Everything is told in the underlying, of which `supply_balance` moves cTokens. What a redemption or a supply cost is
  what Mint and Redeem say; what a transfer or a seizure was worth is reckoned with the exchange rate that the logs give
  (`compound_v2_state`). The same rate, times 1e9, is the liquidity index of `reserve_index`.
- A liquidation is `liquidated` and no `repaid` of the borrower; `second_amount` is the underlying of all the cTokens
  that were seized, the protocol's share included. They leave the ledger as `supply_balance`, and are no `transferred`.
- Bad debt is told by no log: what a borrower without collateral owes stays in his ledger.
- Prices are not read: Compound's oracles of 2019 to 2023 log them by symbol, each in another way.
- Which underlying a cToken has, no log says: the registry does. Logs about a cToken that it does not name are refused.

Events and arithmetic: CToken.sol and Comptroller.sol of @thenextblock/hardhat-compound@0.0.14 (compound-protocol v2.8);
those of the cTokens of 2019 from @compound-finance/compound-js@0.6.2.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from bonafides.types import EventType, Json, MarketPointKind, Role

from bonafides_ingest.deployments import Deployment
from bonafides_ingest.protocols.compound_v2 import events as abi
from bonafides_ingest.protocols.compound_v2.c_token import C_TOKEN_READERS
from bonafides_ingest.protocols.compound_v2.state import (
    MANTISSA,
    CompoundV2Deployment,
    CompoundV2Market,
    CompoundV2State,
    ContractKind,
    restore_state,
)
from bonafides_ingest.protocols.protocol import LendingProtocol
from bonafides_ingest.protocols.reading import Complaint, Fact, Reader, Reading, Routes
from bonafides_ingest.protocols.state import FactKey

type _Reading = Reading[CompoundV2State]

_BPS = 10_000


def _read_listing(reading: _Reading) -> Iterable[Fact]:
    (c_token,) = abi.MARKET_LISTED.decode(reading.log)
    return [_config_point(reading, reading.state.market_of(c_token), 0)]


def _read_entered(reading: _Reading) -> Iterator[Fact]:
    return _toggle(reading, EventType.COLLATERAL_ENABLED)


def _read_exited(reading: _Reading) -> Iterator[Fact]:
    return _toggle(reading, EventType.COLLATERAL_DISABLED)


def _toggle(reading: _Reading, type: EventType) -> Iterator[Fact]:
    # both events have one shape
    c_token, account = (abi.MARKET_ENTERED if type is EventType.COLLATERAL_ENABLED else abi.MARKET_EXITED).decode(
        reading.log
    )
    market = reading.state.markets.get(c_token)
    if market is None:
        yield Complaint("the registry does not name the cToken that was entered or left", (account,))
        return
    yield from reading.event(type, Role.OWNER, account, asset=market.underlying, amount=0, market=market.market)


def _read_collateral_factor(reading: _Reading) -> Iterable[Fact]:
    c_token, _, factor = abi.NEW_COLLATERAL_FACTOR.decode(reading.log)
    return [_config_point(reading, reading.state.market_of(c_token), factor)]


def _after_collateral_factor(reading: _Reading) -> CompoundV2State:
    c_token, _, factor = abi.NEW_COLLATERAL_FACTOR.decode(reading.log)
    state = reading.state
    return state.with_books(c_token, replace(state.books_of(c_token), collateral_factor=factor))


def _read_incentive(reading: _Reading) -> Iterable[Fact]:
    _, incentive = abi.NEW_LIQUIDATION_INCENTIVE.decode(reading.log)
    state = reading.state.with_liquidation_incentive(incentive)
    return [
        _config_point(replace(reading, state=state), market, factor)
        for c_token, market in sorted(state.markets.items())
        if (factor := state.books_of(c_token).collateral_factor)
    ]


def _after_incentive(reading: _Reading) -> CompoundV2State:
    _, incentive = abi.NEW_LIQUIDATION_INCENTIVE.decode(reading.log)
    return reading.state.with_liquidation_incentive(incentive)


def _config_point(reading: _Reading, market: CompoundV2Market, factor: int) -> Fact:
    """The factor is both how much can be borrowed against collateral and where it is liquidated."""
    bps = factor * _BPS // MANTISSA
    values = (bps, bps, reading.state.liquidation_incentive * _BPS // MANTISSA, market.decimals)
    return reading.point(MarketPointKind.RESERVE_CONFIG, market.underlying, values, market=market.market)


_KINDS = (ContractKind.COMPTROLLER,)
_COMPTROLLER_READERS: tuple[Reader[CompoundV2State], ...] = (
    Reader(_KINDS, abi.MARKET_LISTED, _read_listing, is_market=True),
    Reader(_KINDS, abi.MARKET_ENTERED, _read_entered),
    Reader(_KINDS, abi.MARKET_EXITED, _read_exited),
    Reader(_KINDS, abi.NEW_COLLATERAL_FACTOR, _read_collateral_factor, change=_after_collateral_factor, is_market=True),
    Reader(_KINDS, abi.NEW_LIQUIDATION_INCENTIVE, _read_incentive, change=_after_incentive, is_market=True),
)


class CompoundV2(LendingProtocol[CompoundV2State]):
    """Compound V2, and forks that kept its events."""

    deployment_type = CompoundV2Deployment
    routes = Routes.of((*C_TOKEN_READERS, *_COMPTROLLER_READERS))

    def restore(self, deployment: Deployment, facts: Mapping[FactKey, Json]) -> CompoundV2State:
        return restore_state(deployment, facts)
