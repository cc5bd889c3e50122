"""The events of Compound V3 (Comet) that we read, with their codecs. The ABI stands in `decoders/abi/`."""

from bonafides.types import Address

from bonafides_ingest.decoders import EventCodec, load_codec

_COMET = "compound_v3_comet.json"

type _A = Address

SUPPLY: EventCodec[tuple[_A, _A, int]] = load_codec(_COMET, "Supply")
"""from (who pays), dst (whose balance), amount of base"""
WITHDRAW: EventCodec[tuple[_A, _A, int]] = load_codec(_COMET, "Withdraw")
"""src (whose balance), to (who gets the cash), amount of base"""
TRANSFER: EventCodec[tuple[_A, _A, int]] = load_codec(_COMET, "Transfer")
"""from, to, amount of base; one of the two is always the zero address"""
SUPPLY_COLLATERAL: EventCodec[tuple[_A, _A, _A, int]] = load_codec(_COMET, "SupplyCollateral")
"""from (who pays), dst (whose balance), asset, amount"""
WITHDRAW_COLLATERAL: EventCodec[tuple[_A, _A, _A, int]] = load_codec(_COMET, "WithdrawCollateral")
"""src (whose balance), to (who gets it), asset, amount"""
TRANSFER_COLLATERAL: EventCodec[tuple[_A, _A, _A, int]] = load_codec(_COMET, "TransferCollateral")
"""from, to, asset, amount"""
ABSORB_DEBT: EventCodec[tuple[_A, _A, int, int]] = load_codec(_COMET, "AbsorbDebt")
"""absorber, borrower, basePaidOut (debt, and what is left to the borrower), usdValue (1e8)"""
ABSORB_COLLATERAL: EventCodec[tuple[_A, _A, _A, int, int]] = load_codec(_COMET, "AbsorbCollateral")
"""absorber, borrower, asset, collateralAbsorbed, usdValue (1e8)"""
