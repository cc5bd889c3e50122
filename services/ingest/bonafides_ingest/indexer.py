"""THE FLOW: from the chain to the log, one window a turn.

```
 lease ─► plan ─► scan ─► decode ─► produce ─► flush ─► commit cursor ─► boundary when due
   │       │       │        │                             │                 │
   │       │       │        └ protocols/: pure            │                 └ boundaries: why it holds after any crash
   │       │       └ scanning, sources/: nothing the node says is believed unchecked
   │       └ windows: the lowest missing block first      └ store: compare-and-set of lease, epoch, cursor
   └ lease: taking it opens a fork epoch
```

The source can be read again at will, so there is no outbox: what was produced and not committed is produced again.
Only finalized blocks are read. Following the head, with its reorgs, comes with the reorg handling of issue 5; the
messages (epochs, finality) hold it already.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from uuid import UUID

import structlog
from bonafides import crashpoints
from bonafides.bus import Producer
from bonafides.clock import Clock
from bonafides.events import BlockRange
from bonafides.topics import MARKET
from bonafides.types import BlockRef, ChainId

from bonafides_ingest import metrics
from bonafides_ingest.boundaries import (
    BoundaryPace,
    SentBoundaries,
    after_boundary,
    build_boundary,
    coverage_of,
    plan_boundary,
)
from bonafides_ingest.boundary_store import BoundaryStore, StoredBoundary
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import ChainSource
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.feeds import DirectFeeds, FeedTimelines
from bonafides_ingest.lease import Lease, LeaseStore
from bonafides_ingest.outgoing import OutgoingRecord, mark_records, records_of, touched_partitions
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_ingest.protocols.state import DeploymentState
from bonafides_ingest.scanning import scan
from bonafides_ingest.store import FlushedWindow, Store, new_facts
from bonafides_ingest.windows import Work, gaps_in, plan_work, up_to

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IndexerOptions:
    """What the flow is told by the settings."""

    chain_id: ChainId
    deployments: tuple[Deployment, ...]
    registry_version: int
    window_blocks: int
    pace: BoundaryPace
    dead_letter_limit: int


@dataclass(frozen=True, slots=True)
class _Session:
    """What the holder of the lease keeps in memory; all of it is in Postgres, and read again after any failure."""

    lease: Lease
    states: dict[str, DeploymentState]
    done: dict[str, tuple[BlockRange, ...]]
    sent: SentBoundaries


@dataclass
class Indexer:
    """Reads one chain into the log. `token` names this replica to the lease."""

    options: IndexerOptions
    token: UUID
    source: ChainSource
    producer: Producer
    leases: LeaseStore
    store: Store
    boundaries: BoundaryStore
    clock: Clock
    feeds: FeedTimelines = field(default_factory=DirectFeeds)
    """Who answers for the price feeds."""
    _session: _Session | None = None
    _finalized: int = -1

    def turn(self) -> bool:
        """Read and send the next window, and a boundary when one is due; returns whether there was anything to read.

        Raises Unavailable when something outside does not answer: nothing is lost, turn again.
        """
        try:
            return self._turn()
        except Exception as exc:
            metrics.count_error(exc)
            self._session = None  # whether the last commit happened may be unknown: Postgres knows
            raise

    @property
    def tip(self) -> BlockRef | None:
        """The cursor after the last turn; None before the first window, and while another replica holds the lease."""
        return self._session.lease.tip if self._session else None

    def release(self) -> None:
        """Give the lease back at the end."""
        self.leases.release(self.token)

    def _turn(self) -> bool:
        session = self._hold_lease()
        if session is None:
            return False
        finalized = self._look_at_node()
        spans = {deployment.id: deployment.span for deployment in self.options.deployments}
        work = plan_work(spans, session.done, finalized, self.options.window_blocks)
        if work is not None:
            session = self._read(session, work, finalized)
            work_left = plan_work(spans, session.done, finalized, 1)
        else:
            work_left = None
        session = self._make_boundary(session, is_complete=work_left is None)
        self._session = session
        self._show(session, finalized)
        return work_left is not None

    def _hold_lease(self) -> _Session | None:
        lease = self.leases.take(self.token, min(d.from_block for d in self.options.deployments))
        metrics.IS_LEADER.set(lease is not None)
        if lease is None:
            if self._session is not None:
                log.warning("lease lost, standing by")
            self._session = None
            return None
        if self._session is not None and self._session.lease.epoch == lease.epoch:
            return self._session
        # Unsent boundaries first: nothing newer may stand before them in the log.
        for stored in self.boundaries.unsent():
            self._send_boundary(stored)
        session = _Session(
            lease,
            {d.id: self.store.load_state(d) for d in self.options.deployments},
            self.store.done_ranges(),
            self.boundaries.sent(),
        )
        log.info("lease held", epoch=lease.epoch, block=lease.tip.number if lease.tip else None)
        return session

    def _look_at_node(self) -> int:
        finalized = self.source.finalized()
        if finalized > self._finalized:
            self._finalized = finalized
            metrics.NODE_ADVANCED.set(self.clock.now())
        metrics.FINALIZED_BLOCK.set(self._finalized)
        return self._finalized

    def _read(self, session: _Session, work: Work, finalized: int) -> _Session:
        """Scan, decode, produce, flush, commit."""
        lease = session.lease
        parent = lease.tip if lease.tip and lease.tip.number == work.range.first - 1 else None
        wanted = {name: session.states[name] for name in work.deployments}
        scanned = scan(self.source, wanted, work.range, parent, self.feeds)
        crashpoints.reach("ingest.after_fetch")

        window = scanned.window
        states: dict[str, DeploymentState] = {}
        decoded: list[Decoded] = []
        for name, state in scanned.states.items():
            states[name], part = protocol_of(state).decode_logs(state, window.logs, lease.epoch, scanned.ends)
            decoded.append(part)
        records = list(records_of(decoded))
        self._send(records)
        crashpoints.reach("ingest.after_produce")

        flushed = FlushedWindow(
            range=window.range,
            last=window.last,
            deployments=work.deployments,
            facts={name: new_facts(session.states[name], state) for name, state in states.items()},
            refused=tuple(refusal for part in decoded for refusal in part.refused),
            partitions=touched_partitions(records),
        )
        lease = self.store.commit_window(lease, flushed, self.options.dead_letter_limit)
        crashpoints.reach("ingest.after_commit")
        _count(decoded)
        if window.range.last == finalized:
            metrics.BLOCK_TO_KAFKA.observe(max(self.clock.now() - window.last.timestamp, 0.0))
        return replace(session, lease=lease, states=session.states | states, done=self.store.done_ranges())

    def _make_boundary(self, session: _Session, *, is_complete: bool) -> _Session:
        lease, now = session.lease, self.clock.now()
        if lease.tip is None:
            return session
        plan = plan_boundary(
            session.sent,
            self.options.pace,
            tip=lease.tip.number,
            is_complete=is_complete,
            pending_partitions=lease.pending_partitions,
            now=now,
        )
        if plan is None:
            return session
        coverage = coverage_of(
            self.options.deployments,
            self.options.registry_version,
            session.done,
            self.store.unknown_dead_letters(),
            lease.tip.number,
        )
        epochs = self.boundaries.epochs_above(session.sent.block_number)
        boundary = build_boundary(session.sent, plan, lease.tip, epochs, coverage)
        lease, stored = self.boundaries.write(lease, boundary, plan, now)
        self._send_boundary(stored)
        return replace(session, lease=lease, sent=after_boundary(session.sent, boundary, plan, now))

    def _send_boundary(self, stored: StoredBoundary) -> None:
        """The full record to the market's topic, its number to the partitions it is for."""
        boundary = stored.boundary
        marks = mark_records(boundary.block.chain_id, boundary.number, stored.partitions)
        self._send([OutgoingRecord(MARKET.name, 0, stored.message), *marks])
        self.boundaries.mark_sent(boundary.number)
        metrics.BOUNDARIES.labels("true" if boundary.is_scoring else "false").inc()
        log.info("boundary sent", boundary=boundary.number, block=boundary.block.number, is_scoring=boundary.is_scoring)

    def _send(self, records: list[OutgoingRecord]) -> None:
        for record in records:
            self.producer.send(record.topic, record.partition, record.value)
        self.producer.flush()

    def _show(self, session: _Session, finalized: int) -> None:
        tip = session.lease.tip
        if tip is None:
            return
        missing = [
            gap
            for deployment in self.options.deployments
            for gap in gaps_in(session.done.get(deployment.id, ()), up_to(deployment.span, tip.number))
        ]
        metrics.TIP_BLOCK.set(tip.number)
        metrics.HEAD_LAG_BLOCKS.set(max(finalized - tip.number, 0))
        metrics.HEAD_LAG_SECONDS.set(max(self.clock.now() - tip.timestamp, 0.0))
        metrics.GAP_BLOCKS.set(sum(gap.last - gap.first + 1 for gap in missing))


def _count(decoded: list[Decoded]) -> None:
    for part in decoded:
        for type, count in Counter(event.type for event in part.events).items():
            metrics.EVENTS.labels(type.value).inc(count)
        for kind, count in Counter(point.kind for point in part.points).items():
            metrics.MARKET_POINTS.labels(kind.value).inc(count)
        for refusal in part.refused:
            subject = "wallet" if refusal.wallets else "market" if refusal.is_market else "unknown_wallet"
            metrics.DEAD_LETTERS.labels(subject).inc()
            log.warning(
                "log refused",
                reason=refusal.reason,
                deployment=refusal.deployment,
                block=refusal.log.position.block.number,
                log_index=refusal.log.position.log_index,
            )
