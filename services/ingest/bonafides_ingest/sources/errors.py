"""What a node may refuse; each class is a label of the error metric, as is the kernel's NodeLied."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from bonafides.errors import Unavailable
from bonafides.json_rpc import AnswerTooLong, NodeRefused

LIMIT_EXCEEDED = -32005  # EIP-1474; providers use it for ranges and for quotas alike
_QUOTA_CODES = (LIMIT_EXCEEDED, HTTPStatus.TOO_MANY_REQUESTS, -32029)
_QUOTA_WORDS = ("rate", "quota", "capacity", "compute units", "too many requests", "throughput")


class RateLimited(Unavailable):
    """The provider asks to slow down: wait, never split the range."""


class RangeRefused(Unavailable):
    """The provider refuses this many blocks or logs at once: ask for fewer."""


@contextmanager
def refusals_told_apart() -> Iterator[None]:
    """Turns what the node refuses inside of the block into RateLimited or RangeRefused."""
    try:
        yield
    except NodeRefused as exc:
        is_quota = exc.code in _QUOTA_CODES and any(word in exc.message.lower() for word in _QUOTA_WORDS)
        raise (RateLimited if is_quota else RangeRefused)(str(exc)) from exc
    except AnswerTooLong as exc:
        raise RangeRefused(str(exc)) from exc
