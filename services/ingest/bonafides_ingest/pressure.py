"""When reading old blocks must wait, so that those behind it can catch up. Live blocks never wait.

```
lag       ─────────╱‾‾‾╲──────      waits above the limit,
limit     · · · · ╱· · ·╲· · ·      goes on below half of it:
half      · · · ╱ · · · · ╲· ·      not a window here and a window there
waiting   ────── ▒▒▒▒▒▒▒▒ ────
```
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog
from bonafides.bus import Admin
from bonafides.errors import Unavailable
from bonafides.topics import MARKET, WALLET_EVENTS

from bonafides_ingest import metrics

log = structlog.get_logger(__name__)

ASKED_EVERY_S = 3.0
"""Between two looks at the lag. A broker answers in milliseconds, and a backfill sends some windows in between."""
FLUSH_WEIGHT = 0.2
"""Of the newest flush in the mean: some five decide, and no single hiccup."""
FORGOTTEN_AFTER_S = 30.0
"""The time in which half of a slow mean is forgotten while nothing is flushed: else a backfill that waits, on a chain
without live blocks, would never learn that the broker is well again."""
TOPICS = (WALLET_EVENTS.name, MARKET.name)


class Pressure(Protocol):
    """Knows how those that take what is sent are doing."""

    def holds_backfill(self) -> str | None:
        """Why reading final blocks should wait now; None when it may go on. Raises nothing: live blocks go on."""

    def no_backfill(self) -> None:
        """Nothing is left that would have to wait."""

    def flushed(self, seconds: float) -> None:
        """How long the broker took to acknowledge what was sent."""


class NoPressure:
    """Never waits: for a run that has nobody behind it."""

    def holds_backfill(self) -> str | None:
        return None

    def no_backfill(self) -> None:
        pass

    def flushed(self, seconds: float) -> None:
        pass


@dataclass(frozen=True, slots=True)
class PressureLimits:
    """Above which a backfill waits; it goes on below half of either."""

    lag_records: int
    """Records that the consumers have not committed, of all partitions together. 0: their lag does not matter."""
    flush_s: float
    """Mean time of a flush, in seconds."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is known of those behind us. Changing it gives a new one."""

    limits: PressureLimits
    lag_records: int = 0
    flush_s: float = 0.0
    """Exponential mean."""
    is_lag_high: bool = False
    is_flush_slow: bool = False

    def with_lag(self, records: int) -> "Load":
        """After a look at the consumers' lag."""
        limit = self.limits.lag_records
        is_high = limit > 0 and _stays_high(records, limit, was_high=self.is_lag_high)
        return replace(self, lag_records=records, is_lag_high=is_high)

    def after_flush(self, seconds: float) -> "Load":
        """After one more flush."""
        return self._with_flush(self.flush_s + FLUSH_WEIGHT * (seconds - self.flush_s))

    def after_silence(self, seconds: float) -> "Load":
        """After a time in which nothing was flushed."""
        return self._with_flush(self.flush_s * 0.5 ** (seconds / FORGOTTEN_AFTER_S))

    def _with_flush(self, mean_s: float) -> "Load":
        is_slow = _stays_high(mean_s, self.limits.flush_s, was_high=self.is_flush_slow)
        return replace(self, flush_s=mean_s, is_flush_slow=is_slow)

    @property
    def why_waiting(self) -> str | None:
        """The reason to wait; None when there is none."""
        if self.is_lag_high:
            return (
                f"the consumers are {self.lag_records} records behind, more than {self.limits.lag_records} "
                "(BONAFIDES_INGEST_LAG_LIMIT_RECORDS) and not yet below half of it"
            )
        if self.is_flush_slow:
            return (
                f"the broker takes {self.flush_s:.2f} s for a flush, more than {self.limits.flush_s:.2f} s "
                "(BONAFIDES_INGEST_FLUSH_LIMIT_S) and not yet below half of it"
            )
        return None


def _stays_high(seen: float, limit: float, *, was_high: bool) -> bool:
    return seen >= limit / 2 if was_high else seen > limit


@dataclass
class BusPressure:
    """`Pressure` over the broker: what a group has not committed, and how long flushes take.

    `now` is a monotonic clock in seconds. While the lag cannot be asked, a backfill waits: a group without coordinator,
    or one that we may not describe, says nothing of a broker that takes records.
    """

    admin: Admin
    group: str
    limits: PressureLimits
    now: Callable[[], float]
    topics: Sequence[str] = TOPICS
    _load: Load = field(init=False)
    _asked_at: float | None = None
    _heard_at: float | None = None
    """When something was flushed last, or its mean was forgotten a little."""
    _unanswered: str | None = None
    """Why the lag cannot be asked; None when it could be."""
    _is_holding: bool = False

    def __post_init__(self) -> None:
        self._load = Load(self.limits)

    def holds_backfill(self) -> str | None:
        now = self.now()
        if self._asked_at is None or now - self._asked_at >= ASKED_EVERY_S:
            self._ask()
            self._asked_at = self.now()  # a question may take long: what comes between two is for live blocks
        if self._heard_at is not None and now - self._heard_at >= ASKED_EVERY_S:
            self._load = self._load.after_silence(now - self._heard_at)
            self._heard_at = now
        why = self._unanswered or self._load.why_waiting
        metrics.CONSUMER_LAG.set(self._load.lag_records)
        self._tell(why)
        return why

    def no_backfill(self) -> None:
        self._tell(None)

    def flushed(self, seconds: float) -> None:
        self._load = self._load.after_flush(seconds)
        self._heard_at = self.now()
        metrics.FLUSH_SECONDS.observe(seconds)

    def _ask(self) -> None:
        try:
            lag = sum(self.admin.group_lag(self.group, self.topics).values())
        except Unavailable as exc:
            metrics.LAG_UNKNOWN.inc()
            if self.limits.lag_records:
                self._unanswered = f"the lag of {self.group} (BONAFIDES_INGEST_PRESSURE_GROUP) cannot be asked: {exc}"
            return
        self._load, self._unanswered = self._load.with_lag(lag), None

    def _tell(self, why: str | None) -> None:
        metrics.BACKFILL_PAUSED.set(why is not None)
        if (why is not None) != self._is_holding:
            log.warning("backfill waits", reason=why) if why else log.info("backfill waits no more")
        self._is_holding = why is not None
