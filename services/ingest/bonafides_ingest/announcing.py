"""Making boundaries and sending them: the holder of the lease does it, see `boundaries` for why it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from bonafides.clock import Clock
from bonafides.events import BlockRange
from bonafides.topics import MARKET
from bonafides.types import BlockRef, Finality

from bonafides_ingest import metrics
from bonafides_ingest.boundaries import (
    BoundaryPlan,
    SentBoundaries,
    after_boundary,
    build_boundary,
    coverage_of,
    plan_boundary,
    plan_head_boundary,
)
from bonafides_ingest.boundary_store import BoundaryStore, StoredBoundary
from bonafides_ingest.lease import Lease
from bonafides_ingest.live import LiveChain
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.outgoing import OutgoingRecord, mark_records
from bonafides_ingest.sending import Sender
from bonafides_ingest.store import Store

log = structlog.get_logger(__name__)
type Done = Mapping[str, Sequence[BlockRange]]


@dataclass
class Announcer:
    """The boundaries of one chain."""

    options: IndexerOptions
    boundaries: BoundaryStore
    store: Store
    sender: Sender
    clock: Clock
    sent: SentBoundaries = field(default_factory=SentBoundaries)

    def begin(self) -> None:
        """Send what was written and perhaps not sent, before anything newer, and know what was."""
        for stored in self.boundaries.unsent():
            self._send(stored)
        self.sent = self.boundaries.sent()

    def tell_final(self, lease: Lease, done: Done, *, is_complete: bool, is_following: bool) -> Lease:
        """A boundary at the cursor, when one is due. While the head is followed, what partitions got is told there."""
        if lease.tip is None:
            return lease
        pending = frozenset[int]() if is_following else lease.pending_partitions
        plan = plan_boundary(
            self.sent.final,
            self.options.pace,
            tip=lease.tip.number,
            is_complete=is_complete,
            pending_partitions=pending,
            now=self.clock.now(),
        )
        return self._tell(lease, plan, lease.tip, Finality.FINALIZED, done, {}) if plan else lease

    def tell_head(self, lease: Lease, live: LiveChain, done: Done, *, is_complete: bool) -> Lease:
        """A boundary at the newest live block, when one is due."""
        if live.top == live.base:
            return lease
        plan = plan_head_boundary(
            self.sent.head,
            self.options.pace,
            top=live.top.number,
            is_complete=is_complete and self.sent.final.scored_at is not None,
            pending_partitions=lease.pending_partitions,
            now=self.clock.now(),
        )
        if plan is None:
            return lease
        reached = {
            name: (*done.get(name, ()), BlockRange(live.base.number + 1, live.top.number)) for name in live.states
        }
        return self._tell(lease, plan, live.top, Finality.HEAD, {**done, **reached}, live.dead_letters())

    def _tell(
        self,
        lease: Lease,
        plan: BoundaryPlan,
        block: BlockRef,
        finality: Finality,
        done: Done,
        live_letters: Mapping[str, int],
    ) -> Lease:
        letters = dict(self.store.unknown_dead_letters())
        for name, count in live_letters.items():
            letters[name] = letters.get(name, 0) + count
        # Owners are read from final blocks: above them nothing of theirs is missing, it is not there yet.
        coverage = coverage_of(self.options.deployments, self.options.registry_version, done, letters, block.number)
        until = block.number if finality is Finality.FINALIZED or lease.tip is None else lease.tip.number
        coverage += coverage_of(self.options.links, self.options.registry_version, done, letters, until)
        epochs, now = self.boundaries.epochs_to_list(self.sent), self.clock.now()
        ordered = tuple(sorted(coverage, key=lambda row: row.deployment))
        boundary = build_boundary(self.sent, plan, block, finality, epochs, ordered)
        lease, stored = self.boundaries.write(lease, boundary, plan, now)
        self._send(stored)
        self.sent = after_boundary(self.sent, boundary, plan, now)
        return lease

    def _send(self, stored: StoredBoundary) -> None:
        """The full record to the market's topic, its number to the partitions it is for."""
        boundary = stored.boundary
        marks = mark_records(boundary.block.chain_id, boundary.number, stored.partitions)
        self.sender.send([OutgoingRecord(MARKET.name, 0, stored.message), *marks])
        self.boundaries.mark_sent(boundary.number)
        metrics.BOUNDARIES.labels("true" if boundary.is_scoring else "false").inc()
        log.info(
            "boundary sent",
            boundary=boundary.number,
            block=boundary.block.number,
            finality=boundary.finality,
            is_scoring=boundary.is_scoring,
        )
