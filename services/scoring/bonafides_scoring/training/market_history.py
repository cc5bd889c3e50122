"""The market of every moment: all points of a training market, answered as of a block without reading them again."""

from bisect import bisect_right
from collections.abc import Iterable

from bonafides.events import MarketPoint
from bonafides.types import BlockRef

from bonafides_scoring.market import MarketKey, MarketView, market_key, view_of_latest

_Order = tuple[int, int, int, int]


class MarketHistory:
    """Points of one chain, by what they replace, in canonical order."""

    def __init__(self, points: Iterable[MarketPoint]) -> None:
        self._points: dict[MarketKey, list[MarketPoint]] = {}
        for point in points:
            self._points.setdefault(market_key(point), []).append(point)
        for known in self._points.values():
            known.sort(key=lambda point: point.order)
        self._blocks = {key: [point.order[0] for point in known] for key, known in self._points.items()}

    def view(self, block: BlockRef) -> MarketView:
        """The market as of this block, inclusive."""
        latest: dict[MarketKey, MarketPoint] = {}
        for key, numbers in self._blocks.items():
            place = bisect_right(numbers, block.number)
            if place:
                latest[key] = self._points[key][place - 1]
        return view_of_latest(latest, block)
