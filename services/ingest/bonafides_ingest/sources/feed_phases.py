"""Who answered for a price feed, asked of the node: `aggregator()` and `phaseId()` of Chainlink's proxies, at blocks.

`phaseId` only ever rises, so two blocks with the same one have no change between them, and a change is found by halving
the blocks between two that differ. What was found is kept, so that a replay says the same, and asked no more. A node
that has forgotten the state of old blocks leaves a hole, and a hole is no price: never a stale one, never a wrong one.

ABI: EACAggregatorProxy of @chainlink/contracts@0.1.7.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from bonafides.hashing import keccak
from bonafides.json_rpc import Call, JsonRpc, NodeRefused, octets
from bonafides.types import ZERO_ADDRESS, Address, Json, address_text

from bonafides_ingest.feeds import KnownPhase, ListedFeed, PhaseMemory, Timeline, timeline_of
from bonafides_ingest.sources.errors import refusals_told_apart

_AGGREGATOR, _PHASE_ID = (keccak(name.encode())[:4] for name in ("aggregator()", "phaseId()"))
_STATE_GONE: Final = ("trie node", "state", "prun", "archive", "historical", "history", "header not found")
"""Words of nodes that no longer hold the state of a block: geth, Erigon, Nethermind, Reth, anvil, providers."""


class _Seen(NamedTuple):
    """What a feed says at a block."""

    number: int
    """The phase; 0 for a contract that has none, or where there is no contract yet."""
    aggregator: Address


_NOTHING_THERE = _Seen(0, ZERO_ADDRESS)


class NodeFeeds:
    """`feeds.FeedTimelines` over JSON-RPC. `finalized` is what `ChainSource` says."""

    def __init__(
        self,
        rpc: JsonRpc,
        memory: PhaseMemory,
        finalized: Callable[[], int],
        listed: Mapping[Address, ListedFeed] | None = None,
    ) -> None:
        self._rpc, self._memory, self._finalized = rpc, memory, finalized
        self._listed = {} if listed is None else listed  # an empty list may have a default bound

    def read(self, feeds: Iterable[Address], last: int) -> Mapping[Address, Timeline]:
        return {feed: self._timeline(feed, last) for feed in sorted(feeds)}

    def _timeline(self, feed: Address, last: int) -> Timeline:
        listed = self._listed.get(feed, ListedFeed(0))
        known = self._memory.phases(feed)
        if not known or known[-1].known_to < last:
            # Asked at the newest final block: its state is the likeliest to be there, and windows below need not ask.
            extended = self._extended(feed, known or _given(listed), max(last, self._finalized()))
            if extended != known:
                self._memory.remember(feed, extended)
            known = extended
        return timeline_of(known, listed.max_age_s)

    def _extended(self, feed: Address, known: tuple[KnownPhase, ...], last: int) -> tuple[KnownPhase, ...]:
        now = self._ask(feed, last)
        if now is None or now == _NOTHING_THERE:
            return known
        if now.number == 0 or (now.number == 1 and not known):  # since it was made
            return (KnownPhase(0, last, now.number, now.aggregator),)
        if not known:
            changes = self._changes(feed, -1, None, last, now)
            return _phases(changes, last)
        *earlier, newest = known
        if newest.number == now.number:
            return (*earlier, replace(newest, known_to=last))
        changes = self._changes(feed, newest.known_to, _Seen(newest.number, newest.aggregator), last, now)
        # Up to the first change it went on: also where what follows is a hole, the last block before it was seen.
        return (*earlier, replace(newest, known_to=changes[0][0] - 1), *_phases(changes, last))

    def _changes(
        self, feed: Address, low: int, at_low: _Seen | None, high: int, at_high: _Seen | None
    ) -> list[tuple[int, _Seen | None]]:
        """Blocks low < block ≤ high at whose end the feed says something else than before; `at_low` ≠ `at_high`."""
        if high - low == 1:
            return [(high, at_high)]
        middle = (low + high) // 2
        at_middle = self._ask(feed, middle)
        found = [] if at_middle == at_low else self._changes(feed, low, at_low, middle, at_middle)
        return found if at_middle == at_high else found + self._changes(feed, middle, at_middle, high, at_high)

    def _ask(self, feed: Address, block: int) -> _Seen | None:
        """None where the node has forgotten the block's state."""
        calls: list[Call] = [("eth_call", [_call(feed, selector), hex(block)]) for selector in (_AGGREGATOR, _PHASE_ID)]
        calls.append(
            ("eth_getCode", [address_text(feed), hex(block)])
        )  # a contract may answer what it lacks with nothing
        try:
            aggregator, number, code = (octets(answer) for answer in self._rpc.batch(calls))
        except NodeRefused as exc:
            if exc.is_revert:
                return _Seen(0, feed)
            if any(word in exc.message.lower() for word in _STATE_GONE):
                return None
            with refusals_told_apart():
                raise
        if not code:
            return _NOTHING_THERE
        is_proxy = len(aggregator) == len(number) == 32 and not any(aggregator[:12])
        return _Seen(int.from_bytes(number), Address(aggregator[12:])) if is_proxy and any(number) else _Seen(0, feed)


def _given(listed: ListedFeed) -> tuple[KnownPhase, ...]:
    """The registry's phases, as a start."""
    ends = [phase.from_block - 1 for phase in listed.phases[1:]] + [phase.from_block for phase in listed.phases[-1:]]
    return tuple(
        KnownPhase(phase.from_block, end, number, phase.aggregator)
        for number, (phase, end) in enumerate(zip(listed.phases, ends, strict=True), 1)
    )


def _phases(changes: Sequence[tuple[int, _Seen | None]], last: int) -> tuple[KnownPhase, ...]:
    ends = [block - 1 for block, _ in changes[1:]] + [last]
    return tuple(
        KnownPhase(block, end, seen.number, seen.aggregator)
        for (block, seen), end in zip(changes, ends, strict=True)
        if seen is not None and seen != _NOTHING_THERE
    )


def _call(to: Address, selector: bytes) -> Json:
    return {"to": address_text(to), "data": "0x" + selector.hex()}
