"""When Python looks for garbage that refers to itself: between two turns, not inside one.

What a window makes is freed by counting; looking through it for cycles again and again took 40 % of the time.
"""

import gc
from collections.abc import Callable
from itertools import count

_TURNS_PER_FULL_COLLECTION = 100


class BetweenTurns:
    """Collects after each turn, so that memory stays bounded, and in full now and then."""

    def __init__(self) -> None:
        self._turns = count(1)

    def run[T](self, turn: Callable[[], T]) -> T:
        """The turn, without collections inside it."""
        gc.disable()
        try:
            made = turn()
        finally:
            gc.enable()
        if made:  # an idle turn leaves nothing
            gc.collect(2 if next(self._turns) % _TURNS_PER_FULL_COLLECTION == 0 else 1)
        return made
