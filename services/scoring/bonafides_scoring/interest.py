"""Aave V3's fixed-point arithmetic and growth of indices, digit for digit.

Sources: `WadRayMath.sol`, `PercentageMath.sol` and `MathUtils.sol` of @aave/core-v3 1.19.3. All values are integers;
ray = 1e27, wad = 1e18, percentages are in basis points. Multiplication and division round half up, as there.
"""

RAY = 10**27
HALF_RAY = RAY // 2
WAD = 10**18
PERCENTAGE_FACTOR = 10_000
SECONDS_PER_YEAR = 365 * 86_400


def ray_mul(left: int, right: int) -> int:
    """Product of two numbers of which one is a ray, rounded half up."""
    return (left * right + HALF_RAY) // RAY


def ray_div(left: int, right_ray: int) -> int:
    """Quotient of a number by a ray, rounded half up; `right_ray` > 0."""
    return (left * RAY + right_ray // 2) // right_ray


def wad_div(left: int, right: int) -> int:
    """Quotient as a wad, rounded half up; `right` > 0."""
    return (left * WAD + right // 2) // right


def percent_mul(value: int, percentage_bps: int) -> int:
    """`percentage_bps` basis points of a value, rounded half up."""
    return (value * percentage_bps + PERCENTAGE_FACTOR // 2) // PERCENTAGE_FACTOR


def linear_interest(rate_ray: int, elapsed_s: int) -> int:
    """Growth factor (ray) of a supply index after `elapsed_s` seconds at an annual rate."""
    return RAY + rate_ray * elapsed_s // SECONDS_PER_YEAR


def compounded_interest(rate_ray: int, elapsed_s: int) -> int:
    """Growth factor (ray) of a debt index: the first three terms of the binomial (1 + rate/year)^seconds.

    The contract cuts the series there too, so that this equals it; the true power is slightly larger.
    """
    if elapsed_s == 0:
        return RAY
    minus_one = elapsed_s - 1
    minus_two = elapsed_s - 2 if elapsed_s > 2 else 0
    power_two = ray_mul(rate_ray, rate_ray) // (SECONDS_PER_YEAR * SECONDS_PER_YEAR)
    power_three = ray_mul(power_two, rate_ray) // SECONDS_PER_YEAR
    second = elapsed_s * minus_one * power_two // 2
    third = elapsed_s * minus_one * minus_two * power_three // 6
    return RAY + rate_ray * elapsed_s // SECONDS_PER_YEAR + second + third


def compounded_interest_per_second(rate_ray: int, elapsed_s: int) -> int:
    """The same in Aave V2 (`MathUtils.sol` of @aave/protocol-v2 1.0.1), which cuts the rate to one second first.

    In a year without an update the two are up to 5e-6 apart, and with the third power of the time.
    """
    if elapsed_s == 0:
        return RAY
    rate_per_second = rate_ray // SECONDS_PER_YEAR
    minus_one = elapsed_s - 1
    minus_two = elapsed_s - 2 if elapsed_s > 2 else 0
    power_two = ray_mul(rate_per_second, rate_per_second)
    power_three = ray_mul(power_two, rate_per_second)
    second = elapsed_s * minus_one * power_two // 2
    third = elapsed_s * minus_one * minus_two * power_three // 6
    return RAY + rate_per_second * elapsed_s + second + third


def normalised_income(liquidity_index: int, liquidity_rate: int, elapsed_s: int) -> int:
    """Supply index (ray) `elapsed_s` seconds after the reserve was last updated."""
    if elapsed_s == 0:
        return liquidity_index
    return ray_mul(linear_interest(liquidity_rate, elapsed_s), liquidity_index)
