"""Progress bars on standard error: how much, how fast, how long still."""

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _CountColumn(ProgressColumn):
    """Such as `1,200/5,000 logs`."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.completed:,.0f}/{task.total:,.0f} {self._unit}")


class _RateColumn(ProgressColumn):
    """Such as `12,345 logs/s`, over the last half minute."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._unit}/s")


def bar(unit: str) -> Progress:
    """A bar that counts these units, with their rate and the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        _CountColumn(unit),
        _RateColumn(unit),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        refresh_per_second=4,
    )
