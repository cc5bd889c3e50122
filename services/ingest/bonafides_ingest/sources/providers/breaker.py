"""When a provider that fails is asked again. Pure: whoever asks says what time it is.

```
            3 failures in a row              the pause is over
 closed ─────────────────────────► open ─────────────────────────► half open: one question
   ▲                                 ▲                                │    │
   │                                 └─────── it fails: twice as long ┘    │
   └──────────────────────────────────────────────── it is answered ───────┘
```
"""

from typing import Final

FAILURES: Final = 3  # one may be a connection that broke, two a restart behind a balancer
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0  # the longest is the process's own between two tries
LONGEST_WITH_OTHERS_S: Final = 300.0  # a probe of one that is silent holds a turn up until its time-out


class Backoff:
    """Pauses that double."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._next_s = first_s

    def next(self) -> float:
        """How long to wait now, in seconds."""
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, self._longest_s)
        return pause_s

    def reset(self) -> None:
        """It went well: begin again."""
        self._next_s = self._first_s


class Breaker:
    """Of one provider; `longest_s` is the longest pause."""

    def __init__(self, longest_s: float = LONGEST_PAUSE_S) -> None:
        self._pauses = Backoff(FIRST_PAUSE_S, longest_s)
        self._failures = 0
        self._open_until: float | None = None
        self._probes_until = 0.0
        """While a probe is out, nobody else asks; one that never comes back is forgotten after the longest pause."""

    def wait(self, now: float) -> float:
        """Seconds until the provider may be asked; 0: now."""
        if self._open_until is None:
            return 0.0
        return max(self._open_until - now, self._probes_until - now, 0.0)

    def begin(self, now: float) -> None:
        """The provider is asked now. In a breaker that is open this is the probe."""
        if self._open_until is not None:
            self._probes_until = now + LONGEST_PAUSE_S

    def answered(self) -> None:
        """It answered, whatever it said."""
        self._failures, self._open_until, self._probes_until = 0, None, 0.0
        self._pauses.reset()

    def failed(self, now: float) -> None:
        """It did not answer, or nothing that makes sense."""
        self._failures += 1
        was_probe, self._probes_until = self._open_until is not None, 0.0
        if was_probe or self._failures >= FAILURES:
            self._open_until = now + self._pauses.next()
