"""When reading old blocks must wait, so that those behind it can catch up. Live blocks never wait."""

from typing import Protocol


class Pressure(Protocol):
    """Knows how those that take what is sent are doing."""

    def holds_backfill(self) -> str | None:
        """Why reading final blocks should wait now; None when it may go on. Raises Unavailable."""

    def flushed(self, seconds: float) -> None:
        """How long the broker took to acknowledge what was sent."""


class NoPressure:
    """Never waits: for a run that has nobody behind it."""

    def holds_backfill(self) -> str | None:
        return None

    def flushed(self, seconds: float) -> None:
        pass
