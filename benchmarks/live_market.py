"""People who act in every block of an anvil with a block a second: real Aave V3, small steps that succeed.

```
 set-up   everybody is minted WETH and USDC, approves, supplies; half of them borrow      (a few blocks, mined at once)
 live     block ─► the next three act: supply, borrow, repay, withdraw, send aTokens ─► block, a second later
```
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bonafides.json_rpc import Call
from bonafides.types import Address, Json, address_text
from bonafides_lab.market import methods
from bonafides_lab.market.anvil_chain import GAS_PER_TRANSACTION, GAS_PRICE_WEI, AnvilChain, anvil_under_control
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.calldata import MAX_UINT256
from bonafides_lab.market.deployment import Deployment, deploy_market
from bonafides_lab.market.reserves import RESERVES
from bonafides_lab.market.wallets import borrower_role, wallet_of
from bonafides_lab.stack.anvil_rpc import AnvilRpc
from bonafides_lab.stack.node_tools import aave_artifacts_folder

SEED = 7
PEOPLE = 120
ACTING_IN_A_BLOCK = 3
BLOCK_S = 1
BLOCKS_BETWEEN_PRICES = 12
SETUP_S = 600
"""The chain begins this long ago: blocks of the set-up are some seconds apart, and none is in the future."""
_WETH, _USDC = 0, 2  # places in RESERVES
_ONE_WETH, _ONE_USDC = 10**18, 10**6
_STEPS = ("supply", "borrow", "repay", "withdraw", "send")

type Transaction = tuple[Address, Address, bytes]
"""Sender, contract, calldata."""


@dataclass
class LiveMarket:
    """The market and its people. Nonces are counted here, so that a block's transactions go out in one batch."""

    rpc: AnvilRpc
    deployment: Deployment
    people: Sequence[Address]
    _nonces: dict[Address, int] = field(default_factory=dict)
    _dice: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311 - repeatable
    _turn: int = 0

    def act(self) -> None:
        """The next people do one thing each; their transactions wait for the next block."""
        first = self._turn * ACTING_IN_A_BLOCK
        acting = [self.people[(first + place) % len(self.people)] for place in range(ACTING_IN_A_BLOCK)]
        transactions = [self._step(who, _STEPS[(first + place) % len(_STEPS)]) for place, who in enumerate(acting)]
        if self._turn % BLOCKS_BETWEEN_PRICES == 0:
            dollars = RESERVES[_WETH].start_price_usd * self._dice.uniform(0.999, 1.001)
            price = methods.SET_PRICE(int(dollars * 10**8))
            transactions.append((self.deployment.admin, self.deployment.reserves[_WETH].feed, price))
        self._turn += 1
        self.send(transactions)

    def act_as(self, people: Sequence[Address]) -> None:
        """These do one thing each, one after another; whoever comes again does another thing than before."""
        done: dict[Address, int] = {}
        transactions = []
        for who in people:
            done[who] = done.get(who, -1) + 1
            transactions.append(self._step(who, _STEPS[done[who] % len(_STEPS[:-1])]))
        self.send(transactions)

    def send(self, transactions: Sequence[Transaction]) -> None:
        """Hand transactions to the node; it mines them when it mines."""
        self.rpc.batch([self._call(*transaction) for transaction in transactions])

    def _step(self, who: Address, step: str) -> Transaction:
        pool, reserves = self.deployment.pool, self.deployment.reserves
        weth, usdc = reserves[_WETH].token, reserves[_USDC].token
        share = self._dice.uniform(0.5, 1.5)
        small_weth, small_usdc = int(share * _ONE_WETH / 100), int(share * _ONE_USDC)
        match step:
            case "supply":
                return who, pool, methods.SUPPLY(weth, small_weth, who, methods.NO_REFERRAL)
            case "borrow":
                rate = methods.VARIABLE_RATE
                return who, pool, methods.BORROW(usdc, 10 * small_usdc, rate, methods.NO_REFERRAL, who)
            case "repay":
                return who, pool, methods.REPAY(usdc, small_usdc, methods.VARIABLE_RATE, who)
            case "withdraw":
                return who, pool, methods.WITHDRAW(weth, small_weth // 2, who)
            case _:
                other = self.people[self._dice.randrange(len(self.people))]
                return who, reserves[_WETH].a_token, methods.TRANSFER(other, small_weth // 10)

    def _call(self, sender: Address, to: Address, calldata: bytes) -> Call:
        nonce = self._nonces.get(sender)
        if nonce is None:
            nonce = int(str(self.rpc.call("eth_getTransactionCount", address_text(sender), "latest")), 16)
        self._nonces[sender] = nonce + 1
        transaction: dict[str, Json] = {
            "from": address_text(sender),
            "to": address_text(to),
            "data": "0x" + calldata.hex(),
            "gas": hex(GAS_PER_TRANSACTION),
            "gasPrice": hex(GAS_PRICE_WEI),
            "nonce": hex(nonce),
        }
        return ("eth_sendTransaction", (transaction,))


@contextmanager
def live_market(rpc_url: str) -> Iterator[LiveMarket]:
    """Deploy Aave V3, bring the people in; nothing is mined by itself yet. anvil is given back at the end."""
    with anvil_under_control(rpc_url) as chain:
        deployment = deploy_market(
            chain,
            Artifacts(aave_artifacts_folder() / "contracts"),
            seed=SEED,
            start_timestamp=chain.latest_timestamp() + 1,
            start_prices=[int(spec.start_price_usd * 10**8) for spec in RESERVES],
        )
        people = [wallet_of(SEED, borrower_role(index)) for index in range(PEOPLE)]
        market = LiveMarket(chain.rpc, deployment, people)
        _bring_in(chain, market)
        yield market


def run_blocks(market: LiveMarket, head: Callable[[], int], blocks: int, check: Callable[[], None]) -> tuple[int, int]:
    """Let people act in so many blocks, a second apart; returns the first and the last of them.

    Each block's transactions are handed in right after the block before: none is caught half-way by the clock.
    """
    seen = first = head()
    while seen < first + blocks:
        market.act()
        while (now := head()) == seen:
            check()
            time.sleep(0.02)
        seen = now
    return first + 1, seen


def _bring_in(chain: AnvilChain, market: LiveMarket) -> None:
    lender = wallet_of(SEED, "lender/0")
    chain.fund([lender, *market.people])
    rpc, deployment = chain.rpc, market.deployment
    weth, usdc = (deployment.reserves[place].token for place in (_WETH, _USDC))
    steps: list[list[Transaction]] = [[], [], []]
    for who in (lender, *market.people):
        for token, amount in ((weth, 10**6 * _ONE_WETH), (usdc, 10**10 * _ONE_USDC)):
            steps[0] += [
                (who, token, methods.MINT(amount)),
                (who, token, methods.APPROVE(deployment.pool, MAX_UINT256)),
            ]
        steps[1].append((who, deployment.pool, methods.SUPPLY(weth, 100 * _ONE_WETH, who, methods.NO_REFERRAL)))
    supply = methods.SUPPLY(usdc, 10**9 * _ONE_USDC, lender, methods.NO_REFERRAL)
    steps[1].append((lender, deployment.pool, supply))
    for who in market.people:
        borrow = methods.BORROW(usdc, 1_000 * _ONE_USDC, methods.VARIABLE_RATE, methods.NO_REFERRAL, who)
        steps[2].append((who, deployment.pool, borrow))
    for transactions in steps:
        market.send(transactions)
        rpc.mine()
