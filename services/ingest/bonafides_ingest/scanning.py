"""Reading one window of a chain, with the contracts that it names for the first time.

A reserve that is listed in a window has logs of its own in it, even before the listing: the aToken announces itself in
the same transaction. So a window is fetched again with the new addresses until it names no more.

An aggregator that begins to price an asset may have answered long before (its constructor does), also after it priced
one some time ago. Its latest answer before the window is looked for among its logs, back to the deployment's first
block: a log can be proved, replayed from a file and hashed. What memory holds is believed only of aggregators that were
watched all along, so that neither a restart nor where a window ends changes a price.

Which aggregator answers for a feed, no log tells: `FeedTimelines` says it, up to the window's last block.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bonafides.events import BlockRange
from bonafides.types import Address, BlockRef

from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import LogSource, Window
from bonafides_ingest.feeds import DirectFeeds, FeedTimelines, Timeline
from bonafides_ingest.protocols.aave_v3.events import ANSWER_UPDATED
from bonafides_ingest.protocols.state import DeploymentState


@dataclass(frozen=True, slots=True)
class Scanned[S: DeploymentState]:
    """A window, and the deployments as they stood before it."""

    window: Window
    states: Mapping[str, S]
    ends: tuple[BlockRef, ...] = ()
    """The window's blocks, ascending, at whose end a feed begins a phase."""


def scan[S: DeploymentState](
    source: LogSource,
    states: Mapping[str, S],
    wanted: BlockRange,
    parent: BlockRef | None,
    feeds: FeedTimelines | None = None,
) -> Scanned[S]:
    """All logs of these deployments (by id) in a range, or in the first part of it when the provider allows no more."""
    feeds = feeds or DirectFeeds()
    states = {name: protocol_of(state).before_window(state) for name, state in states.items()}
    addresses = frozenset(address for state in states.values() for address in state.watched)
    while True:
        window = source.fetch(wanted, addresses, parent)
        found = {name: protocol_of(state).discover(state, window.logs) for name, state in states.items()}
        named = {name: discovery.feeds for name, discovery in found.items()}
        asked = frozenset[Address]().union(*named.values(), *(protocol_of(s).feeds(s) for s in states.values()))
        timelines = feeds.read(asked, window.range.last) if asked else {}
        states = {name: protocol_of(state).with_timelines(state, timelines) for name, state in states.items()}
        grown = addresses.union(
            *(discovery.contracts for discovery in found.values()),
            *(timelines[feed].aggregators if feed in timelines else (feed,) for feed in asked),
        )
        if grown == addresses:
            break
        wanted, addresses = window.range, grown
    answered = {name: _with_earlier_answers(source, state, named[name], window.range) for name, state in states.items()}
    return Scanned(window, answered, _ends(source, timelines, window.range))


def _with_earlier_answers[S: DeploymentState](
    source: LogSource, state: S, named: frozenset[Address], blocks: BlockRange
) -> S:
    for aggregator in sorted(protocol_of(state).unanswered(state, named, blocks)):
        log = source.last_log_before(aggregator, ANSWER_UPDATED.topic0, state.deployment.from_block, blocks.first)
        if log is not None:  # else it answered inside the window, or never by an event
            state = protocol_of(state).with_earlier_answer(state, aggregator, log)
    return state


def _ends(source: LogSource, timelines: Mapping[Address, Timeline], blocks: BlockRange) -> tuple[BlockRef, ...]:
    numbers = {phase.from_block for timeline in timelines.values() for phase in timeline.changes(blocks)}
    return tuple(source.block(number) for number in sorted(numbers))
