"""THE FLOW: from the chain to the log, one turn after the other.

```
 lease ─► look at the node ─► follow the head ─► final blocks ─► accounts ─► boundary when due
   │              │                 │                 │              │               │
   │              │                 │                 │              │               └ announcing, boundaries
   │              │                 │                 │              └ accounts/: what new wallets are
   │              │                 │                 └ final_blocks: claim ─► scan ─► decode ─► send ─► commit
   │              │                 └ head: live blocks, sent at once and taken back in a reorg
   │              └ sources/: nothing the node says is believed unchecked
   └ lease: one replica follows the head and makes the boundaries; taking it opens a fork epoch
```
Every replica reads final blocks, each its own claims; the holder of the lease does all the rest. Live blocks come
first: a backfill waits for them, and pauses when those behind it cannot keep up (`pressure`); live blocks never do.

The source can be read again at will, so there is no outbox: what was produced and not committed is produced again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

import structlog
from bonafides.bus import Producer
from bonafides.clock import Clock
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.types import BlockRef, Digest

from bonafides_ingest import metrics
from bonafides_ingest.accounts.asking import Asking
from bonafides_ingest.accounts.census import MOST_AT_ONCE, CodeSource
from bonafides_ingest.announcing import Announcer
from bonafides_ingest.chain import BlockGone, ChainSource, ChainTips, LiveSource, StillLooking
from bonafides_ingest.chain_stores import ChainStores
from bonafides_ingest.feeds import DirectFeeds, FeedTimelines
from bonafides_ingest.final_blocks import FinalReader
from bonafides_ingest.head import HeadFollower
from bonafides_ingest.lease import Lease
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.outgoing import account_records, touched_partitions
from bonafides_ingest.pressure import NoPressure, Pressure
from bonafides_ingest.reading import count_accounts
from bonafides_ingest.sending import Sender
from bonafides_ingest.standing_back import StandingBack
from bonafides_ingest.windows import gaps_in, up_to

LOOK_AGAIN_S = 1.0
"""While the node's tips stand. New tips are looked for in each turn, and cost the database nothing until they come."""
FAR_BEHIND_BLOCKS = 512
"""Final blocks that nobody read: so many are read faster as windows than one by one."""
FEW_BLOCKS = 100
"""Final blocks that are read whatever the pressure: what became final since the last look is no backfill."""
log = structlog.get_logger(__name__)


type Done = Mapping[str, tuple[BlockRange, ...]]
"""What was read, by entry."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the database said at the end of a turn. For a moment live blocks are read by it: every commit compares the
    lease, and what was sent in vain is void."""

    lease: Lease
    done: Done
    known: BlockRef | None
    """The newest final block."""
    at: float


