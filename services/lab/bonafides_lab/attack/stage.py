"""The stage of a round: real Aave V3 in this process, a house that keeps its rates steady, and blocks to act in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from bonafides.errors import InvariantViolation
from bonafides.types import Address, ChainId
from eth_abi.abi import encode

from bonafides_lab.attack.records import calm_prices_with_one_crash
from bonafides_lab.market import methods
from bonafides_lab.market.actions import ALL, Action, Verb, transaction_of
from bonafides_lab.market.artifacts import Artifact, Artifacts, creation_code
from bonafides_lab.market.calldata import MAX_UINT256, Method, words
from bonafides_lab.market.cryo_files import CryoFiles
from bonafides_lab.market.deployment import PRICE_UNIT, deploy_market, deployments_yaml
from bonafides_lab.market.positions import Book, Quotes, read_quotes
from bonafides_lab.market.prices import price_path
from bonafides_lab.market.pyrevm_chain import PyrevmChain
from bonafides_lab.market.reserves import RESERVES, USDC, WETH
from bonafides_lab.market.wallets import wallet_of

CHAIN = ChainId(31337)
START_TIMESTAMP = 1_672_531_200
"""2023-01-01 00:00 UTC. Fixed, so that a seed names a round to the byte."""
DAY_S = 86_400
SETUP_S = 3_600
ACTS_START_S = 3_600
BLOCK_S = 12
DEPLOYMENTS_FILE = "deployments.yaml"
HOUSE_USD = 10**9
"""What the house supplies of each asset: no attacker moves a rate."""
HOUSE_USE_BPS = 8_000
"""Share of it that the house borrows: near the kink of the stablecoin's curve, where real pools stand."""
PURSE_USD = 10**6
"""What each wallet of an attacker is minted of each token. It pays for what it locks (see `costs`), so that a full
purse is no gift."""
MOST_PER_BLOCK = 40
UNDER_WATER_BELOW = 0.999_999
TRADED = (WETH, USDC)
"""The reserves that play a part."""
SET_FLASH_LOANS = Method("setReserveFlashLoaning(address,bool)")


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction to send. `touches` names the (wallet, reserve) whose balances it may move."""

    sender: Address
    to: Address
    calldata: bytes
    touches: tuple[tuple[Address, int], ...] = ()


class Stage:
    """One market from its deployment to its last block."""

    def __init__(self, artifacts: Artifacts, logs: Path, *, seed: int, days: int) -> None:
        self._files = CryoFiles(logs, CHAIN)
        self._files.prepare()
        self.chain = PyrevmChain(CHAIN, seed=seed, sink=self._files)
        self._path = price_path(seed, days, calm_prices_with_one_crash(days))
        self.deployment = deploy_market(
            self.chain,
            artifacts,
            seed=seed,
            start_timestamp=START_TIMESTAMP - SETUP_S,
            start_prices=self._path.days[0],
        )
        self._files.keep_logs_of(self.deployment.logging_contracts)
        (logs / DEPLOYMENTS_FILE).write_text(deployments_yaml(self.deployment), "utf-8")
        self.book = Book(self.deployment)
        self._posted = list(self._path.days[0])
        self._clock = self.deployment.ready_timestamp
        self._house, self._liquidator = wallet_of(seed, "house"), wallet_of(seed, "liquidator")
        self.liquidations = 0
        self.bundler = self._open(wallet_of(seed, "bundler"))
        self.quotes = self._quotes()

    def _open(self, deployer: Address) -> Address:
        """Allow flash loans, deploy the attackers' helper, and let the house in; returns the helper's address."""
        chain, deployment = self.chain, self.deployment
        chain.fund([deployer, self._house, self._liquidator])
        chain.open_block(self._tick())
        for reserve in deployment.reserves:
            chain.send(deployment.admin, deployment.configurator, SET_FLASH_LOANS(reserve.token, 1))
        bundler = chain.deploy(deployer, creation_code(bundler_artifact(), [], {}))
        if not all(chain.close_block().succeeded):
            raise InvariantViolation("setting up the attackers' stage reverted: expected Aave's pool admin to be known")
        self.give_purses([self._house, self._liquidator], 100 * HOUSE_USD)
        quotes = self._quotes()
        lend = [self._house_act(Verb.SUPPLY, reserve, HOUSE_USD, quotes) for reserve in TRADED]
        # Its own WETH could not carry the loan.
        more = self._house_act(Verb.SUPPLY, WETH, HOUSE_USD, quotes)
        use = self._house_act(Verb.BORROW, USDC, HOUSE_USD * HOUSE_USE_BPS / 10_000, quotes)
        if not all(self.mine([*lend, more, use])):
            raise InvariantViolation("the house could not lend and borrow at the start of the attackers' stage")
        return bundler

    def _house_act(self, verb: Verb, reserve: int, usd: float, quotes: Quotes) -> Tx:
        action = Action(verb, self._house, reserve, quotes.base_units(reserve, usd))
        return Tx(self._house, *transaction_of(action, self.deployment))

    def give_purses(self, wallets: Sequence[Address], usd: float) -> tuple[int, ...]:
        """Mint to each wallet and let the pool take it; returns the units of each reserve of `TRADED`."""
        units = tuple(int(usd / RESERVES[place].start_price_usd) * 10 ** RESERVES[place].decimals for place in TRADED)
        self.chain.fund(wallets)
        txs = []
        for wallet in wallets:
            for place, amount in zip(TRADED, units, strict=True):
                token = self.deployment.reserves[place].token
                txs.append(Tx(wallet, token, methods.MINT(amount)))
                txs.append(Tx(wallet, token, methods.APPROVE(self.deployment.pool, MAX_UINT256)))
        if not all(self.mine(txs)):
            raise InvariantViolation("a mint or an approval reverted on the attackers' stage")
        return units

    def begin_day(self, day: int) -> None:
        """Post the day's prices, and let the liquidator work until nothing is under water."""
        self._clock = START_TIMESTAMP + day * DAY_S - BLOCK_S
        self._post(self._path.days[day])
        self.quotes = self._quotes()
        while True:
            ill = self.book.under_water(self.quotes, UNDER_WATER_BELOW)
            calls = [
                Action(Verb.LIQUIDATE, self._liquidator, USDC, ALL, other=wallet, collateral_reserve=WETH)
                for wallet, standing in ill
                if standing.debt_usd[USDC] > 1 and standing.supply_usd[WETH] > 1
            ]
            if not calls:
                break
            done = self.mine([Tx(call.sender, *transaction_of(call, self.deployment), call.touches) for call in calls])
            self.liquidations += sum(done)
            if not any(done):
                break
        self._clock = max(self._clock, START_TIMESTAMP + day * DAY_S + ACTS_START_S)

    def mine(self, txs: Sequence[Tx]) -> list[bool]:
        """All of it in one block or, beyond `MOST_PER_BLOCK`, in blocks 12 seconds apart; says which succeeded."""
        done: list[bool] = []
        for start in range(0, len(txs), MOST_PER_BLOCK):
            done += self.mine_together(txs[start : start + MOST_PER_BLOCK])
        return done

    def mine_together(self, txs: Sequence[Tx]) -> list[bool]:
        """All of it in one block."""
        self.chain.open_block(self._tick())
        for tx in txs:
            self.chain.send(tx.sender, tx.to, tx.calldata)
        block = self.chain.close_block()
        self.book.refresh(self.chain, [touched for tx in txs for touched in tx.touches])
        return list(block.succeeded)

    def close(self, days: int) -> int:
        """A last block at the end of the last day; returns the cut-off that names it: a second later."""
        end = START_TIMESTAMP + days * DAY_S
        self._clock = end - BLOCK_S
        self._post(self._posted, heartbeat=True)
        self._files.finish()
        self.quotes = self._quotes()
        return end + 1

    def price_usd(self, reserve: int) -> float:
        """The posted price."""
        return self._posted[reserve] / PRICE_UNIT

    def token_balances(self, wallets: Iterable[Address], token_of: Sequence[Address]) -> list[int]:
        """`balanceOf` of each token of `token_of`, wallet by wallet."""
        requests = [(token, methods.BALANCE_OF(wallet)) for wallet in wallets for token in token_of]
        return [words(answer)[0] for answer in self.chain.calls(requests)]

    def _post(self, prices: Sequence[int], *, heartbeat: bool = False) -> None:
        self.chain.open_block(self._tick())
        for place, price in enumerate(prices):
            if heartbeat or price != self._posted[place]:
                self.chain.send(self.deployment.admin, self.deployment.reserves[place].feed, methods.SET_PRICE(price))
        self._posted = list(prices)
        self.chain.close_block()

    def _quotes(self) -> Quotes:
        return read_quotes(self.chain, self.deployment, self._posted)

    def _tick(self) -> int:
        self._clock += BLOCK_S
        return self._clock


def bundler_artifact() -> Artifact:
    """Our `Bundler`, compiled from contracts/Bundler.sol; a test compiles it again and compares."""
    return Artifact.model_validate_json(
        files("bonafides_lab.attack").joinpath("contracts/Bundler.json").read_text("utf-8")
    )


_RUN = Method("run((address,bytes)[])")
_FLASH_LOAN = Method("flashLoan(address,address[],uint256[],uint256[],address,bytes,uint16)")

type Call = tuple[Address, bytes]


def bundle_calldata(calls: Sequence[Call]) -> bytes:
    """`Bundler.run` of these calls."""
    return _RUN.selector + encode(["(address,bytes)[]"], [list(calls)])


def flash_loan_calldata(bundler: Address, token: Address, amount: int, calls: Sequence[Call]) -> bytes:
    """`Pool.flashLoan` of one asset to the bundler, which makes these calls with it and pays back."""
    params = encode(["(address,bytes)[]"], [list(calls)])
    types = ["address", "address[]", "uint256[]", "uint256[]", "address", "bytes", "uint16"]
    no_debt = 0  # interest rate mode: the loan must be back in the same transaction
    return _FLASH_LOAN.selector + encode(types, [bundler, [token], [amount], [no_debt], bundler, params, 0])
