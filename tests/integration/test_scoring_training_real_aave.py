"""Fold, interest and health factor against the contracts themselves: real Aave V3 bytecode, every wallet of it."""

from pathlib import Path

import pytest
from bonafides.events import LendingEvent, MarketPoint, Position
from bonafides.types import Address, BlockRef, ChainId, Digest
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.registry import load_registry
from bonafides_lab.market import methods
from bonafides_lab.market.calldata import words
from bonafides_lab.market.deployment import Deployment, deploy_market, deployments_yaml
from bonafides_lab.market.people import mixed_borrowers
from bonafides_lab.market.prices import Crash, PriceModel, price_path
from bonafides_lab.market.pyrevm_chain import EmittedBlock, PyrevmChain
from bonafides_lab.market.run import DAY_S, MarketRun
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import accounts, balances, market_view
from bonafides_scoring.wallet_state import AssetKey, AssetState, WalletState

from tests.support.market_chains import aave_artifacts_or_skip

pytestmark = pytest.mark.integration

CHAIN = ChainId(31337)
SEED, BORROWERS, DAYS = 11, 120, 90
START = 1_672_531_200
PRICES = PriceModel(scheduled=(Crash(0.5, 0.3),))
"""A crash half-way, so that there are liquidations to reckon with."""


class _Blocks:
    """Keeps every block that the chain closes."""

    def __init__(self) -> None:
        self.blocks: list[EmittedBlock] = []

    def take(self, block: EmittedBlock) -> None:
        self.blocks.append(block)


class _Market:
    """A played market, its chain still there to be asked, and what our code makes of its logs."""

    def __init__(self, folder: Path) -> None:
        sink = _Blocks()
        self.chain = PyrevmChain(CHAIN, seed=SEED, sink=sink)
        path = price_path(SEED, DAYS, PRICES)
        self.deployment: Deployment = deploy_market(
            self.chain,
            aave_artifacts_or_skip(),
            seed=SEED,
            start_timestamp=START - 3_600,
            start_prices=path.days[0],
        )
        people = mixed_borrowers(SEED, BORROWERS, DAYS)
        run = MarketRun(self.chain, self.deployment, people, path, seed=SEED, start_timestamp=START)
        run.open_market()
        for day in range(DAYS):
            run.play_day(day)
        run.close_market(START + DAYS * DAY_S)
        self.block, events, self.points = self._decoded(sink.blocks, folder)
        self.states = _folded(events)

    def _decoded(
        self, blocks: list[EmittedBlock], folder: Path
    ) -> tuple[BlockRef, list[LendingEvent], list[MarketPoint]]:
        registry_file = folder / "deployments.yaml"
        registry_file.write_text(deployments_yaml(self.deployment), "utf-8")
        (deployment,) = load_registry(registry_file).of_chain(CHAIN)
        refs = [BlockRef(CHAIN, block.number, block.hash, block.timestamp) for block in blocks]
        logs = [log for ref, block in zip(refs, blocks, strict=True) for log in _logs(ref, block)]
        _, decoded = AaveV3().decode_logs(AaveV3().restore(deployment, {}), logs, 1)
        return refs[-1], list(decoded.events), list(decoded.points)


def _logs(ref: BlockRef, block: EmittedBlock) -> list[Log]:
    found, log_index = [], 0
    for tx_index, transaction in enumerate(block.transactions):
        for log in transaction.logs:
            place = Position(ref, transaction.hash, tx_index, log_index)
            found.append(Log(place, log.address, tuple(Digest(topic) for topic in log.topics), log.data))
            log_index += 1
    return found


def _folded(events: list[LendingEvent]) -> dict[Address, WalletState]:
    own: dict[Address, list[LendingEvent]] = {}
    for event in sorted(events, key=lambda event: event.order):
        own.setdefault(event.wallet, []).append(event)
    return {wallet: fold(empty_state(wallet, CHAIN), rows) for wallet, rows in own.items()}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> _Market:
    return _Market(tmp_path_factory.mktemp("registry"))


def test_accounts__every_wallet_of_a_real_aave__has_the_contracts_health_factor(market: _Market) -> None:
    view = market_view(market.points, market.block)
    wallets = sorted(market.states)
    answers = market.chain.calls([(market.deployment.pool, methods.ACCOUNT_DATA(wallet)) for wallet in wallets])

    assert sum(state.liquidation_count for state in market.states.values()) > 10
    for wallet, answer in zip(wallets, answers, strict=True):
        collateral, debt, _, threshold, _, health_factor = words(answer)[:6]
        found = accounts(market.states[wallet], view)
        if not found:
            assert (collateral, debt) == (0, 0)
            continue
        (account,) = found
        assert (account.collateral_base, account.debt_base) == (collateral, debt)
        assert (account.threshold_bps, account.health_factor_wad) == (threshold, health_factor)


def test_balances__every_wallet_of_a_real_aave__are_the_tokens_balances(market: _Market) -> None:
    view = market_view(market.points, market.block)
    checked = 0
    for wallet, state in market.states.items():
        held = dict(state.assets)
        for reserve in market.deployment.reserves:
            request = methods.BALANCE_OF(wallet)
            answers = market.chain.calls([(reserve.a_token, request), (reserve.variable_debt_token, request)])
            supply, debt = (words(answer)[0] for answer in answers)
            key = AssetKey(view_deployment(market), reserve.token)

            assert balances(held.get(key, AssetState()), view.reserves[key]) == (supply, debt)
            checked += supply > 0 or debt > 0
    assert checked > BORROWERS


def view_deployment(market: _Market) -> str:
    """The id of the one deployment."""
    return market.points[0].deployment
