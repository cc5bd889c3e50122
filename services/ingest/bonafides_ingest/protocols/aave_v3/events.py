"""The events of Aave V3 that we read, with their codecs. The ABI, with its sources, stands in `decoders/abi/`."""

from bonafides.types import Address

from bonafides_ingest.decoders import EventCodec, load_codec

_POOL, _TOKENS, _STABLE = "aave_v3_pool.json", "aave_v3_tokens.json", "aave_v3_stable_debt_token.json"
_CONFIGURATOR, _ORACLE = "aave_v3_configurator.json", "aave_v3_oracle.json"

type _A = Address

# Pool
SUPPLY: EventCodec[tuple[_A, _A, _A, int, int]] = load_codec(_POOL, "Supply")
"""reserve, user (who pays), onBehalfOf (the supplier), amount, referralCode"""
WITHDRAW: EventCodec[tuple[_A, _A, _A, int]] = load_codec(_POOL, "Withdraw")
"""reserve, user (whose aTokens), to, amount"""
BORROW: EventCodec[tuple[_A, _A, _A, int, int, int, int]] = load_codec(_POOL, "Borrow")
"""reserve, user (who gets the cash), onBehalfOf (the debtor), amount, interestRateMode, borrowRate, referralCode"""
REPAY: EventCodec[tuple[_A, _A, _A, int, bool]] = load_codec(_POOL, "Repay")
"""reserve, user (the debtor), repayer, amount, useATokens"""
LIQUIDATION_CALL: EventCodec[tuple[_A, _A, _A, int, int, _A, bool]] = load_codec(_POOL, "LiquidationCall")
"""collateralAsset, debtAsset, user, debtToCover, liquidatedCollateralAmount (without the protocol's fee), liquidator,
receiveAToken"""
COLLATERAL_ENABLED: EventCodec[tuple[_A, _A]] = load_codec(_POOL, "ReserveUsedAsCollateralEnabled")
"""reserve, user"""
COLLATERAL_DISABLED: EventCodec[tuple[_A, _A]] = load_codec(_POOL, "ReserveUsedAsCollateralDisabled")
"""reserve, user"""
USER_EMODE_SET: EventCodec[tuple[_A, int]] = load_codec(_POOL, "UserEModeSet")
"""user, categoryId"""
DEFICIT_CREATED: EventCodec[tuple[_A, _A, int]] = load_codec(_POOL, "DeficitCreated")
"""user, debtAsset, amountCreated (V3.3 and later: bad debt)"""
DEFICIT_COVERED: EventCodec[tuple[_A, _A, int]] = load_codec(_POOL, "DeficitCovered")
"""reserve, caller (whose aTokens are burnt for it), amountCovered"""
RESERVE_DATA_UPDATED: EventCodec[tuple[_A, int, int, int, int, int]] = load_codec(_POOL, "ReserveDataUpdated")
"""reserve, liquidityRate, stableBorrowRate, variableBorrowRate, liquidityIndex, variableBorrowIndex (all ray)"""

# aToken and variable debt token
MINT: EventCodec[tuple[_A, _A, int, int, int]] = load_codec(_TOKENS, "Mint")
"""caller, onBehalfOf, value, balanceIncrease, index"""
BURN: EventCodec[tuple[_A, _A, int, int, int]] = load_codec(_TOKENS, "Burn")
"""from, target, value, balanceIncrease, index"""
BALANCE_TRANSFER: EventCodec[tuple[_A, _A, int, int]] = load_codec(_TOKENS, "BalanceTransfer")
"""from, to, value (scaled; in 3.0.0 the amount), index"""
TRANSFER: EventCodec[tuple[_A, _A, int]] = load_codec(_TOKENS, "Transfer")
"""from, to, value (the amount, not scaled)"""
INITIALIZED: EventCodec[tuple[_A, _A, _A, _A, int, str, str, bytes]] = load_codec(_TOKENS, "Initialized")
"""underlyingAsset, pool, treasury, incentivesController, aTokenDecimals, aTokenName, aTokenSymbol, params"""
DISCOUNT_PERCENT_UPDATED: EventCodec[tuple[_A, int, int]] = load_codec(_TOKENS, "DiscountPercentUpdated")
"""user, oldDiscountPercent, newDiscountPercent (bps; GHO's debt token before 3.4)"""

