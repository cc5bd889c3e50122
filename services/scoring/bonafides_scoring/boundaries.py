"""What happens at a boundary: fold up to its block, then score the wallets that call for it.

```
mark k of a chain ─► is boundary k in the market? ─ no ─► the partition waits
        └─ yes ─► every finalized boundary up to k that is there for scoring: fold to its block, note it as due
                  fold to k ─► what is due, in the order of market.v1, as soon as the other chains' blocks are read too
```
All partitions of a poll with a mark of the same boundary are folded together, and scored one by one.
Numbers of boundaries grow, their blocks do not: live ones run ahead of finalized ones, and a reorg takes them back.
Which wallets, which blocks and which facts a finalized score is made of follows from the two logs alone, so that a
replay gives the same bytes. A provisional one is made at the newest boundary only: an older one is overtaken.
"""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import batched

import structlog
from bonafides.events import Hydrated
from bonafides.types import Address, ChainId, Finality
from sqlalchemy import Connection

from bonafides_scoring import metrics
from bonafides_scoring.folding import WALLETS_AT_ONCE, PartitionFold, fold_to_boundary, fold_wallet
from bonafides_scoring.hydrations import answer_hydrated
from bonafides_scoring.knowledge import as_of_boundaries
from bonafides_scoring.market_memory import MarketMemory
from bonafides_scoring.model import ModelBundle
from bonafides_scoring.moments import MomentScorer
from bonafides_scoring.store import market, results, states
from bonafides_scoring.store.market import LoggedBoundary
from bonafides_scoring.store.progress import Progress, progress_of, save_progress
from bonafides_scoring.store.results import Due

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
    memory: MarketMemory = field(default_factory=MarketMemory)
    _moments: MomentScorer = field(init=False)

    def __post_init__(self) -> None:
        self._moments = MomentScorer(self.bundle)

    def begin(self, connection: Connection, partitions: Collection[int]) -> dict[int, PartitionTurn]:
        """What is known of these partitions before their marks are handled."""
        if not partitions:
            return {}
        dues = results.dues_of(connection, partitions)
        progress = progress_of(connection, partitions)
        return {one: PartitionTurn(one, progress[one], dues[one], tuple(dues[one])) for one in partitions}

    def take_marks(
        self, connection: Connection, newest: LoggedBoundary, read: Iterable[tuple[PartitionTurn, int]]
    ) -> None:
        """Handle a boundary's mark in each of these partitions, read at that offset."""
        chain_id, number = newest.boundary.block.chain_id, newest.boundary.number
        new = [(turn, offset) for turn, offset in read if turn.progress_of(chain_id).number < number]
        if not new:
            return  # delivered twice
        started = time.perf_counter()
        scoring = _scoring_between(connection, newest, min(turn.progress_of(chain_id).number for turn, _ in new))
        for logged in scoring:
            behind = [one for one in new if one[0].progress_of(chain_id).number < logged.boundary.number]
            self._fold(connection, behind, logged)
            for turn, _ in behind:
                turn.dues.append(_due_of(logged))
        self._fold(connection, [one for one in new if one[0].progress_of(chain_id).number < number], newest)
        for turn, offset in new:
            turn.moved.add(chain_id)
            while turn.dues and self._score_if_read(connection, turn, turn.dues[0], offset):
                del turn.dues[0]
        metrics.boundary_seconds.observe(time.perf_counter() - started)

    def take_hydrated(self, connection: Connection, turn: PartitionTurn, offset: int, hydrated: Hydrated) -> None:
        """Fold one wallet up to the block to which its history was read: a boundary for it alone."""
        chain_id = hydrated.block.chain_id
        progress = turn.progress_of(chain_id)
        fold_wallet(connection, turn.partition, hydrated.wallet, hydrated.block, after=progress, below_offset=offset)
        turn.wallets = None
        metrics.folds_total.inc()
        if answer_hydrated(connection, self.bundle, self.chain_ids, turn.partition, offset, hydrated, progress):
            self._moments.made.append(metrics.RESULT_PROVISIONAL)

    def finish(self, connection: Connection, turns: Iterable[PartitionTurn]) -> None:
        """Write down how far the marks have brought partitions, and what they still have to score."""
        moved: dict[tuple[int, ChainId], Progress] = {}
        done: list[tuple[int, Due]] = []
        added: list[tuple[int, Due]] = []
        for turn in turns:
            moved |= {(turn.partition, chain_id): turn.progress[chain_id] for chain_id in turn.moved}
            done += [(turn.partition, due) for due in turn.stored if due not in turn.dues]
            added += [(turn.partition, due) for due in turn.dues if due not in turn.stored]
        save_progress(connection, moved)
        results.drop_dues(connection, done)
        results.add_dues(connection, added)

    @property
    def has_messages(self) -> bool:
        """Whether this poll put results into the outbox."""
        return any(made != metrics.RESULT_PROVISIONAL for made in self._moments.made)

    def after_commit(self) -> None:
        """What was made is durable: count it."""
        self.memory.after_commit()
        for made in self._moments.made:
            metrics.results_total.labels(made).inc()
        self._moments.made.clear()

    def forget_counts(self) -> None:
        """A poll was rolled back: what it made will be made again."""
        self.memory.forget()
        self._moments.made.clear()

    def _fold(self, connection: Connection, read: list[tuple[PartitionTurn, int]], logged: LoggedBoundary) -> None:
        """Fold partitions to a boundary, and remember that."""
        if not read:
            return
        boundary = logged.boundary
        chain_id = boundary.block.chain_id
        folded = fold_to_boundary(
            connection,
            boundary,
            [PartitionFold(turn.partition, turn.progress_of(chain_id), offset) for turn, offset in read],
            epochs=self.memory.epochs(connection, logged),
            beat=self.beat,
            wallets_at_once=self.wallets_at_once,
        )
        metrics.folds_total.inc(folded.total())
        final_block = boundary.block.number if boundary.finality is Finality.FINALIZED else -1
        for turn, _ in read:
            if folded[turn.partition]:
                turn.wallets = None
            final_before = turn.progress_of(chain_id).final_block
            turn.progress[chain_id] = Progress(boundary.number, max(final_before, final_block))

    def _score_if_read(self, connection: Connection, turn: PartitionTurn, due: Due, offset: int) -> bool:
        """Score what is due; False when another chain's block of the as-of has not been read in this partition."""
        called = self.memory.boundary(connection, due.chain_id, due.boundary_number)
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
