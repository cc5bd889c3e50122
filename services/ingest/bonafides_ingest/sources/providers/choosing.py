"""Asking one provider after another until one answers.

A question goes to one provider as a whole: what it answers must hang together. The order is the one in which they were
configured, because what a request costs and how far a provider is trusted only the operator knows; it is left

- for one that may be asked now, where those before it rest, are open, benched or used up their requests per second;
- for one that moves, where those before it are stuck;
- for a minute at the head of the chain, after those before it failed there: two nodes seldom have the same newest
  block, and whoever goes to and fro between them sees reorgs that are none.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from bonafides.clock import Clock
from bonafides.errors import BonafidesError, Unavailable
from bonafides.json_rpc import AnswerTooLong, NodeLied

from bonafides_ingest import metrics
from bonafides_ingest.chain import BlockGone, StillLooking
from bonafides_ingest.sources.providers.metered_rpc import MOST_WAIT_S
from bonafides_ingest.sources.providers.provider import Provider
from bonafides_ingest.sources.providers.refusals import CallRefused, NodeBehind, RangeRefused, RateLimited

STAYS_S: Final = 60.0
TIMES_GONE: Final = 5  # in a row; a block that was replaced between two answers is gone once, or twice

log = structlog.get_logger(__name__)


class Choice:
    """Several providers, in the operator's order. Threads may share it."""

    def __init__(self, providers: Sequence[Provider], clock: Clock, stuck_after_s: float) -> None:
        self.providers = tuple(providers)
        self.clock, self.stuck_after_s = clock, stuck_after_s
        self._lock = threading.RLock()
        self._at_head: Provider | None = None
        self._stays_until = 0.0

    @property
    def current(self) -> Provider:
        """Who would be asked now, or soonest."""
        with self._lock:
            now = self.clock.now()
            return self._best(now, frozenset()) or min(self.providers, key=lambda provider: provider.wait(now))

    def ask[T](self, question: Callable[[Provider], T], *, at_head: bool = False) -> T:
        """The answer of the first provider that gives one.

        Raises:
            StillLooking, BlockGone, AnswerTooLong: as the provider that was asked says.
            InvariantViolation: one sees a contradiction; whether others do, the caller must ask.
            Unavailable: none answered. Of a single provider it is its own error.
        """
        failures: dict[Provider, Unavailable] = {}
        patience_s = MOST_WAIT_S
        while True:
            provider = self._next(failures, at_head=at_head)
            if provider is None:
                patience_s -= self._wait(failures, patience_s)
                continue
            try:
                answer = self._asked(provider, question)
            except (StillLooking, BlockGone, AnswerTooLong):
                raise
            except Unavailable as exc:
                failures[provider] = exc
            else:
                if at_head:
                    self._stay(provider)
                return answer

    def ask_of[T](self, provider: Provider, question: Callable[[Provider], T]) -> T | None:
        """The answer of just this provider; None when it gives none or may not be asked now."""
        with self._lock:
            now = self.clock.now()
            if provider.wait(now):
                return None
            provider.begin(now)
        try:
            return self._asked(provider, question)
        except Unavailable as exc:
            log.warning("provider does not answer", provider=provider.name, error=type(exc).__name__)
            return None

    def has_block(self, provider: Provider) -> None:
        """It has the blocks that it was asked for at the head of the chain."""
        with self._lock:
            provider.times_gone = 0

    def lacks_block(self, provider: Provider) -> None:
        """It does not. One that shows a head that it never has is left alone there for a while, where others are."""
        with self._lock:
            provider.times_gone += 1
            now = self.clock.now()
            if provider.times_gone < TIMES_GONE or (other := self._best(now, frozenset({provider}))) is None:
                return
            provider.times_gone = 0
            self._at_head, self._stays_until = other, now + STAYS_S
        log.warning("provider does not have the head that it shows", provider=provider.name, asked_now=other.name)

    def show(self) -> None:
        """Tell the metrics how all stand."""
        with self._lock:
            now = self.clock.now()
            for provider in self.providers:
                provider.show(now, self.stuck_after_s)

    def _asked[T](self, provider: Provider, question: Callable[[Provider], T]) -> T:
        """The answer; how it went is noted of the provider."""
        try:
            answer = question(provider)
        except BonafidesError as exc:
            with self._lock:
                self._note(provider, exc)
            raise
        with self._lock:
            provider.answered()
        return answer

    def _note(self, provider: Provider, error: Exception) -> None:
        now = self.clock.now()
        match error:
            case RateLimited():
                pause_s = provider.rest(now, error.retry_after_s)
                log.warning("provider asks to slow down", provider=provider.name, pause_s=round(pause_s, 1))
            case NodeLied():
                metrics.count_provider_error(provider.name, error)
                if len(self.providers) > 1:
                    provider.bench(now, str(error))
                else:  # nobody else to ask; what it says is checked each time
                    provider.spoke()
                    log.error("provider caught lying", provider=provider.name, reason=str(error))
            case NodeBehind() | CallRefused() | RangeRefused() | StillLooking() | BlockGone() | AnswerTooLong():
                # StillLooking is also raised by whoever asked for too much and will ask for less (hydration): such a
                # time-out must not open the breaker that all share.
                provider.spoke()
            case Unavailable():
                provider.failed(now)
                log.warning("provider failed", provider=provider.name, reason=str(error))
            case _:  # it is the answer that is wrong, or what was asked
                provider.spoke()

    def _next(self, failures: dict[Provider, Unavailable], *, at_head: bool) -> Provider | None:
        """Who is asked now; None when nobody may be yet. Raises what failed when nobody is left."""
        with self._lock:
            now = self.clock.now()
            # One that only asks to slow down may be asked again.
            done = frozenset(provider for provider, exc in failures.items() if not isinstance(exc, RateLimited))
            if len(done) == len(self.providers):
                raise _all_of(failures)
            provider = self._best_at_head(now, done) if at_head else self._best(now, done)
            if provider is not None:
                provider.begin(now)
            return provider

    def _best(self, now: float, done: frozenset[Provider]) -> Provider | None:
        ready = [provider for provider in self.providers if provider not in done and not provider.wait(now)]
        return min(ready, key=self._rank, default=None)

    def _rank(self, provider: Provider) -> tuple[bool, float]:
        return provider.is_stuck(self.stuck_after_s), provider.meter.wait() if provider.meter else 0.0

    def _best_at_head(self, now: float, done: frozenset[Provider]) -> Provider | None:
        """Who was asked there last, for a while. Its requests per second are waited for."""
        ready = [provider for provider in self.providers if provider not in done and not provider.wait(now)]
        moving = [provider for provider in ready if not provider.is_stuck(self.stuck_after_s)]
        if self._at_head in moving and now < self._stays_until:
            return self._at_head
        return next(iter(moving or ready), None)

    def _stay(self, provider: Provider) -> None:
        with self._lock:
            now = self.clock.now()
            if self._at_head is not provider or now >= self._stays_until:
                self._at_head, self._stays_until = provider, now + STAYS_S

    def _wait(self, failures: dict[Provider, Unavailable], patience_s: float) -> float:
        """Wait for the next that may be asked; returns for how long. Raises Unavailable when that is too long."""
        with self._lock:
            now = self.clock.now()
            open_to = {p: p.wait(now) for p in self.providers if isinstance(failures.get(p), RateLimited | None)}
            states = ", ".join(f"{p.name} {p.state(now, self.stuck_after_s)}" for p in self.providers)
        soonest_s = min(open_to.values())
        if soonest_s <= patience_s:
            self.clock.sleep(soonest_s)
            return max(soonest_s, 0.01)  # so that patience ends
        self.show()
        text = f"no provider may be asked now: {states}; the next in {soonest_s:.0f} s"
        if failures and all(isinstance(exc, RateLimited) for exc in failures.values()):
            raise RateLimited(text, soonest_s)
        raise Unavailable(text)


def _all_of(failures: dict[Provider, Unavailable]) -> Unavailable:
    """One error for what everybody failed."""
    if len(failures) == 1:
        return next(iter(failures.values()))
    each = "; ".join(f"{provider.name}: {type(exc).__name__}: {exc}" for provider, exc in failures.items())
    return Unavailable(f"no provider answered: {each}")