# Stable debt token
STABLE_MINT: EventCodec[tuple[_A, _A, int, int, int, int, int, int]] = load_codec(_STABLE, "Mint")
"""user, onBehalfOf, amount, currentBalance, balanceIncrease, newRate, avgStableRate, newTotalSupply"""
STABLE_BURN: EventCodec[tuple[_A, int, int, int, int, int]] = load_codec(_STABLE, "Burn")
"""from, amount, currentBalance, balanceIncrease, avgStableRate, newTotalSupply"""

# PoolConfigurator
RESERVE_INITIALIZED: EventCodec[tuple[_A, _A, _A, _A, _A]] = load_codec(_CONFIGURATOR, "ReserveInitialized")
"""asset, aToken, stableDebtToken, variableDebtToken, interestRateStrategyAddress"""
COLLATERAL_CONFIGURED: EventCodec[tuple[_A, int, int, int]] = load_codec(
    _CONFIGURATOR, "CollateralConfigurationChanged"
)
"""asset, ltv, liquidationThreshold, liquidationBonus (bps)"""
EMODE_CATEGORY_ADDED: EventCodec[tuple[int, int, int, int, _A, str]] = load_codec(_CONFIGURATOR, "EModeCategoryAdded")
"""categoryId, ltv, liquidationThreshold, liquidationBonus (bps), oracle, label"""
EMODE_ASSET_CHANGED: EventCodec[tuple[_A, int, int]] = load_codec(_CONFIGURATOR, "EModeAssetCategoryChanged")
"""asset, oldCategoryId, newCategoryId (before 3.2: an asset is in one category)"""
EMODE_COLLATERAL_CHANGED: EventCodec[tuple[_A, int, bool]] = load_codec(_CONFIGURATOR, "AssetCollateralInEModeChanged")
"""asset, categoryId, collateral (3.2 and later: an asset is in any number of categories)"""
A_TOKEN_UPGRADED: EventCodec[tuple[_A, _A, _A]] = load_codec(_CONFIGURATOR, "ATokenUpgraded")
STABLE_DEBT_TOKEN_UPGRADED: EventCodec[tuple[_A, _A, _A]] = load_codec(_CONFIGURATOR, "StableDebtTokenUpgraded")
VARIABLE_DEBT_TOKEN_UPGRADED: EventCodec[tuple[_A, _A, _A]] = load_codec(_CONFIGURATOR, "VariableDebtTokenUpgraded")
"""asset, proxy, implementation: all three"""

# AaveOracle, PoolAddressesProvider, price feed
ASSET_SOURCE_UPDATED: EventCodec[tuple[_A, _A]] = load_codec(_ORACLE, "AssetSourceUpdated")
"""asset, source"""
PRICE_ORACLE_UPDATED: EventCodec[tuple[_A, _A]] = load_codec(_ORACLE, "PriceOracleUpdated")
"""oldAddress, newAddress"""
POOL_UPDATED: EventCodec[tuple[_A, _A]] = load_codec(_ORACLE, "PoolUpdated")
"""oldAddress, newAddress (implementations of the Pool)"""
ADDRESS_SET: EventCodec[tuple[bytes, _A, _A]] = load_codec(_ORACLE, "AddressSet")
"""id, oldAddress, newAddress"""
ADDRESS_SET_AS_PROXY: EventCodec[tuple[bytes, _A, _A, _A]] = load_codec(_ORACLE, "AddressSetAsProxy")
"""id, proxyAddress, oldImplementationAddress, newImplementationAddress"""
ANSWER_UPDATED: EventCodec[tuple[int, int, int]] = load_codec(_ORACLE, "AnswerUpdated")
"""current, roundId, updatedAt"""
