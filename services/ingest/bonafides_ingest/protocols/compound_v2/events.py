"""The events of Compound V2 that we read, with their codecs. The ABI, with its sources, stands in `decoders/abi/`.

Nothing but `Transfer` has an indexed argument: wallets stand in the data.
"""

from bonafides.types import Address

from bonafides_ingest.decoders import EventCodec, load_codec

_C_TOKEN, _OLD_C_TOKEN, _COMPTROLLER = (
    "compound_v2_c_token.json",
    "compound_v2_old_c_token.json",
    "compound_v2_comptroller.json",
)

type _A = Address

# cToken
ACCRUE_INTEREST: EventCodec[tuple[int, int, int, int]] = load_codec(_C_TOKEN, "AccrueInterest")
"""cashPrior, interestAccumulated, borrowIndex (1e18), totalBorrows"""
OLD_ACCRUE_INTEREST: EventCodec[tuple[int, int, int]] = load_codec(_OLD_C_TOKEN, "AccrueInterest")
"""interestAccumulated, borrowIndex (1e18), totalBorrows: the cTokens of 2019, cETH among them"""
MINT: EventCodec[tuple[_A, int, int]] = load_codec(_C_TOKEN, "Mint")
"""minter, mintAmount (underlying), mintTokens. Its signature is that of Aave V2's aToken Mint, with a topic less."""
REDEEM: EventCodec[tuple[_A, int, int]] = load_codec(_C_TOKEN, "Redeem")
"""redeemer, redeemAmount (underlying), redeemTokens"""
BORROW: EventCodec[tuple[_A, int, int, int]] = load_codec(_C_TOKEN, "Borrow")
"""borrower, borrowAmount, accountBorrows (after), totalBorrows (after)"""
REPAY_BORROW: EventCodec[tuple[_A, _A, int, int, int]] = load_codec(_C_TOKEN, "RepayBorrow")
"""payer, borrower, repayAmount, accountBorrows (after), totalBorrows (after)"""
LIQUIDATE_BORROW: EventCodec[tuple[_A, _A, int, _A, int]] = load_codec(_C_TOKEN, "LiquidateBorrow")
"""liquidator, borrower, repayAmount, cTokenCollateral, seizeTokens (with the protocol's share)"""
TRANSFER: EventCodec[tuple[_A, _A, int]] = load_codec(_C_TOKEN, "Transfer")
"""from, to, amount (cTokens)"""
RESERVES_ADDED: EventCodec[tuple[_A, int, int]] = load_codec(_C_TOKEN, "ReservesAdded")
"""benefactor (the cToken itself for its share of a liquidation), addAmount, newTotalReserves"""
RESERVES_REDUCED: EventCodec[tuple[_A, int, int]] = load_codec(_C_TOKEN, "ReservesReduced")
"""admin, reduceAmount, newTotalReserves"""
NEW_RESERVE_FACTOR: EventCodec[tuple[int, int]] = load_codec(_C_TOKEN, "NewReserveFactor")
"""oldReserveFactorMantissa, newReserveFactorMantissa (1e18)"""

# Comptroller
MARKET_LISTED: EventCodec[tuple[_A]] = load_codec(_COMPTROLLER, "MarketListed")
"""cToken"""
MARKET_ENTERED: EventCodec[tuple[_A, _A]] = load_codec(_COMPTROLLER, "MarketEntered")
"""cToken, account"""
MARKET_EXITED: EventCodec[tuple[_A, _A]] = load_codec(_COMPTROLLER, "MarketExited")
"""cToken, account"""
NEW_COLLATERAL_FACTOR: EventCodec[tuple[_A, int, int]] = load_codec(_COMPTROLLER, "NewCollateralFactor")
"""cToken, oldCollateralFactorMantissa, newCollateralFactorMantissa (1e18)"""
NEW_LIQUIDATION_INCENTIVE: EventCodec[tuple[int, int]] = load_codec(_COMPTROLLER, "NewLiquidationIncentive")
"""oldLiquidationIncentiveMantissa, newLiquidationIncentiveMantissa (1e18)"""
