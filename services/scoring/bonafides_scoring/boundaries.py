"""What happens at a boundary: fold up to its block, then score the wallets that call for it.

```
mark k of a chain ─► is boundary k in the market? ─ no ─► the partition waits
        └─ yes ─► every boundary up to k that is there for scoring: fold to its block, note it as due
                  fold to k ─► what is due, in the order of market.v1, as soon as the other chains' blocks are read too
```
Which wallets, which blocks and which facts follows from the two logs alone, so that a replay gives the same bytes.
"""

import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import batched

import structlog
from bonafides import outbox
from bonafides.events import BoundaryMark, DeploymentCoverage
from bonafides.hashing import sha256
from bonafides.topics import SCORES_ISSUED, partition_of
from bonafides.types import Address, AsOf, ChainId, Digest, Finality
from sqlalchemy import Connection

from bonafides_scoring import metrics
from bonafides_scoring.due import Basis, is_due
from bonafides_scoring.fold import WalletState, encode_state
from bonafides_scoring.folding import WALLETS_AT_ONCE, fold_to_boundary
from bonafides_scoring.knowledge import (
    as_of_boundaries,
    dead_letters_by_wallet,
    event_set_digests,
    states_by_wallet,
    unreadable_records,
    view_at,
)
from bonafides_scoring.market import MarketMissing, MarketView
from bonafides_scoring.model import ModelBundle
from bonafides_scoring.scorer import Scored, ScoreRequest, lowest_health_factor_bps, score_subjects
from bonafides_scoring.store import market, results, states
from bonafides_scoring.store.market import LoggedBoundary
from bonafides_scoring.store.results import Circumstances, Due
from bonafides_scoring.store.tables import outbox as outbox_table

