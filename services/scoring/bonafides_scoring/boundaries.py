"""What happens at a boundary: fold up to its block, then score the wallets that call for it.

```
mark k of a chain ─► is boundary k in the market? ─ no ─► the partition waits
        └─ yes ─► every finalized boundary up to k that is there for scoring: fold to its block, note it as due
                  fold to k ─► what is due, in the order of market.v1, as soon as the other chains' blocks are read too
```
Numbers of boundaries grow, their blocks do not: live ones run ahead of finalized ones, and a reorg takes them back.
Which wallets, which blocks and which facts a finalized score is made of follows from the two logs alone, so that a
replay gives the same bytes. A provisional one is made at the newest boundary only: an older one is overtaken.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import batched

import structlog
from bonafides.events import BoundaryMark, Hydrated
from bonafides.types import Address, ChainId, Finality
from sqlalchemy import Connection

from bonafides_scoring import metrics
from bonafides_scoring.folding import WALLETS_AT_ONCE, fold_to_boundary, fold_wallet
from bonafides_scoring.hydrations import answer_hydrated
from bonafides_scoring.knowledge import as_of_boundaries
from bonafides_scoring.model import ModelBundle
from bonafides_scoring.moments import MomentScorer
from bonafides_scoring.store import market, results, states
from bonafides_scoring.store.market import LoggedBoundary
from bonafides_scoring.store.results import Due
from bonafides_scoring.store.states import Progress

BOUNDARIES_KEPT = 256
_NOTHING_READ = Progress()

log = structlog.get_logger(__name__)


@dataclass
class PartitionTurn:
    """A partition while one poll's marks are handled: read once, written once."""

    partition: int
    progress: dict[ChainId, Progress]
    dues: list[Due]
    """Scoring boundaries to be scored, in the order of `market.v1`."""
    stored: tuple[Due, ...]
    """Those that the database knows."""
    moved: set[ChainId] = field(default_factory=set)
    wallets: list[Address] | None = None
    """Every wallet of the partition; None when it must be asked."""

    def progress_of(self, chain_id: ChainId) -> Progress:
        """How far the partition is on a chain."""
        return self.progress.get(chain_id, _NOTHING_READ)


