"""The events of Aave V2 that we read, with their codecs. The ABI, with its sources, stands in `decoders/abi/`."""

from bonafides.types import Address

from bonafides_ingest.decoders import EventCodec, load_codec

_POOL, _A_TOKEN, _DEBT = "aave_v2_pool.json", "aave_v2_a_token.json", "aave_v2_variable_debt_token.json"
_STABLE = "aave_v2_stable_debt_token.json"
_CONFIGURATOR, _ORACLE = "aave_v2_configurator.json", "aave_v2_oracle.json"

type _A = Address

# LendingPool; Withdraw, LiquidationCall and the collateral switches are V3's: `aave_pool.py`
DEPOSIT: EventCodec[tuple[_A, _A, _A, int, int]] = load_codec(_POOL, "Deposit")
"""reserve, user (who pays), onBehalfOf (the supplier), amount, referral"""
BORROW: EventCodec[tuple[_A, _A, _A, int, int, int, int]] = load_codec(_POOL, "Borrow")
"""reserve, user (who gets the cash), onBehalfOf (the debtor), amount, borrowRateMode, borrowRate, referral"""
REPAY: EventCodec[tuple[_A, _A, _A, int]] = load_codec(_POOL, "Repay")
"""reserve, user (the debtor), repayer, amount"""
RESERVE_DATA_UPDATED: EventCodec[tuple[_A, int, int, int, int, int]] = load_codec(_POOL, "ReserveDataUpdated")
"""reserve, liquidityRate, stableBorrowRate, variableBorrowRate, liquidityIndex, variableBorrowIndex (all ray)"""

# aToken
MINT: EventCodec[tuple[_A, int, int]] = load_codec(_A_TOKEN, "Mint")
"""from (the owner), value, index"""
BURN: EventCodec[tuple[_A, _A, int, int]] = load_codec(_A_TOKEN, "Burn")
"""from (the owner), target, value, index"""
BALANCE_TRANSFER: EventCodec[tuple[_A, _A, int, int]] = load_codec(_A_TOKEN, "BalanceTransfer")
"""from, to, value (not scaled, other than in V3), index"""
INITIALIZED: EventCodec[tuple[_A, _A, _A, _A, int, str, str, bytes]] = load_codec("aave_v3_tokens.json", "Initialized")
"""underlyingAsset, pool, treasury, incentivesController, aTokenDecimals, aTokenName, aTokenSymbol, params. V3 took it
over from V2's later releases; the first release has none."""

# Variable debt token
DEBT_MINT: EventCodec[tuple[_A, _A, int, int]] = load_codec(_DEBT, "Mint")
"""from (the caller), onBehalfOf (the debtor), value, index"""
DEBT_BURN: EventCodec[tuple[_A, int, int]] = load_codec(_DEBT, "Burn")
"""user (the debtor), amount, index"""

# Stable debt token
STABLE_MINT: EventCodec[tuple[_A, _A, int, int, int, int, int, int]] = load_codec(_STABLE, "Mint")
"""user, onBehalfOf, amount, currentBalance, balanceIncrease, newRate, avgStableRate, newTotalSupply"""
STABLE_BURN: EventCodec[tuple[_A, int, int, int, int, int]] = load_codec(_STABLE, "Burn")
"""user, amount, currentBalance, balanceIncrease, avgStableRate, newTotalSupply"""

# LendingPoolConfigurator
RESERVE_INITIALIZED: EventCodec[tuple[_A, _A, _A, _A, _A]] = load_codec(_CONFIGURATOR, "ReserveInitialized")
"""asset, aToken, stableDebtToken, variableDebtToken, interestRateStrategyAddress"""
COLLATERAL_CONFIGURED: EventCodec[tuple[_A, int, int, int]] = load_codec(
    _CONFIGURATOR, "CollateralConfigurationChanged"
)
"""asset, ltv, liquidationThreshold, liquidationBonus (bps)"""

# AaveOracle, LendingPoolAddressesProvider
ASSET_SOURCE_UPDATED: EventCodec[tuple[_A, _A]] = load_codec(_ORACLE, "AssetSourceUpdated")
"""asset, source"""
PRICE_ORACLE_UPDATED: EventCodec[tuple[_A]] = load_codec(_ORACLE, "PriceOracleUpdated")
"""newAddress"""
