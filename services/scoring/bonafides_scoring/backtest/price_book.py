"""Daily prices, asked only for days before the cut-off's day."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Reals = npt.NDArray[np.float64]

STALE_DAYS = 7
"""A price older than this says nothing about today."""
STABLECOINS = frozenset(
    {
        *("DAI", "USDC", "USDT", "TUSD", "BUSD", "GUSD", "SUSD", "USDP", "PAX", "FRAX", "LUSD", "FEI", "UST"),
        *("CRVUSD", "GHO", "PYUSD", "AMMDAI", "AMMUSDC", "AMMUSDT"),
    }
)
"""Worth a dollar where no price is given."""
_SAME_PRICE = {
    "AMMDAI": "DAI",
    "AMMUSDC": "USDC",
    "AMMUSDT": "USDT",
    "AMMWBTC": "WBTC",
    "AMMWETH": "WETH",
    "PAX": "USDP",
    "ETH": "WETH",
}
"""Wrappers, and an old name: Paxos Standard became Pax Dollar."""


def plain(symbol: str) -> str:
    """A symbol without its spelling: sUSD and SUSD are one asset."""
    upper = symbol.upper()
    return _SAME_PRICE.get(upper, upper)


def is_stable(symbol: str) -> bool:
    """Is the asset meant to be worth a dollar?"""
    return symbol.upper() in STABLECOINS


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Logarithms of daily closes, one array per symbol from `first_day` on."""

    first_day: int
    """Days since 1970."""
    logs: dict[str, Reals]
    length: int

    @classmethod
    def of(cls, prices: pl.DataFrame) -> "PriceBook":
        """From `read_prices`. Gaps up to `STALE_DAYS` take the last price; no gap takes a later one.

        Spellings of one asset are merged day by day, the plain one first: a spelling that is priced only from some
        day on must not change the days before.
        """
        if not len(prices):
            return cls(0, {}, 0)
        days = prices["day"].to_numpy().astype(np.int64)
        first, length = int(days.min()), int(days.max() - days.min()) + 1 + STALE_DAYS
        raw: dict[str, Reals] = {}
        parts = {str(key[0]): part for key, part in prices.partition_by("symbol", as_dict=True).items()}
        for symbol in sorted(parts, key=lambda name: (name != plain(name), name)):
            found = np.full(length, np.nan)
            days = parts[symbol]["day"].to_numpy().astype(np.int64)
            found[days - first] = np.log(parts[symbol]["close_usd"].to_numpy())
            held = raw.setdefault(plain(symbol), found)
            raw[plain(symbol)] = np.where(np.isnan(held), found, held)
        return cls(first, {name: _carried(found) for name, found in raw.items()}, length)

    @property
    def last_day(self) -> int:
        """The last day with a price, since 1970."""
        return self.first_day + self.length - 1 - STALE_DAYS

    def path(self, symbol: str, first: int, last: int) -> Reals:
        """Log prices of the days `first` to `last`, both inclusive; unknown is 0 for a stablecoin, else NaN."""
        unknown = 0.0 if is_stable(symbol) else np.nan
        found = np.full(last - first + 1, unknown)
        if (logs := self.logs.get(plain(symbol))) is not None:
            wanted = np.arange(first, last + 1) - self.first_day
            inside = (wanted >= 0) & (wanted < self.length)
            found[inside] = logs[wanted[inside]]
            found[np.isnan(found)] = unknown
        return found

    def at(self, symbol: str, day: int) -> float:
        """Log price of one day."""
        return float(self.path(symbol, day, day)[0])


def _carried(found: Reals) -> Reals:
    out, last, age = found.copy(), np.nan, STALE_DAYS + 1
    for day, value in enumerate(found):
        if np.isfinite(value):
            last, age = value, 0
        else:
            age += 1
            if age <= STALE_DAYS:
                out[day] = last
    return out
