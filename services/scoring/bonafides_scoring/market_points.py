"""What single points of the market say."""

from collections.abc import Iterable

from bonafides.events import MarketPoint
from bonafides.types import BlockRef


def is_stale(price: MarketPoint, block: BlockRef) -> bool:
    """Whether the feed's answer is older at the block than the registry lets it be: then nobody knows the price."""
    stale_after = price.values[1] if len(price.values) > 1 else 0
    return 0 < stale_after < block.timestamp


def collateral_categories(memberships: Iterable[MarketPoint]) -> frozenset[int]:
    """E-modes in which these points, in order, make an asset collateral. One without a value ends those before it."""
    categories: set[int] = set()
    for point in memberships:
        categories = categories | {point.category} if point.values else {point.category}
        if point.values == (0,):
            categories.discard(point.category)
    return frozenset(categories - {0})
