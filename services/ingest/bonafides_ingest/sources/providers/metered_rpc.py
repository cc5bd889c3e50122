"""One provider's JSON-RPC, no faster than its plan allows, every call and every error counted."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bonafides.clock import Clock
from bonafides.errors import Unavailable
from bonafides.json_rpc import Call, Exchange, JsonRpc, NodeRefused
from bonafides.types import Json

from bonafides_ingest import metrics
from bonafides_ingest.sources.providers.bucket import TokenBucket
from bonafides_ingest.sources.providers.refusals import RateLimited, refusal_of

MOST_WAIT_S = 5.0  # longer than this is not slept through: the turn ends, another provider or another turn goes on


class MeteredRpc(JsonRpc):
    """`name` is the label of the metrics. Raises RateLimited when the bucket would have to be waited for too long."""

    def __init__(
        self,
        url: str,
        timeout_s: float,
        *,
        name: str,
        batch_size: int,
        max_answer_bytes: int,
        bucket: TokenBucket | None,
        clock: Clock,
        exchange: Exchange | None = None,
    ) -> None:
        super().__init__(url, timeout_s, batch_size=batch_size, max_answer_bytes=max_answer_bytes, exchange=exchange)
        self._name, self._calls_at_once, self._bucket, self._clock = name, batch_size, bucket, clock
        self._lock = threading.Lock()

    def call(self, method: str, *params: Json) -> Json:
        self._spend(1)
        with self._counting():
            return super().call(method, *params)

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        results: list[Json] = []
        for start in range(0, len(calls), self._calls_at_once):
            some = calls[start : start + self._calls_at_once]
            self._spend(len(some))
            with self._counting():
                results += super().batch(some)
        return results

    def wait(self) -> float:
        """Seconds until one call may be made."""
        if self._bucket is None:
            return 0.0
        with self._lock:
            return self._bucket.wait_for(1, self._clock.now())

    def _spend(self, calls: int) -> None:
        if self._bucket is not None:
            with self._lock:  # whoever comes next waits for the debt of those before
                wait_s = self._bucket.wait_for(calls, self._clock.now())
                if wait_s <= MOST_WAIT_S:
                    self._bucket.take(calls, self._clock.now())
            if wait_s > MOST_WAIT_S:
                raise RateLimited(f"as many requests as {self._name} allows were made: more in {wait_s:.0f} s", wait_s)
            if wait_s:
                self._clock.sleep(wait_s)
        metrics.PROVIDER_REQUESTS.labels(self._name).inc(calls)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        try:
            yield
        except NodeRefused as exc:
            if not exc.is_revert:
                metrics.count_provider_error(self._name, refusal_of(exc))
            raise
        except Unavailable as exc:
            metrics.count_provider_error(self._name, exc)
            raise
