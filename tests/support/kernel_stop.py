"""A stop for unit tests."""

from collections.abc import Callable

from bonafides.process import Stop


class NoWait(Stop):
    """Never waits; remembers for how long it would have, and tells `passed` of it."""

    def __init__(self, passed: Callable[[float], None] = lambda _: None) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._passed = passed

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self._passed(seconds)
        return self.is_asked()
