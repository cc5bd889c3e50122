"""What changes when a decoder can read logs that an earlier one could not. Pure.

```
today    ──┬─ letter ─┬──────┬────────┬──── all logs, as today's decoder reads them
           │          │ more │ events │
as read  ──┴──────────┴──────┴────────┴──── the same logs without the letters, as they were read then
                      └ differ ┘ same again: the letter has no consequences any more
```
A letter may say more than its own events: what it taught may be needed to read later logs. So both readings go on side
by side until they know the same again, and whatever they say differently until then is sent.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import BlockRef

from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import Log
from bonafides_ingest.dead_letters.store import Place
from bonafides_ingest.protocols.state import DeploymentState


@dataclass(frozen=True, slots=True)
class Readings:
    """A deployment at some block, as today's decoder reads it and as it was read."""

    today: DeploymentState
    as_read: DeploymentState | None = None
    """None: both know the same."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What a window says with its letters and did not say without them."""

    readings: Readings
    """Behind the window."""
    events: tuple[LendingEvent, ...]
    points: tuple[MarketPoint, ...]
    refused: dict[Place, str]
    """Letters that cannot be read today either, and why."""
    read: frozenset[Place]
    """Letters that can be read."""
    is_other_content: bool
    """Whether an event or point among these was said before, with other content."""


def place_of(log: Log) -> Place:
    """Where a log stands."""
    return Place(log.position.block.hash, log.position.log_index)


def read_both(
    before: Readings, logs: Sequence[Log], ends: Sequence[BlockRef], letters: Collection[Place], fork_epoch: int
) -> Mended:
    """Read a window with its letters and without them. `before` stands before the window, as `scan` gives it."""
    was_before = before.as_read or before.today
    today, now = protocol_of(before.today).decode_logs(before.today, logs, fork_epoch, ends)
    others = [log for log in logs if place_of(log) not in letters]
    as_read, was = protocol_of(was_before).decode_logs(was_before, others, fork_epoch, ends)
    refused = {place: refusal.reason for refusal in now.refused if (place := place_of(refusal.log)) in letters}
    found = frozenset(place for log in logs if (place := place_of(log)) in letters)
    known_events = {event.id: event for event in was.events}
    known_points = {point.id: point for point in was.points}
    events = tuple(event for event in now.events if known_events.get(event.id) != event)
    points = tuple(point for point in now.points if known_points.get(point.id) != point)
    return Mended(
        Readings(today, None if as_read.facts() == today.facts() else as_read),
        events,
        points,
        refused,
        found - refused.keys(),
        any(event.id in known_events for event in events) or any(point.id in known_points for point in points),
    )
