"""Which contract answers for a price feed, block by block.

A Chainlink feed is a proxy; the logs come from the aggregator behind it, and its owner puts another one there now and
then (a phase). Most proxies log nothing when that happens, so it is a fact of a block and of no log.

```
 blocks   …  100        200        300  …
 proxy    ───┤ phase 1  │ phase 2  ├───      a phase begins at the first block at whose END the proxy asks it
 answers     of A       of B                 A's answers count up to the end of block 199, B's latest at the end of 200
```
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

from bonafides.errors import InvariantViolation
from bonafides.events import BlockRange
from bonafides.types import ZERO_ADDRESS, Address, BlockRef


@dataclass(frozen=True, slots=True)
class Phase:
    """Who answers from a block on."""

    from_block: int
    """First block at whose end it holds."""
    aggregator: Address
    """The contract that emits the answers; the zero address where nobody knows, so that there is no price."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """All phases of one feed that are known, ascending. Before the first, who answered is unknown."""

    phases: tuple[Phase, ...]
    max_age_s: int = 0
    """An answer that is older than this is no price any more; 0: nobody says how old one may be."""

    def __post_init__(self) -> None:
        if any(earlier.from_block >= later.from_block for earlier, later in pairwise(self.phases)):
            raise InvariantViolation("the phases of a price feed are out of order")

    @classmethod
    def direct(cls, feed: Address, max_age_s: int = 0) -> "Timeline":
        """Of a feed that answers itself."""
        return cls((Phase(0, feed),), max_age_s)

    def at_end_of(self, block_number: int) -> Address:
        """Who answers at the end of a block; the zero address where that is unknown."""
        found = ZERO_ADDRESS
        for phase in self.phases:
            if phase.from_block > block_number:
                break
            found = phase.aggregator
        return found

    @property
    def aggregators(self) -> frozenset[Address]:
        """Everyone who ever answered."""
        return frozenset(phase.aggregator for phase in self.phases) - {ZERO_ADDRESS}

    def changes(self, blocks: BlockRange) -> tuple[Phase, ...]:
        """The phases that begin in these blocks."""
        return tuple(phase for phase in self.phases if blocks.first <= phase.from_block <= blocks.last)


class FeedTimelines(Protocol):
    """Knows the phases of price feeds."""

    def read(self, feeds: Iterable[Address], last: int) -> Mapping[Address, Timeline]:
        """The phases of these feeds up to the end of block `last`. A feed that is left out answers itself.

        Raises Unavailable when the node does not answer, StillLooking when it takes more than one turn; what it cannot
        know any more is an unknown phase instead.
        """

    def read_live(self, feeds: Iterable[Address], blocks: Sequence[BlockRef]) -> Mapping[Address, Timeline]:
        """The same up to the end of the last of these blocks, which hang together and stand above the final ones, in
        order from the first of them on. Nothing of them is remembered.

        Raises BlockGone when one of them was replaced; else as `read`.
        """


class DirectFeeds:
    """Every feed answers itself, as those of a development chain do."""

    def read(self, feeds: Iterable[Address], last: int) -> Mapping[Address, Timeline]:
        return {}

    def read_live(self, feeds: Iterable[Address], blocks: Sequence[BlockRef]) -> Mapping[Address, Timeline]:
        return {}


@dataclass(frozen=True, slots=True)
class KnownPhase:
    """A phase that was looked up, and how far it was followed. Between two of them nobody knows who answered."""

    from_block: int
    known_to: int
    """Last block at whose end it is known to hold."""
    number: int
    """The proxy's `phaseId`: it only ever rises. 0: the feed answers itself."""
    aggregator: Address


def timeline_of(phases: Sequence[KnownPhase], max_age_s: int) -> Timeline:
    """The timeline of phases in order, with what is unknown between and behind them."""
    known: list[Phase] = []
    for number, phase in enumerate(phases):
        known.append(Phase(phase.from_block, phase.aggregator))
        if number + 1 == len(phases) or phases[number + 1].from_block > phase.known_to + 1:
            known.append(Phase(phase.known_to + 1, ZERO_ADDRESS))
    return Timeline(tuple(known), max_age_s)


def all_that_is_known(known: Iterable[KnownPhase], told: Iterable[KnownPhase]) -> tuple[KnownPhase, ...]:
    """What two readers found out, ascending: both saw final blocks, and neither need have seen all."""
    found: list[KnownPhase] = []
    for phase in sorted({*known, *told}, key=lambda one: (one.from_block, one.known_to)):
        last = found[-1] if found else None
        if last and (last.number, last.aggregator) == (phase.number, phase.aggregator):
            if phase.from_block <= last.known_to + 1:
                found[-1] = replace(last, known_to=max(last.known_to, phase.known_to))
                continue
        elif last and phase.from_block <= last.known_to:
            raise InvariantViolation(
                f"two aggregators are told to have answered for one price feed at block {phase.from_block}: a node lied"
                " about final blocks, or two nodes of different chains were asked"
            )
        found.append(phase)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ListedFeed:
    """What the registry says about a feed."""

    max_age_s: int
    phases: tuple[Phase, ...] = ()


DEFAULT_MAX_AGE_S = 90_000
"""25 hours: Chainlink's slow feeds answer at least once a day; an hour for the answer to come in."""


@dataclass(frozen=True, slots=True)
class FeedList(Mapping[Address, ListedFeed]):
    """What the registry says about the feeds of one chain. It answers for every feed: one that is not listed has the
    default bound. What it holds and counts are the listed ones."""

    listed: Mapping[Address, ListedFeed]
    default_max_age_s: int
    """0: an answer of an unlisted feed may be as old as it likes."""

    def __getitem__(self, feed: Address) -> ListedFeed:
        return self.listed.get(feed) or ListedFeed(self.default_max_age_s)

    def __contains__(self, feed: object) -> bool:
        return feed in self.listed

    def __iter__(self) -> Iterator[Address]:
        return iter(self.listed)

    def __len__(self) -> int:
        return len(self.listed)


class PhaseMemory(Protocol):
    """Keeps what was found out."""

    def phases(self, feed: Address) -> tuple[KnownPhase, ...]:
        """Ascending; empty for a feed that was never asked."""

    def remember(self, feed: Address, phases: Sequence[KnownPhase]) -> None:
        """These are known as well as what was."""


class ListedFeeds:
    """What was found out earlier, else the registry's word, where there is no node to ask.

    A feed of which neither knows anything answers itself.
    """

    def __init__(self, listed: Mapping[Address, ListedFeed], memory: PhaseMemory) -> None:
        self._listed, self._memory = listed, memory

    def read(self, feeds: Iterable[Address], last: int) -> Mapping[Address, Timeline]:
        return {feed: self._timeline(feed) for feed in feeds}

    def read_live(self, feeds: Iterable[Address], blocks: Sequence[BlockRef]) -> Mapping[Address, Timeline]:
        return self.read(feeds, blocks[-1].number)

    def _timeline(self, feed: Address) -> Timeline:
        listed = self._listed.get(feed, ListedFeed(0))
        if known := self._memory.phases(feed):
            return timeline_of(known, listed.max_age_s)
        return Timeline(listed.phases or (Phase(0, feed),), listed.max_age_s)
