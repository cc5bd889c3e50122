"""The real Aave V2 on pyrevm, and after each act what its contracts say beside what we make of its logs."""

from collections import defaultdict

import pytest
from bonafides.events import LendingEvent
from bonafides.types import Address, EventType
from bonafides_ingest.protocols.aave_v2.protocol import AaveV2
from bonafides_ingest.protocols.aave_v2.state import AaveV2Deployment
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_lab.market import methods
from bonafides_lab.market.calldata import MAX_UINT256
from bonafides_lab.market.wallets import wallet_of
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import accounts, balances, market_view
from bonafides_scoring.wallet_state import AssetKey, AssetState

from tests.support.aave_v2_market import (
    CHAIN,
    PRINCIPAL_OF,
    STABLE_RATE_OF,
    V2Market,
    aave_v2_artifacts_or_skip,
)

ALICE, BOB, CAROL, DAVE, LIQUIDATOR = (wallet_of(2, name) for name in ("alice", "bob", "carol", "dave", "liquidator"))
WALLETS = (ALICE, BOB, CAROL, DAVE, LIQUIDATOR)


class Life:
    """A market, and after each act what the chain says beside what we decode."""

    def __init__(self) -> None:
        self.market = V2Market(aave_v2_artifacts_or_skip())
        for wallet in WALLETS:
            for symbol in self.market.reserves:
                self.market.fund(wallet, symbol)
        self.deployment = AaveV2Deployment.model_validate(self.market.registry_entry())
        self.checked_factors = 0

    def decoded(self) -> Decoded:
        """All logs so far."""
        protocol = AaveV2()
        _, decoded = protocol.decode_logs(protocol.restore(self.deployment, {}), self.market.logs(), 0)
        return decoded

    def act(self, sender: Address, calldata: bytes, to: Address | None = None) -> None:
        """One transaction to the pool, or to another contract, and all comparisons after it."""
        self.market.send(sender, to or self.market.pool, calldata)
        self.compare()

    def compare(self) -> None:
        """Every ledger sum, every balance and every health factor, at the last block."""
        decoded = self.decoded()
        assert decoded.refused == ()
        for wallet in WALLETS:
            self._compare_wallet(wallet, decoded)

    def _compare_wallet(self, wallet: Address, decoded: Decoded) -> None:
        market, block = self.market, self.market.last_block
        events = sorted((e for e in decoded.events if e.wallet == wallet), key=lambda event: event.order)
        state = fold(empty_state(wallet, CHAIN), events)
        view = market_view(decoded.points, block)
        held = dict(state.assets)
        for reserve in market.reserves.values():
            supply, debt = ledger_sums(events, reserve.token)
            assert supply == market.read(reserve.a_token, methods.SCALED_BALANCE_OF(wallet))[0], reserve.symbol
            assert debt == market.read(reserve.variable_debt_token, methods.SCALED_BALANCE_OF(wallet))[0], (
                reserve.symbol
            )
            key = AssetKey(self.deployment.id, reserve.token)
            asset, priced = held.get(key, AssetState()), view.reserves.get(key)
            tokens = (reserve.a_token, reserve.variable_debt_token, reserve.stable_debt_token)
            # a reserve that nobody has used has no index yet
            ours = (*balances(asset, priced), priced.stable_debt(asset, block.timestamp)) if priced else (0, 0, 0)
            assert ours == tuple(market.read(token, methods.BALANCE_OF(wallet))[0] for token in tokens), reserve.symbol
            assert [asset.stable_principal, asset.stable_rate_ray] == [
                market.read(reserve.stable_debt_token, method(wallet))[0] for method in (PRINCIPAL_OF, STABLE_RATE_OF)
            ], reserve.symbol
        told = market.read(market.pool, methods.ACCOUNT_DATA(wallet))[5]
        found = accounts(state, view, only_indebted=True)
        if told == MAX_UINT256:
            assert found == ()
        else:
            assert found[0].health_factor_wad == pytest.approx(told, rel=1e-6)
            self.checked_factors += 1

    def words_of(self, wallet: Address, *types: EventType) -> list[LendingEvent]:
        """What the pool's events say of a wallet."""
        return [e for e in self.decoded().events if e.wallet == wallet and e.type in types]


def ledger_sums(events: list[LendingEvent], asset: Address) -> tuple[int, int]:
    """Scaled supply and debt of an asset as the entries come to."""
    sums: dict[EventType, int] = defaultdict(int)
    for event in events:
        if event.asset == asset:
            sums[event.type] += event.scaled_delta
    return sums[EventType.SUPPLY_BALANCE], sums[EventType.DEBT_BALANCE]
