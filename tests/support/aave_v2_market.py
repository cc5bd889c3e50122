"""A small market of the real Aave V2 on pyrevm, in which a test moves every piece itself.

Bytecode: the artifacts of @aave/protocol-v2@1.0.1, the release that Ethereum's main market was deployed with. Prices
are in wei of ETH, as there: WETH is one ether by the oracle's own rule, the others have a feed each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from bonafides.events import Position
from bonafides.types import ZERO_ADDRESS, Address, BlockRef, ChainId, Protocol
from bonafides_ingest.chain import Log
from bonafides_lab.market import methods
from bonafides_lab.market.artifacts import AbiValue, Artifacts, creation_code, function_calldata, price_feed_artifact
from bonafides_lab.market.calldata import MAX_UINT256, Method, word_as_address, words
from bonafides_lab.market.pyrevm_chain import EmittedBlock, PyrevmChain
from bonafides_lab.market.wallets import wallet_of
from bonafides_lab.stack.node_tools import NODE_MODULES

from tests.support.market_chains import INSTALL_HINT

CHAIN = ChainId(31337)
SOURCE = "@aave/protocol-v2@1.0.1"
START = 1_609_459_200
BLOCK_S = 13
ETHER = 10**18
RAY = 10**27
STABLE, VARIABLE = 1, 2
"""Aave's interest rate modes."""
ADMIN, TREASURY = wallet_of(2, "admin"), wallet_of(2, "treasury")

_ARTIFACTS = NODE_MODULES / "@aave" / "protocol-v2" / "artifacts" / "contracts"

DEPOSIT = Method("deposit(address,uint256,address,uint16)")
SWAP_RATE_MODE = Method("swapBorrowRateMode(address,uint256)")
REBALANCE = Method("rebalanceStableBorrowRate(address,address)")
WITHDRAW_ETH = Method("withdrawETH(uint256,address)")
CONFIGURE = Method("configureReserveAsCollateral(address,uint256,uint256,uint256)")
PRINCIPAL_OF = Method("principalBalanceOf(address)")
STABLE_RATE_OF = Method("getUserStableRate(address)")
SET_FEED = Method("set(int256)")


@dataclass(frozen=True, slots=True)
class V2Reserve:
    """One listed asset and its contracts."""

    symbol: str
    decimals: int
    token: Address
    feed: Address
    a_token: Address
    stable_debt_token: Address
    variable_debt_token: Address


@dataclass(frozen=True, slots=True)
class _Listing:
    symbol: str
    decimals: int
    price_wei: int
    ltv_bps: int
    threshold_bps: int


