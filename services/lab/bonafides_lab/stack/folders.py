"""Where the stack keeps what it installs, and the lock that lets only one process install at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STACK_FOLDER = Path(__file__).parent
CACHE_FOLDER = STACK_FOLDER / ".cache"  # git and the wheel leave it out


@contextmanager
def only_one_installs(what: str) -> Iterator[None]:
    """Wait until no other process installs `what`, then keep others waiting. The lock goes when its holder dies."""
    CACHE_FOLDER.mkdir(exist_ok=True)
    with (CACHE_FOLDER / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
