"""Aave V3.6's life on its own bytecode: a crowd at random, tokens that round by operation, shared e-modes."""

from collections import Counter
from collections.abc import Callable
from functools import lru_cache

import pytest
from bonafides.types import Address
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import accounts, balances, market_view
from bonafides_scoring.wallet_state import AssetKey, AssetState, WalletState

from tests.support.aave_crowd import ACCOUNT_DATA, BALANCE_OF, SCALED_BALANCE_OF, Crowd
from tests.support.aave_evm import CHAIN, DEPLOYMENT, ledger
from tests.support.aave_v3_6 import Aave36

pytestmark = pytest.mark.integration

ACTS = 3_000
RAY = 10**27
SEEDS = (1, 2, 3, 5)
EMODES = ((1, 9_000, 9_300, 10_100), (2, 8_500, 8_999, 10_250), (3, 100, 7_777, 10_800))
"""(category, ltv, threshold, bonus in bps)"""
PARTICULARS: dict[str, tuple[bytes, Callable[[Log], bool]]] = {
    "a burn that its interest outgrew": (
        abi.MINT.topic0,
        lambda log: abi.MINT.decode(log)[2] < abi.MINT.decode(log)[3],
    ),
    "an index above two": (abi.MINT.topic0, lambda log: abi.MINT.decode(log)[4] > 2 * RAY),
    "a liquidation paid in aTokens": (abi.LIQUIDATION_CALL.topic0, lambda log: abi.LIQUIDATION_CALL.decode(log)[6]),
    "a liquidation paid in the asset": (
        abi.LIQUIDATION_CALL.topic0,
        lambda log: not abi.LIQUIDATION_CALL.decode(log)[6],
    ),
    "bad debt": (abi.DEFICIT_CREATED.topic0, lambda _: True),
    "bad debt covered": (abi.DEFICIT_COVERED.topic0, lambda _: True),
}
"""What must have happened besides, by signature and what its log says."""


def _configure_emodes(market: Aave36) -> None:
    """Assets in several categories, one taken out again, and one that is collateral in an e-mode alone."""
    weth, usdc, wbtc, eurs = market.assets
    for row in EMODES:
        market.set_emode(*row)
    member = "setAssetCollateralInEMode(address,uint8,bool)"
    borrowable = "setAssetBorrowableInEMode(address,uint8,bool)"
    for asset, category in ((weth, 1), (weth, 2), (usdc, 2), (wbtc, 2), (wbtc, 3), (eurs, 3), (eurs, 1)):
        market.administer(market.configurator, member, asset.token, category, 1)
    market.administer(market.configurator, member, wbtc.token, 2, 0)
    for category, *_ in EMODES:
        for asset in market.assets:
            market.administer(market.configurator, borrowable, asset.token, category, 1)


@lru_cache(maxsize=len(SEEDS))
def _crowd(seed: int) -> Crowd:
    market = Aave36()
    _configure_emodes(market)
    crowd = Crowd(market, seed)
    crowd.play(ACTS)
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


def test_crowd__over_all_seeds__did_everything_there_is() -> None:
    done, logs = Counter[str](), Counter[str]()
    for seed in SEEDS:
        crowd = _crowd(seed)
        done += crowd.done
        logs += Counter(
            name
            for log in crowd.market.logs
            for name, was in PARTICULARS.items()
            if log.topics[0] == was[0] and was[1](log)
        )

    assert min(done.values()) > 20, done
    assert len(done) == 14
    assert min(logs[name] for name in PARTICULARS) > 3, logs


def test_accounts__every_wallet_of_the_crowd__has_the_contracts_health_factor(crowd: Crowd) -> None:
    market = crowd.market
    market.wait(77_777)  # indices grow between the last update and the block
    view = market_view(market.decode().points, market.block)

    seen = 0
    for wallet, state in _states(crowd).items():
        collateral, debt, _, threshold, _, health_factor = market.ask(market.pool, ACCOUNT_DATA, wallet)
        found = accounts(state, view)
        if not found:
            assert (collateral, debt) == (0, 0)
            continue
        (account,) = found
        assert (account.collateral_base, account.debt_base) == (collateral, debt)
        assert (account.threshold_bps, account.health_factor_wad) == (threshold, health_factor)
        seen += int(debt > 0)
        held = dict(state.assets)
        for asset in market.assets:
            key = AssetKey(DEPLOYMENT, asset.token)
            of_contract = tuple(market.ask(token, BALANCE_OF, wallet)[0] for token in (asset.a_token, asset.debt_token))
            assert balances(held.get(key, AssetState()), view.reserves[key]) == of_contract
    assert seen > 3
