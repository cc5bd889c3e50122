"""The contract functions that the market calls, encoded once."""

from bonafides_lab.market.calldata import Method

# Pool
SUPPLY = Method("supply(address,uint256,address,uint16)")
WITHDRAW = Method("withdraw(address,uint256,address)")
BORROW = Method("borrow(address,uint256,uint256,uint16,address)")
REPAY = Method("repay(address,uint256,uint256,address)")
REPAY_WITH_ATOKENS = Method("repayWithATokens(address,uint256,uint256)")
LIQUIDATION_CALL = Method("liquidationCall(address,address,address,uint256,bool)")
USE_AS_COLLATERAL = Method("setUserUseReserveAsCollateral(address,bool)")
USER_CONFIGURATION = Method("getUserConfiguration(address)")
ACCOUNT_DATA = Method("getUserAccountData(address)")
NORMALIZED_INCOME = Method("getReserveNormalizedIncome(address)")
NORMALIZED_DEBT = Method("getReserveNormalizedVariableDebt(address)")

# Tokens
MINT = Method("mint(uint256)")
APPROVE = Method("approve(address,uint256)")
APPROVE_DELEGATION = Method("approveDelegation(address,uint256)")
TRANSFER = Method("transfer(address,uint256)")
BALANCE_OF = Method("balanceOf(address)")
SCALED_BALANCE_OF = Method("scaledBalanceOf(address)")

# Price feed
SET_PRICE = Method("set(int256)")

# Configuration
INITIALIZE = Method("initialize(address)")
SET_ACL_ADMIN = Method("setACLAdmin(address)")
SET_ACL_MANAGER = Method("setACLManager(address)")
ADD_POOL_ADMIN = Method("addPoolAdmin(address)")
ADD_EMERGENCY_ADMIN = Method("addEmergencyAdmin(address)")
SET_DATA_PROVIDER = Method("setPoolDataProvider(address)")
SET_PRICE_ORACLE = Method("setPriceOracle(address)")
SET_POOL_IMPL = Method("setPoolImpl(address)")
SET_CONFIGURATOR_IMPL = Method("setPoolConfiguratorImpl(address)")
GET_POOL = Method("getPool()")
GET_CONFIGURATOR = Method("getPoolConfigurator()")
CONFIGURE_COLLATERAL = Method("configureReserveAsCollateral(address,uint256,uint256,uint256)")
SET_BORROWING = Method("setReserveBorrowing(address,bool)")
SET_RESERVE_FACTOR = Method("setReserveFactor(address,uint256)")
SET_PROTOCOL_FEE = Method("setLiquidationProtocolFee(address,uint256)")
RESERVE_TOKENS = Method("getReserveTokensAddresses(address)")

VARIABLE_RATE = 2
"""Aave's interest rate mode of variable debt; stable debt is off in this market, as it is on every live one."""
NO_REFERRAL = 0
