"""Following the head: live blocks are read one by one, sent at once, and taken back when the chain takes them back.

```
 tips ─► does the head stand on our newest block? ─ yes ─► headers ─► logs by hash ─► decode ─► send ─► ring
              └─ no: newest block that both have ─► rewind: new fork epoch there ─► goes on from it
 finalized moved ─► is our block of that number the finalized one? ─► graduate: what the blocks said becomes durable
```
The holder of the lease does it alone. What is found to contradict a final block stops the service: nothing is rewound
by itself below finality.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog
from bonafides import crashpoints
from bonafides.clock import Clock
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.events import BlockRange
from bonafides.types import BlockRef

from bonafides_ingest import metrics
from bonafides_ingest.chain import ChainTips, Header, LiveSource
from bonafides_ingest.feeds import FeedTimelines
from bonafides_ingest.final_blocks import conflict
from bonafides_ingest.lease import Lease
from bonafides_ingest.live import FeedsOfLive, LiveBlock, LiveChain, LiveView, windows_of
from bonafides_ingest.live_store import LiveStore
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.outgoing import letter_records, touched_partitions
from bonafides_ingest.protocols.state import DeploymentState
from bonafides_ingest.reading import ReadWindow, count_window, read_deployments
from bonafides_ingest.sending import Sender

BLOCKS_AT_ONCE = 32
"""In one request, when there is more than one to catch up with."""
log = structlog.get_logger(__name__)


@dataclass
class HeadFollower:
    """Reads the live blocks of one chain."""

    options: IndexerOptions
    source: LiveSource
    feeds: FeedTimelines
    sender: Sender
    ring: LiveStore
    clock: Clock
    live: LiveChain | None = None
    """None while the head is not followed."""
    seen_at: float = 0.0
    """When the node showed its newest block, Unix seconds."""
    _next: tuple[Header, ...] = ()
    """Blocks that stand on the newest that was read."""
    _is_dirty: bool = False
    """Whether something may have been sent that is not in the ring."""
    _has_sent: bool = False
    """Whether live blocks were sent since the last epoch that begins right above the final ones. A later epoch may
    begin higher: it voids nothing below its own fork."""

    def begin(self, lease: Lease, states: Mapping[str, DeploymentState], known: BlockRef | None) -> Lease:
        """Follow the head from the newest final block on, with the deployments as they stand after it.

        `known` is that block as it was read. Raises InvariantViolation when the node has another one.
        """
        (base,) = self.source.headers(BlockRange(lease.final_number, lease.final_number))
        if known is not None and known != base.ref:
            raise conflict(self.source, known)
        self._tell_reorg_while_away(self.ring.ring())
        lease = self.ring.begin(lease, base, opens_epoch=self._has_sent)
        self.live, self._is_dirty, self._has_sent = LiveChain(base.ref, states, lease.epoch), False, False
        log.info("following the head", block=base.ref.number, epoch=lease.epoch, deployments=len(states))
        return lease

    def end(self, lease: Lease) -> Lease:
        """Follow the head no more, until what became final meanwhile is read; nothing when it is not followed."""
        self.live = None
        if not self.ring.ring():
            return lease
        lease = self.ring.end(lease, opens_epoch=self._has_sent)
        self._has_sent = False
        return lease

    def is_following(self, lease: Lease, deployments: Collection[str]) -> bool:
        """Whether what is in memory goes on from here; else `begin` anew."""
        live = self.live
        return (
            live is not None
            and not self._is_dirty
            and live.epoch == lease.epoch
            and live.base.number == lease.final_number
            and live.base_states.keys() == set(deployments)
        )

    def read(self, lease: Lease, tips: ChainTips) -> Lease:
        """Read on towards the head, and take back what is not on the chain any more.

        Raises:
            Unavailable: also BlockGone and StillLooking; nothing was sent, or it will be void.
            InvariantViolation: a final block was replaced.
        """
        live = self.following()
        if tips.finalized < live.base.number:
            raise Unavailable("the node's finalized block is below one that was read as final: it lags, or is syncing")
        self._next = ()
        if not self._stands_on_ours(tips.head):
            return self._take_back(lease, tips.head)
        return self._send(lease, self._next) if self._next else lease

    def graduate(self, lease: Lease, finalized: int) -> Lease:
        """What became final of the live blocks is remembered for good."""
        live = self.following()
        number = min(finalized, live.top.number)
        if number <= live.base.number:
            return lease
        (header,) = self.source.headers(BlockRange(number, number))
        if header.ref != live.at(number):
            raise Unavailable(f"the node's finalized block {number} is not the one below its head: look again")
        windows, limit = windows_of(live.up_to(number)), self.options.dead_letter_limit
        letters = [record for window in windows for record in letter_records(window.refused)]
        if letters:
            self.sender.send(letters)
        told = touched_partitions(letters)
        lease = self.ring.graduate(lease, windows, tuple(live.base_states), self.options.spans, limit, told)
        live.become_final(number)
        return lease

    def following(self) -> LiveChain:
        """The live blocks."""
        if self.live is None:
            raise InvariantViolation("live blocks are read before the head is followed")
        return self.live

    def _stands_on_ours(self, head: Header) -> bool:
        """Whether the chain goes on from our newest block; what comes next is then in `_next`."""
        live = self.following()
        if head.ref.number <= live.top.number:
            return live.at(head.ref.number) == head.ref  # the same, or a node that lags
        last = min(head.ref.number, live.top.number + BLOCKS_AT_ONCE)
        # With our newest block itself: a node that has it, and names another below the next, contradicts itself.
        newest, *above = self.source.headers(BlockRange(live.top.number, last))
        if newest.ref != live.top:
            return False
        self._next = tuple(above)
        return True

    def _take_back(self, lease: Lease, head: Header) -> Lease:
        """Forget what is not on the chain any more, under a new epoch."""
        live = self.following()
        shared = self._newest_shared(live.at, live.base.number, min(head.ref.number, live.top.number))
        if shared is None:
            raise conflict(self.source, live.base)
        gone = live.above(shared.number)
        if not gone:
            return lease  # the node changed its mind between two answers
        partitions = frozenset[int]().union(*(block.partitions for block in gone))
        lease = self.ring.rewind(lease, shared.number, partitions)
        live.forget_above(shared.number, lease.epoch)
        metrics.REORG_DEPTH.observe(len(gone))
        log.warning("reorg", depth=len(gone), fork_block=shared.number + 1, epoch=lease.epoch)
        return lease

    def _newest_shared(self, at: Callable[[int], BlockRef | None], first: int, last: int) -> BlockRef | None:
        """The highest block of first..last that the node has as we do."""
        while last >= first:
            headers = self.source.headers(BlockRange(max(first, last - BLOCKS_AT_ONCE + 1), last))
            for header in reversed(headers):
                if at(header.ref.number) == header.ref:
                    return header.ref
            last = headers[0].ref.number - 1
        return None

    def _send(self, lease: Lease, headers: Sequence[Header]) -> Lease:
        """Read, decode and send these blocks."""
        live = self.following()
        reads = self._decode(headers, lease.epoch)
        records = [(header, read, read.live_records()) for header, read in zip(headers, reads, strict=True)]
        blocks, states = list[LiveBlock](), live.states
        for header, read, of_block in records:
            blocks.append(LiveBlock.of(header, states, read, touched_partitions(of_block)))
            states = blocks[-1].states
        crashpoints.reach("ingest.after_fetch")

        self._is_dirty = self._has_sent = True
        self.sender.send([record for _, _, of_block in records for record in of_block])
        crashpoints.reach("ingest.after_produce")

        partitions = frozenset[int]().union(*(block.partitions for block in blocks))
        lease = self.ring.append(lease, headers, partitions)
        live.blocks += blocks
        self._is_dirty = False
        crashpoints.reach("ingest.after_commit")
        self._count(headers, reads)
        return lease

    def _decode(self, headers: Sequence[Header], epoch: int) -> list[ReadWindow]:
        live = self.following()
        earlier, states = [block.header for block in live.blocks], live.states
        view = LiveView(self.source, headers, earlier, live.base.number)
        refs, reads = [header.ref for header in earlier], list[ReadWindow]()
        for header in headers:
            number = header.ref.number
            refs.append(header.ref)
            read_now = {name: state for name, state in states.items() if state.deployment.covers(number)}
            feeds = FeedsOfLive(self.feeds, refs)
            reads.append(read_deployments(view, read_now, BlockRange(number, number), None, feeds, epoch))
            states = {**states, **reads[-1].states}
        return reads

    def _count(self, headers: Sequence[Header], reads: Sequence[ReadWindow]) -> None:
        for read in reads:
            count_window(read)
        now = self.clock.now()
        metrics.SEEN_TO_KAFKA.observe(max(now - self.seen_at, 0.0))
        metrics.BLOCK_TO_KAFKA.observe(max(now - headers[-1].ref.timestamp, 0.0))
        log.debug("live blocks sent", block=headers[-1].ref.number, blocks=len(headers), seen_at=self.seen_at)

    def _tell_reorg_while_away(self, ring: Sequence[Header]) -> None:
        """Count what was replaced since the head was followed last. What was sent then is void, or will be at once."""
        if len(ring) < 2:
            return
        known = {header.ref.number: header.ref for header in ring}
        last = min(ring[-1].ref.number, self.source.tips().head.ref.number)
        if last < ring[0].ref.number:
            raise Unavailable("the node's head is below a block that was read as final: it lags, or is syncing")
        shared = self._newest_shared(known.get, ring[0].ref.number, last)
        if shared is None:
            raise conflict(self.source, ring[0].ref)
        if depth := last - shared.number:
            metrics.REORG_DEPTH.observe(depth)
            log.warning("reorg while the head was not followed", depth=depth, fork_block=shared.number + 1)
