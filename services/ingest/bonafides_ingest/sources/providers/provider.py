"""One provider, and how it stands: what it failed, for how long it is left alone, and how far its chain is.

| state | because | until |
|---|---|---|
| ok | | |
| resting | a quota | the provider says so, or twice as long each time, at most a minute |
| open | it failed three times in a row | one probe is answered (`breaker`) |
| benched | it was caught lying | half an hour, twice as long each time, at most a day |
| behind | its head stands below another's: it is passed over | its head moves |
| behind | its finalized block stands, and it is the lowest while another's rises: it still counts | it rises |
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog
from bonafides.events import BlockRange
from bonafides.json_rpc import JsonRpc
from bonafides.types import BlockRef

from bonafides_ingest import metrics
from bonafides_ingest.chain import LiveSource
from bonafides_ingest.sources.providers.breaker import LONGEST_WITH_OTHERS_S, Backoff, Breaker
from bonafides_ingest.sources.providers.pace import Pace

FIRST_REST_S, LONGEST_REST_S = 1.0, 60.0  # most quotas are per second; a minute is as long as the longest window
FIRST_BENCH_S, LONGEST_BENCH_S = 1_800.0, 86_400.0
FIRST_UNSEEN_S, LONGEST_UNSEEN_S = 30.0, 600.0  # whoever does not answer a look holds the turn up until its time-out
NEVER: Final = float("inf")

log = structlog.get_logger(__name__)


class ProviderSource(LiveSource, Protocol):
    """A chain as one provider tells it."""

    pace: Pace

    def blocks(self, wanted: BlockRange) -> tuple[BlockRef, ...]:
        """All blocks of a final range, which hang together."""

    def blocks_at(self, numbers: Iterable[int]) -> tuple[BlockRef, ...]:
        """These final blocks, ascending."""


class Meter(Protocol):
    """Knows how long a provider's requests per second are used up."""

    def wait(self) -> float:
        """Seconds until one call may be made."""


@dataclass(slots=True)
class Height:
    """A block number as it was seen last, and since when it has stood below another provider's.

    Whoever moves stands below nobody: else one that claims to be far ahead could call all others stuck. It may go down,
    so that a mistake is forgotten.
    """

    number: int = -1
    passed_at: float = NEVER

    def saw(self, number: int) -> None:
        """The provider shows this number now."""
        if number != self.number:
            self.number, self.passed_at = number, NEVER

    def compare(self, best: int, now: float) -> None:
        """The highest number that any provider shows."""
        if best > self.number and self.passed_at == NEVER:
            self.passed_at = now


@dataclass(eq=False)
class Provider:
    """A provider. `name` is what logs and metrics call it: its URL may hold a key."""

    name: str
    source: ProviderSource
    rpc: JsonRpc
    meter: Meter | None = None
    """None: it may be asked as often as one likes."""
    lookout: LiveSource | None = None
    """Who looks at it while another one is asked, with less patience; None: `source`."""
    head: Height = field(default_factory=Height)
    finalized: int = -1
    finalized_since: float = -NEVER
    """Since when that has stood."""
    holds_finality: bool = False
    """Whether nothing becomes final because of it, though its head moves."""
    looked_at: float = -NEVER
    """When its heights were last seen."""
    next_look_at: float = -NEVER
    """When it may be looked at next while another one is asked."""
    agreed_to: int = -1
    """Final block up to which another provider said the same."""
    times_gone: int = 0
    """How often in a row it did not have a block below the head that it showed."""
    _breaker: Breaker = field(default_factory=Breaker)
    _rests: Backoff = field(default_factory=lambda: Backoff(FIRST_REST_S, LONGEST_REST_S))
    _looks: Backoff = field(default_factory=lambda: Backoff(FIRST_UNSEEN_S, LONGEST_UNSEEN_S))
    _benches: Backoff = field(default_factory=lambda: Backoff(FIRST_BENCH_S, LONGEST_BENCH_S))
    _rests_until: float = -NEVER
    _benched_until: float = -NEVER

    def has_others(self) -> None:
        """There are others to ask: it may be left alone for longer. To be said before it is asked."""
        self._breaker = Breaker(LONGEST_WITH_OTHERS_S)

    def wait(self, now: float) -> float:
        """Seconds until it may be asked; 0: now. Its requests per second are left out of account."""
        return max(self._benched_until - now, self._rests_until - now, self._breaker.wait(now), 0.0)

    def is_benched(self, now: float) -> bool:
        """Whether it lied of late: nothing that it says counts."""
        return self._benched_until > now

    def is_stuck(self, after_s: float) -> bool:
        """Whether its head has not moved for so long, below another's.

        The finalized block says nothing here: it stands for minutes at an honest provider, while one that calls its
        head final moves with every block.
        """
        return self.looked_at - self.head.passed_at > after_s

    def begin(self, now: float) -> None:
        """It is asked now."""
        self._breaker.begin(now)

    def answered(self) -> None:
        """It answered."""
        self._breaker.answered()
        self._rests.reset()

    def spoke(self) -> None:
        """It answered that it does not, for a reason that is none of its health."""
        self._breaker.answered()

    def failed(self, now: float) -> None:
        """It did not answer."""
        self._breaker.failed(now)

    def rest(self, now: float, retry_after_s: float | None) -> float:
        """It asks to slow down; returns for how long it is left alone."""
        self._breaker.answered()
        pause_s = max(self._rests.next(), retry_after_s or 0.0)
        self._rests_until = now + pause_s
        return pause_s

    def bench(self, now: float, reason: str) -> None:
        """It was caught lying."""
        self._breaker.answered()
        pause_s = self._benches.next()
        self._benched_until = now + pause_s
        log.error("provider caught lying, benched", provider=self.name, reason=reason, pause_s=pause_s)

    def saw(self, now: float, finalized: int, head: int) -> None:
        """How far its chain is now."""
        if finalized != self.finalized:
            self.finalized_since = now
        self.looked_at, self.finalized = now, finalized
        self.head.saw(head)
        metrics.PROVIDER_FINALIZED_BLOCK.labels(self.name).set(finalized)
        metrics.PROVIDER_HEAD_BLOCK.labels(self.name).set(head)

    def was_looked_at(self, now: float, *, is_seen: bool) -> None:
        """It was looked at while another one was asked. One that does not answer is left alone for longer each time."""
        if is_seen:
            self._looks.reset()
        self.next_look_at = now if is_seen else now + self._looks.next()

    def show(self, now: float, after_s: float) -> None:
        """Tell the metrics how it stands."""
        metrics.PROVIDER_WINDOW_BLOCKS.labels(self.name).set(self.source.pace.blocks)
        metrics.show_provider_state(self.name, self.state(now, after_s))

    def state(self, now: float, after_s: float) -> str:
        """One of `metrics.PROVIDER_STATES`."""
        if self.is_benched(now):
            return "benched"
        if self._breaker.wait(now):
            return "open"
        if self._rests_until > now:
            return "resting"
        return "behind" if self.is_stuck(after_s) or self.holds_finality else "ok"
