"""What a provider refuses, told apart by its code and its words; each class is a label of the error metric.

```
 quota        RateLimited    wait, never split: fewer blocks cost the quota as much
 behind       NodeBehind     its head is below what was asked: another provider, or later
 not at all   CallRefused    a method, a key or a plan that it does not have: another provider
 else         RangeRefused   ask for fewer blocks: also where nobody knows the words, since one block ends the splitting
```
The words come from providers' answers as people recorded them (tests/unit/test_ingest_refusals.py names each source).
One code means several things: -32005 is a quota at Infura, a result limit at Infura, too, and a range at others.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from bonafides.errors import Unavailable
from bonafides.json_rpc import AnswerTooLong, NodeRefused

from bonafides_ingest.sources.refused_words import is_unknown_method

_QUOTA_CODES: Final = (HTTPStatus.TOO_MANY_REQUESTS, -32029, -32007, -32012)
"""HTTP's own, OnFinality's, QuickNode's two. Not -32005."""
_QUOTA: Final = re.compile(
    r"rate[ -]?limit|request rate|requests? (count|limit)|too many requests|per second|/sec(ond)?\b|compute units"
    r"|\bquota|capacity|throughput|credits? (limit|exceed)|usage limit|throttl|slow down",
    re.IGNORECASE,
)
_OF_ONE_SIZE: Final = ("eth_call", "eth_getCode")
"""What is asked there has no range that could be split."""
_BEHIND: Final = re.compile(
    r"beyond (current head|latest executed) block|still syncing|header not found|after last (known|accepted) block",
    re.IGNORECASE,
)
_NOT_AT_ALL: Final = re.compile(
    r"unauthori[sz]ed|authenticat|api[ -]?key|forbidden|payment required|personal token|not available on your"
    r"|tenant disabled",
    re.IGNORECASE,
)

_HEX_RANGE: Final = re.compile(r"range\D{0,14}\[0x([0-9a-f]{1,16}), ?0x([0-9a-f]{1,16})\]", re.IGNORECASE)
_RANGE: Final = re.compile(r"retry with the range (\d{1,18})-(\d{1,18})", re.IGNORECASE)
_BLOCKS: Final = tuple(
    re.compile(words.replace("N", r"(\d[\d,.]{0,14}k?)\b"), re.IGNORECASE)
    for words in (
        r"range \d+ exceeds limit of N",  # Infura
        r"up to an? N block range",  # Alchemy, Aurora
        r"limited to an? N (?:blocks? )?range",  # QuickNode, 1RPC, Blast
        r"limited to (?:\d+ - )?N blocks?",  # BlockPI
        r"max(?:imum)?(?: block)? range(?::| =|) N",  # Cloudflare, PublicNode, BNB, Reth, cdk-erigon, Morph
        r"range limit N",  # Tenderly
        r"range greater than N max",  # Swell
        r"block range exceeds N",  # Somnia
        r"max is N blocks",  # Merkle
        r"maximum is set to N",  # Avalanche
        r"maximum allowed is N blocks",  # Sei
        r"number of requested blocks is N",  # Thirdweb
        r"at most N blocks",  # Coinbase
        r"too wide \(maximum N\)",  # Moonbeam
        r"blocks distance: N",  # Ankr on TAC
        r"smaller than size N",  # Harmony
        r"block range exceeds server limit, narrow your filter: N",  # Erigon
        r"ranges over N blocks",  # dRPC
        r"allowed for your plan \(\d+ > N\)",  # Blast
    )
)
_SECONDS: Final = re.compile(r"(?:reset|again|retry) (?:in|after) (\d{1,4}) ?s(?:ec|\b)", re.IGNORECASE)


class RateLimited(Unavailable):
    """The provider asks to slow down: wait, never split the range."""

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s
        """As the provider says; None when it does not."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What a provider says it would answer. It may be wrong: see `pace.Pace`."""

    blocks: int
    """At once."""
    first: int | None = None
    """Where the range of so many begins, when it named one."""


class RangeRefused(Unavailable):
    """The provider refuses this many blocks or logs at once: ask for fewer."""

    def __init__(self, text: str, hint: Hint | None = None) -> None:
        super().__init__(text)
        self.hint = hint


class NodeBehind(Unavailable):
    """The node is not as far as it must be: it is still syncing, or lags. Never a reorg, never a lie."""


class CallRefused(Unavailable):
    """The provider refuses the call whatever its size: ask another one."""


@contextmanager
def refusals_told_apart() -> Iterator[None]:
    """Turns what the node refuses inside of the block into one of these classes."""
    try:
        yield
    except NodeRefused as exc:
        raise refusal_of(exc) from exc
    except AnswerTooLong as exc:
        raise RangeRefused(str(exc)) from exc


def refusal_of(refused: NodeRefused) -> Unavailable:
    """What a refusal means. The provider's words stay out of its text: they may repeat what was asked."""
    text, words = str(refused), refused.message
    hint = hint_in(words)
    if hint is None and (refused.code in _QUOTA_CODES or _QUOTA.search(words)):
        return RateLimited(text, refused.retry_after_s or _seconds_in(words))
    if hint is None and _BEHIND.search(words):
        return NodeBehind(text)
    if hint is None and (refused.method in _OF_ONE_SIZE or _NOT_AT_ALL.search(words) or is_unknown_method(refused)):
        return CallRefused(text)
    return RangeRefused(text, hint)


def hint_in(words: str) -> Hint | None:
    """The range or the number of blocks that a provider's words name; None for none, or for one that is upside down."""
    for pattern, base in ((_HEX_RANGE, 16), (_RANGE, 10)):
        if found := pattern.search(words):
            first, last = (int(number, base) for number in found.groups())
            return Hint(last - first + 1, first) if last >= first else None
    for pattern in _BLOCKS:
        if (found := pattern.search(words)) and (blocks := _number(found.group(1))):
            return Hint(blocks)
    return None


def _number(text: str) -> int:
    digits = re.sub(r"\D", "", text)
    return int(digits) * (1_000 if text[-1] in "kK" else 1) if digits else 0


def _seconds_in(words: str) -> float | None:
    found = _SECONDS.search(words)
    return float(found.group(1)) if found else None
