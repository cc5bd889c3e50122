"""Reading one window of a chain, with the contracts that it names for the first time.

A reserve that is listed in a window has logs of its own in it, even before the listing: the aToken announces itself in
the same transaction. So a window is fetched again with the new addresses until it names no more.

A feed that becomes a price source may have answered long before (its constructor does), also after it was a source some
time ago. Its latest answer before the window is looked for among its logs, back to the deployment's first block: a log
can be proved, replayed from a file and hashed, while an `eth_call` at an old block needs an archive node and leaves no
trace. What memory holds is believed only of feeds that were watched all along, so that neither a restart nor where a
window ends changes a price.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bonafides.events import BlockRange
from bonafides.types import Address, BlockRef

from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import ChainSource, Window
from bonafides_ingest.protocols.aave_v3_events import ANSWER_UPDATED
from bonafides_ingest.protocols.state import DeploymentState


@dataclass(frozen=True, slots=True)
class Scanned[S: DeploymentState]:
    """A window, and the deployments as they stood before it."""

    window: Window
    states: Mapping[str, S]


def scan[S: DeploymentState](
    source: ChainSource, states: Mapping[str, S], wanted: BlockRange, parent: BlockRef | None
) -> Scanned[S]:
    """All logs of these deployments (by id) in a range, or in the first part of it when the provider allows no more."""
    states = {name: protocol_of(state).before_window(state) for name, state in states.items()}
    addresses = frozenset(address for state in states.values() for address in state.watched)
    while True:
        window = source.fetch(wanted, addresses, parent)
        found = {name: protocol_of(state).discover(state, window.logs) for name, state in states.items()}
        grown = addresses.union(*(discovery.contracts for discovery in found.values()))
        if grown == addresses:
            break
        wanted, addresses = window.range, grown
    answered = {
        name: _with_earlier_answers(source, state, found[name].unanswered_feeds, window.range.first)
        for name, state in states.items()
    }
    return Scanned(window, answered)


def _with_earlier_answers[S: DeploymentState](
    source: ChainSource, state: S, feeds: frozenset[Address], before: int
) -> S:
    for feed in sorted(feeds):
        log = source.last_log_before(feed, ANSWER_UPDATED.topic0, state.deployment.from_block, before)
        if log is not None:  # else it answered inside the window, or never by an event
            state = protocol_of(state).with_earlier_answer(state, feed, log)
    return state
