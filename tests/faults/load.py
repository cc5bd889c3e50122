"""People who never stop: deposits, loans, repayments, transfers, price falls, liquidations, a block a second, reorgs.

Half of what they try reverts, as it would for anybody who does not look first. What they do comes from one seed; what
of it a block holds depends on the wall clock and on reorgs, so the truth is what the receipts say in the end.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bonafides.json_rpc import Call, quantity
from bonafides.types import Address, Json, address_text
from bonafides_lab.market import methods
from bonafides_lab.market.anvil_chain import calls_at
from bonafides_lab.market.calldata import MAX_UINT256, words
from bonafides_lab.market.deployment import Deployment
from bonafides_lab.market.reserves import RESERVES, STABLE_RESERVES, VOLATILE_RESERVES
from bonafides_lab.market.wallets import wallet_of
from bonafides_lab.stack.anvil_rpc import AnvilRpc

BLOCK_S = 1.0
PEOPLE = 16
ACTS_PER_BLOCK = 6
SHARES_OF_START_PRICE = (0.45, 0.7, 0.85, 1.0, 1.1)
BLOCKS_BETWEEN_PRICES = 6
GAS, GAS_PRICE_WEI, ETHER_WEI = 1_500_000, 10**11, 10**21
FUNDS_USD = 10**10
WAD = 10**18

type Act = tuple[Address, Address, bytes]
"""Sender, contract, calldata."""


@dataclass
class People:
    """What they try next, from a seed."""

    deployment: Deployment
    seed: int
    everybody: tuple[Address, ...] = ()
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.everybody = tuple(wallet_of(self.seed, f"hurried/{number}") for number in range(PEOPLE))
        self.dice = random.Random(f"people/{self.seed}")

    def opening(self) -> list[Act]:
        """Tokens and allowances for all, then something to lend."""
        acts: list[Act] = []
        for wallet in self.everybody:
            for at, reserve in enumerate(self.deployment.reserves):
                acts.append((wallet, reserve.token, methods.MINT(self._units(at, FUNDS_USD))))
                acts.append((wallet, reserve.token, methods.APPROVE(self.deployment.pool, MAX_UINT256)))
        return acts + [self._supply(wallet) for wallet in self.everybody]

    def next_acts(self) -> list[Act]:
        """What some of them do in the next block."""
        verbs: tuple[tuple[Callable[[Address], Act], int], ...] = (
            (self._supply, 4),
            (self._borrow, 6),
            (self._repay, 4),
            (self._withdraw, 3),
            (self._transfer, 3),
            (self._borrow_for_another, 1),
            (self._toggle, 1),
        )
        chosen = self.dice.choices([verb for verb, _ in verbs], [weight for _, weight in verbs], k=ACTS_PER_BLOCK)
        return [verb(self.dice.choice(self.everybody)) for verb in chosen]

    def next_price(self) -> Act:
        """A feed that jumps."""
        at = self.dice.choice(VOLATILE_RESERVES)
        price = int(RESERVES[at].start_price_usd * self.dice.choice(SHARES_OF_START_PRICE) * 10**8)
        price += self.dice.randint(0, 10**6)
        return self.deployment.admin, self.deployment.reserves[at].feed, methods.SET_PRICE(price)

    def liquidation(self, debtor: Address) -> Act:
        """Somebody takes what they can of a position under water."""
        collateral, debt = self.dice.choice(VOLATILE_RESERVES), self.dice.choice(STABLE_RESERVES)
        reserves, in_a_tokens = self.deployment.reserves, self.dice.getrandbits(1)
        call = methods.LIQUIDATION_CALL(
            reserves[collateral].token, reserves[debt].token, debtor, MAX_UINT256, in_a_tokens
        )
        return self.dice.choice(self.everybody), self.deployment.pool, call

    def _supply(self, wallet: Address) -> Act:
        at = self.dice.randrange(len(RESERVES))
        token = self.deployment.reserves[at].token
        amount = self._units(at, self.dice.randint(5_000, 40_000))
        return wallet, self.deployment.pool, methods.SUPPLY(token, amount, self._whom(wallet), methods.NO_REFERRAL)

    def _borrow(self, wallet: Address, debtor: Address | None = None) -> Act:
        at = self.dice.choice(STABLE_RESERVES)
        token, amount = self.deployment.reserves[at].token, self._units(at, self.dice.randint(50, 9_000))
        call = methods.BORROW(token, amount, methods.VARIABLE_RATE, methods.NO_REFERRAL, debtor or wallet)
        return wallet, self.deployment.pool, call

    def _borrow_for_another(self, wallet: Address) -> Act:
        """Reverts unless the other one allowed it: now and then somebody does."""
        other = self.dice.choice(self.everybody)
        if self.dice.random() < 0.5:
            return self._borrow(wallet, other)
        token = self.deployment.reserves[self.dice.choice(STABLE_RESERVES)].variable_debt_token
        return other, token, methods.APPROVE_DELEGATION(wallet, MAX_UINT256)

    def _repay(self, wallet: Address) -> Act:
        at = self.dice.choice(STABLE_RESERVES)
        token, debtor = self.deployment.reserves[at].token, self._whom(wallet)
        amount = self._units(at, self.dice.randint(10, 6_000))
        if debtor == wallet and self.dice.random() < 0.3:
            amount = MAX_UINT256  # all of it
        return wallet, self.deployment.pool, methods.REPAY(token, amount, methods.VARIABLE_RATE, debtor)

    def _withdraw(self, wallet: Address) -> Act:
        at = self.dice.randrange(len(RESERVES))
        token, amount = self.deployment.reserves[at].token, self._units(at, self.dice.randint(10, 8_000))
        return wallet, self.deployment.pool, methods.WITHDRAW(token, amount, self._whom(wallet))

    def _transfer(self, wallet: Address) -> Act:
        at = self.dice.randrange(len(RESERVES))
        amount = self._units(at, self.dice.randint(1, 3_000))
        return wallet, self.deployment.reserves[at].a_token, methods.TRANSFER(self.dice.choice(self.everybody), amount)

    def _toggle(self, wallet: Address) -> Act:
        token = self.deployment.reserves[self.dice.randrange(len(RESERVES))].token
        return wallet, self.deployment.pool, methods.USE_AS_COLLATERAL(token, self.dice.getrandbits(1))

    def _whom(self, wallet: Address) -> Address:
        """Mostly oneself."""
        return self.dice.choice(self.everybody) if self.dice.random() < 0.25 else wallet

    def _units(self, at: int, usd: int) -> int:
        return int(usd * 10 ** RESERVES[at].decimals // int(RESERVES[at].start_price_usd))


class Load:
    """The chain under load: one thread sends and mines until `stop`."""

    def __init__(self, rpc_url: str, deployment: Deployment, seed: int) -> None:
        self._rpc = AnvilRpc(rpc_url)
        self._people = People(deployment, seed)
        self._pool = deployment.pool
        self._lock = threading.Lock()  # a reorg and a block do not mix
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._blocks = 0
        self.sent = 0
        self.reorgs: list[int] = []
        """Depths."""
        self.failure: Exception | None = None

    def open(self) -> None:
        """Take the chain over: blocks come when we say, and anybody's transactions are taken."""
        self._rpc.set_automine(False)
        self._rpc.set_interval_mining(0)
        self._rpc.call("anvil_autoImpersonateAccount", True)
        rich = [*self._people.everybody, self._people.deployment.admin]
        self._rpc.batch([("anvil_setBalance", (address_text(wallet), hex(ETHER_WEI))) for wallet in rich])
        self._send(self._people.opening())
        self._rpc.mine()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """No more blocks. Raises what ended the thread before."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._rpc.close()
        if self.failure is not None:
            raise self.failure

    def reorg(self, depth: int) -> None:
        """Replace the last blocks: on the new branch people do other things."""
        with self._lock:
            blocks = [self._people.next_acts() for _ in range(depth)]
            ancestor = hex(self._rpc.block_number() - depth)
            transactions = self._transactions([act for acts in blocks for act in acts], ancestor)
            offsets = [offset for offset, acts in enumerate(blocks) for _ in acts]
            pairs: list[Json] = [[sent, offset] for sent, offset in zip(transactions, offsets, strict=True)]
            self._rpc.call("anvil_reorg", depth, pairs)
            self.reorgs.append(depth)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                with self._lock:
                    self._mine_next()
            except Exception as exc:
                self.failure = exc
                return
            due = max(due + BLOCK_S, time.monotonic())
            self._stop.wait(due - time.monotonic())

    def _mine_next(self) -> None:
        self._blocks += 1
        acts = self._people.next_acts()
        if self._blocks % BLOCKS_BETWEEN_PRICES == 0:
            acts.insert(0, self._people.next_price())
        elif self._blocks % BLOCKS_BETWEEN_PRICES in (1, 2):
            acts += [self._people.liquidation(wallet) for wallet in self._under_water()]
        self._send(acts)
        self._rpc.mine()

    def _under_water(self) -> list[Address]:
        asked = [(self._pool, methods.ACCOUNT_DATA(wallet)) for wallet in self._people.everybody]
        answers = calls_at(self._rpc, asked, "latest")
        return [
            wallet for wallet, answer in zip(self._people.everybody, answers, strict=True) if words(answer)[5] < WAD
        ]

    def _send(self, acts: Sequence[Act]) -> None:
        sent: list[Call] = [("eth_sendTransaction", (one,)) for one in self._transactions(acts, "latest")]
        self._rpc.batch(sent)
        self.sent += len(acts)

    def _transactions(self, acts: Sequence[Act], block: str) -> list[Json]:
        """As the node takes them, on top of a block. With nonces: in a batch anvil would give two the same."""
        senders = list(dict.fromkeys(sender for sender, _, _ in acts))
        asked: list[Call] = [("eth_getTransactionCount", (address_text(sender), block)) for sender in senders]
        nonces = {sender: quantity(n) for sender, n in zip(senders, self._rpc.batch(asked), strict=True)}
        made: list[Json] = []
        for sender, to, calldata in acts:
            made.append(
                {
                    "from": address_text(sender),
                    "to": address_text(to),
                    "data": "0x" + calldata.hex(),
                    "gas": hex(GAS),
                    "gasPrice": hex(GAS_PRICE_WEI),
                    "nonce": hex(nonces[sender]),
                }
            )
            nonces[sender] += 1
        return made
