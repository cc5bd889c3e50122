"""Features of a wallet at a cut-off: its liquidations, how prices moved since the last one, and the market's weather.

Nothing at or after the cut-off enters, no price of the cut-off's day, and no amount of an episode still going on. All
levels are counts, shares or logarithms of ratios, so that other wallets and later years stay within range.
"""

import math

import numpy as np

from bonafides_scoring.backtest.histories import DAY, Histories, History
from bonafides_scoring.backtest.price_book import PriceBook, Reals, is_stable, plain
from bonafides_scoring.backtest.tables import Rows

HISTORY = (
    "log_days", "liquidations_7d", "liquidations_30d", "liquidations_90d", "liquidations_180d", "days_hit_30d",
    "days_hit_90d", "days_hit_180d", "episodes", "tenure", "gap", "same_day", "collaterals", "debts",
    "echo", "slow_echo",
)  # fmt: skip
SIZES = ("last_usd", "last_day_usd", "sum_usd", "largest_usd")
PROXY = (
    "drift", "lowest", "above_lowest", "pair_volatility", "reach_lowest", "reach_next", "survived", "days_below",
    "is_weth", "is_wbtc", "stable_collateral", "stable_debt",
)  # fmt: skip
MARKET = ("volatility_7d", "volatility_30d", "return_7d", "return_30d", "drawdown_90d", "rate_14d", "rate_30d")
EXTRA = ("survived_flag", "dust")
FEATURES = HISTORY + SIZES + PROXY + MARKET + EXTRA

DIRECTIONS = {
    "log_days": -1, "liquidations_7d": 1, "liquidations_30d": 1, "liquidations_90d": 1, "liquidations_180d": 1,
    "days_hit_30d": 1, "days_hit_90d": 1, "days_hit_180d": 1, "episodes": 1, "gap": -1, "echo": 1, "slow_echo": 1,
    "drift": -1, "above_lowest": -1, "reach_lowest": 1, "reach_next": 1, "survived": -1,
}  # fmt: skip
"""Which way risk goes when the feature rises, held by the trees."""

_PREMIUM = 1.08  # seized over repaid, between Aave's liquidation bonuses of 5 and 15 %
_NEXT_STEP = 0.12  # after half the debt is repaid, prices must fall by about this much to liquidate again
_USUAL_VOLATILITY = 0.05
_USUAL_USD = 1_000.0


def feature_rows(histories: Histories, prices: PriceBook, rows: Rows) -> Reals:
    """One row per row, columns as in `FEATURES`; NaN where unknown. Every row must belong to the population."""
    weather = {cutoff: _market(histories, prices, cutoff) for cutoff in sorted({int(c) for c in rows.cutoffs})}
    found = np.empty((len(rows), len(FEATURES)))
    for place, (wallet, cutoff) in enumerate(zip(rows.wallets, rows.cutoffs, strict=True)):
        history = histories.by_wallet[wallet.lower()]
        values = _wallet(history, prices, int(cutoff)) | weather[int(cutoff)]
        found[place] = [values[name] for name in FEATURES]
    return found


