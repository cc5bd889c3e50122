"""The events of Morpho Blue that are read, with their codecs. The ABI, with its source, stands in `decoders/abi/`."""

from bonafides.types import Address, Digest

from bonafides_ingest.decoders import EventCodec, load_codec

_FILE = "morpho_blue.json"

type _A = Address
type MarketParams = tuple[_A, _A, _A, _A, int]
"""loanToken, collateralToken, oracle, irm, lltv"""

CREATE_MARKET: EventCodec[tuple[Digest, MarketParams]] = load_codec(_FILE, "CreateMarket")
"""id, marketParams"""
SUPPLY: EventCodec[tuple[Digest, _A, _A, int, int]] = load_codec(_FILE, "Supply")
"""id, caller, onBehalf, assets, shares"""
WITHDRAW: EventCodec[tuple[Digest, _A, _A, _A, int, int]] = load_codec(_FILE, "Withdraw")
"""id, caller, onBehalf, receiver, assets, shares"""
BORROW: EventCodec[tuple[Digest, _A, _A, _A, int, int]] = load_codec(_FILE, "Borrow")
"""id, caller, onBehalf, receiver, assets, shares"""
REPAY: EventCodec[tuple[Digest, _A, _A, int, int]] = load_codec(_FILE, "Repay")
"""id, caller, onBehalf, assets, shares"""
SUPPLY_COLLATERAL: EventCodec[tuple[Digest, _A, _A, int]] = load_codec(_FILE, "SupplyCollateral")
"""id, caller, onBehalf, assets"""
WITHDRAW_COLLATERAL: EventCodec[tuple[Digest, _A, _A, _A, int]] = load_codec(_FILE, "WithdrawCollateral")
"""id, caller, onBehalf, receiver, assets"""
LIQUIDATE: EventCodec[tuple[Digest, _A, _A, int, int, int, int, int]] = load_codec(_FILE, "Liquidate")
"""id, caller, borrower, repaidAssets, repaidShares, seizedAssets, badDebtAssets, badDebtShares"""
ACCRUE_INTEREST: EventCodec[tuple[Digest, int, int, int]] = load_codec(_FILE, "AccrueInterest")
"""id, prevBorrowRate, interest, feeShares"""
SET_FEE: EventCodec[tuple[Digest, int]] = load_codec(_FILE, "SetFee")
"""id, newFee (share of the interest, 1e18 is all of it)"""
SET_FEE_RECIPIENT: EventCodec[tuple[_A]] = load_codec(_FILE, "SetFeeRecipient")
"""newFeeRecipient"""
