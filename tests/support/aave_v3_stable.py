"""Aave V3.0.1 with stable borrowing on, as no live market has it now, and a crowd that makes use of it."""

from dataclasses import dataclass, field

from bonafides.types import Address, address_text
from bonafides_lab.market.calldata import MAX_UINT256, Method, word_as_address
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import accounts, balances, market_view
from bonafides_scoring.wallet_state import AssetKey, AssetState

from tests.support.aave_crowd import ACCOUNT_DATA, BALANCE_OF, BORROW, DELEGATE, LIQUIDATE, REPAY, VARIABLE_RATE, Crowd
from tests.support.aave_evm import CHAIN, DEPLOYMENT, Asset
from tests.support.aave_v3_0 import Aave30

STABLE_RATE = 1
SWAP_MODE = Method("swapBorrowRateMode(address,uint256)")
REBALANCE = Method("rebalanceStableBorrowRate(address,address)")
PRINCIPAL_OF = Method("principalBalanceOf(address)")
STABLE_RATE_OF = Method("getUserStableRate(address)")
_RAY = 10**27


@dataclass
class StableAave30(Aave30):
    """Every reserve lends at a stable rate, too: 5 % a year at no use, and soon more."""

    stable_tokens: dict[Address, Address] = field(default_factory=dict)
    """By asset."""

    def install(self) -> None:
        super().install()
        # optimal usage 45 %; variable: base 1 %, slopes 4 % and 300 %; stable: slopes 2 % and 200 %, 1 % and 5 % more
        percents = (45, 1, 4, 300, 2, 200, 1, 5, 20)
        rates = tuple(_RAY * percent // 100 for percent in percents)
        strategy = self.deploy(
            self.artifacts["DefaultReserveInterestRateStrategy"], address_text(self.provider), *rates
        )
        for asset in self.assets:
            set_strategy = "setReserveInterestRateStrategyAddress(address,address)"
            self.administer(self.configurator, set_strategy, asset.token, strategy)
            self.administer(self.configurator, "setReserveStableRateBorrowing(address,bool)", asset.token, 1)
            reserve = self.ask(self.pool, Method("getReserveData(address)"), asset.token)
            self.stable_tokens[asset.token] = word_as_address(reserve[9])

    def compare(self, wallets: tuple[Address, ...]) -> int:
        """What the contracts say of each wallet, and what we make of their logs; returns how many have stable debt."""
        decoded = self.decode()
        assert [refused.reason for refused in decoded.refused] == []
        view = market_view(decoded.points, self.block)
        found = 0
        for wallet in wallets:
            events = sorted((e for e in decoded.events if e.wallet == wallet), key=lambda event: event.order)
            state = fold(empty_state(wallet, CHAIN), events)
            held = dict(state.assets)
            for asset in self.assets:
                key, stable_token = AssetKey(DEPLOYMENT, asset.token), self.stable_tokens[asset.token]
                ours, priced = held.get(key, AssetState()), view.reserves.get(key)
                tokens = (asset.a_token, asset.debt_token, stable_token)
                told = tuple(self.ask(token, BALANCE_OF, wallet)[0] for token in tokens)
                # a reserve that nobody has used has no index yet
                owed = (*balances(ours, priced), priced.stable_debt(ours, self.timestamp)) if priced else (0, 0, 0)
                assert owed == told
                assert [ours.stable_principal, ours.stable_rate_ray] == [
                    self.ask(stable_token, method, wallet)[0] for method in (PRINCIPAL_OF, STABLE_RATE_OF)
                ]
                found += told[2] > 0
            collateral, debt, _, threshold, _, health_factor = self.ask(self.pool, ACCOUNT_DATA, wallet)
            worth = [
                (a.collateral_base, a.debt_base, a.threshold_bps, a.health_factor_wad) for a in accounts(state, view)
            ]
            expected = (collateral, debt, threshold, health_factor)
            assert worth == ([expected] if worth else []), expected
            assert worth or (collateral, debt) == (0, 0)
        return found


class StableCrowd(Crowd):
    """Half of what it does is about stable debt."""

    market: StableAave30

    def __post_init__(self) -> None:
        super().__post_init__()
        for stable_token in self.market.stable_tokens.values():
            for wallet in self.people:
                for other in self.people:
                    self.market.send(wallet, stable_token, DELEGATE(other, MAX_UINT256))

    def play(self, acts: int) -> None:
        verbs = (self.borrow_stable, self.borrow_stable, self.repay_stable, self.swap, self.rebalance)
        for _ in range(acts):
            if self.random.getrandbits(1):
                super().play(1)
                continue
            verb = self.random.choice(verbs)
            if verb():
                self.done[verb.__name__] += 1

    def borrow_stable(self) -> bool:
        asset = self._asset()
        return self._send(BORROW(asset.token, self._amount(asset), STABLE_RATE, 0, self._somebody()))

    def repay_stable(self) -> bool:
        asset, debtor = self._asset(), self._somebody()
        amount = self._part_of(self._stable_debt(asset, debtor), asset)
        wallet = debtor if amount == MAX_UINT256 else self._one()
        return self._send(REPAY(asset.token, amount, STABLE_RATE, debtor), wallet)

    def swap(self) -> bool:
        return self._send(SWAP_MODE(self._asset().token, self.random.choice((STABLE_RATE, VARIABLE_RATE))))

    def rebalance(self) -> bool:
        asset, debtor = self._asset(), self._one()
        return self._stable_debt(asset, debtor) > 0 and self._send(REBALANCE(asset.token, debtor))

    def liquidate(self) -> bool:
        """Whoever owes at a stable rate, also if nothing else."""
        debtor = self._one()
        debts = [asset for asset in self.market.assets if self._stable_debt(asset, debtor)]
        supplies = [asset for asset in self.market.assets if self._balance(asset.a_token, debtor)]
        if not debts or not supplies:
            return super().liquidate()
        debt, collateral = self.random.choice(debts), self.random.choice(supplies)
        amount = self.random.choice((MAX_UINT256, self._part_of(self._stable_debt(debt, debtor), debt)))
        return self._send(LIQUIDATE(collateral.token, debt.token, debtor, amount, self.random.getrandbits(1)))

    def _stable_debt(self, asset: Asset, wallet: Address) -> int:
        return self._balance(self.market.stable_tokens[asset.token], wallet)
