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
    """Follows feeds from where final blocks end. After a reorg it must be asked from the first replaced block on."""

    def __init__(self, questions: FeedQuestions) -> None:
        self._questions = questions
        self._told: dict[Address, Phases] = {}
        """What was told last of each feed, final blocks included."""

    def read(self, known: Mapping[Address, Phases], blocks: Sequence[BlockRef]) -> dict[Address, Phases]:
        """The phases of feeds up to the end of the last of these blocks; `known` is what final blocks say.

        The blocks ascend without a gap. Raises BlockGone when one of them was replaced.
        """
        before = blocks[0].number - 1
        bases = {feed: _joined(phases, _cut(self._told.get(feed, ()), before)) for feed, phases in known.items()}
        asked = sorted(feed for feed, base in bases.items() if not base or base[-1].number)
        try:
            now = self._questions.ask_all(asked, _at(blocks[-1]))
            found = {
                feed: self._followed(feed, base, blocks, now[feed])
                if feed in now
                else (*base[:-1], replace(base[-1], known_to=blocks[-1].number))
                for feed, base in bases.items()
            }
        except Unavailable as exc:
            if isinstance(exc.__cause__, NodeRefused) and is_unknown_block(exc.__cause__):
                raise BlockGone("the node does not know a block any more at which a price feed was asked") from exc
            raise
        self._told |= found
        return found

    def _followed(self, feed: Address, base: Phases, blocks: Sequence[BlockRef], now: Seen | None) -> Phases:
        first, last = blocks[0].number, blocks[-1].number
        if now is None or now == NOTHING_THERE:
            return base
        if not base and now.number <= 1:  # since it was made
            return (KnownPhase(0, last, now.number, now.aggregator),)
        if base and base[-1].number == now.number:
            return (*base[:-1], replace(base[-1], known_to=last))
        by_number = {block.number: block for block in blocks}

        def ask(number: int) -> Seen | None:
            return self._questions.ask(feed, _at(by_number[number]))

        if base and base[-1].known_to >= first - 1:
            was = Seen(base[-1].number, base[-1].aggregator)
            changes = changes_between(ask, first - 1, was, last, now)
            base = (*base[:-1], replace(base[-1], known_to=changes[0][0] - 1))
        else:  # what was between is not known, and what is not known is no price
            at_start = ask(first)
            rest = [] if at_start == now else changes_between(ask, first, at_start, last, now)
            changes = [(first, at_start), *rest]
        return (*base, *phases_of(changes, last))


def _at(block: BlockRef) -> Json:
    return {"blockHash": "0x" + block.hash.hex(), "requireCanonical": True}


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
