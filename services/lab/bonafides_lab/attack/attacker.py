"""One attacker on the stage: his wallets, what he has spent, and his steps as transactions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from bonafides.types import Address

from bonafides_lab.attack.campaign import Op, OpKind
from bonafides_lab.attack.gas import GAS, GasOf
from bonafides_lab.attack.moves import ALL_BPS, RESTORE_WITHIN_BPS, Strategy
from bonafides_lab.attack.stage import Stage, Tx, bundle_calldata, flash_loan_calldata
from bonafides_lab.market import methods
from bonafides_lab.market.calldata import MAX_UINT256, Method
from bonafides_lab.market.reserves import USDC, WETH

REFERENCE_DEBT_BPS = 4_000
"""Of the collateral's value: the debt that a trick is measured by where the twin owes nothing."""
BEYOND_DEBT = 1.01
"""Aave takes "all" from the debtor alone; who pays for another names a little more, and only the debt is taken."""
_TRANSFER_FROM = Method("transferFrom(address,address,uint256)")
_PREMIUM_BPS_CEILING = 10
"""Aave V3's flash loan premium is 9 bps; the allowance is a little above."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Balances in base units of one wallet: WETH supplied, USDC owed."""

    supply: int
    debt: int


@dataclass(slots=True)
class Attacker:
    """Who plays a strategy."""

    number: int
    strategy: Strategy
    wallets: tuple[Address, ...]
    companion: Address | None
    plan: Mapping[int, tuple[Op, ...]]
    gas: int = 0
    transactions: int = 0
    reverted: int = 0
    least_cash_usd: float = 0.0
    """Own money outside the market at its lowest, against the day before the campaign: 0 or below."""
    locked_usd_days: float = 0.0
    may_bundle: set[Address] = field(default_factory=set)
    """Wallets that let the bundler act for them."""

    @property
    def all_wallets(self) -> tuple[Address, ...]:
        """His wallets, the companion last."""
        return self.wallets if self.companion is None else (*self.wallets, self.companion)


def amounts_of(stage: Stage, wallet: Address) -> Amounts:
    """What a wallet holds and owes at the stage's quotes, good to about 1e-12."""
    standing = stage.book.standing(wallet, stage.quotes)
    return Amounts(
        stage.quotes.base_units(WETH, standing.supply_usd[WETH]),
        stage.quotes.base_units(USDC, standing.debt_usd[USDC]),
    )