@dataclass
class BoundaryScorer:
    """Folds and scores partitions at boundaries, with one model."""

    bundle: ModelBundle
    chain_ids: tuple[ChainId, ...]
    """Every chain of the deployments registry, ascending."""
    beat: Callable[[], None] = lambda: None
    """Called after every `wallets_at_once`: a boundary that scores everybody is a long turn, not a stuck one."""
    wallets_at_once: int = WALLETS_AT_ONCE
    _boundaries: dict[tuple[ChainId, int], LoggedBoundary] = field(default_factory=dict)
    _moments: MomentScorer = field(init=False)

    def __post_init__(self) -> None:
        self._moments = MomentScorer(self.bundle)

    def begin(self, connection: Connection, partition: int) -> PartitionTurn:
        """What is known of a partition before its marks are handled."""
        dues = results.dues_of(connection, partition)
        return PartitionTurn(partition, states.progress_of(connection, partition), dues, tuple(dues))

    def take_mark(self, connection: Connection, turn: PartitionTurn, offset: int, mark: BoundaryMark) -> bool:
        """Handle a boundary's mark; False when the market has not brought that boundary yet."""
        newest = self._boundary(connection, mark.chain_id, mark.number)
        if newest is None:
            return False
        before = turn.progress_of(mark.chain_id).number
        if mark.number <= before:
            return True  # delivered twice
        started = time.perf_counter()
        for logged in _scoring_between(connection, newest, before):
            self._fold(connection, turn, logged, offset)
            turn.dues.append(_due_of(logged))
        if turn.progress_of(mark.chain_id).number < mark.number:
            self._fold(connection, turn, newest, offset)
        turn.moved.add(mark.chain_id)
        while turn.dues and self._score_if_read(connection, turn, turn.dues[0], offset):
            del turn.dues[0]
        metrics.boundary_seconds.observe(time.perf_counter() - started)
        return True

    def take_hydrated(self, connection: Connection, turn: PartitionTurn, offset: int, hydrated: Hydrated) -> None:
        """Fold one wallet up to the block to which its history was read: a boundary for it alone."""
        chain_id = hydrated.block.chain_id
        progress = turn.progress_of(chain_id)
        fold_wallet(connection, turn.partition, hydrated.wallet, hydrated.block, after=progress, below_offset=offset)
        turn.wallets = None
        metrics.folds_total.inc()
        if answer_hydrated(connection, self.bundle, self.chain_ids, turn.partition, offset, hydrated, progress):
            self._moments.made.append(metrics.RESULT_PROVISIONAL)

    def finish(self, connection: Connection, turn: PartitionTurn) -> None:
        """Write down how far the marks have brought a partition, and what it still has to score."""
        for chain_id in sorted(turn.moved):
            states.save_progress(connection, turn.partition, chain_id, turn.progress[chain_id])
        for due in turn.stored:
            if due not in turn.dues:
                results.drop_due(connection, turn.partition, due)
        for due in turn.dues:
            if due not in turn.stored:
                results.add_due(connection, turn.partition, due)

    @property
    def has_messages(self) -> bool:
        """Whether this poll put results into the outbox."""
        return any(made != metrics.RESULT_PROVISIONAL for made in self._moments.made)

    def after_commit(self) -> None:
        """What was made is durable: count it."""
        for made in self._moments.made:
            metrics.results_total.labels(made).inc()
        self._moments.made.clear()

    def forget_counts(self) -> None:
        """A poll was rolled back: what it made will be made again."""
        self._moments.made.clear()

    def _boundary(self, connection: Connection, chain_id: ChainId, number: int) -> LoggedBoundary | None:
        """A boundary, from memory where another partition asked before: the log never changes."""
        key = (chain_id, number)
        if key not in self._boundaries:
            found = market.boundary_of(connection, chain_id, number)
            if found is None:
                return None
            self._boundaries[key] = found
            while len(self._boundaries) > BOUNDARIES_KEPT:
                del self._boundaries[next(iter(self._boundaries))]
        return self._boundaries[key]

    def _fold(self, connection: Connection, turn: PartitionTurn, logged: LoggedBoundary, offset: int) -> None:
        """Fold to a boundary, and remember that."""
        boundary = logged.boundary
        before = turn.progress_of(boundary.block.chain_id)
        folded = fold_to_boundary(
            connection,
            turn.partition,
            boundary,
            after=before,
            below_offset=offset,
            beat=self.beat,
            wallets_at_once=self.wallets_at_once,
        )
        if folded:
            turn.wallets = None
        metrics.folds_total.inc(folded)
        final_block = boundary.block.number if boundary.finality is Finality.FINALIZED else -1
        turn.progress[boundary.block.chain_id] = Progress(boundary.number, max(before.final_block, final_block))

    def _score_if_read(self, connection: Connection, turn: PartitionTurn, due: Due, offset: int) -> bool:
        """Score what is due; False when another chain's block of the as-of has not been read in this partition."""
        called = self._boundary(connection, due.chain_id, due.boundary_number)
        if called is None:
            return False
        if _is_overtaken(connection, turn, called):
            return True
        boundaries = as_of_boundaries(connection, called, self.chain_ids)
        if boundaries is None:
            log.info("not scored: a chain has no finalized boundary yet", boundary=due.boundary_number)
            return True
        if any(turn.progress_of(one.boundary.block.chain_id).number < one.boundary.number for one in boundaries):
            return False
        if turn.wallets is None:
            turn.wallets = states.wallets_of(connection, turn.partition)
        if turn.wallets:
            moment = self._moments.moment(connection, turn.partition, called, boundaries, offset)
            for wallets in batched(turn.wallets, self.wallets_at_once):
                self._moments.score(connection, wallets, moment)
                self.beat()
        return True


def _scoring_between(connection: Connection, newest: LoggedBoundary, after: int) -> list[LoggedBoundary]:
    """Boundaries of a chain to be scored, with numbers after one and up to the newest: the finalized ones, and the
    newest itself whatever it is."""
    boundary = newest.boundary
    own = [newest] if boundary.is_scoring else []
    if boundary.number == after + 1:
        return own
    return market.scoring_between(connection, boundary.block.chain_id, after, boundary.number - 1) + own


def _is_overtaken(connection: Connection, turn: PartitionTurn, called: LoggedBoundary) -> bool:
    """Whether a boundary above finalized is not worth a provisional answer any more: the partition has read on, and
    perhaps learnt that it is void, or its block is final by now (a worker that catches up)."""
    boundary = called.boundary
    if boundary.finality is Finality.FINALIZED:
        return False
    chain_id = boundary.block.chain_id
    return turn.progress_of(chain_id).number > boundary.number or market.is_final_later(connection, boundary)


def _due_of(logged: LoggedBoundary) -> Due:
    return Due(logged.log_offset, logged.boundary.block.chain_id, logged.boundary.number)
