"""Deploys the real Aave V3 and says where everything is."""

from collections.abc import Sequence
from dataclasses import dataclass

from bonafides.errors import InvariantViolation
from bonafides.types import ZERO_ADDRESS, Address, ChainId

from bonafides_lab.market import methods
from bonafides_lab.market.artifacts import (
    AAVE_SOURCE,
    AbiValue,
    Artifact,
    Artifacts,
    creation_code,
    function_calldata,
    price_feed_artifact,
)
from bonafides_lab.market.calldata import word_as_address, words
from bonafides_lab.market.chain import Chain
from bonafides_lab.market.reserves import (
    LIQUIDATION_PROTOCOL_FEE_BPS,
    RATE_CURVES,
    RAY,
    RESERVE_FACTOR_BPS,
    RESERVES,
    RateCurve,
    RateCurveSpec,
)
from bonafides_lab.market.wallets import wallet_of

SECONDS_PER_SETUP_BLOCK = 12
PRICE_UNIT = 10**8
"""Aave V3's oracle answers in USD with 8 decimals."""

_PLAIN_LIBRARIES = (
    "SupplyLogic",
    "BorrowLogic",
    "LiquidationLogic",
    "EModeLogic",
    "BridgeLogic",
    "ConfiguratorLogic",
    "PoolLogic",
)


@dataclass(frozen=True, slots=True)
class ReserveContracts:
    """The contracts of one reserve, in the order of `reserves.RESERVES`."""

    symbol: str
    decimals: int
    token: Address
    feed: Address
    a_token: Address
    variable_debt_token: Address


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the market's contracts are."""

    chain_id: ChainId
    first_block: int
    """The block that holds the first of the deployment's transactions."""
    ready_timestamp: int
    """Unix seconds of the block after which the market is open."""
    pool: Address
    configurator: Address
    provider: Address
    oracle: Address
    acl: Address
    data_provider: Address
    treasury: Address
    admin: Address
    """Sets prices; on a live chain this would be Chainlink."""
    reserves: tuple[ReserveContracts, ...]

    @property
    def logging_contracts(self) -> frozenset[Address]:
        """Every contract whose logs an ingest of this market wants: Aave's and the price feeds, not the bare tokens."""
        own = {self.pool, self.configurator, self.provider, self.oracle, self.acl}
        for reserve in self.reserves:
            own |= {reserve.feed, reserve.a_token, reserve.variable_debt_token}
        return frozenset(own)


class _Installer:
    """Sends the deployment, one block after another, a few seconds apart."""

    def __init__(self, chain: Chain, artifacts: Artifacts, seed: int, start_timestamp: int) -> None:
        self._chain = chain
        self._artifacts = artifacts
        self._timestamp = start_timestamp
        # Two accounts, so that the contracts' addresses depend on the order of deployments alone, on every chain.
        self._deployer = wallet_of(seed, "deployer")
        self.admin = wallet_of(seed, "admin")
        self.first_block = 0
        chain.fund([self._deployer, self.admin])
        chain.open_block(start_timestamp)

    def next_block(self) -> int:
        """Close the block, and open the next; returns the closed one's timestamp."""
        closed = self.finish()
        self._chain.open_block(self._timestamp)
        return closed

    def finish(self) -> int:
        block = self._chain.close_block()
        if not all(block.succeeded):
            failed = [index for index, succeeded in enumerate(block.succeeded) if not succeeded]
            raise InvariantViolation(f"deploying {AAVE_SOURCE}: transactions {failed} of a set-up block reverted")
        self.first_block = self.first_block or block.number
        self._timestamp = block.timestamp + SECONDS_PER_SETUP_BLOCK
        return block.timestamp

    def deploy(self, name: str, *arguments: AbiValue, libraries: dict[str, Address] | None = None) -> Address:
        return self.deploy_artifact(self._artifacts.read(name), *arguments, libraries=libraries)

    def deploy_artifact(
        self, artifact: Artifact, *arguments: AbiValue, libraries: dict[str, Address] | None = None
    ) -> Address:
        return self._chain.deploy(self._deployer, creation_code(artifact, arguments, libraries or {}))

    def send(self, to: Address, calldata: bytes) -> None:
        self._chain.send(self.admin, to, calldata)


