"""What the logs say against the contracts, at the end of every block: real Aave V3 bytecode, each borrower's health."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bonafides.events import MarketPoint, Position
from bonafides.types import Address, BlockRef, ChainId, Digest, EventType
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.aave_v3.state import AaveV3State
from bonafides_ingest.registry import load_registry
from bonafides_lab.market import methods
from bonafides_lab.market.calldata import words
from bonafides_lab.market.deployment import Deployment, deploy_market, deployments_yaml
from bonafides_lab.market.people import mixed_borrowers
from bonafides_lab.market.prices import Crash, PriceModel, price_path
from bonafides_lab.market.pyrevm_chain import EmittedBlock, PyrevmChain
from bonafides_lab.market.run import DAY_S, MarketRun
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import MarketKey, accounts, market_key, view_of_latest
from bonafides_scoring.wallet_state import WalletState

from tests.support.market_chains import aave_artifacts_or_skip

pytestmark = pytest.mark.integration

CHAIN = ChainId(31337)
SEED, BORROWERS, DAYS = 23, 250, 150
START = 1_672_531_200
PRICES = PriceModel(scheduled=(Crash(0.5, 0.35),))
"""A crash half-way: liquidations, and debts that nothing secures any more."""


@dataclass
class _Borrowers:
    """Decodes each block as it closes, and compares every borrower with what the Pool answers at that block."""

    held_back: list[EmittedBlock] = field(default_factory=list)
    chain: PyrevmChain | None = None
    deployment: Deployment | None = None
    state: AaveV3State | None = None
    wallets: dict[Address, WalletState] = field(default_factory=dict)
    borrowers: set[Address] = field(default_factory=set)
    latest: dict[MarketKey, MarketPoint] = field(default_factory=dict)
    compared: int = 0
    blocks: int = 0
    liquidatable: int = 0
    """Comparisons in which the health factor was below one."""

    def begin(self, chain: PyrevmChain, deployment: Deployment, folder: Path) -> None:
        path = folder / "deployments.yaml"
        path.write_text(deployments_yaml(deployment), "utf-8")
        (entry,) = load_registry(path).of_chain(CHAIN)
        self.chain, self.deployment, self.state = chain, deployment, AaveV3().restore(entry, {})
        for block in self.held_back:
            self._decode(block)

    def take(self, block: EmittedBlock) -> None:
        """Called by the chain, which still stands at the end of this block."""
        if self.state is None:
            self.held_back.append(block)
            return
        self._compare(self._decode(block))

    def _decode(self, block: EmittedBlock) -> BlockRef:
        assert self.state is not None
        ref = BlockRef(CHAIN, block.number, block.hash, block.timestamp)
        self.state, decoded = AaveV3().decode_logs(self.state, _logs(ref, block), 1)
        assert decoded.refused == ()
        for event in sorted(decoded.events, key=lambda event: event.order):
            known = self.wallets.get(event.wallet) or empty_state(event.wallet, CHAIN)
            self.wallets[event.wallet] = fold(known, [event])
            if event.type is EventType.BORROWED:
                self.borrowers.add(event.wallet)
        for point in sorted(decoded.points, key=lambda point: point.order):
            self.latest[market_key(point)] = point
        return ref

    def _compare(self, block: BlockRef) -> None:
        assert self.chain is not None
        assert self.deployment is not None
        self.blocks += 1
        view = view_of_latest(self.latest, block)
        asked = sorted(self.borrowers)
        answers = self.chain.calls([(self.deployment.pool, methods.ACCOUNT_DATA(wallet)) for wallet in asked])
        for wallet, answer in zip(asked, answers, strict=True):
            collateral, debt, _, threshold, _, health_factor = words(answer)[:6]
            found = accounts(self.wallets[wallet], view)
            if not found:
                assert (collateral, debt) == (0, 0), (block.number, wallet.hex())
                continue
            (account,) = found
            assert (account.collateral_base, account.debt_base) == (collateral, debt), (block.number, wallet.hex())
            assert (account.threshold_bps, account.health_factor_wad) == (threshold, health_factor)
            self.compared += debt > 0
            self.liquidatable += health_factor < 10**18


def _logs(ref: BlockRef, block: EmittedBlock) -> list[Log]:
    found: list[Log] = []
    for tx_index, transaction in enumerate(block.transactions):
        for log in transaction.logs:
            place = Position(ref, transaction.hash, tx_index, len(found))
            found.append(Log(place, log.address, tuple(Digest(topic) for topic in log.topics), log.data))
    return found


def test_health_factor__every_borrower_at_every_block__is_the_pools(tmp_path: Path) -> None:
    borrowers = _Borrowers()
    chain = PyrevmChain(CHAIN, seed=SEED, sink=borrowers)
    path = price_path(SEED, DAYS, PRICES)
    deployment = deploy_market(
        chain, aave_artifacts_or_skip(), seed=SEED, start_timestamp=START - 3_600, start_prices=path.days[0]
    )
    borrowers.begin(chain, deployment, tmp_path)
    run = MarketRun(chain, deployment, mixed_borrowers(SEED, BORROWERS, DAYS), path, seed=SEED, start_timestamp=START)
    run.open_market()
    for day in range(DAYS):
        run.play_day(day)
    run.close_market(START + DAYS * DAY_S)

    assert borrowers.blocks > DAYS
    assert borrowers.compared > 20_000
    assert borrowers.liquidatable > 0
    assert any(wallet.liquidation_count for wallet in borrowers.wallets.values())
