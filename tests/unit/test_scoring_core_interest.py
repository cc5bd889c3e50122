"""Aave's arithmetic, with numbers worked by hand."""

import pytest
from bonafides_scoring.interest import (
    RAY,
    SECONDS_PER_YEAR,
    WAD,
    compounded_interest,
    compounded_interest_per_second,
    linear_interest,
    normalised_income,
    percent_mul,
    ray_mul,
    wad_div,
)
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.unit


def test_ray_mul__product_ends_in_half_a_ray__rounds_up() -> None:
    assert ray_mul(3, RAY // 2) == 2  # 1.5
    assert ray_mul(3, RAY // 2 - 1) == 1


def test_wad_div__one_third__rounds_half_up() -> None:
    assert wad_div(1, 3) == 333_333_333_333_333_333
    assert wad_div(2, 3) == 666_666_666_666_666_667


def test_percent_mul__half_a_unit__rounds_up() -> None:
    assert (percent_mul(1, 5_000), percent_mul(1, 4_999), percent_mul(200, 8_300)) == (1, 0, 166)


def test_linear_interest__half_a_year_at_ten_per_cent__adds_five_per_cent() -> None:
    assert linear_interest(RAY // 10, SECONDS_PER_YEAR // 2) == RAY + RAY // 20


def test_compounded_interest__a_year_at_ten_per_cent__is_the_first_three_terms() -> None:
    # n = 31,536,000 s; r = 1e26.  r²/RAY = 1e25; 1e25 // n² = 10,055,109,076; that · r/RAY // n = 31 (.88 is cut).
    # 1 + .1 + n(n−1)/2 · 10055109076e-27 + n(n−1)(n−2)/6 · 31e-27
    n = 31_536_000
    second = n * (n - 1) * 10_055_109_076 // 2
    third = n * (n - 1) * (n - 2) * 31 // 6

    grown = compounded_interest(RAY // 10, n)

    assert grown == RAY + RAY // 10 + second + third
    assert grown == 1_105_162_042_821_782_412_575_504_000
    assert 1.1051 < grown / RAY < 1.10518  # e^0.1 = 1.105171, and Aave charges a little less


def test_compounded_interest__no_time__is_one() -> None:
    assert compounded_interest(RAY, 0) == RAY
    assert compounded_interest(RAY, 1) == RAY + RAY // SECONDS_PER_YEAR


def test_compounded_interest_per_second__a_year_at_ten_per_cent__cuts_the_rate_before_it_multiplies() -> None:
    # 1e26 // n = 3,170,979,198,376,458,650 a second; its square in ray is 10,055,109,076.5, so …077;
    # times it again 31.88, so 32: the third term is a 31st more than in V3
    n = 31_536_000
    second = n * (n - 1) * 10_055_109_077 // 2
    third = n * (n - 1) * (n - 2) * 32 // 6

    grown = compounded_interest_per_second(RAY // 10, n)

    assert grown == RAY + 3_170_979_198_376_458_650 * n + second + third
    assert grown / compounded_interest(RAY // 10, n) == pytest.approx(1 + 4.73e-6, abs=1e-8)


@pytest.mark.parametrize("elapsed_s", [0, 1, 2, 3])
def test_compounded_interest_per_second__few_seconds__have_no_negative_terms(elapsed_s: int) -> None:
    per_second = RAY // 10 // SECONDS_PER_YEAR

    grown = compounded_interest_per_second(RAY // 10, elapsed_s)

    # pairs of seconds: 0, 0, 1, 3; triples: 0, 0, 0, 1, of 32 each
    pairs, triples = elapsed_s * (elapsed_s - 1) // 2, int(elapsed_s == 3)
    assert grown == RAY + per_second * elapsed_s + pairs * 10_055_109_077 + triples * 32


def test_normalised_income__index_two__doubles_the_factor() -> None:
    assert normalised_income(2 * RAY, RAY // 10, SECONDS_PER_YEAR) == 2 * RAY + RAY // 5


@given(rate=st.integers(0, RAY), elapsed=st.integers(0, 5 * SECONDS_PER_YEAR))
def test_compounded_interest__any_rate__is_at_least_linear(rate: int, elapsed: int) -> None:
    assert compounded_interest(rate, elapsed) >= linear_interest(rate, elapsed)


def test_wad__a_health_factor_of_one__has_eighteen_digits() -> None:
    assert wad_div(5, 5) == WAD
