"""How a deployment's contracts round what a position is worth: half up, or each time for the protocol.

Aave does the latter since 3.5: a supply counts a unit less, a debt a unit more. Its debt index and its health factor
are not quite the same either, and Aave V2 compounds interest in another way. Digit for digit as in `GenericLogic.sol`,
`MathUtils.sol` and `TokenMath.sol`, of @aave/protocol-v2 1.0.1, @aave/core-v3 1.19.3 and
@aave-dao/aave-v3-origin 3.6.0.
"""

from enum import IntEnum

from bonafides_scoring import interest


class Rounding(IntEnum):
    """What a deployment's newest `rounding` point says; half up where there is none."""

    HALF_UP = 0
    FOR_THE_PROTOCOL = 1
    HALF_UP_PER_SECOND = 2
    """Half up; interest is compounded from a rate per second that is cut before: Aave V2."""

    def supply_balance(self, scaled: int, index: int) -> int:
        """What a scaled supply is worth in the asset's smallest unit."""
        return scaled * index // interest.RAY if self is _UP else interest.ray_mul(scaled, index)

    def debt_balance(self, scaled: int, index: int) -> int:
        """What a scaled debt comes to in the asset's smallest unit."""
        return _ceiling(scaled * index, interest.RAY) if self is _UP else interest.ray_mul(scaled, index)

    def stable_debt(self, principal: int, rate: int, elapsed_s: int) -> int:
        """What a debt at a stable rate has grown to after `elapsed_s` seconds. Gone since Aave 3.2."""
        return interest.ray_mul(principal, self._compounded(rate, elapsed_s))

    def debt_value(self, amount: int, price: int, unit: int) -> int:
        """Value of a debt in the base currency."""
        return _ceiling(amount * price, unit) if self is _UP else amount * price // unit

    def debt_index(self, index: int, rate: int, elapsed_s: int) -> int:
        """Variable debt index (ray) `elapsed_s` seconds after the reserve was last updated."""
        if elapsed_s == 0:
            return index
        return interest.ray_mul(self._compounded(rate, elapsed_s), index)

    def _compounded(self, rate: int, elapsed_s: int) -> int:
        """Growth factor (ray) of a debt."""
        if self is Rounding.HALF_UP:
            return interest.compounded_interest(rate, elapsed_s)
        if self is Rounding.HALF_UP_PER_SECOND:
            return interest.compounded_interest_per_second(rate, elapsed_s)
        grown = rate * elapsed_s // interest.SECONDS_PER_YEAR
        # e^x up to its third term, in the nested form of the contract: its rounding shows
        second_and_third = interest.ray_mul(grown, grown // 2 + interest.ray_mul(grown, grown // 6))
        return interest.RAY + grown + second_and_third

    def health_factor(self, collateral: int, weighted: int, debt: int) -> int:
        """Health factor (wad). `weighted` is the sum of collateral · threshold in bps; `debt` > 0."""
        if self is _UP:
            return interest.wad_div(weighted, debt) // interest.PERCENTAGE_FACTOR
        threshold = weighted // collateral if collateral else 0
        return interest.wad_div(interest.percent_mul(collateral, threshold), debt)


_UP = Rounding.FOR_THE_PROTOCOL


def _ceiling(value: int, divisor: int) -> int:
    return -(-value // divisor)
