"""A crowd that does anything it can to a market of Aave V3, at random, from a seed."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bonafides.types import Address, address_text
from bonafides_lab.market.artifacts import AbiValue, function_calldata
from bonafides_lab.market.calldata import MAX_UINT256, Method

from tests.support.aave_evm import ADMIN, UMBRELLA, Asset, EvmMarket, person

SUPPLY = Method("supply(address,uint256,address,uint16)")
WITHDRAW = Method("withdraw(address,uint256,address)")
BORROW = Method("borrow(address,uint256,uint256,uint16,address)")
REPAY = Method("repay(address,uint256,uint256,address)")
REPAY_WITH_A_TOKENS = Method("repayWithATokens(address,uint256,uint256)")
LIQUIDATE = Method("liquidationCall(address,address,address,uint256,bool)")
USE_AS_COLLATERAL = Method("setUserUseReserveAsCollateral(address,bool)")
SET_EMODE = Method("setUserEMode(uint8)")
ELIMINATE_DEFICIT = Method("eliminateReserveDeficit(address,uint256)")
TRANSFER = Method("transfer(address,uint256)")
APPROVE = Method("approve(address,uint256)")
DELEGATE = Method("approveDelegation(address,uint256)")
MINT = Method("mint(address,uint256)")
BALANCE_OF = Method("balanceOf(address)")
SCALED_BALANCE_OF = Method("scaledBalanceOf(address)")
SET_PRICE = Method("set(int256)")
ACCOUNT_DATA = Method("getUserAccountData(address)")
VARIABLE_RATE = 2
WAD = 10**18


@dataclass
class Crowd:
    """Plays act by act; counts what went through."""

    market: EvmMarket
    seed: int
    without: tuple[str, ...] = ()
    """Acts that the market's version does not know."""
    people: tuple[Address, ...] = tuple(person(f"person {number}") for number in range(8))
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.everybody = (*self.people, UMBRELLA)
        for asset in self.market.assets:
            for wallet in self.everybody:
                self.market.send(wallet, asset.token, MINT(wallet, 10**12 * 10**asset.listing.decimals))
                self.market.send(wallet, asset.token, APPROVE(self.market.pool, MAX_UINT256))
                for other in self.people:
                    self.market.send(wallet, asset.debt_token, DELEGATE(other, MAX_UINT256))

    def play(self, acts: int) -> None:
        choices: tuple[tuple[Callable[[], bool], int], ...] = (
            (self.supply, 8),
            (self.borrow, 8),
            (self.withdraw, 6),
            (self.repay, 6),
            (self.repay_with_a_tokens, 4),
            (self.transfer, 5),
            (self.liquidate, 12),
            (self.toggle_collateral, 1),
            (self.change_emode, 3),
            (self.change_price, 3),
            (self.let_time_pass, 4),
            (self.mint_to_treasury, 1),
            (self.eliminate_deficit, 2),
            (self.two_at_once, 3),
        )
        verbs, weights = zip(*(row for row in choices if row[0].__name__ not in self.without), strict=True)
        for _ in range(acts):
            (verb,) = self.random.choices(verbs, weights)
            if verb():
                self.done[verb.__name__] += 1

    # What people do; each returns whether it went through

    def supply(self) -> bool:
        asset = self._asset()
        return self._send(SUPPLY(asset.token, self._amount(asset), self._somebody(), 0))

    def withdraw(self) -> bool:
        wallet, asset = self._one(), self._asset()
        amount = self._part_of(self._balance(asset.a_token, wallet), asset)
        return self._send(WITHDRAW(asset.token, amount, self._somebody()), wallet)

    def borrow(self) -> bool:
        asset = self._asset()
        return self._send(BORROW(asset.token, self._amount(asset), VARIABLE_RATE, 0, self._somebody()))

    def repay(self) -> bool:
        wallet, debtor, asset = self._one(), self._somebody(), self._asset()
        amount = self._part_of(self._balance(asset.debt_token, debtor), asset)
        if amount == MAX_UINT256:
            wallet = debtor  # all of it: for oneself alone
        return self._send(REPAY(asset.token, amount, VARIABLE_RATE, debtor), wallet)

    def repay_with_a_tokens(self) -> bool:
        wallet, asset = self._one(), self._asset()
        amount = self._part_of(self._balance(asset.debt_token, wallet), asset)
        return self._send(REPAY_WITH_A_TOKENS(asset.token, amount, VARIABLE_RATE), wallet)

    def transfer(self) -> bool:
        wallet, asset = self._one(), self._asset()
        balance = self._balance(asset.a_token, wallet)
        amount = self.random.choice((1, balance, self.random.randint(0, balance)))
        return self.market.send(wallet, asset.a_token, TRANSFER(self._somebody(), amount))

    def liquidate(self) -> bool:
        """Somebody who can be; some of those who could not take anything else."""
        debtor = self._one()
        if self.market.ask(self.market.pool, ACCOUNT_DATA, debtor)[5] >= WAD:
            return False
        debts = [asset for asset in self.market.assets if self._balance(asset.debt_token, debtor)]
        supplies = [asset for asset in self.market.assets if self._balance(asset.a_token, debtor)]
        if not debts or not supplies:
            return False
        debt, collateral = self.random.choice(debts), self.random.choice(supplies)
        amount = self.random.choice((MAX_UINT256, self._part_of(self._balance(debt.debt_token, debtor), debt)))
        return self._send(LIQUIDATE(collateral.token, debt.token, debtor, amount, self.random.getrandbits(1)))

    def toggle_collateral(self) -> bool:
        return self._send(USE_AS_COLLATERAL(self._asset().token, self.random.getrandbits(1)))

    def change_emode(self) -> bool:
        return self._send(SET_EMODE(self.random.randint(0, 3)))

    def change_price(self) -> bool:
        asset = self._asset()
        price = max(asset.listing.price * self.random.choice((5, 40, 80, 100, 100, 130, 700)) // 100, 1)
        return self.market.send(ADMIN, asset.feed, SET_PRICE(price + self.random.randint(0, 999)))

    def let_time_pass(self) -> bool:
        self.market.wait(self.random.choice((1, 12, 3_600, 86_400, 40 * 86_400)) + self.random.randint(0, 11))
        return True

    def mint_to_treasury(self) -> bool:
        tokens: AbiValue = [address_text(asset.token) for asset in self.market.assets]
        return self._send(function_calldata(self.market.artifacts["PoolInstance"], "mintToTreasury", [tokens]), ADMIN)

    def eliminate_deficit(self) -> bool:
        asset = self._asset()
        self._send(SUPPLY(asset.token, self._amount(asset), UMBRELLA, 0), UMBRELLA)
        return self._send(ELIMINATE_DEFICIT(asset.token, self._amount(asset)), UMBRELLA)

    def two_at_once(self) -> bool:
        """Two calls of one wallet in one transaction, perhaps of the same kind in the same reserve."""
        wallet, asset, other = self._one(), self._asset(), self._asset()
        supply, borrow = (
            SUPPLY(asset.token, self._amount(asset), wallet, 0),
            BORROW(other.token, self._amount(other), VARIABLE_RATE, 0, wallet),
        )
        repay = REPAY(other.token, self._amount(other), VARIABLE_RATE, wallet)
        withdraw = WITHDRAW(asset.token, self._amount(asset), wallet)
        pairs = ((supply, borrow), (supply, supply), (borrow, repay), (supply, withdraw))
        calls: AbiValue = list(self.random.choice(pairs))
        return self._send(function_calldata(self.market.artifacts["PoolInstance"], "multicall", [calls]), wallet)

    # How they choose

    def _one(self) -> Address:
        return self.random.choice(self.people)

    def _somebody(self) -> Address:
        return self._one()

    def _asset(self) -> Asset:
        return self.random.choice(self.market.assets)

    def _amount(self, asset: Asset) -> int:
        """From a unit to a hundred thousand dollars' worth, odd."""
        most = 10 ** self.random.randint(0, 5) * 10**8 * 10**asset.listing.decimals // asset.listing.price
        amounts = [self.random.randint(1, max(most, 1)) for _ in range(3)]
        return self.random.choice((1, 2, 7, *amounts))

    def _part_of(self, balance: int, asset: Asset) -> int:
        part = self.random.randint(1, max(balance, 1))
        return self.random.choice((1, self._amount(asset), part, balance, MAX_UINT256))

    def _balance(self, token: Address, wallet: Address) -> int:
        return self.market.ask(token, BALANCE_OF, wallet)[0]

    def _send(self, calldata: bytes, wallet: Address | None = None) -> bool:
        return self.market.send(wallet or self._one(), self.market.pool, calldata)
