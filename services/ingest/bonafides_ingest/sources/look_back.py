"""The newest log of one contract before some block, looked for backwards; also one that may not be there.

A contract that never logs is looked for down to the first block that counts: millions of blocks, at a provider that may
take 10,000 at once. So several ranges go in one request, a turn makes only so many requests, and what was found silent
is remembered: the next turn goes on below it. It is remembered in memory, so a restart begins again.

```
 blocks.first ◄──── next request: 16 ranges ────┤ silent: asked in earlier requests ├ before
```
What is found silent is the node's word, but for some blocks of each request that are drawn by chance: where the bloom
of one may hold such a log, its receipts must show none. In millions of blocks that finds a node that leaves out many
logs, hardly one that leaves out a single one. What is found is held against the receipts of its block.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.types import Address, Digest

from bonafides_ingest.chain import Log, StillLooking
from bonafides_ingest.sources.providers.refusals import RangeRefused, RateLimited

MOST_RANGES = 16
"""In one request."""
type Find = Callable[[tuple[BlockRange, ...], Address, Digest], Log | None]
"""Asks for all ranges, descending, in one request; the newest log in them."""


@dataclass(frozen=True, slots=True)
class LookBackLimits:
    """How much may be asked."""

    ranges: int = MOST_RANGES
    """Ranges in one request."""
    requests: int | None = None
    """In one turn; None: as many as it takes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What the next request asks for. First the range grows until one is refused, then the number of ranges does."""

    blocks: int
    """In one range."""
    usual: int
    """Blocks that a range may always grow back to: a node may refuse for a moment, whatever is asked."""
    most_ranges: int
    ranges: int = 1
    is_growing: bool = True
    """Whether a range may grow beyond the usual."""

    def below(self, end: int, first: int) -> tuple[BlockRange, ...]:
        """The next ranges under block `end`, descending; none reaches below `first`."""
        found: list[BlockRange] = []
        while end > first and len(found) < self.ranges:
            found.append(BlockRange(max(first, end - self.blocks), end - 1))
            end = found[-1].first
        return tuple(found)

    def after_answer(self) -> "Pace":
        """Larger, as far as nothing was refused."""
        if self.is_growing:
            return replace(self, blocks=self.blocks * 2)
        if self.blocks < self.usual:
            return replace(self, blocks=min(self.blocks * 2, self.usual))
        return replace(self, ranges=min(self.ranges * 2, self.most_ranges))

    def after_refusal(self) -> "Pace":
        """Smaller, and from now on never again as large as what was refused."""
        if self.ranges > 1:
            return replace(self, ranges=self.ranges // 2, most_ranges=self.ranges // 2)
        return replace(self, blocks=max(self.blocks // 2, 1), is_growing=False)


@dataclass(frozen=True, slots=True)
class _Search:
    """How far one contract was looked for."""

    silent_from: int
    silent_to: int
    """Between these, both inclusive, it logged nothing."""
    pace: Pace
    log: Log | None = None
    """What was found: the newest one below."""

    def goes_on_from(self, last: int) -> bool:
        return self.silent_from - 1 <= last <= self.silent_to


class LookBack:
    """Looks back in final blocks, which never change, so that what was seen stays true."""

    def __init__(self, limits: LookBackLimits, find: Find) -> None:
        self._limits, self._find = limits, find
        self._left = limits.requests
        self._known: dict[tuple[Address, Digest], _Search] = {}

    def begin_turn(self) -> None:
        """From here on the requests are counted anew."""
        self._left = self._limits.requests

    def newest(self, address: Address, topic0: Digest, first: int, before: int, usual_blocks: int) -> Log | None:
        """The newest log in blocks `first` ≤ block < `before`.

        Raises:
            StillLooking: the turn's requests are used up; ask again.
            RangeRefused: the node refuses even one block.
            Unavailable: it does not answer; less is asked for the next time.
        """
        key, last = (address, topic0), before - 1
        at_first = Pace(usual_blocks, usual_blocks, self._limits.ranges)
        search = self._known.get(key)
        if search is None or not search.goes_on_from(last):
            search = _Search(before, last, at_first)
        while search.log is None and search.silent_from > first:
            self._spend_request()
            ranges = search.pace.below(search.silent_from, first)
            try:
                found = self._find(ranges, address, topic0)
            except RangeRefused:
                if search.pace.ranges == search.pace.blocks == 1:  # it refuses anything now, so nothing is learned
                    self._known[key] = replace(search, pace=at_first)
                    raise
                search = replace(search, pace=search.pace.after_refusal())
            except RateLimited:
                raise
            except Unavailable:  # perhaps it took the node too long
                self._known[key] = replace(search, pace=search.pace.after_refusal())
                raise
            else:
                silent_from = found.position.block.number + 1 if found else ranges[-1].first
                search = replace(search, silent_from=silent_from, log=found, pace=search.pace.after_answer())
            self._known[key] = search
        return search.log if search.log and search.log.position.block.number >= first else None

    def _spend_request(self) -> None:
        if self._left is None:
            return
        if self._left == 0:
            self.begin_turn()
            raise StillLooking("still looking back for the latest answer of a price feed")
        self._left -= 1