def deploy_market(
    chain: Chain, artifacts: Artifacts, *, seed: int, start_timestamp: int, start_prices: Sequence[int]
) -> Deployment:
    """Deploy Aave V3 with the reserves of `reserves.RESERVES`.

    `start_prices` are USD with 8 decimals, one per reserve. The first block is at `start_timestamp`, the others follow
    `SECONDS_PER_SETUP_BLOCK` apart.

    Raises:
        InvariantViolation: a transaction of the deployment reverted.
    """
    installer = _Installer(chain, artifacts, seed, start_timestamp)
    admin, treasury = installer.admin, wallet_of(seed, "treasury")
    provider = installer.deploy("PoolAddressesProvider", "bonafides", _text(admin))
    installer.send(provider, methods.SET_ACL_ADMIN(admin))
    acl = installer.deploy("ACLManager", _text(provider))
    installer.send(provider, methods.SET_ACL_MANAGER(acl))
    pool_code, configurator_code = _deploy_pool_code(installer, provider)
    installer.next_block()  # the ACL manager reads the provider in its constructor, the proxies read both

    data_provider = installer.deploy("AaveProtocolDataProvider", _text(provider))
    tokens = [installer.deploy("MintableERC20", spec.symbol, spec.symbol, spec.decimals) for spec in RESERVES]
    feeds = [installer.deploy_artifact(price_feed_artifact(), price) for price in start_prices]
    oracle = installer.deploy(
        "AaveOracle",
        _text(provider),
        [_text(token) for token in tokens],
        [_text(feed) for feed in feeds],
        _text(ZERO_ADDRESS),
        _text(ZERO_ADDRESS),
        PRICE_UNIT,
    )
    for role in (methods.ADD_POOL_ADMIN, methods.ADD_EMERGENCY_ADMIN):
        installer.send(acl, role(admin))
    for method, contract in (
        (methods.SET_DATA_PROVIDER, data_provider),
        (methods.SET_PRICE_ORACLE, oracle),
        (methods.SET_POOL_IMPL, pool_code),
        (methods.SET_CONFIGURATOR_IMPL, configurator_code),
    ):
        installer.send(provider, method(contract))
    installer.next_block()

    pool, configurator = (
        word_as_address(words(returned)[0])
        for returned in chain.calls([(provider, methods.GET_POOL()), (provider, methods.GET_CONFIGURATOR())])
    )
    _list_reserves(installer, artifacts, provider, pool, configurator, treasury, tokens)
    ready_timestamp = installer.finish()

    found = chain.calls([(data_provider, methods.RESERVE_TOKENS(token)) for token in tokens])
    return Deployment(
        chain_id=chain.chain_id,
        first_block=installer.first_block,
        ready_timestamp=ready_timestamp,
        pool=pool,
        configurator=configurator,
        provider=provider,
        oracle=oracle,
        acl=acl,
        data_provider=data_provider,
        treasury=treasury,
        admin=admin,
        reserves=tuple(
            ReserveContracts(
                symbol=spec.symbol,
                decimals=spec.decimals,
                token=token,
                feed=feed,
                a_token=word_as_address(words(returned)[0]),
                variable_debt_token=word_as_address(words(returned)[2]),
            )
            for spec, token, feed, returned in zip(RESERVES, tokens, feeds, found, strict=True)
        ),
    )


