"""What may go wrong in the middle of a turn: a power cut, an answer that is lost, a process that sleeps too long.

A turn is a row of effects on the outside: flushes and commits. A danger strikes at one of them, whichever that is, so
that no crash point is forgotten.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg
from bonafides.bus import TopicPartition
from bonafides.errors import Unavailable
from bonafides.testing.memory_bus import MemoryBroker, MemoryProducer
from sqlalchemy import Engine


class PowerCut(BaseException):
    """The process is gone: nothing of it may handle this."""


class Strike(StrEnum):
    """What happens at an effect."""

    DIES_BEFORE = "dies before"
    DIES_IN_IT = "dies in it"
    """Some partitions have their records, others do not; a commit is done or not done."""
    DIES_AFTER = "dies after"
    FAILS_BEFORE = "fails before"
    FAILS_IN_IT = "fails in it"
    ANSWER_LOST = "answer lost"
    """It happened, and the process is told that it did not."""
    SLEEPS = "sleeps"
    """Before a flush, long enough for another replica to take over; then it goes on as if nothing had been."""


@dataclass
class Danger:
    """One that is armed strikes once, at the effect of this number from now (from 1)."""

    effect: int
    strike: Strike
    is_at_commit: bool = False
    """Counts commits, else flushes."""


class Dangers:
    """Where an engine and a producer ask before each effect."""

    def __init__(self) -> None:
        self.armed: Danger | None = None
        self.while_asleep: Callable[[], None] = lambda: None
        self.struck = 0

    def arm(self, danger: Danger | None) -> None:
        self.armed = danger

    def strike_at(self, *, is_commit: bool) -> Strike | None:
        """What happens at this effect."""
        danger = self.armed
        if danger is None or danger.is_at_commit is not is_commit:
            return None
        danger.effect -= 1
        if danger.effect > 0:
            return None
        self.armed = None
        self.struck += 1
        return danger.strike


class DangerousProducer(MemoryProducer):
    """A producer whose flush may be struck."""

    def __init__(self, broker: MemoryBroker, dangers: Dangers) -> None:
        super().__init__(broker)
        self._dangers = dangers

    def flush(self) -> None:
        strike = self._dangers.strike_at(is_commit=False) if self._buffer else None
        match strike:
            case Strike.DIES_BEFORE | Strike.FAILS_BEFORE:
                self._buffer.clear()
            case Strike.DIES_IN_IT | Strike.FAILS_IN_IT:
                self._buffer = _some_partitions(self._buffer)
                super().flush()
            case Strike.SLEEPS:
                self._dangers.while_asleep()
                super().flush()
            case _:
                super().flush()
        _end(strike, Unavailable("the broker went away before it answered"))


def endanger(engine: Engine, dangers: Dangers) -> None:
    """From now on every commit of this engine may be struck."""
    commit: Callable[[Any], None] = engine.dialect.do_commit

    def dangerous_commit(connection: Any) -> None:
        strike = dangers.strike_at(is_commit=True)
        if strike in (None, Strike.DIES_AFTER, Strike.ANSWER_LOST, Strike.SLEEPS):
            commit(connection)
        elif strike not in (Strike.DIES_BEFORE, Strike.DIES_IN_IT):
            connection.rollback()
        _end(strike, psycopg.OperationalError("server closed the connection unexpectedly"))

    engine.dialect.do_commit = dangerous_commit  # type: ignore[assignment,method-assign]


def _some_partitions(records: list[tuple[TopicPartition, bytes]]) -> list[tuple[TopicPartition, bytes]]:
    """Those of every other partition, and of one more the first half: what a broker may have of an unfinished flush."""
    partitions = sorted({at for at, _ in records})
    whole, cut = set(partitions[::2]), partitions[1] if len(partitions) > 1 else partitions[0]
    if len(partitions) == 1:
        return records[: len(records) // 2]
    of_cut = [record for record in records if record[0] == cut]
    return [record for record in records if record[0] in whole] + of_cut[: len(of_cut) // 2]


def _end(strike: Strike | None, failure: Exception) -> None:
    match strike:
        case Strike.DIES_BEFORE | Strike.DIES_IN_IT | Strike.DIES_AFTER:
            raise PowerCut
        case Strike.FAILS_BEFORE | Strike.FAILS_IN_IT | Strike.ANSWER_LOST:
            raise failure
        case _:
            pass
