"""Reading a chain out of log files to their end: the flow is the indexer's, this says when it is done.

Killed at any point it goes on from its cursor; afterwards `bonafides ingest run` goes on from there with a node.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from bonafides_ingest.boundaries import BoundaryPace
from bonafides_ingest.garbage import BetweenTurns
from bonafides_ingest.indexer import Indexer
from bonafides_ingest.windows import gaps_in, up_to

if TYPE_CHECKING:
    from bonafides_ingest.sources.parquet import LogFolder

WINDOW_BLOCKS = 1_000_000
"""Blocks that may be in one window: how many are, the source decides by their logs."""
log = structlog.get_logger(__name__)
_AT_ONCE = BoundaryPace(boundary_interval_s=0, scoring_interval_s=0)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is."""

    logs: int
    """Of the files, up to the cursor, whosever they are; exact at the end of a file, else estimated."""
    total: int
    block: int
    """The cursor."""


class Backfill:
    """One pass over a folder."""

    def __init__(self, indexer: Indexer, folder: "LogFolder", on_progress: Callable[[Progress], None]) -> None:
        self._indexer, self._folder, self._on_progress = indexer, folder, on_progress
        self._garbage = BetweenTurns()
        self.is_done = False
        """Whether everything up to the end of the files was flushed and a boundary says so."""

    def turn(self) -> bool:
        """Read the next window; returns whether there was anything to read, as the indexer does."""
        was_busy = self._garbage.run(self._indexer.turn)
        tip = self._indexer.tip
        if tip is None:
            if not was_busy:  # else only links were read, which come before the deployments
                log.warning("another process reads this chain, waiting for its lease")
            return was_busy
        if not was_busy and not self._is_waiting():
            # A boundary at the end of the files, unless there is one, whatever the time since the last.
            self._indexer.options = replace(self._indexer.options, pace=_AT_ONCE)
            self._indexer.turn()
            self.is_done = self._indexer.tip is not None
        self._on_progress(Progress(self._folder.logs_up_to(tip.number), self._folder.log_count, tip.number))
        return was_busy

    def _is_waiting(self) -> bool:
        """Whether an idle turn was no end: blocks are missing, and those behind us cannot keep up (`pressure`)."""
        indexer = self._indexer
        done, last = indexer.stores.store.done_ranges(), indexer.source.finalized()
        return any(gaps_in(done.get(name, ()), up_to(span, last)) for name, span in indexer.options.spans.items())
