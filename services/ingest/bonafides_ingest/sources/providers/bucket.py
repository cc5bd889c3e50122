"""Requests per second, as a provider's plan counts them. Pure: whoever takes says what time it is.

```
 tokens   burst ┤████        ▄▄██   a batch of 100 calls costs 100: it is sent as soon as the bucket is full, or holds
              0 ┼────▄▄▄▄▄▄██────   100, and leaves a debt that the next one waits for
                ┤    ████           so that no batch is too large for any bucket, and the average holds
```
"""


class TokenBucket:
    """Full at first. For one thread at a time.

    Args:
        per_second: tokens that come in a second.
        burst: the most that it holds.
        now: seconds of any clock that does not go back.
    """

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._tokens, self._at = burst, now

    def wait_for(self, tokens: int, now: float) -> float:
        """Seconds until so many may be taken; 0 when they may be now."""
        self._fill(now)
        return max(min(tokens, self._burst) - self._tokens, 0.0) / self._per_second

    def take(self, tokens: int, now: float) -> None:
        """Take so many, into debt if need be: ask `wait_for` before."""
        self._fill(now)
        self._tokens -= tokens

    def _fill(self, now: float) -> None:
        self._tokens = min(self._tokens + max(now - self._at, 0.0) * self._per_second, self._burst)
        self._at = max(now, self._at)
