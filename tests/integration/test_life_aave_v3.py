"""Aave V3.0.1's life on its own bytecode: a crowd at random, tokens that round half up, one e-mode per asset."""

from functools import lru_cache

import pytest
from bonafides.types import Address
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import accounts, market_view
from bonafides_scoring.wallet_state import WalletState

from tests.support.aave_crowd import ACCOUNT_DATA, SCALED_BALANCE_OF, Crowd
from tests.support.aave_evm import CHAIN, ledger
from tests.support.aave_v3_0 import Aave30

pytestmark = pytest.mark.integration

SEEDS = (1, 2, 3)
ACTS = 3_000
UNKNOWN_ACTS = ("mint_to_treasury", "eliminate_deficit", "two_at_once")


@lru_cache(maxsize=len(SEEDS))
def _crowd(seed: int) -> Crowd:
    """Half-way an asset changes its e-mode, and another leaves its own."""
    market = Aave30()
    weth, usdc, wbtc, _ = market.assets
    for row in ((1, 9_000, 9_300, 10_100), (2, 8_500, 8_999, 10_250), (3, 7_900, 8_000, 10_800)):
        market.set_emode(*row)
    for asset, category in ((weth, 1), (usdc, 1), (wbtc, 2)):
        market.administer(market.configurator, "setAssetEModeCategory(address,uint8)", asset.token, category)
    crowd = Crowd(market, seed, without=UNKNOWN_ACTS)
    crowd.play(ACTS // 2)
    for asset, category in ((weth, 2), (usdc, 0)):
        market.administer(market.configurator, "setAssetEModeCategory(address,uint8)", asset.token, category)
    crowd.play(ACTS // 2)
    return crowd


@pytest.fixture(params=SEEDS)
def crowd(request: pytest.FixtureRequest) -> Crowd:
    return _crowd(request.param)


def _states(crowd: Crowd) -> dict[Address, WalletState]:
    events = sorted(crowd.market.decode().events, key=lambda event: event.order)
    return {
        wallet: fold(empty_state(wallet, CHAIN), [event for event in events if event.wallet == wallet])
        for wallet in crowd.everybody
    }


def test_ledger__a_crowd_does_anything_it_can__is_every_scaled_balance_to_the_unit(crowd: Crowd) -> None:
    market = crowd.market

    decoded = market.decode()

    truth = {
        (wallet, asset.token, kind): balance
        for wallet in crowd.everybody
        for asset in market.assets
        for token, kind in ((asset.a_token, "supply_balance"), (asset.debt_token, "debt_balance"))
        if (balance := market.ask(token, SCALED_BALANCE_OF, wallet)[0])
    }
    assert [refusal.reason for refusal in decoded.refused] == []
    assert ledger(decoded.events) == truth
    assert min(crowd.done.values()) > 0
    assert len(crowd.done) == 11, crowd.done


def test_accounts__every_wallet_of_the_crowd__has_the_contracts_health_factor(crowd: Crowd) -> None:
    market = crowd.market
    market.wait(77_777)  # indices grow between the last update and the block
    view = market_view(market.decode().points, market.block)

    for wallet, state in _states(crowd).items():
        collateral, debt, _, threshold, _, health_factor = market.ask(market.pool, ACCOUNT_DATA, wallet)
        found = accounts(state, view)
        if not found:
            assert (collateral, debt) == (0, 0)
            continue
        (account,) = found
        assert (account.collateral_base, account.debt_base) == (collateral, debt)
        assert (account.threshold_bps, account.health_factor_wad) == (threshold, health_factor)
