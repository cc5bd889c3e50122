"""Where a market's prices come from: the model, a bootstrap of real ones, or the real ones themselves."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from bonafides.errors import InvalidInput

from bonafides_lab.market.price_bootstrap import bootstrapped_path, real_path
from bonafides_lab.market.price_files import DailySeries
from bonafides_lab.market.prices import PriceModel, PricePath, price_path


class PriceSource(StrEnum):
    """Kinds of prices. Only `model` needs no file."""

    MODEL = "model"
    BOOTSTRAP = "bootstrap"
    REAL = "real"


REALISTIC = PriceModel(
    daily_drift=0.0025,
    weth_daily_volatility=0.051,
    wbtc_daily_volatility=0.038,
    storms=0.4,
    storm_half_life_days=4.0,
    crashes_per_year=2.0,
    stable_noise=0.0022,
    stable_pull=0.82,
    level_half_life_days=365.0,
)
"""Calibrated to the daily closes of 2021-01-01 to 2022-09-30, the months of the real liquidations and the year after.

```
                                            real     model, mean of 40 paths of the same length
 spread of daily log returns, ether         .051     .051
 the same, bitcoin                          .039     .039
 kurtosis, ether                            5.9      5.0
 1 % quantile of ether's                   -.141     -.133
 worst day of ether                        -.232    -.212
 falls of 20 % within 4 days, share of days .025     .027
 falls of 20 % within 7 days, share of days .052     .058
 correlation                                .81      .81
 spread of a stablecoin around its dollar   .0024    .0025
```
"""


@dataclass(frozen=True, slots=True)
class MarketPrices:
    """The prices of one market, before a seed and a length are chosen."""

    source: PriceSource = PriceSource.MODEL
    series: DailySeries | None = None
    """Of `bootstrap` and `real`."""
    model: PriceModel = REALISTIC
    """Of `model`."""

    def path(self, seed: int, days: int) -> PricePath:
        """Raises InvalidInput: no day, no series where one is needed, or a series too short."""
        if self.source is PriceSource.MODEL:
            return price_path(seed, days, self.model)
        if self.series is None:
            raise InvalidInput(f"prices of kind {self.source} need a file of daily prices (--prices-file)")
        match self.source:
            case PriceSource.BOOTSTRAP:
                return bootstrapped_path(self.series, seed, days)
            case PriceSource.REAL:
                return real_path(self.series, days)
            case _:
                assert_never(self.source)
