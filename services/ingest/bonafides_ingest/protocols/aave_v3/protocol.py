"""Aave V3: the logs of one transaction to events of wallets and facts of the market. Pure.

The ledger is the truth: a wallet's position is the sum of `scaled_delta` over its `supply_balance` and `debt_balance`
entries, and equals the contracts' `scaledBalanceOf`. The Pool's events (supplied, borrowed, …) say what was meant.

- The debtor is `onBehalfOf`, not the caller. An event that touches two wallets is one event per role.
- The protocol's own contracts, its treasuries and the zero address are no credit wallets: they get no event, and are no
  counterparty. What a wallet pays to the treasury still leaves its ledger.
- A gateway that wraps the chain's coin acts for its caller: no wallet, no counterparty. What it withdraws, its caller
  withdrew.
- A flash loan that is paid back is no event; one that becomes debt is a borrow like any other.
- How amounts become scaled balances depends on the Pool's version: see `rounding`.
- Debt at a stable rate has no shares: `stable_debt_set` entries tell its principal and its rate (`aave/stable.py`).
- An asset's price changes when its feed answers, and when the oracle is given another feed: then it becomes that feed's
  latest answer. A price point stands at the log that made the change. Where the price becomes unknown the point says 0:
  no answer, none that is positive, no feed, or a market that asks an oracle which the registry does not know.

Arithmetic and events: @aave/core-v3@1.19.3, @aave-dao/aave-v3-origin@3.6.0 (`ScaledBalanceTokenBase`, `AToken`).
"""

from collections.abc import Mapping, Sequence

from bonafides.errors import InvalidMessage
from bonafides.types import ZERO_ADDRESS, Address, Json

from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.protocols.aave import search
from bonafides_ingest.protocols.aave.prices import PricedProtocol
from bonafides_ingest.protocols.aave.reserves import ReserveTokens
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.ledger import LEDGER_READERS
from bonafides_ingest.protocols.aave_v3.market import MARKET_READERS
from bonafides_ingest.protocols.aave_v3.pairing import pair_transaction
from bonafides_ingest.protocols.aave_v3.pool import POOL_READERS
from bonafides_ingest.protocols.aave_v3.rounding import Rounding
from bonafides_ingest.protocols.aave_v3.state import AaveV3Deployment, AaveV3State, Reserve, restore_state
from bonafides_ingest.protocols.aave_v3.upgrades import TOKEN_UPGRADES, UPGRADE_READERS
from bonafides_ingest.protocols.protocol import Discovery
from bonafides_ingest.protocols.reading import Routes
from bonafides_ingest.protocols.search import Criteria, contracts_of_wallets, logs_of, naming, wallet_signatures
from bonafides_ingest.protocols.state import FactKey


class AaveV3(PricedProtocol[AaveV3State]):
    """Aave V3 and its forks."""

    deployment_type = AaveV3Deployment
    routes = Routes.of((*POOL_READERS, *LEDGER_READERS, *MARKET_READERS, *UPGRADE_READERS))

    def restore(self, deployment: Deployment, facts: Mapping[FactKey, Json]) -> AaveV3State:
        return restore_state(deployment, facts)

    def discover(self, state: AaveV3State, logs: Sequence[Log]) -> Discovery:
        tokens: set[Address] = set()
        feeds: set[Address] = set()
        for log in logs:
            try:
                if _is(log, state.deployment.configurator, abi.RESERVE_INITIALIZED):
                    _, a_token, stable, variable, _ = abi.RESERVE_INITIALIZED.decode(log)
                    tokens |= {a_token, stable, variable}
                elif _is(log, state.deployment.oracle, abi.ASSET_SOURCE_UPDATED):
                    feeds.add(abi.ASSET_SOURCE_UPDATED.decode(log)[1])
                elif _is(log, state.deployment.provider, abi.PRICE_ORACLE_UPDATED):
                    feeds |= state.prices.feeds  # when the market comes back to our oracle, they price again
            except InvalidMessage:
                continue  # refused, with its reason, when it is decoded
        return Discovery(frozenset(tokens - {*state.watched, ZERO_ADDRESS}), frozenset(feeds - {ZERO_ADDRESS}))

    def begin_transaction(self, state: AaveV3State, logs: Sequence[Log]) -> AaveV3State:
        """With the reserves that this transaction lists: their tokens' logs come before the listing.

        And with what its Pool logs tell about token logs before them, where the tokens round by operation.
        """
        reserves = _listed_reserves(state, logs)
        if reserves:
            state = state.with_reserves(reserves)
        may_upgrade = any(log.address == state.deployment.provider for log in logs)
        if may_upgrade or state.rounding is Rounding.BY_OPERATION:
            state = state.with_paired(pair_transaction(logs, state.watched))
        return state

    def pass_over(self, state: AaveV3State, log: Log) -> AaveV3State:
        """Feeds answer before an oracle names them; only files show us such logs."""
        if log.topics[0] != abi.ANSWER_UPDATED.topic0:
            return state
        return state.with_prices(state.prices.with_answer(log))

    def configuration(self, state: AaveV3State, found: Sequence[Log]) -> tuple[Criteria, ...]:
        """Listings, and upgrades as far as they change how logs are read. Prices are no wallet's matter."""
        entry, reserves = state.deployment, self._listed(state, found)
        upgrades = (abi.POOL_UPDATED.topic0, abi.ADDRESS_SET.topic0, abi.ADDRESS_SET_AS_PROXY.topic0)
        return (
            logs_of({entry.provider}, upgrades),
            logs_of({entry.configurator}, (abi.RESERVE_INITIALIZED.topic0, *TOKEN_UPGRADES)),
            logs_of({reserve.a_token for reserve in reserves}, (abi.INITIALIZED.topic0,)),
        )

    def naming(self, state: AaveV3State, found: Sequence[Log], wallet: Address) -> tuple[Criteria, ...]:
        reserves = self._listed(state, found)
        contracts = contracts_of_wallets(state) | search.tokens(reserves)
        signatures = wallet_signatures(self.routes, state)
        return (*naming(contracts, signatures, wallet), *search.payments(reserves, wallet))

    def _listed(self, state: AaveV3State, found: Sequence[Log]) -> tuple[ReserveTokens, ...]:
        return search.listed(found, state.deployment.configurator, abi.RESERVE_INITIALIZED)


def _is[T](log: Log, address: Address, codec: EventCodec[T]) -> bool:
    return log.address == address and log.topics[:1] == (codec.topic0,)


def _listed_reserves(state: AaveV3State, logs: Sequence[Log]) -> list[Reserve]:
    """Reserves that this transaction lists. The aToken, whose logs come first, tells decimals and treasury.

    What cannot be read is left out here: the reader of the listing then refuses it, with the reason.
    """
    reserves: list[Reserve] = []
    for log in logs:
        if not _is(log, state.deployment.configurator, abi.RESERVE_INITIALIZED):
            continue
        try:
            asset, a_token, stable, variable, _ = abi.RESERVE_INITIALIZED.decode(log)
            initialized = [abi.INITIALIZED.decode(other) for other in logs if _is(other, a_token, abi.INITIALIZED)]
        except InvalidMessage:
            continue
        for _, _, treasury, _, decimals, *_ in initialized[-1:]:
            reserves.append(Reserve(asset, a_token, stable, variable, decimals, treasury))
    return reserves