def _deploy_pool_code(installer: _Installer, provider: Address) -> tuple[Address, Address]:
    libraries = {name: installer.deploy(name) for name in _PLAIN_LIBRARIES}
    libraries["FlashLoanLogic"] = installer.deploy("FlashLoanLogic", libraries=libraries)
    pool_code = installer.deploy("Pool", _text(provider), libraries=libraries)
    configurator_code = installer.deploy("PoolConfigurator", libraries=libraries)
    # Initialised themselves, so that nobody else can take the bare implementations over.
    installer.send(pool_code, methods.INITIALIZE(provider))
    installer.send(configurator_code, methods.INITIALIZE(provider))
    return pool_code, configurator_code


def _list_reserves(
    installer: _Installer,
    artifacts: Artifacts,
    provider: Address,
    pool: Address,
    configurator: Address,
    treasury: Address,
    tokens: Sequence[Address],
) -> None:
    a_token_code, stable_debt_code, variable_debt_code = (
        installer.deploy(name, _text(pool)) for name in ("AToken", "StableDebtToken", "VariableDebtToken")
    )
    strategies = {curve: _deploy_strategy(installer, provider, spec) for curve, spec in RATE_CURVES.items()}
    listings: list[AbiValue] = [
        (
            _text(a_token_code),
            _text(stable_debt_code),
            _text(variable_debt_code),
            spec.decimals,
            _text(strategies[RateCurve(spec.curve)]),
            _text(token),
            _text(treasury),
            _text(ZERO_ADDRESS),
            f"Aave {spec.symbol}",
            f"a{spec.symbol}",
            f"Aave variable debt {spec.symbol}",
            f"variableDebt{spec.symbol}",
            f"Aave stable debt {spec.symbol}",
            f"stableDebt{spec.symbol}",
            b"\x10",
        )
        for spec, token in zip(RESERVES, tokens, strict=True)
    ]
    installer.next_block()
    installer.send(configurator, function_calldata(artifacts.read("PoolConfigurator"), "initReserves", [listings]))
    for spec, token in zip(RESERVES, tokens, strict=True):
        threshold, bonus = spec.liquidation_threshold_bps, spec.liquidation_bonus_bps
        installer.send(configurator, methods.CONFIGURE_COLLATERAL(token, spec.ltv_bps, threshold, bonus))
        installer.send(configurator, methods.SET_BORROWING(token, 1))
        installer.send(configurator, methods.SET_RESERVE_FACTOR(token, RESERVE_FACTOR_BPS))
        installer.send(configurator, methods.SET_PROTOCOL_FEE(token, LIQUIDATION_PROTOCOL_FEE_BPS))


def _deploy_strategy(installer: _Installer, provider: Address, spec: RateCurveSpec) -> Address:
    ray_per_bps = RAY // 10_000
    return installer.deploy(
        "DefaultReserveInterestRateStrategy",
        _text(provider),
        spec.optimal_usage_bps * ray_per_bps,
        0,  # base variable rate
        spec.slope_below_bps * ray_per_bps,
        spec.slope_above_bps * ray_per_bps,
        0,  # stable slopes: stable debt is off
        0,
        0,
        0,
        RAY // 5,  # optimal stable share: any value in (0, 1] does
    )


def _text(address: Address) -> str:
    return "0x" + address.hex()


def deployments_yaml(deployment: Deployment, deployment_id: str = "aave-v3-development") -> str:
    """A registry of lending deployments for ingest that holds this market alone."""
    return "\n".join(
        (
            "version: 1",
            "deployments:",
            f"- id: {deployment_id}",
            f"  chain_id: {deployment.chain_id}",
            "  protocol: aave_v3",
            f'  pool: "{_text(deployment.pool)}"',
            f'  configurator: "{_text(deployment.configurator)}"',
            f'  oracle: "{_text(deployment.oracle)}"',
            f'  provider: "{_text(deployment.provider)}"',
            "  rounding: half_up",
            f"  from_block: {deployment.first_block}",
            f'  source: "{AAVE_SOURCE}"',
            "  development: true",
            "",
        )
    )
