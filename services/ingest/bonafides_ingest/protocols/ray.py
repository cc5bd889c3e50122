"""Aave's fixed-point arithmetic, bit for bit.

Half up: `WadRayMath` of @aave/core-v3@1.19.3. Floor and ceil: the same of @aave-dao/aave-v3-origin@3.6.0.
"""

RAY = 10**27
_HALF_RAY = RAY // 2


def ray_mul(a: int, b: int) -> int:
    """a · b / 1e27, rounded half up; a, b ≥ 0."""
    return (a * b + _HALF_RAY) // RAY


def ray_div(a: int, b: int) -> int:
    """a · 1e27 / b, rounded half up; a ≥ 0, b > 0."""
    return (a * RAY + b // 2) // b


def ray_mul_floor(a: int, b: int) -> int:
    """a · b / 1e27, rounded down; a, b ≥ 0."""
    return a * b // RAY


def ray_div_floor(a: int, b: int) -> int:
    """a · 1e27 / b, rounded down; a ≥ 0, b > 0."""
    return a * RAY // b


def ray_div_ceil(a: int, b: int) -> int:
    """a · 1e27 / b, rounded up; a ≥ 0, b > 0."""
    return -(-a * RAY // b)
