"""What a price feed says at a block, asked of the node: `aggregator()` and `phaseId()` of Chainlink's proxies.

`phaseId` only ever rises, so two blocks with the same one have no change between them, and a change is found by halving
the blocks between two that differ.

ABI: EACAggregatorProxy of @chainlink/contracts@0.1.7.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from bonafides.hashing import keccak
from bonafides.json_rpc import Call, JsonRpc, NodeRefused, octets
from bonafides.types import ZERO_ADDRESS, Address, Json, address_text

from bonafides_ingest.feeds import KnownPhase
from bonafides_ingest.sources.providers.refusals import refusals_told_apart

_AGGREGATOR, _PHASE_ID = (keccak(name.encode())[:4] for name in ("aggregator()", "phaseId()"))
_STATE_GONE: Final = re.compile(
    r"missing trie node"  # geth with state by hash, Nethermind
    r"|(historical|world) state (\S+ )?(is )?(not available|unavailable)"  # geth, Besu
    r"|\bstate (0x[0-9a-f]+ |at block \S+ )(is )?(not available|pruned)"  # geth with state by path, Reth
    r"|no state available for block"  # Nethermind
    r"|due to pruning|pruned history|(been|already) pruned"  # Erigon, geth
    r"|archive (state|requests?|access|data)|archive node (is )?required|requires? (an )?archive",  # providers
    re.IGNORECASE,
)
"""What nodes say that no longer hold the state of a block."""


class Seen(NamedTuple):
    """What a feed says at a block."""

    number: int
    """The phase; 0 for a contract that has none, or where there is no contract yet."""
    aggregator: Address


NOTHING_THERE: Final = Seen(0, ZERO_ADDRESS)


class FeedQuestions:
    """Asks one node."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc

    def ask(self, feed: Address, at: Json) -> Seen | None:
        """What it says at the end of a block, which is named as `eth_call` takes it.

        None where the node has forgotten the block's state: it is asked twice, another may stand behind its URL.
        """
        seen = self._ask_once(feed, at)
        return self._ask_once(feed, at) if seen is None else seen

    def ask_all(self, feeds: Sequence[Address], at: Json) -> dict[Address, Seen | None]:
        """What each says: one request, unless the node refuses one of the questions."""
        if not feeds:
            return {}
        calls = [call for feed in feeds for call in _calls(feed, at)]
        try:
            answers = self._rpc.batch(calls)
        except NodeRefused as exc:
            if exc.is_revert or _STATE_GONE.search(exc.message):  # whichever feed it was
                return {feed: self.ask(feed, at) for feed in feeds}
            with refusals_told_apart():
                raise
        return {feed: _seen(feed, answers[3 * number : 3 * number + 3]) for number, feed in enumerate(feeds)}

    def _ask_once(self, feed: Address, at: Json) -> Seen | None:
        try:
            answers = self._rpc.batch(_calls(feed, at))
        except NodeRefused as exc:
            if exc.is_revert:
                return Seen(0, feed)
            if _STATE_GONE.search(exc.message):
                return None
            with refusals_told_apart():
                raise
        return _seen(feed, answers)


def changes_between(
    ask: Callable[[int], Seen | None], low: int, at_low: Seen | None, high: int, at_high: Seen | None
) -> list[tuple[int, Seen | None]]:
    """Blocks low < block ≤ high at whose end the feed says something else than before; `at_low` ≠ `at_high`."""
    if high - low == 1:
        return [(high, at_high)]
    middle = (low + high) // 2
    at_middle = ask(middle)
    found = [] if at_middle == at_low else changes_between(ask, low, at_low, middle, at_middle)
    return found if at_middle == at_high else found + changes_between(ask, middle, at_middle, high, at_high)


def phases_of(changes: Sequence[tuple[int, Seen | None]], last: int) -> tuple[KnownPhase, ...]:
    """The phases that begin at these changes, the last of which is known to hold up to block `last`."""
    ends = [block - 1 for block, _ in changes[1:]] + [last]
    return tuple(
        KnownPhase(block, end, seen.number, seen.aggregator)
        for (block, seen), end in zip(changes, ends, strict=True)
        if seen is not None and seen != NOTHING_THERE
    )


def _calls(feed: Address, at: Json) -> list[Call]:
    calls: list[Call] = [
        ("eth_call", [{"to": address_text(feed), "data": "0x" + selector.hex()}, at])
        for selector in (_AGGREGATOR, _PHASE_ID)
    ]
    return [*calls, ("eth_getCode", [address_text(feed), at])]  # a contract may answer what it lacks with nothing


def _seen(feed: Address, answers: Sequence[Json]) -> Seen:
    aggregator, number, code = map(octets, answers)
    if not code:
        return NOTHING_THERE
    is_proxy = len(aggregator) == len(number) == 32 and not any(aggregator[:12])
    return Seen(int.from_bytes(number), Address(aggregator[12:])) if is_proxy and any(number) else Seen(0, feed)