def _wallet(history: History, prices: PriceBook, cutoff: int) -> dict[str, float]:
    history, count = history.seen_from(cutoff), history.before(cutoff)
    times = history.times[:count]
    ages = (cutoff - times) / DAY
    known_day = cutoff // DAY - 1
    usd = _dollars(history, prices, count, known_day)
    recent = ages <= 180
    days = np.unique(times // DAY)
    day_ages = cutoff // DAY - days
    last_day = times // DAY == days[-1]
    whole_ages = np.maximum(cutoff / DAY - days - 1, 0)
    last_day_usd = math.log10(float(usd[last_day].sum()) + 1)
    return {
        "log_days": math.log1p(float(ages[-1])),
        **{f"liquidations_{span}d": math.log1p(int((ages <= span).sum())) for span in (7, 30, 90, 180)},
        **{f"days_hit_{span}d": math.log1p(int((day_ages <= span).sum())) for span in (30, 90, 180)},
        "episodes": math.log1p(int((np.diff(days) > 3).sum())),
        "tenure": math.log1p(float(ages[0])),
        "gap": math.log1p(float(days[-1] - days[-2]) if len(days) > 1 else 365.0),
        "same_day": math.log1p(int(last_day.sum())),
        "collaterals": float(len({name for name, keep in zip(history.collaterals, recent, strict=False) if keep})),
        "debts": float(len({name for name, keep in zip(history.debts, recent, strict=False) if keep})),
        "echo": math.log(float(((whole_ages + 7) ** -1.5).sum())),
        "slow_echo": math.log(float((1 / (whole_ages + 7)).sum())),
        "last_usd": math.log10(float(usd[-1]) + 1),
        "last_day_usd": last_day_usd,
        "sum_usd": math.log10(float(usd[recent].sum()) + 1),
        "largest_usd": math.log10(float(usd[recent].max(initial=0.0)) + 1),
        "dust": max(2.5 - last_day_usd, 0.0),
        **_since_last(history, prices, count - 1, known_day),
    }


def _since_last(history: History, prices: PriceBook, last: int, known_day: int) -> dict[str, float]:
    """How collateral moved against debt since the last liquidation: a stand-in for the unknown health factor."""
    collateral, debt = history.collaterals[last], history.debts[last]
    start = min(int(history.times[last] // DAY), known_day)
    first = min(start, known_day - 30)
    ratio = prices.path(collateral, first, known_day) - prices.path(debt, first, known_day)
    now, reference = float(ratio[-1]), float(ratio[start - first])
    implied = _implied(float(history.amounts[last]), float(history.seized[last]))
    if math.isfinite(implied) and math.isfinite(reference) and abs(implied - reference) < 0.5:
        reference = implied  # the liquidation's own exchange rate: to the minute, where a close is to the day
    later = ratio[start - first + 1 :] if known_day > start else ratio[-1:]
    later = later[np.isfinite(later)] - reference
    later = later[np.isfinite(later)]
    lowest = min(float(later.min()), 0.0) if len(later) else 0.0
    drift = now - reference
    steps = np.diff(ratio[-31:])
    steps = steps[np.isfinite(steps)]
    volatility = float(steps.std()) if len(steps) >= 10 else math.nan
    month = min(max(volatility if math.isfinite(volatility) else _USUAL_VOLATILITY, 0.004), 0.12) * math.sqrt(30)
    told = drift if math.isfinite(drift) else 0.0
    return {
        "drift": drift,
        "lowest": lowest,
        "above_lowest": drift - lowest,
        "pair_volatility": volatility,
        "reach_lowest": _reach(told - lowest, month),
        "reach_next": _reach(told - min(lowest, -_NEXT_STEP), month),
        "survived": math.log1p(10 * max(-lowest - _NEXT_STEP, 0.0)),
        "survived_flag": float(-lowest > _NEXT_STEP + 0.03),
        "days_below": math.log1p(int((later < -0.02).sum())),
        "is_weth": float(plain(collateral) == "WETH"),
        "is_wbtc": float(plain(collateral) == "WBTC"),
        "stable_collateral": float(is_stable(collateral)),
        "stable_debt": float(is_stable(debt)),
    }


def _reach(distance: float, month: float) -> float:
    """Chance that a walk with this monthly volatility falls by `distance` within the month (reflection principle)."""
    return math.erfc(max(distance, 0.0) / month / math.sqrt(2))


def _implied(repaid: float, seized: float) -> float:
    if not (math.isfinite(repaid) and math.isfinite(seized) and repaid > 0 and seized > 0):
        return math.nan
    return math.log(repaid * _PREMIUM / seized)


def _dollars(history: History, prices: PriceBook, count: int, known_day: int) -> Reals:
    """Dollars repaid, at the close of the event's day or of the last day whose price may be used."""
    found = np.full(count, _USUAL_USD)
    for place in range(count):
        day = int(history.times[place] // DAY)
        priced = float(history.amounts[place]) * math.exp(prices.at(history.debts[place], min(day, known_day)))
        if math.isfinite(priced):
            found[place] = max(priced, 0.0)
        elif day <= known_day and math.isfinite(history.amounts_usd[place]):
            found[place] = max(float(history.amounts_usd[place]), 0.0)
    return found


def _market(histories: Histories, prices: PriceBook, cutoff: int) -> dict[str, float]:
    """The market's weather: ether's prices, and which share of those once liquidated was liquidated again lately."""
    last = cutoff // DAY - 1
    ether = prices.path("WETH", last - 90, last)
    steps = np.diff(ether)
    week, month = steps[-7:][np.isfinite(steps[-7:])], steps[-30:][np.isfinite(steps[-30:])]
    seen = ether[np.isfinite(ether)]
    return {
        "volatility_7d": float(week.std()) if len(week) >= 5 else math.nan,
        "volatility_30d": float(month.std()) if len(month) >= 20 else math.nan,
        "return_7d": float(ether[-1] - ether[-8]),
        "return_30d": float(ether[-1] - ether[-31]),
        "drawdown_90d": float(ether[-1] - seen.max()) if len(seen) else math.nan,
        "rate_14d": _rate(histories, cutoff, 14),
        "rate_30d": _rate(histories, cutoff, 30),
    }


def _rate(histories: Histories, cutoff: int, days: int) -> float:
    start = cutoff - days * DAY
    times, wallets = histories.times, histories.wallets
    first, middle, end = np.searchsorted(times, [start - 180 * DAY, start, cutoff], side="left")
    known = np.unique(wallets[first:middle])
    again = np.isin(known, wallets[middle:end])
    return (float(again.sum()) + 0.5) / (len(known) + 5)
