"""Aave V3.6 on the EVM in this process, from the sources of its package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bonafides.types import ZERO_ADDRESS, Address, address_text
from bonafides_ingest.protocols.aave_v3.rounding import Rounding
from bonafides_lab.market.artifacts import AbiValue, Artifact, function_calldata
from bonafides_lab.market.calldata import Method, word_as_address
from bonafides_lab.stack.node_tools import NODE_MODULES
from eth_abi.abi import encode

from tests.support.aave_evm import ADMIN, LISTINGS, TREASURY, UMBRELLA, Asset, EvmMarket, Listing
from tests.support.solidity import Project, compile_or_skip

_LOGIC = "protocol/libraries/logic"
_LIBRARIES = ("SupplyLogic", "BorrowLogic", "LiquidationLogic", "PoolLogic", "ConfiguratorLogic", "FlashLoanLogic")
PROJECT = Project(
    folder=NODE_MODULES / "@aave-dao" / "aave-v3-origin" / "src" / "contracts",
    remappings={"openzeppelin-contracts/contracts/": NODE_MODULES / "@openzeppelin" / "contracts"},
    wanted=(
        "protocol/configuration/PoolAddressesProvider.sol:PoolAddressesProvider",
        "protocol/configuration/ACLManager.sol:ACLManager",
        "instances/PoolInstance.sol:PoolInstance",
        "instances/PoolConfiguratorInstance.sol:PoolConfiguratorInstance",
        "instances/ATokenInstance.sol:ATokenInstance",
        "instances/VariableDebtTokenInstance.sol:VariableDebtTokenInstance",
        "misc/AaveOracle.sol:AaveOracle",
        "misc/DefaultReserveInterestRateStrategyV2.sol:DefaultReserveInterestRateStrategyV2",
        "helpers/WrappedTokenGatewayV3.sol:WrappedTokenGatewayV3",
        "mocks/tokens/MintableERC20.sol:MintableERC20",
        "mocks/tokens/WETH9Mocked.sol:WETH9Mocked",
        *(f"{_LOGIC}/{name}.sol:{name}" for name in _LIBRARIES),
        "FlashBorrower.sol:FlashBorrower",
        "NextPool.sol:NextPool",
    ),
    extra=tuple(Path(__file__).parent / "contracts" / name for name in ("FlashBorrower.sol", "NextPool.sol")),
)


@dataclass
class Aave36(EvmMarket):
    """Aave V3.6, from the sources of its package."""

    artifacts: Mapping[str, Artifact] = field(default_factory=lambda: compile_or_skip(PROJECT))
    source = "@aave-dao/aave-v3-origin@3.6.0"
    rounding = Rounding.BY_OPERATION

    def install(self) -> None:
        read, text = self.artifacts, address_text
        self.install_provider()
        self.strategy = self.deploy(read["DefaultReserveInterestRateStrategyV2"], text(self.provider))
        self.libraries: dict[str, Address] = {}
        for name in _LIBRARIES:
            self.libraries[name] = self.deploy(read[name], libraries=self.libraries)
        self.pool_code = self.deploy_pool_code("PoolInstance")
        self.administer(self.provider, "setPoolImpl(address)", self.pool_code)
        configurator_code = self.deploy(read["PoolConfiguratorInstance"], libraries=self.libraries)
        self.administer(self.provider, "setPoolConfiguratorImpl(address)", configurator_code)
        self.administer(
            self.provider, "setAddress(bytes32,address)", int.from_bytes(b"UMBRELLA".ljust(32, b"\0")), UMBRELLA
        )
        self.find_proxies()
        tokens = [
            self.deploy(read["WETH9Mocked"])
            if listing.symbol == "WETH"
            else self.deploy(read["MintableERC20"], listing.symbol, listing.symbol, listing.decimals)
            for listing in LISTINGS
        ]
        feeds = self.install_oracle(tokens)
        self._list(tokens)
        self.assets = tuple(self._asset(*row) for row in zip(LISTINGS, tokens, feeds, strict=True))
        self.gateway = self.deploy(read["WrappedTokenGatewayV3"], text(tokens[0]), text(ADMIN), text(self.pool))

    def deploy_pool_code(self, name: str) -> Address:
        """An implementation of the Pool."""
        arguments = (address_text(self.provider), address_text(self.strategy))
        return self.deploy(self.artifacts[name], *arguments, libraries=self.libraries)

    def _list(self, tokens: Sequence[Address]) -> None:
        text = address_text
        a_token = self.deploy(self.artifacts["ATokenInstance"], text(self.pool), text(ZERO_ADDRESS), text(TREASURY))
        debt_token = self.deploy(self.artifacts["VariableDebtTokenInstance"], text(self.pool), text(ZERO_ADDRESS))
        # optimal usage 45 %, base 1 %, slopes 60 % and 300 % a year: indices leave one behind quickly
        rates = encode(["(uint16,uint32,uint32,uint32)"], [(4_500, 100, 6_000, 30_000)])
        rows: list[AbiValue] = [
            (text(a_token), text(debt_token), text(token), f"a{i}", f"a{i}", f"d{i}", f"d{i}", b"", rates)
            for i, token in enumerate(tokens)
        ]
        calldata = function_calldata(self.artifacts["PoolConfiguratorInstance"], "initReserves", [rows])
        assert self.send(ADMIN, self.configurator, calldata)
        self.configure(tokens)
        for token in tokens:
            self.administer(self.configurator, "setReserveFlashLoaning(address,bool)", token, 1)

    def _asset(self, listing: Listing, token: Address, feed: Address) -> Asset:
        a_token, debt_token = (
            word_as_address(self.ask(self.pool, Method(f"getReserve{kind}(address)"), token)[0])
            for kind in ("AToken", "VariableDebtToken")
        )
        return Asset(listing, token, feed, a_token, debt_token)

    def set_emode(self, category: int, ltv_bps: int, threshold_bps: int, bonus_bps: int) -> None:
        """Add an e-mode, or change it."""
        row: list[AbiValue] = [category, ltv_bps, threshold_bps, bonus_bps, f"mode {category}"]
        calldata = function_calldata(self.artifacts["PoolConfiguratorInstance"], "setEModeCategory", row)
        assert self.send(ADMIN, self.configurator, calldata)
