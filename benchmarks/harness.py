"""What every benchmark shares: interleaved runs, medians, goals, the results file and the table at the end.

    {"machine": {...}, "commit": "...", "results": [{"id", "value", "unit", "better", "baseline", "runs", "note"}]}

A ratio is measured against its baseline in the same run, side by side, as the median of at least `FEWEST_RUNS`.
"""

import gc
import json
import math
import os
import platform
import statistics
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from bonafides.errors import InvalidInput, InvariantViolation
from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent
GOALS_FILE = FOLDER / "goals.toml"
RESULTS_FOLDER = FOLDER / "results"
FEWEST_RUNS = 5
"""Of a ratio: the median of fewer would be one noisy moment."""


class Better(StrEnum):
    """Which way is good."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The peer that a ratio is measured against, in the unit of its own speed."""

    name: str
    version: str
    value: float


@dataclass(frozen=True, slots=True)
class Result:
    """One number."""

    id: str
    value: float
    unit: str
    better: Better
    runs: int
    note: str
    baseline: Baseline | None = None

    def __post_init__(self) -> None:
        if self.baseline is not None and self.runs < FEWEST_RUNS:
            raise InvalidInput(f"{self.id}: a ratio is the median of at least {FEWEST_RUNS} runs, saw {self.runs}")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a number is to reach: one bound."""

    bound: float
    """Infinite where nothing was asked of the number: it is told, and no more."""
    better: Better

    def is_met(self, value: float) -> bool:
        """Whether the value is at the bound or on its good side; NaN never is."""
        return value >= self.bound if self.better is Better.HIGHER else value <= self.bound

    @property
    def text(self) -> str:
        if math.isinf(self.bound):
            return "none"
        return f"{'≥' if self.better is Better.HIGHER else '≤'} {figure(self.bound)}"


def interleaved[T](sides: Mapping[str, Callable[[T], object]], rounds: Iterable[T]) -> dict[str, list[float]]:
    """Seconds of each side in each round: all sides one after another on the round's input, the first in turn another.

    So that whatever slows the machine down for a while slows all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number, given in enumerate(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(timed(lambda side=sides[name], given=given: side(given)))  # type: ignore[misc]
    return seconds


def timed(action: Callable[[], object]) -> float:
    """Seconds of the wall clock that the action takes; garbage of others is collected before."""
    gc.collect()
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def median_ratio(baseline: Sequence[float], ours: Sequence[float]) -> float:
    """How many times faster ours is: the median of the ratios round by round, of seconds for the same work."""
    if len(baseline) != len(ours) or not ours:
        raise InvalidInput(
            f"{len(baseline)} rounds of the baseline against {len(ours)} of ours: they are compared in pairs"
        )
    return statistics.median(theirs / mine for theirs, mine in zip(baseline, ours, strict=True))


def check_same[T](what: str, ours: Sequence[T], theirs: Sequence[T]) -> None:
    """Raise InvariantViolation when two sides gave different answers: then neither is worth timing."""
    if len(ours) != len(theirs):
        raise InvariantViolation(f"{what}: {len(ours)} answers of ours, {len(theirs)} of the baseline")
    for place, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        if mine != other:
            raise InvariantViolation(f"{what}: answer {place} differs: ours {mine!r}, the baseline's {other!r}")


def load_goals(path: Path = GOALS_FILE) -> dict[str, Goal]:
    """The goal of each id. Raises InvalidInput for an entry that is not one bound."""
    goals = {}
    for identifier, entry in tomllib.loads(path.read_text("utf-8")).items():
        match entry:
            case {"at_least": int() | float() as bound} if len(entry) == 1:
                goals[identifier] = Goal(float(bound), Better.HIGHER)
            case {"at_most": int() | float() as bound} if len(entry) == 1:
                goals[identifier] = Goal(float(bound), Better.LOWER)
            case {"no_goal": "higher" | "lower" as better} if len(entry) == 1:
                goals[identifier] = Goal(-math.inf if better == "higher" else math.inf, Better(better))
            case _:
                raise InvalidInput(f"{path.name}: {identifier} needs one of at_least, at_most and no_goal, saw {entry}")
    return goals


def check_goals(results: Sequence[Result], goals: Mapping[str, Goal]) -> None:
    """Raise InvalidInput for an id twice, without a goal, or whose goal looks the other way."""
    seen: set[str] = set()
    for result in results:
        if result.id in seen:
            raise InvalidInput(f"{result.id} was measured twice")
        seen.add(result.id)
        if result.id not in goals:
            raise InvalidInput(f"{result.id} has no goal in {GOALS_FILE.name}")
        if goals[result.id].better is not result.better:
            raise InvalidInput(f"{result.id}: {result.better} is better, but its goal is {goals[result.id].text}")


def report(name: str, results: Sequence[Result]) -> None:
    """Write `results/<name>.json` and print the table of goals, values, met or missed.

    What was not measured this time stays in the file, with the commit that it was measured at in its note.
    """
    goals = load_goals()
    check_goals(results, goals)
    RESULTS_FOLDER.mkdir(exist_ok=True)
    path = RESULTS_FOLDER / f"{name}.json"
    kept = _kept(path, {result.id for result in results}, commit())
    rows = {row["id"]: row for row in [*kept, *map(asdict, results)]}
    ordered = [rows[id] for id in goals if id in rows]
    document = {"machine": machine(), "commit": commit(), "results": ordered}
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(unfinished, path)
    Console().print(goal_table(name, results, goals))


def _kept(path: Path, measured: set[str], now: str) -> list[dict[str, object]]:
    """The rows of an earlier file that are not measured again, if it is of this machine."""
    if not path.exists():
        return []
    earlier = json.loads(path.read_text("utf-8"))
    if earlier["machine"] != machine():
        return []
    rows = [row for row in earlier["results"] if row["id"] not in measured]
    for row in rows:
        if earlier["commit"] != now and "; measured at commit " not in row["note"]:
            row["note"] += f"; measured at commit {earlier['commit']}"
    return rows


def goal_table(name: str, results: Sequence[Result], goals: Mapping[str, Goal]) -> Table:
    """Each id with its goal, its value and whether it was met."""
    table = Table(title=f"bench-{name}")
    for column in ("id", "goal", "value", "unit", "", "baseline"):
        is_number = column in ("goal", "value")
        table.add_column(column, justify="right" if is_number else "left", no_wrap=column != "baseline")
    for result in results:
        goal, peer = goals[result.id], result.baseline
        verdict = "[green]met[/green]" if goal.is_met(result.value) else "[red]missed[/red]"
        verdict = "" if math.isinf(goal.bound) else verdict
        against = f"{peer.name} {peer.version}: {figure(peer.value)}" if peer else ""
        table.add_row(result.id, goal.text, figure(result.value), result.unit, verdict, against)
    return table


def figure(value: float) -> str:
    """A number as one reads it: thousands apart, two decimals where they matter, four digits below 1."""
    if 0 < abs(value) < 1:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 1_000 or value == int(value) else f"{value:,.2f}"


def machine() -> dict[str, str | int]:
    """What the numbers were taken on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def commit() -> str:
    """The commit that was measured, with `+changes` when files of it were edited."""
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return _git("rev-parse", "HEAD") + ("+changes" if changes else "")


def _git(*arguments: str) -> str:
    asked = ["git", *arguments]
    return subprocess.run(asked, cwd=FOLDER, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
