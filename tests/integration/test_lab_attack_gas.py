"""The gas that the attack reckons with, measured again: receipts of the same bytecode on anvil."""

from collections.abc import Iterator

import pytest
from bonafides.json_rpc import items, member, quantity
from bonafides.types import Address
from bonafides_lab.attack.gas import GAS, GasOf
from bonafides_lab.attack.stage import SET_FLASH_LOANS, bundle_calldata, bundler_artifact, flash_loan_calldata
from bonafides_lab.market import methods
from bonafides_lab.market.anvil_chain import AnvilChain, anvil_under_control
from bonafides_lab.market.artifacts import creation_code
from bonafides_lab.market.calldata import MAX_UINT256, Method
from bonafides_lab.market.deployment import Deployment, deploy_market
from bonafides_lab.market.reserves import RESERVES, USDC, WETH

from tests.support.market_chains import aave_artifacts_or_skip, anvil_from

pytestmark = pytest.mark.integration

START = 1_700_000_000
LENDER, WALLET, SECOND = (Address(bytes([number]) * 20) for number in (0x11, 0x22, 0x33))
TRANSFER_FROM = Method("transferFrom(address,address,uint256)")
TOLERANCE = 0.1
"""Storage that was touched before in the same block, or a bit set for the first time, moves a call's gas by that."""


class Meter:
    """A market on anvil in which each transaction's gas is read from its receipt."""

    def __init__(self, chain: AnvilChain) -> None:
        self._chain = chain
        prices = [3_000 * 10**8, 60_000 * 10**8, 10**8, 10**8]
        self.deployment: Deployment = deploy_market(
            chain, aave_artifacts_or_skip(), seed=1, start_timestamp=START, start_prices=prices
        )
        self._time = self.deployment.ready_timestamp
        chain.fund([LENDER, WALLET, SECOND])
        self._time += 12
        chain.open_block(self._time)
        self.bundler = chain.deploy(LENDER, creation_code(bundler_artifact(), [], {}))
        chain.close_block()

    def gas(self, sender: Address, to: Address, calldata: bytes) -> int:
        """Send it a day later, alone in its block."""
        self._time += 86_400
        self._chain.open_block(self._time)
        self._chain.send(sender, to, calldata)
        assert self._chain.close_block().succeeded == (True,)
        (receipt,) = items(self._chain.rpc.call("eth_getBlockReceipts", "latest"))
        return quantity(member(receipt, "gasUsed"))


@pytest.fixture
def meter() -> Iterator[Meter]:
    with anvil_from(START - 1_000) as url, anvil_under_control(url) as chain:
        meter = Meter(chain)
        pool = meter.deployment.pool
        for wallet in (LENDER, WALLET):
            for place in (WETH, USDC):
                token = meter.deployment.reserves[place].token
                meter.gas(wallet, token, methods.MINT(10**6 * 10 ** RESERVES[place].decimals))
                meter.gas(wallet, token, methods.APPROVE(pool, MAX_UINT256))
        for place in (WETH, USDC):
            units = 10**5 * 10 ** RESERVES[place].decimals
            meter.gas(LENDER, pool, methods.SUPPLY(meter.deployment.reserves[place].token, units, LENDER, 0))
        meter.gas(LENDER, pool, methods.BORROW(meter.deployment.reserves[USDC].token, 10**9, 2, 0, LENDER))
        yield meter


def test_gas__each_kind__is_what_a_node_s_receipts_say(meter: Meter) -> None:
    pool, bundler = meter.deployment.pool, meter.bundler
    weth, usdc, debt_token = (
        meter.deployment.reserves[WETH].token,
        meter.deployment.reserves[USDC].token,
        meter.deployment.reserves[USDC].variable_debt_token,
    )
    seen: dict[GasOf, int] = {}

    seen[GasOf.FIRST_SUPPLY] = meter.gas(WALLET, pool, methods.SUPPLY(weth, 10**19, WALLET, 0))
    meter.gas(WALLET, pool, methods.BORROW(usdc, 5_000 * 10**6, 2, 0, WALLET))
    seen[GasOf.SUPPLY] = meter.gas(WALLET, pool, methods.SUPPLY(weth, 10**18, WALLET, 0))
    seen[GasOf.BORROW] = meter.gas(WALLET, pool, methods.BORROW(usdc, 10**9, 2, 0, WALLET))
    seen[GasOf.REPAY] = meter.gas(WALLET, pool, methods.REPAY(usdc, 10**9, 2, WALLET))
    seen[GasOf.WITHDRAW] = meter.gas(WALLET, pool, methods.WITHDRAW(weth, 10**18, WALLET))
    seen[GasOf.SEND_TOKENS] = meter.gas(WALLET, usdc, methods.TRANSFER(SECOND, 10**9))
    seen[GasOf.APPROVE] = meter.gas(WALLET, usdc, methods.APPROVE(bundler, MAX_UINT256))
    seen[GasOf.DELEGATE] = meter.gas(WALLET, debt_token, methods.APPROVE_DELEGATION(bundler, MAX_UINT256))
    in_one = [
        (pool, methods.BORROW(usdc, 10**9, 2, 0, WALLET)),
        (usdc, methods.APPROVE(pool, MAX_UINT256)),
        (pool, methods.REPAY(usdc, 10**9, 2, WALLET)),
    ]
    meter.gas(WALLET, bundler, bundle_calldata(in_one))  # the first also opens the bundler's own storage
    seen[GasOf.ONE_TRANSACTION] = meter.gas(WALLET, bundler, bundle_calldata(in_one))
    admin, configurator = meter.deployment.admin, meter.deployment.configurator
    meter.gas(admin, configurator, SET_FLASH_LOANS(usdc, 1))
    refinance = [
        (usdc, methods.APPROVE(pool, MAX_UINT256)),
        (pool, methods.REPAY(usdc, 5_100 * 10**6, 2, WALLET)),
        (pool, methods.BORROW(usdc, 5_000 * 10**6, 2, 0, WALLET)),
        (usdc, TRANSFER_FROM(WALLET, bundler, 20 * 10**6)),
    ]
    seen[GasOf.FLASH_LOAN] = meter.gas(WALLET, pool, flash_loan_calldata(bundler, usdc, 5_100 * 10**6, refinance))

    assert {kind.value: gas for kind, gas in seen.items()} == {
        kind.value: pytest.approx(gas, rel=TOLERANCE) for kind, gas in GAS.items()
    }
