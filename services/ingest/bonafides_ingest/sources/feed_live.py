"""Who answers for price feeds in blocks above finalized, asked by their hashes (EIP-1898).

Nothing is written down: a block that is replaced takes with it what it said. One request tells of all feeds whether
anything changed since the block before; only then the blocks between are halved. A feed that answers itself is not
asked: what it is now was looked up at a final block, and will be again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bonafides.errors import Unavailable
from bonafides.json_rpc import NodeRefused
from bonafides.types import Address, BlockRef, Json

from bonafides_ingest.chain import BlockGone
from bonafides_ingest.feeds import KnownPhase
from bonafides_ingest.sources.feed_questions import (
    NOTHING_THERE,
    FeedQuestions,
    Seen,
    changes_between,
    phases_of,
)
from bonafides_ingest.sources.refused_words import is_unknown_block

type Phases = tuple[KnownPhase, ...]


class LivePhases:
    """Follows feeds from where final blocks end. After a reorg it must be asked from the first replaced block on, or
    from one below."""

    def __init__(self, questions: FeedQuestions) -> None:
        self._questions = questions
        self._told: dict[Address, tuple[Phases, BlockRef]] = {}
        """What was told last of each feed, final blocks included, and up to which block."""

    def is_known_before(self, feed: Address, known: Phases, block: BlockRef) -> bool:
        """Whether somebody was asked about every block below this one."""
        told = self._told.get(feed, ((), None))[0]
        return any(phases and phases[-1].known_to >= block.number - 1 for phases in (known, told))

    def read(self, known: Mapping[Address, Phases], blocks: Sequence[BlockRef]) -> dict[Address, Phases]:
        """The phases of feeds up to the end of the last of these blocks; `known` is what final blocks say.

        The blocks ascend without a gap. Raises BlockGone when one of them was replaced.
        """
        asked = {feed: self._from_where(feed, phases, blocks) for feed, phases in known.items()}
        open_ = sorted(feed for feed, (base, rest) in asked.items() if rest and (not base or base[-1].number))
        try:
            now = self._questions.ask_all(open_, _at(blocks[-1]))
            found = {
                feed: self._followed(feed, base, rest, now[feed]) if feed in now else _still_itself(base, rest)
                for feed, (base, rest) in asked.items()
            }
        except Unavailable as exc:
            if isinstance(exc.__cause__, NodeRefused) and is_unknown_block(exc.__cause__):
                raise BlockGone("the node does not know a block any more at which a price feed was asked") from exc
            raise
        self._told |= {feed: (phases, blocks[-1]) for feed, phases in found.items()}
        return found

    def _from_where(
        self, feed: Address, known: Phases, blocks: Sequence[BlockRef]
    ) -> tuple[Phases, Sequence[BlockRef]]:
        """What still holds, and the blocks behind it."""
        if feed not in self._told:
            return known, blocks
        told, last = self._told[feed]
        place = last.number - blocks[0].number
        if 0 <= place < len(blocks) and blocks[place] == last:  # then all below are those that were asked about, too
            return _joined(known, told), blocks[place + 1 :]
        return _joined(known, _cut(told, blocks[0].number - 1)), blocks

    def _followed(self, feed: Address, base: Phases, blocks: Sequence[BlockRef], now: Seen | None) -> Phases:
        first, last = blocks[0].number, blocks[-1].number
        if now is None or now == NOTHING_THERE:
            return base
        if not base and now.number <= 1:  # since it was made
            return (KnownPhase(0, last, now.number, now.aggregator),)
        if base and base[-1].number == now.number:
            return _extended(base, last)
        by_number = {block.number: block for block in blocks}

        def ask(number: int) -> Seen | None:
            return self._questions.ask(feed, _at(by_number[number]))

        if base and base[-1].known_to >= first - 1:
            was = Seen(base[-1].number, base[-1].aggregator)
            changes = changes_between(ask, first - 1, was, last, now)
            base = _extended(base, changes[0][0] - 1)
        else:  # what was between is not known, and what is not known is no price
            at_start = ask(first)
            rest = [] if at_start == now else changes_between(ask, first, at_start, last, now)
            changes = [(first, at_start), *rest]
        return (*base, *phases_of(changes, last))


def _at(block: BlockRef) -> Json:
    return {"blockHash": "0x" + block.hash.hex(), "requireCanonical": True}


def _still_itself(base: Phases, blocks: Sequence[BlockRef]) -> Phases:
    """Of a feed that is not asked about these blocks."""
    return _extended(base, blocks[-1].number) if blocks else base


def _extended(phases: Phases, last: int) -> Phases:
    """The newest of them is known to hold so far."""
    return (*phases[:-1], replace(phases[-1], known_to=max(phases[-1].known_to, last)))


def _cut(phases: Phases, last: int) -> Phases:
    """What of the phases still holds when every block above `last` may be another one."""
    return tuple(replace(phase, known_to=min(phase.known_to, last)) for phase in phases if phase.from_block <= last)


def _joined(final: Phases, told: Phases) -> Phases:
    """What final blocks say, and above them what live ones said."""
    if not final:
        return told
    newest = final[-1]
    above = [phase for phase in told if phase.known_to > newest.known_to]
    if above and above[0].from_block <= newest.known_to:
        if above[0].number != newest.number:  # the final blocks are others than those were
            return final
        newest = replace(newest, known_to=above.pop(0).known_to)
    return (*final[:-1], newest, *above)
