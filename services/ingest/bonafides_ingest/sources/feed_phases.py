"""Who answered for a price feed, asked of the node at blocks.

What was found is kept, so that a replay says the same, and asked no more. A node that has forgotten the state of old
blocks leaves a hole, and a hole is no price: never a stale one, never a wrong one.

Only the known words for forgotten state make a hole, said twice: anything else (a node behind a balancer that lags says
"header not found") means to ask again. A hole is asked about again when a window comes to it, and may end earlier then:

```
 blocks told with the hole ───────────┤ floor      hole ends
 … A ├──── stays a hole ──────────────┤▒▒ filled ▒▒├ B …      what was sent stands, and a replay says it again
```

Of live blocks nothing is kept (feed_live.py). What a node says of state is its word: nothing here proves it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from bonafides.json_rpc import JsonRpc
from bonafides.types import Address, BlockRef

from bonafides_ingest.chain import StillLooking
from bonafides_ingest.feeds import KnownPhase, ListedFeed, PhaseMemory, Timeline, timeline_of
from bonafides_ingest.sources.feed_live import LivePhases
from bonafides_ingest.sources.feed_questions import NOTHING_THERE, FeedQuestions, Seen, changes_between, phases_of


class NodeFeeds:
    """`feeds.FeedTimelines` over JSON-RPC. `finalized` is what `ChainSource` says.

    With `most_requests`, `read` raises StillLooking when it has made so many to find changes: what was found by then is
    remembered, and the next turn goes on with other feeds.
    """

    def __init__(
        self,
        rpc: JsonRpc,
        memory: PhaseMemory,
        finalized: Callable[[], int],
        listed: Mapping[Address, ListedFeed] | None = None,
        most_requests: int | None = None,
    ) -> None:
        self._memory, self._finalized = memory, finalized
        self._questions = FeedQuestions(rpc)
        self._live = LivePhases(self._questions)
        self._listed = {} if listed is None else listed  # an empty list may have a default bound
        self._most_requests, self._requests = most_requests, 0
        self._told: dict[Address, int] = {}
        """The last block up to which it was told who answers, since this process began."""
        self._windows: Counter[Address] = Counter()
        """That came to a hole since it last shrank."""

    def read(self, feeds: Iterable[Address], last: int) -> Mapping[Address, Timeline]:
        self._requests, found = 0, dict[Address, Timeline]()
        for feed in sorted(feeds):
            if self._most_requests is not None and self._requests >= self._most_requests:
                raise StillLooking("still looking for the blocks at which price feeds changed their aggregators")
            found[feed] = self._timeline(feed, last)
        return found

    def read_live(self, feeds: Iterable[Address], blocks: Sequence[BlockRef]) -> Mapping[Address, Timeline]:
        self._requests, known = 0, dict[Address, tuple[KnownPhase, ...]]()
        for feed in sorted(feeds):
            phases = self._memory.phases(feed)
            if not self._live.is_known_before(feed, phases, blocks[0]):  # new here, or the process began anew
                self._timeline(feed, min(blocks[0].number - 1, self._finalized()) if phases else 0)
                phases = self._memory.phases(feed)
            known[feed] = phases
        found = self._live.read(known, blocks)
        return {feed: timeline_of(phases, self._bound(feed)) for feed, phases in found.items()}

    def _bound(self, feed: Address) -> int:
        return self._listed.get(feed, ListedFeed(0)).max_age_s

    def _timeline(self, feed: Address, last: int) -> Timeline:
        listed = self._listed.get(feed, ListedFeed(0))
        known = self._memory.phases(feed)
        told = self._told.get(feed)
        if not known or known[-1].known_to < last:
            # Asked at the newest final block: its state is the likeliest to be there, and windows below need not ask.
            newest = max(last, self._finalized())
            extended = self._extended(feed, known or _given(listed), newest, 0 if told is None else told + 1)
        else:
            extended = self._filled(feed, known, (last if told is None else told) + 1, last)
        if extended != known:
            self._memory.remember(feed, extended)
        if last:  # else nothing was told, only looked up
            self._told[feed] = max(last, told or 0)
        return timeline_of(extended, listed.max_age_s)

    def _extended(self, feed: Address, known: tuple[KnownPhase, ...], last: int, floor: int) -> tuple[KnownPhase, ...]:
        """With what the node says up to block `last`; what was told as unknown below block `floor` stays so."""
        now = self._ask(feed, last)
        if now is None or now == NOTHING_THERE:
            return known
        if floor > (known[-1].known_to + 1 if known else 0):
            return (*known, *self._since(feed, floor, last, now, last)) if floor <= last else known
        if now.number == 0 or (now.number == 1 and not known):  # since it was made
            return (KnownPhase(0, last, now.number, now.aggregator),)
        if not known:
            changes = self._changes(feed, -1, None, last, now)
            return phases_of(changes, last)
        *earlier, newest = known
        if newest.number == now.number:
            return (*earlier, replace(newest, known_to=last))
        changes = self._changes(feed, newest.known_to, Seen(newest.number, newest.aggregator), last, now)
        # Up to the first change it went on: also where what follows is a hole, the last block before it was seen.
        return (*earlier, replace(newest, known_to=changes[0][0] - 1), *phases_of(changes, last))

    def _filled(self, feed: Address, known: tuple[KnownPhase, ...], floor: int, last: int) -> tuple[KnownPhase, ...]:
        """With what the node says now about holes from block `floor` on, where block `last` has come to them."""
        found: list[KnownPhase] = []
        for phase in known:
            first = found[-1].known_to + 1 if found else 0
            start = max(first, floor)
            if first <= last and start < phase.from_block and self._is_turn(feed):
                parts = self._asked_again(feed, start, phase)
                if (
                    found
                    and start == first
                    and parts[0] == replace(found[-1], from_block=start, known_to=parts[0].known_to)
                ):
                    parts = (replace(found.pop(), known_to=parts[0].known_to), *parts[1:])
                found += parts
            else:
                found.append(phase)
        if found != list(known):
            del self._windows[feed]
        return tuple(found)

    def _is_turn(self, feed: Address) -> bool:
        """Whether to ask about a hole: at windows 1, 2, 4, 8 …, since most nodes that forgot never know again."""
        self._windows[feed] += 1
        return self._windows[feed].bit_count() == 1

    def _asked_again(self, feed: Address, start: int, above: KnownPhase) -> tuple[KnownPhase, ...]:
        """The phases from block `start` of a hole to the end of the phase above it."""
        if self._ask(feed, above.from_block - 1) in (None, NOTHING_THERE):
            return (above,)
        return self._since(feed, start, above.from_block, Seen(above.number, above.aggregator), above.known_to)

    def _since(self, feed: Address, start: int, high: int, at_high: Seen, known_to: int) -> tuple[KnownPhase, ...]:
        """The phases from block `start` on, of which nothing is known below `high`; the last one is known further."""
        if start == high:
            return phases_of([(high, at_high)], known_to)
        at_start = self._ask(feed, start)
        changes = [] if at_start == at_high else self._changes(feed, start, at_start, high, at_high)
        return phases_of([(start, at_start), *changes], known_to)

    def _changes(
        self, feed: Address, low: int, at_low: Seen | None, high: int, at_high: Seen | None
    ) -> list[tuple[int, Seen | None]]:
        def ask(block: int) -> Seen | None:
            self._requests += 1
            return self._ask(feed, block)

        return changes_between(ask, low, at_low, high, at_high)

    def _ask(self, feed: Address, block: int) -> Seen | None:
        return self._questions.ask(feed, hex(block))


def _given(listed: ListedFeed) -> tuple[KnownPhase, ...]:
    """The registry's phases, as a start."""
    ends = [phase.from_block - 1 for phase in listed.phases[1:]] + [phase.from_block for phase in listed.phases[-1:]]
    return tuple(
        KnownPhase(phase.from_block, end, number, phase.aggregator)
        for number, (phase, end) in enumerate(zip(listed.phases, ends, strict=True), 1)
    )
