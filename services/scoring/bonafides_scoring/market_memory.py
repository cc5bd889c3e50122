"""Boundaries and fork epochs from memory, where a partition asked before: the market's log never changes.

What was read inside a transaction may be what it wrote itself, so it is kept only once that is durable.
"""

from dataclasses import dataclass, field

from bonafides.types import ChainId
from sqlalchemy import Connection

from bonafides_scoring.store import market
from bonafides_scoring.store.market import ListedEpoch, LoggedBoundary

BOUNDARIES_KEPT = 256

type _Key = tuple[ChainId, int]
"""Chain, and number of a boundary."""


@dataclass
class MarketMemory:
    """What `market.v1` says of boundaries."""

    _boundaries: dict[_Key, LoggedBoundary] = field(default_factory=dict)
    _epochs: dict[_Key, tuple[ListedEpoch, ...]] = field(default_factory=dict)
    _missing: set[_Key] = field(default_factory=set)
    """Asked for in this poll and not there: its other partitions wait, too."""
    _unsure: set[_Key] = field(default_factory=set)
    """Read in this poll."""

    def boundary(self, connection: Connection, chain_id: ChainId, number: int) -> LoggedBoundary | None:
        """A boundary; None when the market has not brought it yet."""
        key = (chain_id, number)
        if key not in self._boundaries and key not in self._missing:
            found = market.boundary_of(connection, chain_id, number)
            if found is None:
                self._missing.add(key)
            else:
                self.keep(found)
        return self._boundaries.get(key)

    def keep(self, logged: LoggedBoundary) -> None:
        """Remember one that this poll has read or added."""
        key = (logged.boundary.block.chain_id, logged.boundary.number)
        self._boundaries[key] = logged
        self._missing.discard(key)
        self._unsure.add(key)
        while len(self._boundaries) > BOUNDARIES_KEPT:
            self._drop(next(iter(self._boundaries)))

    def epochs(self, connection: Connection, logged: LoggedBoundary) -> tuple[ListedEpoch, ...]:
        """Every epoch that is listed up to a boundary, with the boundary that listed it first."""
        boundary = logged.boundary
        chain_id, number = boundary.block.chain_id, boundary.number
        if (chain_id, number) not in self._epochs:
            before = self._epochs.get((chain_id, number - 1))
            if before is None or boundary.fork_epochs:
                before = market.epochs_listed(connection, chain_id, number)
            self._epochs[chain_id, number] = before
            self._unsure.add((chain_id, number))
            while len(self._epochs) > BOUNDARIES_KEPT:
                del self._epochs[next(iter(self._epochs))]
        return self._epochs[chain_id, number]

    def after_commit(self) -> None:
        """What this poll read is durable."""
        self._unsure.clear()
        self._missing.clear()

    def forget(self) -> None:
        """A new poll: what one that was rolled back had read may never have been."""
        for key in self._unsure:
            self._drop(key)
        self._unsure.clear()
        self._missing.clear()

    def _drop(self, key: _Key) -> None:
        self._boundaries.pop(key, None)
        self._epochs.pop(key, None)