class Turn:
    """One attacker's steps of one day, resolved one after another into transactions of one block."""

    def __init__(self, stage: Stage, attacker: Attacker, twin: Amounts, own: Mapping[Address, Amounts]) -> None:
        self._stage = stage
        self._attacker = attacker
        self._twin = twin
        self._own = dict(own)
        self._pool = stage.deployment.pool
        self._weth, self._usdc = (stage.deployment.reserves[place] for place in (WETH, USDC))
        self.txs: list[Tx] = []
        self.cash_usd = 0.0
        self.least_cash_usd = 0.0

    def take(self, op: Op) -> None:
        """Add the transactions of one step; none when the balance is where it belongs."""
        wallet = self._attacker.wallets[op.wallet]
        match op.kind:
            case OpKind.DEBT | OpKind.RESTORE_DEBT:
                self._bring_debt(wallet, op)
            case OpKind.SUPPLY | OpKind.RESTORE_SUPPLY:
                self._bring_supply(wallet, op)
            case OpKind.ONE_TRANSACTION:
                self._borrow_and_repay_in_one(wallet, self._debt_unit * op.level_bps // ALL_BPS)
            case OpKind.FLASH_LOAN:
                self._refinance(wallet)
            case _:
                assert_never(op.kind)

    @property
    def _debt_unit(self) -> int:
        """What a level of 10,000 means: the twin's debt or, without one, a share of his collateral."""
        if self._twin.debt > 10**6:  # a dollar; below, it is dust of rounding
            return self._twin.debt
        usd = self._twin.supply / 10**18 * self._stage.price_usd(WETH) * REFERENCE_DEBT_BPS / ALL_BPS
        return int(usd / self._stage.price_usd(USDC) * 10**6)

    def _bring_debt(self, wallet: Address, op: Op) -> None:
        unit, now = self._debt_unit, self._own[wallet]
        target = unit * op.level_bps // ALL_BPS
        delta = target - now.debt
        if abs(delta) <= self._slack(unit, op):
            return
        self._own[wallet] = Amounts(now.supply, target)
        if delta > 0:
            calldata = methods.BORROW(self._usdc.token, delta, methods.VARIABLE_RATE, 0, wallet)
            self._send(wallet, self._pool, calldata, GasOf.BORROW, wallet, USDC, delta)
            return
        payer = self._payer(wallet, op)
        amount = -delta
        if target == 0:
            amount = MAX_UINT256 if payer == wallet else int(now.debt * BEYOND_DEBT)
        calldata = methods.REPAY(self._usdc.token, amount, methods.VARIABLE_RATE, wallet)
        self._send(payer, self._pool, calldata, GasOf.REPAY, wallet, USDC, delta)

    def _bring_supply(self, wallet: Address, op: Op) -> None:
        unit, now = self._twin.supply, self._own[wallet]
        target = unit * op.level_bps // ALL_BPS
        delta = target - now.supply
        if abs(delta) <= self._slack(unit, op):
            return
        self._own[wallet] = Amounts(target, now.debt)
        if delta < 0:
            amount = MAX_UINT256 if target == 0 else -delta
            calldata = methods.WITHDRAW(self._weth.token, amount, wallet)
            self._send(wallet, self._pool, calldata, GasOf.WITHDRAW, wallet, WETH, -delta)
            return
        if now == Amounts(0, 0) and wallet != self._attacker.wallets[0]:
            self._prepare_fresh_wallet()
        kind = GasOf.FIRST_SUPPLY if now.supply == 0 else GasOf.SUPPLY
        calldata = methods.SUPPLY(self._weth.token, delta, wallet, 0)
        self._send(self._payer(wallet, op), self._pool, calldata, kind, wallet, WETH, -delta)

    def _slack(self, unit: int, op: Op) -> int:
        is_restore = op.kind in (OpKind.RESTORE_DEBT, OpKind.RESTORE_SUPPLY)
        return unit * RESTORE_WITHIN_BPS // ALL_BPS if is_restore else 0

    def _prepare_fresh_wallet(self) -> None:
        """Gas of what the stage gave for nothing: both tokens sent to the wallet, and both approvals."""
        self._attacker.gas += 2 * GAS[GasOf.SEND_TOKENS] + 2 * GAS[GasOf.APPROVE]
        self._attacker.transactions += 4

    def _payer(self, wallet: Address, op: Op) -> Address:
        companion = self._attacker.companion
        return companion if op.by_companion and companion is not None else wallet

    def _borrow_and_repay_in_one(self, wallet: Address, amount: int) -> None:
        if amount <= 0:
            return
        self._let_bundle(wallet)
        calls = [
            (self._pool, methods.BORROW(self._usdc.token, amount, methods.VARIABLE_RATE, 0, wallet)),
            (self._usdc.token, methods.APPROVE(self._pool, MAX_UINT256)),
            (self._pool, methods.REPAY(self._usdc.token, amount, methods.VARIABLE_RATE, wallet)),
        ]
        self._send(wallet, self._stage.bundler, bundle_calldata(calls), GasOf.ONE_TRANSACTION, wallet, USDC, 0)

    def _refinance(self, wallet: Address) -> None:
        owed = self._own[wallet].debt
        if owed <= 0:
            return
        self._let_bundle(wallet)
        amount = int(owed * BEYOND_DEBT)
        premium = amount * _PREMIUM_BPS_CEILING // ALL_BPS
        bundler, token = self._stage.bundler, self._usdc.token
        calls = [
            (token, methods.APPROVE(self._pool, MAX_UINT256)),
            (self._pool, methods.REPAY(token, amount, methods.VARIABLE_RATE, wallet)),
            (self._pool, methods.BORROW(token, owed, methods.VARIABLE_RATE, 0, wallet)),
            # The interest since the day began makes the debt a little larger than `owed`.
            (token, _TRANSFER_FROM(wallet, bundler, premium + owed // 10_000)),
        ]
        calldata = flash_loan_calldata(bundler, token, amount, calls)
        self._send(wallet, self._pool, calldata, GasOf.FLASH_LOAN, wallet, USDC, -premium)

    def _let_bundle(self, wallet: Address) -> None:
        """Once per wallet: credit delegation and a token allowance for the bundler."""
        if wallet in self._attacker.may_bundle:
            return
        self._attacker.may_bundle.add(wallet)
        bundler = self._stage.bundler
        delegation = methods.APPROVE_DELEGATION(bundler, MAX_UINT256)
        self._send(wallet, self._usdc.variable_debt_token, delegation, GasOf.DELEGATE, wallet, USDC, 0)
        self._send(wallet, self._usdc.token, methods.APPROVE(bundler, MAX_UINT256), GasOf.APPROVE, wallet, USDC, 0)

    def _send(
        self, sender: Address, to: Address, calldata: bytes, kind: GasOf, owner: Address, place: int, cash: int
    ) -> None:
        """`cash`: base units of the reserve that come in, negative for what goes out."""
        self.txs.append(Tx(sender, to, calldata, ((owner, place),)))
        self._attacker.gas += GAS[kind]
        self._attacker.transactions += 1
        self.cash_usd += cash / 10 ** (18 if place == WETH else 6) * self._stage.price_usd(place)
        self.least_cash_usd = min(self.least_cash_usd, self.cash_usd)