BOUNDARIES_KEPT = 256
VIEWS_KEPT = 16
"""Market views kept in memory: each partition asks for the same one at a boundary."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Moment:
    """One as-of: its boundaries, and what was known then."""

    called: LoggedBoundary
    boundaries: tuple[LoggedBoundary, ...]
    as_of: AsOf
    views: tuple[MarketView, ...]
    coverage: tuple[DeploymentCoverage, ...]
    event_offset: int
    unreadable: int
    """Records of the two logs that were missing then."""


@dataclass
class PartitionTurn:
    """A partition while one poll's marks are handled: read once, written once."""

    partition: int
    progress: dict[ChainId, int]
    """The newest boundary whose mark was handled, per chain."""
    dues: list[Due]
    """Scoring boundaries to be scored, in the order of `market.v1`."""
    stored: tuple[Due, ...]
    """Those that the database knows."""
    moved: set[ChainId] = field(default_factory=set)
    wallets: list[Address] | None = None
    """Every wallet of the partition; None when it must be asked."""


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
    _views: dict[tuple[ChainId, int, int], MarketView] = field(default_factory=dict)
    _made: list[str] = field(default_factory=list)

    def begin(self, connection: Connection, partition: int) -> PartitionTurn:
        """What is known of a partition before its marks are handled."""
        dues = results.dues_of(connection, partition)
        return PartitionTurn(partition, states.progress_of(connection, partition), dues, tuple(dues))

    def take_mark(self, connection: Connection, turn: PartitionTurn, offset: int, mark: BoundaryMark) -> bool:
        """Handle a boundary's mark; False when the market has not brought that boundary yet."""
        newest = self._boundary(connection, mark.chain_id, mark.number)
        if newest is None:
            return False
        before = turn.progress.get(mark.chain_id, 0)
        if mark.number <= before:
            return True  # delivered twice
        started = time.perf_counter()
        for logged in _scoring_between(connection, newest, before):
            before = self._fold(connection, turn, logged, before, offset)
            turn.dues.append(_due_of(logged))
        if before < mark.number:
            self._fold(connection, turn, newest, before, offset)
        turn.progress[mark.chain_id] = mark.number
        turn.moved.add(mark.chain_id)
        while turn.dues and self._score_if_read(connection, turn, turn.dues[0], offset):
            del turn.dues[0]
        metrics.boundary_seconds.observe(time.perf_counter() - started)
        return True

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

    def after_commit(self) -> None:
        """What was made is durable: count it."""
        for made in self._made:
            metrics.results_total.labels(made).inc()
        self._made.clear()

    def forget_counts(self) -> None:
        """A poll was rolled back: what it made will be made again."""
        self._made.clear()

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

    def _fold(
        self, connection: Connection, turn: PartitionTurn, logged: LoggedBoundary, after_number: int, offset: int
    ) -> int:
        boundary = logged.boundary
        folded = fold_to_boundary(
            connection,
            turn.partition,
            boundary,
            after_number=after_number,
            below_offset=offset,
            beat=self.beat,
            wallets_at_once=self.wallets_at_once,
        )
        if folded:
            turn.wallets = None
        metrics.folds_total.inc(folded)
        return boundary.number

    def _score_if_read(self, connection: Connection, turn: PartitionTurn, due: Due, offset: int) -> bool:
        """Score what is due; False when another chain's block of the as-of has not been read in this partition."""
        called = self._boundary(connection, due.chain_id, due.boundary_number)
        if called is None:
            return False
        boundaries = as_of_boundaries(connection, called, self.chain_ids)
        if boundaries is None:
            log.info("not scored: a chain has no finalized boundary yet", boundary=due.boundary_number)
            return True
        if any(turn.progress.get(one.boundary.block.chain_id, 0) < one.boundary.number for one in boundaries):
            return False
        if turn.wallets is None:
            turn.wallets = states.wallets_of(connection, turn.partition)
        if turn.wallets:
            moment = self._moment(connection, called, boundaries, offset, turn.partition)
            for wallets in batched(turn.wallets, self.wallets_at_once):
                self._score(connection, turn.partition, wallets, moment)
                self.beat()
        return True

    def _moment(
        self,
        connection: Connection,
        called: LoggedBoundary,
        boundaries: tuple[LoggedBoundary, ...],
        offset: int,
        partition: int,
    ) -> _Moment:
        return _Moment(
            called=called,
            boundaries=boundaries,
            as_of=AsOf(tuple(one.boundary.block for one in boundaries)),
            views=tuple(self._view(connection, one, called.log_offset) for one in boundaries),
            coverage=tuple(row for one in boundaries for row in one.boundary.coverage),
            event_offset=offset,
            unreadable=unreadable_records(connection, partition, event_offset=offset, market_offset=called.log_offset),
        )

    def _view(self, connection: Connection, logged: LoggedBoundary, below_offset: int) -> MarketView:
        block = logged.boundary.block
        key = (block.chain_id, logged.boundary.number, below_offset)
        if key not in self._views:
            self._views[key] = view_at(connection, logged, below_offset)
            while len(self._views) > VIEWS_KEPT:
                del self._views[next(iter(self._views))]
        return self._views[key]

    def _score(self, connection: Connection, partition: int, wallets: Sequence[Address], moment: _Moment) -> None:
        """Score those of the wallets that call for it, as of this moment."""
        known = states_by_wallet(connection, wallets, moment.boundaries, moment.event_offset)
        letters = dead_letters_by_wallet(connection, wallets, moment.boundaries, moment.event_offset)
        last = results.last_bases(connection, wallets)
        step_bps = self.bundle.manifest.rescore_step_bps
        bases: dict[Address, Basis] = {}
        for wallet in wallets:
            if not known.get(wallet) and not letters.get(wallet):
                continue  # nothing of it stands at or below these blocks
            letters[wallet] = letters.get(wallet, 0) + moment.unreadable
            basis = _basis(known.get(wallet, ()), letters[wallet], moment)
            if is_due(wallet, last.get(wallet), basis, step_bps):
                bases[wallet] = basis
        digests = event_set_digests(connection, list(bases), moment.boundaries, moment.event_offset)
        requests = [
            ScoreRequest(
                wallets=(wallet,),
                states=known.get(wallet, ()),
                views=moment.views,
                as_of=moment.as_of,
                coverage=moment.coverage,
                event_set_digest=digests[wallet],
                wallet_dead_letters=letters[wallet],
            )
            for wallet in bases
        ]
        at = self._circumstances(partition, moment)
        is_final = moment.called.boundary.finality is Finality.FINALIZED
        for (wallet, basis), result in zip(bases.items(), score_subjects(requests, self.bundle), strict=True):
            if not is_final:
                results.set_provisional(connection, wallet, result, moment.coverage, at)
                self._made.append(metrics.RESULT_PROVISIONAL)
                continue
            if results.add_result(connection, result, moment.coverage, at):
                message = result.message()
                outbox.put(connection, outbox_table, SCORES_ISSUED, partition_of(wallet, SCORES_ISSUED), message)
                self._made.append(metrics.RESULT_SCORED if isinstance(result, Scored) else metrics.RESULT_UNSCORABLE)
            results.set_latest(connection, wallet, result, basis, at)

    def _circumstances(self, partition: int, moment: _Moment) -> Circumstances:
        manifest, called = self.bundle.manifest, moment.called
        return Circumstances(
            partition=partition,
            chain_id=called.boundary.block.chain_id,
            boundary_number=called.boundary.number,
            market_offset=called.log_offset,
            event_offset=moment.event_offset,
            model_class=self.bundle.model_class,
            model_name=manifest.name,
            outcome=manifest.outcome,
            horizon_days=manifest.scale.horizon_days,
        )


def _scoring_between(connection: Connection, newest: LoggedBoundary, after: int) -> list[LoggedBoundary]:
    """Scoring boundaries of a chain after a number and up to the newest."""
    boundary = newest.boundary
    if boundary.number == after + 1:
        return [newest] if boundary.is_scoring else []
    return market.scoring_between(connection, boundary.block.chain_id, after, boundary.number)


def _due_of(logged: LoggedBoundary) -> Due:
    return Due(logged.log_offset, logged.boundary.block.chain_id, logged.boundary.number)


def _basis(known: tuple[WalletState, ...], dead_letters: int, moment: _Moment) -> Basis:
    has_gap = any(row.gaps for row in moment.coverage)
    digest = sha256(
        b"bonafides/scoring-basis/1",
        struct.pack(">I?", dead_letters, has_gap),
        *(sha256(encode_state(state)) for state in known),
    )
    try:
        health_factor_bps = lowest_health_factor_bps(known, moment.views)
    except MarketMissing:
        health_factor_bps = None
    return Basis(Digest(digest), health_factor_bps, moment.as_of.time)
