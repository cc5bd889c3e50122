"""What processes take of the machine, by Linux's own account (/proc)."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bonafides_lab.stack.machine import Part
from bonafides_lab.stack.resolver import LocalStack
from bonafides_lab.stack.server import LocalServer

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Watch:
    """Memory and processor time of some processes and their children, looked at from time to time."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._before = {name: _cpu_seconds(pid) for name, pid in pids.items()}
        self.peak_rss_mb: dict[str, float] = {}
        """The kernel's own high-water mark as of the last look: it never falls, so that no peak is missed."""
        self.cpu_seconds: dict[str, float] = {}

    def add(self, name: str, pid: int) -> None:
        """Watch one more from its beginning."""
        self._pids[name] = pid
        self._before[name] = 0.0

    def look(self) -> None:
        """Note how things stand; of processes that have ended what they said last stays."""
        for name, pid in self._pids.items():
            peak = _peak_rss_mb(pid)
            if peak is not None:
                self.peak_rss_mb[name] = peak
            spent = _cpu_seconds(pid)
            if spent:
                self.cpu_seconds[name] = spent - self._before[name]


def pids_of(stack: LocalStack) -> dict[str, int]:
    """The processes of a stack's parts, of those that are local processes."""
    return {
        str(part): server.process.pid
        for part, server in stack.servers.items()
        if isinstance(server, LocalServer) and part in (Part.BROKER, Part.DATABASE)
    }


@contextmanager
def only_cores(count: int) -> Iterator[None]:
    """Let this process and what it starts run on the first so many cores alone."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(allowed)[:count]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def peak_of_tree(pid: int, peaks: dict[int, float]) -> None:
    """Note the high-water marks, in MB, of a process and of all that it started, as of now."""
    peak = _peak_rss_mb(pid)
    if peak is not None:
        peaks[pid] = peak
    for child in _children(pid):
        peak_of_tree(child, peaks)


def _peak_rss_mb(pid: int) -> float | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


def _cpu_seconds(pid: int) -> float:
    """Of the process, of its children that live, and of those it has waited for."""
    own = _times(pid)
    if own is None:
        return 0.0
    total = sum(own)
    for child in _children(pid):
        total += sum((_times(child) or (0, 0, 0, 0))[:2])
    return total / _TICKS_PER_S


def _times(pid: int) -> tuple[int, int, int, int] | None:
    """User and system ticks, its own and of children waited for: fields 14 to 17 of proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]), int(fields[12]), int(fields[13]), int(fields[14]))


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
