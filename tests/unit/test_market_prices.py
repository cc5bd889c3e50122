"""Price paths: repeatable, positive, correlated, and falling when told."""

import itertools
import math
import statistics
from dataclasses import replace

import pytest
from bonafides.errors import InvalidInput
from bonafides_lab.market.market_prices import REALISTIC
from bonafides_lab.market.prices import Crash, PriceModel, price_path
from bonafides_lab.market.reserves import DAI, RESERVES, USDC, WBTC, WETH

pytestmark = pytest.mark.unit

CALM = PriceModel(crashes_per_year=0.0, depegs_per_year=0.0)
DAYS = 3_650


def log_returns(asset: int, days: tuple[tuple[int, ...], ...]) -> list[float]:
    return [math.log(after[asset] / before[asset]) for before, after in itertools.pairwise(days)]


def test_price_path__same_seed__same_prices() -> None:
    assert price_path(5, 200) == price_path(5, 200)
    assert price_path(5, 200) != price_path(6, 200)


def test_price_path__shorter__is_the_beginning_of_the_longer() -> None:
    assert price_path(5, 50).days == price_path(5, 200).days[:50]


def test_price_path__first_day__has_the_start_prices() -> None:
    assert price_path(5, 1).days == (tuple(round(spec.start_price_usd * 10**8) for spec in RESERVES),)


def test_price_path__ten_years__every_price_is_positive() -> None:
    assert all(price > 0 for row in price_path(9, DAYS).days for price in row)


def test_price_path__calm__has_the_volatility_asked_for() -> None:
    days = price_path(1, DAYS, CALM).days

    # The standard error of a standard deviation over 3,650 days is 1.2 %; 5 % is four of them.
    # The season adds its own .003: sqrt(.032^2 + .003^2) is .4 % more.
    assert statistics.stdev(log_returns(WETH, days)) == pytest.approx(CALM.weth_daily_volatility, rel=0.05)
    assert statistics.stdev(log_returns(WBTC, days)) == pytest.approx(CALM.wbtc_daily_volatility, rel=0.05)


def test_price_path__calm__volatile_assets_move_together() -> None:
    days = price_path(1, DAYS, CALM).days

    assert statistics.correlation(log_returns(WETH, days), log_returns(WBTC, days)) == pytest.approx(0.8, abs=0.03)


def test_price_path__without_depegs__stablecoins_stay_within_a_cent() -> None:
    days = price_path(1, DAYS, CALM).days

    assert all(abs(row[asset] - 10**8) < 10**6 for row in days for asset in (USDC, DAI))


def test_price_path__scheduled_crash__falls_within_four_days_and_leaves_the_rest_as_it_was() -> None:
    quiet = PriceModel(crashes_per_year=0.0, depegs_per_year=0.0, rebound=0.0)
    crashing = PriceModel(crashes_per_year=0.0, depegs_per_year=0.0, rebound=0.0, scheduled=(Crash(0.5, 0.3),))

    before, after = price_path(4, 100, quiet).days, price_path(4, 100, crashing).days

    assert before[:50] == after[:50]
    # rel: prices are rounded to 8 decimals
    assert after[50][WETH] == pytest.approx(0.7**0.25 * before[50][WETH], rel=1e-9)
    assert [row[WETH] for row in after[53:]] == [pytest.approx(0.7 * row[WETH], rel=1e-9) for row in before[53:]]
    assert after[53][WBTC] == pytest.approx(0.7**0.8 * before[53][WBTC], rel=1e-9)


def highest_over(seed: int, model: PriceModel) -> float:
    days = price_path(seed, DAYS, model).days
    return max(row[WETH] for row in days) / days[0][WETH]


def test_price_path__ten_years__pulled_back_to_its_level() -> None:
    endless = replace(REALISTIC, level_half_life_days=math.inf)

    pulled = [highest_over(seed, REALISTIC) for seed in range(12)]

    # A spread of the log price of .051 · sqrt(365 / (2 · ln 2)) ≈ .83: forty-fold is four and a half of them.
    assert max(pulled) < 40
    assert max(highest_over(seed, endless) for seed in range(12)) > 1_000


def test_price_path__pulled_back__moves_of_a_day_are_as_large() -> None:
    endless = replace(REALISTIC, level_half_life_days=math.inf)

    spreads = [statistics.stdev(log_returns(WETH, price_path(3, DAYS, model).days)) for model in (REALISTIC, endless)]

    assert spreads[0] == pytest.approx(spreads[1], rel=0.01)


def test_price_path__no_day__is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one day"):
        price_path(1, 0)
