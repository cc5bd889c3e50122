"""Comet's base accounting in Python: the logs that each action emits, and the balances behind them.

A model and not the contract: no package ships Comet's bytecode or sources. It follows, step by step, `supplyBase`,
`withdrawBase`, `transferBase`, `absorbInternal` and the roundings of `CometCore` in compound-finance/comet@0375004
(contracts/CometWithExtendedAssetList.sol): principals are rounded against the account, present values down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bonafides.types import ZERO_ADDRESS, Address
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.compound_v3 import events as abi

from tests.support.ingest_logs import ChainOfLogs

INDEX_SCALE = 10**15
FACTOR_SCALE = 10**18


class Collateral(NamedTuple):
    """What an account holds of one asset when it is absorbed."""

    asset: Address
    amount: int
    usd: int
    """1e8."""
    liquidation_factor: int
    """What part of its worth counts against the debt, 1e18."""


@dataclass
class CometModel:
    """One Comet. Indices only grow; the caller lets them. Nothing looks at whom base is sent to, as in the contract."""

    comet: Address
    supply_index: int = INDEX_SCALE
    borrow_index: int = INDEX_SCALE
    principals: dict[Address, int] = field(default_factory=dict)
    chain: ChainOfLogs = field(default_factory=ChainOfLogs)
    transactions: int = 0
    is_bundling: bool = False
    """Whether actions join the last transaction, as a Bulker's do."""

    def balance(self, account: Address) -> int:
        """What `balanceOf` − `borrowBalanceOf` says: negative for a debt."""
        return self._present(self.principals.get(account, 0))

    def supply(self, payer: Address, owner: Address, amount: int) -> list[Log]:
        before = self.principals.get(owner, 0)
        after = self._principal(self._present(before) + amount)
        self.principals[owner] = after
        supplied = after - max(before, 0) if after > 0 and after >= before else 0
        block = self._next()
        logs = [self.chain.emit(block, 0, self.comet, abi.SUPPLY, payer, owner, amount)]
        if supplied:
            logs.append(self._mint(block, owner, supplied))
        return logs

    def withdraw(self, owner: Address, recipient: Address, amount: int) -> list[Log]:
        withdrawn = self._take(owner, amount)
        block = self._next()
        logs = [self.chain.emit(block, 0, self.comet, abi.WITHDRAW, owner, recipient, amount)]
        if withdrawn:
            logs.append(self._burn(block, owner, withdrawn))
        return logs

    def transfer(self, sender: Address, receiver: Address, amount: int) -> list[Log]:
        before = self.principals.get(receiver, 0)
        after = self._principal(self._present(before) + amount)
        withdrawn = self._take(sender, amount)
        self.principals[receiver] = after
        supplied = after - max(before, 0) if after > 0 and after >= before else 0
        block = self._next()
        logs = [self._burn(block, sender, withdrawn)] if withdrawn else []
        return [*logs, self._mint(block, receiver, supplied)] if supplied else logs

    def absorb(
        self, absorber: Address, account: Address, held: Sequence[Collateral], base_price: int, base_scale: int
    ) -> list[Log]:
        """Take a debt and all collateral. Whether it may be liquidated, the caller says."""
        before = self.principals[account]
        credited = sum(collateral.usd * collateral.liquidation_factor // FACTOR_SCALE for collateral in held)
        balance = max(self._present(before) + credited * base_scale // base_price, 0)
        after = self.principals[account] = self._principal(balance)
        paid_out = balance - self._present(before)
        block = self._next()
        logs = [
            self.chain.emit(block, 0, self.comet, abi.ABSORB_COLLATERAL, absorber, account, asset, amount, usd)
            for asset, amount, usd, _ in held
        ]
        usd = paid_out * base_price // base_scale
        logs.append(self.chain.emit(block, 0, self.comet, abi.ABSORB_DEBT, absorber, account, paid_out, usd))
        return [*logs, self._mint(block, account, after)] if after else logs

    def _take(self, owner: Address, amount: int) -> int:
        """Lower the owner's balance; the part of the principal that was positive before."""
        before = self.principals.get(owner, 0)
        after = self.principals[owner] = self._principal(self._present(before) - amount)
        return before - max(after, 0) if before > 0 and after <= before else 0

    def _present(self, principal: int) -> int:
        if principal >= 0:
            return principal * self.supply_index // INDEX_SCALE
        return -(-principal * self.borrow_index // INDEX_SCALE)

    def _principal(self, present: int) -> int:
        if present >= 0:
            return present * INDEX_SCALE // self.supply_index
        return -((-present * INDEX_SCALE + self.borrow_index - 1) // self.borrow_index)

    def _mint(self, block: int, owner: Address, principal: int) -> Log:
        value = principal * self.supply_index // INDEX_SCALE
        return self.chain.emit(block, 0, self.comet, abi.TRANSFER, ZERO_ADDRESS, owner, value)

    def _burn(self, block: int, owner: Address, principal: int) -> Log:
        value = principal * self.supply_index // INDEX_SCALE
        return self.chain.emit(block, 0, self.comet, abi.TRANSFER, owner, ZERO_ADDRESS, value)

    def _next(self) -> int:
        self.transactions += not self.is_bundling or not self.transactions
        return self.transactions