@dataclass
class Indexer:
    """Reads one chain into the log. `token` names this replica to the others."""

    options: IndexerOptions
    token: UUID
    source: ChainSource
    producer: Producer
    stores: ChainStores
    clock: Clock
    feeds: FeedTimelines = field(default_factory=DirectFeeds)
    """Who answers for the price feeds."""
    codes: CodeSource | None = None
    """Knows the code at addresses; None without a node."""
    head_source: LiveSource | None = None
    """Where live blocks are read; None to read final ones alone."""
    pressure: Pressure = field(default_factory=NoPressure)
    tip: BlockRef | None = None
    """The cursor after the last turn; None before the first window, and while another replica holds the lease."""
    _epoch: int | None = None
    """Fork epoch under which this replica holds the lease; None when it does not, or must look again."""
    _asking: Asking = field(default_factory=Asking)
    _forgot_under: int | None = None
    """Fork epoch at whose beginning was forgotten what the registry makes void."""
    _seen: tuple[int, Digest | None] = (-1, None)
    """Number and hash of the head that the node showed last; the number alone where only final blocks are read."""
    _kept: _Kept | None = None
    _settled: ChainTips | None = None
    """At these tips everything was done that is to be done."""
    _look_again_at: float = 0.0
    """When it is looked whether there is more for another reason: a lease that ended, a boundary that is due."""

    def turn(self) -> bool:
        """Read and send what comes next, and a boundary when one is due; returns whether there was anything to read.

        Raises Unavailable when something outside does not answer: nothing is lost, turn again.
        """
        try:
            has_more = self._turn()
        except Exception as exc:
            metrics.count_error(exc)
            self._epoch = None  # whether the last commit happened may be unknown: Postgres knows
            if isinstance(exc, Unavailable):
                self._standing_back.failed()
            raise
        self._standing_back.succeeded()
        return has_more

    def release(self) -> None:
        """Give everything back at the end."""
        self.stores.claims.release(self.token)
        self.stores.leases.release(self.token)

    def _turn(self) -> bool:
        finalized, tips = self._look_at_node()
        if tips is not None and tips == self._settled and 0 < self._look_again_at - self.clock.now() <= LOOK_AGAIN_S:
            return False
        kept, self._kept, self._settled = self._kept, None, None
        is_fresh = kept is not None and 0 <= self.clock.now() - kept.at < LOOK_AGAIN_S
        lease = kept.lease if kept and is_fresh else self._hold_lease()
        has_more = False
        if lease is not None and self._head is not None and tips is not None:
            if kept and is_fresh:
                done, known = kept.done, kept.known
            else:
                done, known = self.stores.store.done_up_to(lease.final_number)
            lease, has_more = self._follow(self._head, lease, tips, done, known)
            self._epoch = lease.epoch
        was_reading = self._read_final(finalized)
        if lease is not None:
            lease = self.stores.leases.take(self.token, self.options.first_block)
        if lease is not None and lease.epoch == self._epoch:  # else it was lost meanwhile: the next turn looks again
            lease, asks_more = self._tell_final(lease)
            has_more = has_more or asks_more
            done, known = self.stores.store.done_up_to(lease.final_number)
            self._kept = _Kept(lease, done, known, self.clock.now())
            self._show(lease, finalized, done)
        self.tip = lease.tip if lease else None
        if not (has_more or was_reading):
            self._settled, self._look_again_at = tips, self.clock.now() + LOOK_AGAIN_S
        return has_more or was_reading

    def _hold_lease(self) -> Lease | None:
        lease = None if self._standing_back.is_due() else self.stores.leases.take(self.token, self.options.first_block)
        metrics.IS_LEADER.set(lease is not None)
        if lease is None:
            if self._epoch is not None:
                log.warning("lease lost; reading final blocks alone")
            self._epoch = None
            return None
        if self._epoch != lease.epoch:  # taken, perhaps again after another replica had it meanwhile
            self._announcer.begin()  # unsent boundaries first: nothing newer may stand before them in the log
            if self._head is None and self.stores.ring.ring():  # an earlier holder followed the head
                lease = self.stores.ring.end(lease, opens_epoch=False)
            if self._forgot_under != lease.epoch:
                ids = [[entry.id for entry in entries] for entries in (self.options.deployments, self.options.links)]
                self.stores.store.accounts.forget_unlisted(lease, *ids)
                self.stores.store.accounts.ask_again(self.options.gateways)
                self._forgot_under = lease.epoch
            log.info("lease held", epoch=lease.epoch, block=lease.tip.number if lease.tip else None)
        self._epoch = lease.epoch
        return lease

    def _look_at_node(self) -> tuple[int, ChainTips | None]:
        """The newest finalized block, and the head where it is followed."""
        tips = self.head_source.tips() if self.head_source else None
        finalized = tips.finalized if tips else self.source.finalized()
        newest = (tips.head.ref.number, tips.head.ref.hash) if tips else (finalized, None)
        if newest != self._seen:
            if self._seen[0] >= 0:  # the first look tells nothing of when
                metrics.NODE_ADVANCED.set(self.clock.now())
            self._seen = newest
            if self._head is not None:
                self._head.seen_at = self.clock.now()
        metrics.HEAD_BLOCK.set(newest[0])
        metrics.FINALIZED_BLOCK.set(finalized)
        return finalized, tips

    def _follow(
        self, head: HeadFollower, lease: Lease, tips: ChainTips, done: Done, known: BlockRef | None
    ) -> tuple[Lease, bool]:
        """Live blocks, and their boundary; returns whether there is more of them. `known`: the newest final block."""
        ready = [one.id for one in self.options.deployments if not self._missing(done, lease.final_number, one.id)]
        is_complete = not self._missing(done, lease.final_number)
        reached = head.live.top.number if head.live else lease.final_number
        is_far_behind = tips.finalized - reached > FAR_BEHIND_BLOCKS
        may_follow = known is not None and (is_complete or self._announcer.sent.final.scored_at is not None)
        if not ready or is_far_behind or not may_follow:
            return head.end(lease), False
        if not head.is_following(lease, ready):
            states = {name: self._reader.state_after(name, lease.final_number) for name in ready}
            lease = head.begin(lease, states, known)
        try:
            lease = head.read(lease, tips)
        except (BlockGone, StillLooking) as exc:  # nothing was sent; the next turn looks again
            log.info("the head takes another turn", reason=str(exc))
            return lease, isinstance(exc, StillLooking)
        live = head.following()
        lease = self._announcer.tell_head(lease, live, done, is_complete=is_complete)
        lease = head.graduate(lease, tips.finalized)
        return lease, live.top.number < tips.head.ref.number

    def _read_final(self, finalized: int) -> bool:
        """A window of final blocks, unless there are many and those behind them cannot keep up."""
        lowest = min((gap.first for gap in self._gaps(self.stores.store.done_ranges(), finalized)), default=finalized)
        if finalized - lowest <= FEW_BLOCKS:
            self.pressure.no_backfill()
        elif self.pressure.holds_backfill():
            return False
        self._reader.check_ground(finalized)
        return self._reader.turn(finalized)

    def _tell_final(self, lease: Lease) -> tuple[Lease, bool]:
        """Facts about accounts, then a boundary at the cursor; returns whether there are more to ask about."""
        done, has_more = self.stores.store.done_ranges(), False
        is_complete = not self._missing(done, lease.final_number)
        if is_complete:
            lease, has_more = self._ask_accounts(lease)
        longest_s = self.options.pace.scoring_interval_s
        if not (is_complete and self._asking.keeps_boundaries(has_more, self.clock.now(), longest_s)):
            is_following = self._head is not None and self._head.live is not None
            lease = self._announcer.tell_final(lease, done, is_complete=is_complete, is_following=is_following)
        return lease, has_more

    def _ask_accounts(self, lease: Lease) -> tuple[Lease, bool]:
        """Ask what new wallets are, and say so; returns whether there may be more."""
        memory, told_to = self.stores.store.accounts, self._announcer.sent.final.block_number
        facts = self._asking.ask(self.codes, memory.unknown, self.options.gateways, lease, told_to)
        if not facts:
            return lease, False
        records = list(account_records(facts))
        self._sender.send(records)
        lease = memory.set_kinds(lease, facts, touched_partitions(records))
        count_accounts(facts)
        return lease, len(facts) == MOST_AT_ONCE

    def _gaps(self, done: Done, last: int) -> list[BlockRange]:
        spans = self.options.spans
        return [gap for name, span in spans.items() for gap in gaps_in(done.get(name, ()), up_to(span, last))]

    def _missing(self, done: Done, last: int, name: str | None = None) -> bool:
        """Whether anything up to a block was not read, of one entry or of all."""
        if name is None:
            return bool(self._gaps(done, last))
        return bool(gaps_in(done.get(name, ()), up_to(self.options.spans[name], last)))

    def _show(self, lease: Lease, finalized: int, done: Done) -> None:
        if lease.tip is None:
            return
        live = self._head.live if self._head else None
        top = live.top if live else lease.tip
        metrics.TIP_BLOCK.set(top.number)
        metrics.HEAD_LAG_BLOCKS.set(max(max(self._seen[0], finalized) - top.number, 0))
        metrics.HEAD_LAG_SECONDS.set(max(self.clock.now() - top.timestamp, 0.0))
        missing = self._gaps(done, lease.tip.number)
        metrics.GAP_BLOCKS.set(sum(gap.last - gap.first + 1 for gap in missing))

    @cached_property
    def _sender(self) -> Sender:
        return Sender(self.producer, self.pressure)

    @cached_property
    def _reader(self) -> FinalReader:
        return FinalReader(
            self.options,
            self.token,
            self.source,
            self.feeds,
            self._sender,
            self.stores.claims,
            self.stores.store,
            self.clock,
        )

    @cached_property
    def _standing_back(self) -> StandingBack:
        return StandingBack(self.token, self.stores, self.clock)

    @cached_property
    def _announcer(self) -> Announcer:
        return Announcer(self.options, self.stores.boundaries, self.stores.store, self._sender, self.clock)

    @cached_property
    def _head(self) -> HeadFollower | None:
        if self.head_source is None:
            return None
        return HeadFollower(self.options, self.head_source, self.feeds, self._sender, self.stores.ring, self.clock)
