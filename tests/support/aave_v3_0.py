"""Aave V3.0.1 on the EVM in this process, from the bytecode of its package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bonafides.types import ZERO_ADDRESS, Address, address_text
from bonafides_ingest.protocols.aave_v3.rounding import Rounding
from bonafides_lab.market.artifacts import AAVE_SOURCE, AbiValue, Artifact, Artifacts, function_calldata
from bonafides_lab.market.calldata import Method, word_as_address

from tests.support.aave_evm import ADMIN, LISTINGS, TREASURY, Asset, EvmMarket
from tests.support.market_chains import aave_artifacts_or_skip

_LOGIC = ("Supply", "Borrow", "Liquidation", "EMode", "Bridge", "Configurator", "Pool", "FlashLoan")
_CONTRACTS = (
    *(f"{name}Logic" for name in _LOGIC),
    *("PoolAddressesProvider", "ACLManager", "Pool", "PoolConfigurator", "AToken", "StableDebtToken"),
    *("VariableDebtToken", "AaveOracle", "DefaultReserveInterestRateStrategy", "MintableERC20"),
)
_RAY = 10**27


def read_artifacts(folder: Artifacts) -> Mapping[str, Artifact]:
    """The contracts that a market takes."""
    return {name: folder.read(name) for name in _CONTRACTS}


@dataclass
class Aave30(EvmMarket):
    """Aave V3.0, of @aave/core-v3."""

    artifacts: Mapping[str, Artifact] = field(default_factory=lambda: read_artifacts(aave_artifacts_or_skip()))
    source = AAVE_SOURCE
    rounding = Rounding.HALF_UP

    def install(self) -> None:
        read, text = self.artifacts, address_text
        self.install_provider()
        libraries: dict[str, Address] = {}
        for name in _LOGIC:
            libraries[f"{name}Logic"] = self.deploy(read[f"{name}Logic"], libraries=libraries)
        self.pool_code = self.deploy(read["Pool"], text(self.provider), libraries=libraries)
        configurator_code = self.deploy(read["PoolConfigurator"], libraries=libraries)
        self.administer(self.provider, "setPoolImpl(address)", self.pool_code)
        self.administer(self.provider, "setPoolConfiguratorImpl(address)", configurator_code)
        self.find_proxies()
        tokens = [self.deploy(read["MintableERC20"], row.symbol, row.symbol, row.decimals) for row in LISTINGS]
        feeds = self.install_oracle(tokens)
        self._list(tokens)
        self.configure(tokens)
        # ReserveData: eight words, then the aToken, the stable and the variable debt token
        found = [self.ask(self.pool, Method("getReserveData(address)"), token) for token in tokens]
        self.assets = tuple(
            Asset(listing, token, feed, word_as_address(data[8]), word_as_address(data[10]))
            for listing, token, feed, data in zip(LISTINGS, tokens, feeds, found, strict=True)
        )

    def _list(self, tokens: Sequence[Address]) -> None:
        read, text = self.artifacts, address_text
        codes = [
            self.deploy(read[name], text(self.pool)) for name in ("AToken", "StableDebtToken", "VariableDebtToken")
        ]
        # optimal usage 45 %, base 1 %, slopes 60 % and 300 % a year: indices leave one behind quickly
        rates = (45 * _RAY // 100, _RAY // 100, 60 * _RAY // 100, 3 * _RAY, 0, 0, 0, 0, _RAY // 5)
        strategy = self.deploy(read["DefaultReserveInterestRateStrategy"], text(self.provider), *rates)
        rows: list[AbiValue] = [
            (
                *(text(code) for code in codes),
                listing.decimals,
                text(strategy),
                *(text(address) for address in (token, TREASURY, ZERO_ADDRESS)),
                *(f"{kind}{listing.symbol}" for kind in ("Aave ", "a", "debt ", "d", "stable ", "s")),
                b"\x10",
            )
            for listing, token in zip(LISTINGS, tokens, strict=True)
        ]
        assert self.send(ADMIN, self.configurator, function_calldata(read["PoolConfigurator"], "initReserves", [rows]))

    def set_emode(self, category: int, ltv_bps: int, threshold_bps: int, bonus_bps: int) -> None:
        """Add an e-mode, or change it."""
        row: list[AbiValue] = [
            category,
            ltv_bps,
            threshold_bps,
            bonus_bps,
            address_text(ZERO_ADDRESS),
            f"mode {category}",
        ]
        calldata = function_calldata(self.artifacts["PoolConfigurator"], "setEModeCategory", row)
        assert self.send(ADMIN, self.configurator, calldata)
