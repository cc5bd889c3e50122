"""Turns beside the flow, in a thread of their own, whose failure the flow does not outlive."""

import threading
from collections.abc import Callable

import structlog
from bonafides.process import Stop, run_loop

LONGEST_STEP_S = 3.0
"""How long the end waits for a turn that runs. A longer one, which asks a node or joins its group, dies with the
process, as in a crash: what it did is done again."""
IDLE_S = 0.05
"""Between two polls, which wait themselves."""

log = structlog.get_logger(__name__)


class Beside:
    """A loop in a thread. `Unavailable` is tried again in it, with growing delays; anything else ends it."""

    def __init__(self, name: str, turn: Callable[[], bool], stop: Stop) -> None:
        self._name, self._turn, self._stop = name, turn, stop
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to turn."""
        self._thread.start()

    def check(self) -> None:
        """Raise what ended the loop, so that the process ends by it."""
        if self._failure is not None:
            raise self._failure

    def missing(self) -> str | None:
        """For readiness: None while it turns."""
        return None if self._thread.is_alive() else f"{self._name} has ended"

    def end(self) -> None:
        """Stop it, and wait for the turn that runs."""
        self._stop.ask()
        if self._thread.ident is not None:
            self._thread.join(LONGEST_STEP_S)
            if self._thread.is_alive():
                log.warning("still turning at the end", thread=self._name)

    def _run(self) -> None:
        try:
            run_loop(self._turn, self._stop, idle_s=IDLE_S, beat=lambda: None)
        except BaseException as exc:  # the outermost loop of this thread: `check` raises it in the process's own
            self._failure = exc
            log.critical("ended by a failure", thread=self._name, reason=str(exc), error=type(exc).__name__)
