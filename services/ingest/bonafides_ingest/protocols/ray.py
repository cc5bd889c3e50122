"""Aave's fixed-point arithmetic, bit for bit: `WadRayMath` of @aave/core-v3@1.19.3, which rounds half up."""

RAY = 10**27
_HALF_RAY = RAY // 2


def ray_mul(a: int, b: int) -> int:
    """a · b / 1e27, rounded half up; a, b ≥ 0."""
    return (a * b + _HALF_RAY) // RAY


def ray_div(a: int, b: int) -> int:
    """a · 1e27 / b, rounded half up; a ≥ 0, b > 0."""
    return (a * RAY + b // 2) // b
