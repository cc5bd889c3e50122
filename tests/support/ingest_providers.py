"""Providers of one chain, without sockets and without a clock that moves by itself."""


class HandClock:
    """Stands still until somebody sleeps, or moves it."""

    def __init__(self) -> None:
        self._now = 1_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now += seconds

    def move(self, seconds: float) -> None:
        """Let time go by."""
        self._now += seconds
