"""The market on pyrevm keeps no more in memory than its contracts do, and nothing is lost by that."""

import pytest
from bonafides.types import Address, ChainId
from bonafides_lab.market import pyrevm_chain
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.deployment import deploy_market
from bonafides_lab.market.evm_state import copy_state
from bonafides_lab.market.people import mixed_borrowers
from bonafides_lab.market.pyrevm_chain import EmittedBlock, PyrevmChain
from bonafides_lab.market.run import MarketRun
from bonafides_lab.market.simulate import TRAINING_PRICES
from bonafides_lab.stack.node_tools import aave_artifacts_folder
from pyrevm import EVM

from tests.support.market_bench import START, KeptBlocks

pytestmark = pytest.mark.integration
SEED, DAYS, BORROWERS = 5, 60, 60


def _play() -> tuple[PyrevmChain, list[EmittedBlock]]:
    kept = KeptBlocks()
    path = TRAINING_PRICES.path(SEED, DAYS)
    chain = PyrevmChain(ChainId(31337), seed=SEED, sink=kept)
    artifacts = Artifacts(aave_artifacts_folder() / "contracts")
    deployment = deploy_market(chain, artifacts, seed=SEED, start_timestamp=START - 3_600, start_prices=path.days[0])
    run = MarketRun(chain, deployment, mixed_borrowers(SEED, BORROWERS, DAYS), path, seed=SEED, start_timestamp=START)
    run.open_market()
    for day in range(DAYS):
        run.play_day(day)
    return chain, kept.blocks


def _emitted(blocks: list[EmittedBlock]) -> list[object]:
    """All but the gas: the first touch of a slot costs more in a fresh EVM."""
    return [
        (block.number, block.hash, block.timestamp, [(one.hash, one.logs) for one in block.transactions])
        for block in blocks
    ]


def test_chain__evm_renewed_every_twenty_transactions__emits_the_same_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    _, never_renewed = _play()
    monkeypatch.setattr(pyrevm_chain, "RENEW_AFTER", 20)
    monkeypatch.setattr(pyrevm_chain, "SLOTS_PER_TRANSACTION", 10**9)
    copied: list[int] = []

    def counted(source: EVM, target: EVM) -> int:
        copied.append(copy_state(source, target))
        return copied[-1]

    monkeypatch.setattr("bonafides_lab.market.pyrevm_chain.copy_state", counted)

    _, often_renewed = _play()

    assert len(copied) > 10
    assert sum(len(one.logs) for block in never_renewed for one in block.transactions) > 1_000
    assert _emitted(often_renewed) == _emitted(never_renewed)


def test_copy_state__twice_without_a_touch_between__keeps_every_account() -> None:
    chain, _ = _play()
    first, second = EVM(), EVM()

    copy_state(chain._evm, first)
    copy_state(first, second)

    assert second.journal_state.keys() == chain._evm.journal_state.keys()
    for address in second.journal_state:
        before, after = chain._evm.basic(address), second.basic(address)
        assert (after.balance, after.nonce) == (before.balance, before.nonce)
        assert second.get_code(address) == chain._evm.get_code(address)


def test_chain__calls_that_only_read__leave_nothing_behind() -> None:
    chain, _ = _play()
    evm: EVM = chain._evm
    before = evm.journal_len

    chain.calls([(Address(b"\x01" * 20), b"")] * 50)

    assert evm.journal_len == before
