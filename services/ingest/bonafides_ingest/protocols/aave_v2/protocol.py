"""Aave V2: the logs of one transaction to events of wallets and facts of the market. Pure.

The ledger is the truth, as in V3: a wallet's position is the sum of `scaled_delta` over its `supply_balance` and
`debt_balance` entries, and equals the contracts' `scaledBalanceOf`. The LendingPool's events say what was meant.

- The debtor is `onBehalfOf`, not the caller. An event that touches two wallets is one event per role.
- The protocol's own contracts, treasuries and gateways are no credit wallets: they get no event, and are no
  counterparty.
- Debt at a stable rate has no shares: `stable_debt_set` entries tell its principal and its rate (`aave/stable.py`).
- Tokens that rebase have no scaled balance that logs tell: whoever owes some has a hole in the history and is told so.
  Whoever holds some is understated by it (`ledger.py`).
- Prices are USD · 1e8, though the oracle of most markets answers in wei of ETH: `prices.py`.

Arithmetic and events: @aave/protocol-v2@1.0.1 (`AToken`, `VariableDebtToken`); later releases kept both, and added the
aToken's Initialized.
"""

from collections.abc import Mapping, Sequence

from bonafides.errors import InvalidMessage
from bonafides.events import BlockRange
from bonafides.types import ZERO_ADDRESS, Address, Json

from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.protocols.aave import search
from bonafides_ingest.protocols.aave.prices import PricedProtocol
from bonafides_ingest.protocols.aave.reserves import ReserveTokens
from bonafides_ingest.protocols.aave_v2 import events as abi
from bonafides_ingest.protocols.aave_v2.ledger import LEDGER_READERS
from bonafides_ingest.protocols.aave_v2.market import MARKET_READERS
from bonafides_ingest.protocols.aave_v2.pool import POOL_READERS
from bonafides_ingest.protocols.aave_v2.state import AaveV2Deployment, AaveV2State, Reserve, restore_state
from bonafides_ingest.protocols.aave_v3.events import ANSWER_UPDATED
from bonafides_ingest.protocols.protocol import Discovery
from bonafides_ingest.protocols.reading import Routes
from bonafides_ingest.protocols.search import Criteria, contracts_of_wallets, logs_of, naming, wallet_signatures
from bonafides_ingest.protocols.state import FactKey


class AaveV2(PricedProtocol[AaveV2State]):
    """Aave V2 and its forks."""

    deployment_type = AaveV2Deployment
    routes = Routes.of((*POOL_READERS, *LEDGER_READERS, *MARKET_READERS))

    def restore(self, deployment: Deployment, facts: Mapping[FactKey, Json]) -> AaveV2State:
        return restore_state(deployment, facts)

    def discover(self, state: AaveV2State, logs: Sequence[Log]) -> Discovery:
        tokens: set[Address] = set()
        feeds: set[Address] = set()
        for log in logs:
            try:
                if _is(log, state.deployment.configurator, abi.RESERVE_INITIALIZED):
                    tokens |= set(abi.RESERVE_INITIALIZED.decode(log)[1:4])
                elif _is(log, state.deployment.oracle, abi.ASSET_SOURCE_UPDATED):
                    feeds |= {abi.ASSET_SOURCE_UPDATED.decode(log)[1], *state.prices.base_feeds}
                elif _is(log, state.deployment.provider, abi.PRICE_ORACLE_UPDATED):
                    feeds |= state.prices.feeds  # when the market comes back to our oracle, they price again
            except InvalidMessage:
                continue  # refused, with its reason, when it is decoded
        return Discovery(frozenset(tokens - {*state.watched, ZERO_ADDRESS}), frozenset(feeds - {ZERO_ADDRESS}))

    def unanswered(self, state: AaveV2State, named: frozenset[Address], blocks: BlockRange) -> frozenset[Address]:
        all_feeds = state.prices.feeds if state.prices.forgot_base(blocks) else frozenset[Address]()
        return super().unanswered(state, named | all_feeds, blocks)

    def begin_transaction(self, state: AaveV2State, logs: Sequence[Log]) -> AaveV2State:
        """With the reserves that this transaction lists: their tokens' logs come before the listing."""
        listed: list[Reserve] = []
        for log in logs:
            if not _is(log, state.deployment.configurator, abi.RESERVE_INITIALIZED):
                continue
            try:
                asset, a_token, stable, variable, _ = abi.RESERVE_INITIALIZED.decode(log)
            except InvalidMessage:
                continue  # refused, with its reason, by the reader of the listing
            listed.append(Reserve(asset, a_token, stable, variable, state.deployment.decimals.get(asset)))
        return state.with_reserves(listed) if listed else state

    def pass_over(self, state: AaveV2State, log: Log) -> AaveV2State:
        """Feeds answer before an oracle names them; only files show us such logs."""
        if log.topics[0] != ANSWER_UPDATED.topic0:
            return state
        return state.with_prices(state.prices.with_answer(log))

    def configuration(self, state: AaveV2State, found: Sequence[Log]) -> tuple[Criteria, ...]:
        """Listings, and what aTokens say of themselves. Prices are no wallet's matter."""
        return (
            logs_of({state.deployment.configurator}, (abi.RESERVE_INITIALIZED.topic0,)),
            logs_of({reserve.a_token for reserve in self._listed(state, found)}, (abi.INITIALIZED.topic0,)),
        )

    def naming(self, state: AaveV2State, found: Sequence[Log], wallet: Address) -> tuple[Criteria, ...]:
        reserves = self._listed(state, found)
        contracts = contracts_of_wallets(state) | search.tokens(reserves)
        signatures = wallet_signatures(self.routes, state)
        return (*naming(contracts, signatures, wallet), *search.payments(reserves, wallet))

    def _listed(self, state: AaveV2State, found: Sequence[Log]) -> tuple[ReserveTokens, ...]:
        return search.listed(found, state.deployment.configurator, abi.RESERVE_INITIALIZED)


def _is[T](log: Log, address: Address, codec: EventCodec[T]) -> bool:
    return log.address == address and log.topics[:1] == (codec.topic0,)
