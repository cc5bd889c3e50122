"""Shares in basis points, in integers."""

from bonafides_scoring.features.catalogue import CAPPED_BPS


def share_bps(part: int, whole: int, *, of_nothing: int, cap: int = CAPPED_BPS) -> int:
    """`part` of `whole` in basis points, rounded down, at most `cap`; `of_nothing` where there is no whole."""
    return min(cap, part * CAPPED_BPS // whole) if whole > 0 else of_nothing
