"""The assets of the market and their risk parameters, close to those of Aave V3 on Ethereum in 2024."""

from dataclasses import dataclass
from enum import StrEnum

RAY = 10**27
"""Aave's unit of rates and indices."""


class RateCurve(StrEnum):
    """Interest rate strategies: one curve for volatile assets, one for stablecoins."""

    VOLATILE = "volatile"
    STABLE = "stable"


@dataclass(frozen=True, slots=True)
class RateCurveSpec:
    """Annual rates of `DefaultReserveInterestRateStrategy`, in hundredths of a per cent (bps)."""

    optimal_usage_bps: int
    slope_below_bps: int
    slope_above_bps: int


RATE_CURVES = {
    RateCurve.VOLATILE: RateCurveSpec(optimal_usage_bps=8_000, slope_below_bps=330, slope_above_bps=8_000),
    RateCurve.STABLE: RateCurveSpec(optimal_usage_bps=9_000, slope_below_bps=550, slope_above_bps=7_500),
}


@dataclass(frozen=True, slots=True)
class ReserveSpec:
    """One asset as listed. Ratios are in bps; `liquidation_bonus_bps` is above 10,000, as Aave wants it."""

    symbol: str
    decimals: int
    start_price_usd: float
    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int
    curve: RateCurve

    @property
    def ltv(self) -> float:
        """How much may be borrowed against one dollar of it."""
        return self.ltv_bps / 10_000

    @property
    def liquidation_threshold(self) -> float:
        """How much debt one dollar of it carries before the position is liquidated."""
        return self.liquidation_threshold_bps / 10_000


RESERVES = (
    ReserveSpec("WETH", 18, 3_000.0, 8_050, 8_300, 10_500, RateCurve.VOLATILE),
    ReserveSpec("WBTC", 8, 60_000.0, 7_300, 7_800, 10_650, RateCurve.VOLATILE),
    ReserveSpec("USDC", 6, 1.0, 7_700, 8_000, 10_450, RateCurve.STABLE),
    ReserveSpec("DAI", 18, 1.0, 7_500, 8_000, 10_500, RateCurve.STABLE),
)
"""Positions and prices name a reserve by its place in this tuple."""

WETH, WBTC, USDC, DAI = range(4)
VOLATILE_RESERVES = (WETH, WBTC)
STABLE_RESERVES = (USDC, DAI)

RESERVE_FACTOR_BPS = 1_000
LIQUIDATION_PROTOCOL_FEE_BPS = 1_000
"""Share of the liquidation bonus that goes to the treasury, as an aToken transfer of its own."""
