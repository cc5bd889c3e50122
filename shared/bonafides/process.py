"""How every process lives: start, turn, back off, stop.

SIGTERM and SIGINT ask for a stop; the turn that runs is finished first. The class of an error decides what follows:
`Unavailable` → wait and turn again; `InvalidSettings` → exit 78; `InvariantViolation` → exit 70, and the orchestrator's
restart counter pages. None of them shows a stack trace to a user.
"""

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import NoReturn

import structlog

from bonafides.errors import BonafidesError, InvalidInput, InvalidSettings, InvariantViolation, MissingTool, Unavailable

EXIT_USAGE = 2
EXIT_SETTINGS = 78  # EX_CONFIG of sysexits.h
EXIT_INVARIANT = 70  # EX_SOFTWARE
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0

log = structlog.get_logger(__name__)


class StopAsked(Exception):
    """Asked to stop while something was waited for: an end in good order, no error."""


class Stop:
    """Asked to stop, by a signal or by the process itself."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def install(self) -> None:
        """Let SIGTERM and SIGINT ask."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._event.set())

    def ask(self) -> None:
        """Stop after this turn."""
        self._event.set()

    def is_asked(self) -> bool:
        """Whether to stop."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait that long, or until asked; returns whether asked."""
        return self._event.wait(seconds)


def backoff_delay(attempt: int) -> float:
    """Seconds to wait before attempt 1, 2, 3 …: doubles from `FIRST_DELAY_S` to `LONGEST_DELAY_S`."""
    return float(min(FIRST_DELAY_S * 2 ** min(attempt - 1, 16), LONGEST_DELAY_S))


def retry[T](action: Callable[[], T], stop: Stop, what: str, *, beat: Callable[[], None]) -> T:
    """Do it until it works. Only `Unavailable` is tried again, and each attempt beats: who waits is not stuck.

    Raises StopAsked when asked to stop meanwhile.
    """
    attempt = 0
    while not stop.is_asked():
        beat()
        try:
            return action()
        except Unavailable as exc:
            attempt += 1
            delay_s = backoff_delay(attempt)
            log.warning("waiting", what=what, reason=str(exc), attempt=attempt, delay_s=delay_s)
            stop.wait(delay_s)
    raise StopAsked(f"asked to stop while waiting for {what}")


def run_loop(turn: Callable[[], bool], stop: Stop, *, idle_s: float, beat: Callable[[], None]) -> None:
    """Turn until asked to stop. `turn` returns whether it did something; after an idle turn it waits `idle_s`.

    An `Unavailable` is logged and tried again with growing delays; anything else ends the loop.
    """
    failures = 0
    while not stop.is_asked():
        try:
            was_busy = turn()
        except Unavailable as exc:
            failures += 1
            delay_s = backoff_delay(failures)
            log.warning("unavailable, waiting", reason=str(exc), attempt=failures, delay_s=delay_s)
            beat()
            stop.wait(delay_s)
            continue
        failures = 0
        beat()
        if not was_busy:
            stop.wait(idle_s)


def start(module: str, processes: Mapping[str, Callable[[], None]]) -> NoReturn:
    """`python -m <module> <name>`: run the process that the command line names; `""` is the one without a name.

    Ends with 2 and a line about the usage when there is none of that name.
    """
    main = processes.get(" ".join(sys.argv[1:]))
    if main is None:
        sys.stderr.write(f"usage: python -m {module} {'|'.join(processes)}".rstrip() + "\n")
        sys.exit(EXIT_USAGE)
    exit_with(main)


def exit_with(main: Callable[[], None]) -> NoReturn:
    """Run a process's main function and end with the code of its fate."""
    try:
        main()
    except (InvalidSettings, MissingTool) as exc:
        sys.stderr.write(f"refusing to start: {exc}\n")
        sys.exit(EXIT_SETTINGS)
    except InvariantViolation as exc:
        log.critical("invariant violated, stopping", reason=str(exc))
        sys.exit(EXIT_INVARIANT)
    except BonafidesError as exc:
        log.critical("stopping", reason=str(exc), error=type(exc).__name__)
        sys.exit(EXIT_USAGE if isinstance(exc, InvalidInput) else 1)
    sys.exit(0)
