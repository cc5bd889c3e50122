"""THE FLOW: from the chain to the log, one window a turn.

```
 lease ─► plan ─► scan ─► decode ─► produce ─► flush ─► commit cursor ─► boundary when due
   │       │       │        │                             │                 │
   │       │       │        └ protocols/: pure            │                 └ boundaries: why it holds after any crash
   │       │       └ scanning, sources/: nothing the node says is believed unchecked
   │       └ windows: the lowest missing block first,     └ store: compare-and-set of lease, epoch, cursor
   └ lease: taking it      links before deployments
     opens a fork epoch
```
A window of links (accounts/) goes the same way; the cursor moves with the deployments that are read behind it. At the
end of the chain the node is asked what new wallets are.

The source can be read again at will, so there is no outbox: what was produced and not committed is produced again.
Only finalized blocks are read. Following the head, with its reorgs, is to come; the
messages (epochs, finality) hold it already.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

import structlog
from bonafides import crashpoints
from bonafides.bus import Producer
from bonafides.clock import Clock
from bonafides.events import BlockRange
from bonafides.topics import MARKET
from bonafides.types import Address, BlockRef, ChainId

from bonafides_ingest import metrics
from bonafides_ingest.accounts.asking import Asking
from bonafides_ingest.accounts.census import MOST_AT_ONCE, CodeSource
from bonafides_ingest.accounts.link_sources import LinkSource
from bonafides_ingest.boundaries import (
    BoundaryPace,
    SentBoundaries,
    after_boundary,
    build_boundary,
    coverage_of,
    plan_boundary,
)
from bonafides_ingest.boundary_store import BoundaryStore, StoredBoundary
from bonafides_ingest.chain import ChainSource, StillLooking
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.feeds import DirectFeeds, FeedTimelines
from bonafides_ingest.lease import Lease, LeaseStore
from bonafides_ingest.outgoing import OutgoingRecord, account_records, mark_records, touched_partitions
from bonafides_ingest.protocols.state import DeploymentState
from bonafides_ingest.reading import count_accounts, count_window, read_deployments, read_sources_of_links
from bonafides_ingest.registry_entries import RegistryEntry
from bonafides_ingest.store import FlushedWindow, Store
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
    links: tuple[LinkSource, ...] = ()
    """Contracts that say who owns which account: each is read like a deployment, and before them."""

    @property
    def entries(self) -> tuple[RegistryEntry, ...]:
        """Everything that is read."""
        return (*self.deployments, *self.links)

    @property
    def gateways(self) -> frozenset[Address]:
        """Contracts that act for whoever calls them."""
        return frozenset(gateway for deployment in self.deployments for gateway in deployment.gateways)


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
    codes: CodeSource | None = None
    """Knows the code at addresses; None without a node."""
    _session: _Session | None = None
    _finalized: int = -1
    _asking: Asking = field(default_factory=Asking)
    _forgot_under: int | None = None
    """Fork epoch at whose beginning was forgotten what it makes void."""

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
        session, pace = self._hold_lease(), self.options.pace
        if session is None:
            return False
        finalized = self._look_at_node()
        work = self._plan(session.done, finalized, self.options.window_blocks)
        if work is not None:
            try:
                session = self._read(session, work, finalized)
            except StillLooking as exc:  # nothing was sent; the next turn holds the lease, asks again and goes on
                log.info("the window takes another turn", reason=str(exc), first=work.range.first)
        is_complete = self._plan(session.done, finalized, 1) is None
        has_more = not is_complete
        if is_complete:
            session, has_more = self._ask_accounts(session)
        if not (is_complete and self._asking.keeps_boundaries(has_more, self.clock.now(), pace.scoring_interval_s)):
            session = self._make_boundary(session, is_complete=is_complete)
        self._session = session
        self._show(session, finalized)
        return has_more

    def _plan(self, done: Mapping[str, tuple[BlockRange, ...]], last: int, window_blocks: int) -> Work | None:
        deployments = {deployment.id: deployment.span for deployment in self.options.deployments}
        links = {source.id: source.span for source in self.options.links}
        return plan_work(deployments, done, last, window_blocks, links)

    def _hold_lease(self) -> _Session | None:
        lease = self.leases.take(self.token, min(entry.from_block for entry in self.options.entries))
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
        if self._forgot_under != lease.epoch:  # else what was read ahead still stands
            ids = [[entry.id for entry in entries] for entries in (self.options.deployments, self.options.links)]
            self.store.accounts.forget_void(lease, *ids)
            self._forgot_under = lease.epoch
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
        if sources := [source for source in self.options.links if source.id in work.deployments]:
            memory = self.store.accounts.memory_of(sources)
            read = read_sources_of_links(self.source, memory, sources, work.range, parent, lease.epoch)
        else:
            states = {name: session.states[name] for name in work.deployments}
            read = read_deployments(self.source, states, work.range, parent, self.feeds, lease.epoch)
        crashpoints.reach("ingest.after_fetch")

        records = read.records()
        self._send(records)
        crashpoints.reach("ingest.after_produce")

        window = read.window
        done = {name: (*session.done.get(name, ()), window.range) for name in work.deployments}
        flushed = FlushedWindow(
            range=window.range,
            last=window.last,
            deployments=work.deployments,
            facts=read.facts,
            refused=tuple(refusal for part in read.decoded for refusal in part.refused),
            partitions=touched_partitions(records),
            links=read.links,
            wallets=read.wallets,
            moves_cursor=self._plan(session.done | done, window.range.last, 1) is None,
        )
        lease = self.store.commit_window(lease, flushed, self.options.dead_letter_limit)
        crashpoints.reach("ingest.after_commit")
        count_window(read)
        if not sources and window.range.last == finalized:
            metrics.BLOCK_TO_KAFKA.observe(max(self.clock.now() - window.last.timestamp, 0.0))
        return replace(session, lease=lease, states={**session.states, **read.states}, done=self.store.done_ranges())

    def _ask_accounts(self, session: _Session) -> tuple[_Session, bool]:
        """Ask what new wallets are, and say so; returns whether there may be more."""
        lease, memory = session.lease, self.store.accounts
        told_to = session.sent.block_number
        facts = self._asking.ask(self.codes, memory.unknown, self.options.gateways, lease, told_to)
        if not facts:
            return session, False
        records = list(account_records(facts))
        self._send(records)
        lease = memory.set_kinds(lease, facts, touched_partitions(records))
        count_accounts(facts)
        return replace(session, lease=lease), len(facts) == MOST_AT_ONCE

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
            self.options.entries,
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
            for entry in self.options.entries
            for gap in gaps_in(session.done.get(entry.id, ()), up_to(entry.span, tip.number))
        ]
        metrics.TIP_BLOCK.set(tip.number)
        metrics.HEAD_LAG_BLOCKS.set(max(finalized - tip.number, 0))
        metrics.HEAD_LAG_SECONDS.set(max(self.clock.now() - tip.timestamp, 0.0))
        metrics.GAP_BLOCKS.set(sum(gap.last - gap.first + 1 for gap in missing))