_LISTINGS = (
    _Listing("WETH", 18, ETHER, 8_000, 8_250),
    _Listing("USDC", 6, ETHER // 2_000, 8_000, 8_500),
    _Listing("WBTC", 8, 15 * ETHER, 7_000, 7_500),
    _Listing("USDT", 6, ETHER // 2_000, 0, 0),  # no collateral, as on Ethereum
)


def aave_v2_artifacts_or_skip() -> Artifacts:
    """The real Aave V2 artifacts; without the node tools the test is skipped, and says so."""
    if not _ARTIFACTS.is_dir():
        pytest.skip(f"SKIPPED, no Aave V2 bytecode: {INSTALL_HINT}")
    return Artifacts(_ARTIFACTS)


class V2Market:
    """Everything deployed, the admin owns it, nobody has deposited yet."""

    def __init__(self, artifacts: Artifacts) -> None:
        self.artifacts = artifacts
        self.blocks: list[EmittedBlock] = []
        self.chain = PyrevmChain(CHAIN, seed=1, sink=self)
        self._timestamp = START
        self.chain.fund([ADMIN])
        self.provider = self.deploy("LendingPoolAddressesProvider", "bonafides")
        self.send(ADMIN, self.provider, Method("setPoolAdmin(address)")(ADMIN))
        self.pool, self.configurator = self._deploy_pool()
        tokens = [
            self.deploy("WETH9Mocked")
            if listing.symbol == "WETH"
            else self.deploy("MintableERC20", listing.symbol, listing.symbol, listing.decimals)
            for listing in _LISTINGS
        ]
        feeds = [self._deploy_feed(listing.price_wei) for listing in _LISTINGS]
        feeds[0] = ZERO_ADDRESS  # the oracle never asks about WETH
        self.usd_feed = self._deploy_feed(2_000 * 10**8)
        self.oracle = self.deploy("AaveOracle", *_lists(tokens[1:], feeds[1:]), _text(ZERO_ADDRESS), _text(tokens[0]))
        self._name_oracles(tokens)
        self.reserves = {
            listing.symbol: self._list(listing, token, feed)
            for listing, token, feed in zip(_LISTINGS, tokens, feeds, strict=True)
        }
        self.gateway = self.deploy("WETHGateway", _text(tokens[0]), _text(self.pool))
        self.chain.fund([tokens[0]])  # what WETH pays out when it is unwrapped

    def take(self, block: EmittedBlock) -> None:
        """Keeps every block, as the chain's sink."""
        self.blocks.append(block)

    # Acting

    def mine(self, transactions: Callable[[], object], *, succeeds: bool | None = True) -> bool:
        """One block with what is done in it, and whether all of it was; with None it need not be."""
        self._timestamp += BLOCK_S
        self.chain.open_block(self._timestamp)
        transactions()
        succeeded = all(self.chain.close_block().succeeded)
        assert succeeds in (None, succeeded)
        return succeeded

    def send(self, sender: Address, to: Address, calldata: bytes, *, succeeds: bool | None = True) -> bool:
        """One transaction in a block of its own, and whether it went through."""
        return self.mine(lambda: self.chain.send(sender, to, calldata), succeeds=succeeds)

    def call(self, sender: Address, to: Address, contract: str, function: str, *arguments: AbiValue) -> None:
        """One transaction of a function with arrays."""
        self.send(sender, to, function_calldata(self.artifacts.read(contract), function, arguments))

    def deploy(self, name: str, *arguments: AbiValue, libraries: dict[str, Address] | None = None) -> Address:
        """A contract of the package in a block of its own."""
        return self._create(creation_code(self.artifacts.read(name), arguments, libraries or {}))

    def fund(self, wallet: Address, symbol: str) -> None:
        """Give the wallet a million whole tokens and let the pool take them."""
        self.chain.fund([wallet])
        reserve = self.reserves[symbol]
        self.send(wallet, reserve.token, methods.MINT(10**6 * 10**reserve.decimals))
        self.send(wallet, reserve.token, methods.APPROVE(self.pool, MAX_UINT256))

    def set_price(self, symbol: str, wei: int) -> None:
        """Post the price of one whole token."""
        self.send(ADMIN, self.reserves[symbol].feed, SET_FEED(wei))

    def pass_time(self, seconds: int) -> None:
        """Let the next block be this much later."""
        self._timestamp += seconds

    # Looking

    def read(self, to: Address, calldata: bytes) -> list[int]:
        """The words that a view function answers, as of the last block."""
        return words(self.chain.calls([(to, calldata)])[0])

    @property
    def last_block(self) -> BlockRef:
        block = self.blocks[-1]
        return BlockRef(CHAIN, block.number, block.hash, block.timestamp)

    def logs(self) -> list[Log]:
        """All logs so far, in order."""
        found: list[Log] = []
        for block in self.blocks:
            reference = BlockRef(CHAIN, block.number, block.hash, block.timestamp)
            index = 0
            for place, transaction in enumerate(block.transactions):
                for log in transaction.logs:
                    position = Position(reference, transaction.hash, place, index)
                    found.append(Log(position, log.address, log.topics, log.data))  # type: ignore[arg-type]
                    index += 1
        return found

    def registry_entry(self) -> dict[str, object]:
        """The deployment as an entry of the registry file."""
        return {
            "id": "aave-v2-development",
            "chain_id": CHAIN,
            "protocol": Protocol.AAVE_V2.value,
            "pool": _text(self.pool),
            "configurator": _text(self.configurator),
            "oracle": _text(self.oracle),
            "provider": _text(self.provider),
            "base": {"asset": _text(self.reserves["WETH"].token), "usd_feed": _text(self.usd_feed)},
            "decimals": {_text(reserve.token): reserve.decimals for reserve in self.reserves.values()},
            "treasuries": [_text(TREASURY)],
            "gateways": [_text(self.gateway)],
            "from_block": 1,
            "source": SOURCE,
            "development": True,
        }

    # Building

    def _create(self, code: bytes) -> Address:
        created: list[Address] = []
        self.mine(lambda: created.append(self.chain.deploy(ADMIN, code)))
        return created[0]

    def _deploy_feed(self, answer: int) -> Address:
        return self._create(creation_code(price_feed_artifact(), [answer], {}))

    def _deploy_pool(self) -> tuple[Address, Address]:
        libraries = {name: self.deploy(name) for name in ("ReserveLogic", "GenericLogic")}
        libraries["ValidationLogic"] = self.deploy("ValidationLogic", libraries=libraries)
        for method, contract in (
            ("setLendingPoolImpl(address)", self.deploy("LendingPool", libraries=libraries)),
            ("setLendingPoolConfiguratorImpl(address)", self.deploy("LendingPoolConfigurator")),
            ("setLendingPoolCollateralManager(address)", self.deploy("LendingPoolCollateralManager")),
        ):
            self.send(ADMIN, self.provider, Method(method)(contract))
        pool, configurator = (
            word_as_address(self.read(self.provider, Method(method)())[0])
            for method in ("getLendingPool()", "getLendingPoolConfigurator()")
        )
        return pool, configurator

    def _name_oracles(self, tokens: Sequence[Address]) -> None:
        rates = self.deploy("LendingRateOracle")
        self.send(ADMIN, self.provider, Method("setPriceOracle(address)")(self.oracle))
        self.send(ADMIN, self.provider, Method("setLendingRateOracle(address)")(rates))
        for token in tokens:
            self.send(ADMIN, rates, Method("setMarketBorrowRate(address,uint256)")(token, RAY * 4 // 100))

    def _list(self, listing: _Listing, token: Address, feed: Address) -> V2Reserve:
        names = (listing.symbol, listing.symbol, _text(ZERO_ADDRESS))
        a_token = self.deploy("AToken", _text(self.pool), _text(token), _text(TREASURY), *names)
        stable, variable = (
            self.deploy(name, _text(self.pool), _text(token), *names)
            for name in ("StableDebtToken", "VariableDebtToken")
        )
        strategy = self.deploy(
            "DefaultReserveInterestRateStrategy",
            _text(self.provider),
            *(RAY * percent // 100 for percent in (80, 1, 4, 75, 2, 75)),
        )
        initialise = Method("initReserve(address,address,address,uint8,address)")
        self.send(ADMIN, self.configurator, initialise(a_token, stable, variable, listing.decimals, strategy))
        bonus_bps = 10_500 if listing.threshold_bps else 0
        self.send(ADMIN, self.configurator, CONFIGURE(token, listing.ltv_bps, listing.threshold_bps, bonus_bps))
        self.send(ADMIN, self.configurator, Method("enableBorrowingOnReserve(address,bool)")(token, 1))
        self.send(ADMIN, self.configurator, Method("setReserveFactor(address,uint256)")(token, 1_000))
        found = self.read(self.pool, Method("getReserveData(address)")(token))
        proxies = (word_as_address(found[place]) for place in (7, 8, 9))
        return V2Reserve(listing.symbol, listing.decimals, token, feed, *proxies)


def _lists(*columns: Sequence[Address]) -> list[AbiValue]:
    return [[_text(contract) for contract in column] for column in columns]


def _text(contract: Address) -> str:
    return "0x" + contract.hex()
