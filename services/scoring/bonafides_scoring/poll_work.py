"""Events and marks of one poll, kept until all its partitions have been read, then worked on together.

```
partition 3   e e m10 │ e m11      the events before the first marks of all ─► one COPY
partition 7   e   m10 │            boundary 10: partitions 3 and 7
partition 9           │ e m11      the events behind those marks ─► one COPY; boundary 11: partitions 3 and 9
```
Within a partition the order is that of its log. Between partitions there is none to keep: a wallet belongs to one.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from bonafides.events import LendingEvent
from sqlalchemy import Connection

from bonafides_scoring.boundaries import BoundaryScorer, PartitionTurn
from bonafides_scoring.store import events
from bonafides_scoring.store.events import ReadEvent
from bonafides_scoring.store.market import LoggedBoundary


@dataclass(slots=True)
class _Stretch:
    """Events of a partition in a row, and the mark that ends them."""

    events: list[ReadEvent] = field(default_factory=list)
    boundary: LoggedBoundary | None = None
    """None: nothing ends them yet."""
    offset: int = -1
    """Of the mark."""


@dataclass
class PollWork:
    """What one poll has brought and not been worked on."""

    scorer: BoundaryScorer
    _stretches: dict[int, deque[_Stretch]] = field(default_factory=dict)
    """By partition, in the order of its log; only the last of one may have no mark."""
    _turns: dict[int, PartitionTurn] = field(default_factory=dict)

    def read_events(self, partition: int, offset: int, read: Iterable[LendingEvent]) -> None:
        """Keep the events of a record."""
        self._open_stretch(partition).events += [(partition, offset, event) for event in read]

    def read_mark(self, partition: int, offset: int, logged: LoggedBoundary) -> None:
        """Keep a boundary's mark; the market has brought that boundary."""
        stretch = self._open_stretch(partition)
        stretch.boundary, stretch.offset = logged, offset

    def has_mark(self, partition: int) -> bool:
        """Whether a mark of this partition is kept: what is written at once would come before it."""
        return any(stretch.boundary for stretch in self._stretches.get(partition, ()))

    def do(self, connection: Connection) -> int:
        """Add the events and handle the marks; returns how many events were new."""
        marked = [one for one, own in self._stretches.items() if own[0].boundary and one not in self._turns]
        self._turns |= self.scorer.begin(connection, marked) if marked else {}
        added = 0
        while self._stretches:
            added += self._add_first_events(connection)
            heads = {one: own[0] for one, own in self._stretches.items()}
            marks = [head.boundary for head in heads.values() if head.boundary]
            if not marks:
                self._stretches.clear()
                break
            oldest = min(marks, key=lambda logged: logged.log_offset)
            reached = [one for one, head in heads.items() if head.boundary == oldest]
            self.scorer.take_marks(connection, oldest, [(self._turns[one], heads[one].offset) for one in reached])
            for one in reached:
                self._stretches[one].popleft()
                if not self._stretches[one]:
                    del self._stretches[one]
        return added

    def turn(self, connection: Connection, partition: int) -> PartitionTurn:
        """A partition as the marks handled so far have left it."""
        if partition not in self._turns:
            self._turns |= self.scorer.begin(connection, [partition])
        return self._turns[partition]

    def finish(self, connection: Connection) -> int:
        """Do what is left, and write down how far the partitions are; returns how many events were new."""
        added = self.do(connection)
        if self._turns:
            self.scorer.finish(connection, self._turns.values())
        self._turns.clear()
        return added

    def forget(self) -> None:
        """Of a poll that was rolled back."""
        self._stretches.clear()
        self._turns.clear()

    def _open_stretch(self, partition: int) -> _Stretch:
        own = self._stretches.setdefault(partition, deque())
        if not own or own[-1].boundary:
            own.append(_Stretch())
        return own[-1]

    def _add_first_events(self, connection: Connection) -> int:
        """Of all partitions at once: a few statements for each cost a third of the time of a backfill."""
        read: list[ReadEvent] = []
        for own in self._stretches.values():
            read += own[0].events
            own[0].events.clear()
        return events.add_events(connection, read) if read else 0
