"""What is still alive, as the kernel says it."""

import time
from collections.abc import Callable
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not reaped yet (a zombie) does not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:  # gone; ESRCH when it goes while being read
        return False
    return fields[0] not in ("Z", "X")


def processes_in(folder: Path) -> list[int]:
    """The live processes that work in `folder` or name it on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or not is_alive(int(entry.name)):
            continue
        try:
            works_there = (entry / "cwd").resolve().is_relative_to(folder)
            names_it = str(folder) in (entry / "cmdline").read_text(errors="replace")
        except OSError:
            continue
        if works_there or names_it:
            found.append(int(entry.name))
    return found


def is_true_within(seconds: float, claim: Callable[[], bool]) -> bool:
    """Whether the claim comes true in time."""
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
