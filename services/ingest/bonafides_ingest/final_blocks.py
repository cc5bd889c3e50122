"""Reading final blocks: a claimed range is scanned, decoded, sent, flushed and committed.

Any replica does it, with or without the lease. See `claims` for why nothing is read by two at once, and nothing lost.
"""

from dataclasses import dataclass, field
from uuid import UUID

import structlog
from bonafides import crashpoints
from bonafides.clock import Clock
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.types import BlockRef

from bonafides_ingest import metrics
from bonafides_ingest.chain import ChainSource, StillLooking, Witnesses
from bonafides_ingest.claims import Claim, ClaimStore
from bonafides_ingest.feeds import FeedTimelines
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.outgoing import touched_partitions
from bonafides_ingest.protocols.state import DeploymentState
from bonafides_ingest.reading import ReadWindow, count_window, read_deployments, read_sources_of_links
from bonafides_ingest.sending import Sender
from bonafides_ingest.store import FlushedWindow, Store

log = structlog.get_logger(__name__)


@dataclass
class FinalReader:
    """Reads the final blocks of one chain, a window at a time. `token` names this replica to the others."""

    options: IndexerOptions
    token: UUID
    source: ChainSource
    feeds: FeedTimelines
    sender: Sender
    claims: ClaimStore
    store: Store
    clock: Clock
    _states: dict[str, tuple[int, DeploymentState]] = field(default_factory=dict)
    """Deployments as they stand after a block, where this replica read it."""
    _lets_others: bool = False
    """Whether the last window failed: another replica, with another node perhaps, may take it first."""
    _grounded: int = -1
    """Up to where the node's final blocks are known to stand on those that were read."""

    def check_ground(self, finalized: int) -> None:
        """Raise InvariantViolation when the node's final blocks do not stand on those that were read, Unavailable when
        it does not have the block that it calls final.

        It is asked before anything is taken as final: the chain's `final_number` never goes back, so neither a node on
        another fork nor a number without a block may move it.
        """
        if finalized <= self._grounded:
            return
        self.source.block(finalized)
        known = self.store.newest_final()
        if known is not None and known.number <= finalized and self.source.block(known.number) != known:
            raise conflict(self.source, known)
        self._grounded = finalized

    def turn(self, finalized: int) -> bool:
        """Read and send the next window that nobody reads; returns whether there was one.

        Raises Unavailable when something outside does not answer: nothing is lost, turn again.
        """
        if self._lets_others and self.claims.has_others(self.token):
            self._lets_others = False
            return False
        spans, links = self.options.deployment_spans, self.options.link_spans
        claim = self.claims.take(self.token, spans, links, finalized, self.options.window_blocks)
        if claim is None:
            return False
        try:
            self._read(claim, finalized)
        except StillLooking as exc:  # nothing was sent; the next turn claims the same, asks again and goes on
            log.info("the window takes another turn", reason=str(exc), first=claim.work.range.first)
        except Unavailable:
            self._lets_others = True
            self.claims.give_back(self.token)
            raise
        return True

    def state_after(self, name: str, number: int) -> DeploymentState:
        """A deployment as it stands after this block, up to which it was read."""
        known = self._states.get(name)
        if known is not None and known[0] == number:
            return known[1]
        deployment = next(one for one in self.options.deployments if one.id == name)
        return self.store.load_state(deployment)

    def _read(self, claim: Claim, finalized: int) -> None:
        names, wanted = claim.work.deployments, claim.work.range
        if sources := [source for source in self.options.links if source.id in names]:
            memory = self.store.accounts.memory_of(sources)
            read = read_sources_of_links(self.source, memory, sources, wanted, claim.parent, claim.epoch)
        else:
            states = {name: self.state_after(name, wanted.first - 1) for name in names}
            read = read_deployments(self.source, states, wanted, claim.parent, self.feeds, claim.epoch)
        crashpoints.reach("ingest.after_fetch")

        records = read.records()
        self.sender.send(records)
        crashpoints.reach("ingest.after_produce")

        flushed = flushed_window(read)
        limit = self.options.dead_letter_limit
        self.store.commit_claim(claim, flushed, touched_partitions(records), self.options.spans, limit)
        crashpoints.reach("ingest.after_commit")
        self._states |= {name: (flushed.range.last, state) for name, state in read.states.items()}
        count_window(read)
        if not sources and flushed.range.last == finalized:
            metrics.BLOCK_TO_KAFKA.observe(max(self.clock.now() - flushed.last.timestamp, 0.0))


def conflict(source: ChainSource, known: BlockRef) -> InvariantViolation:
    """What stops the service when a final block was replaced.

    Raises Unavailable when not all providers say so: one of them alone may not stop it.
    """
    if isinstance(source, Witnesses):
        source.confirm_conflict(known)
    return InvariantViolation(
        f"block {known.number} was read as finalized and is another block now: the node, or the files, are of another "
        "fork, or finality failed; nothing was taken back: check the node before anything is read again"
    )


def flushed_window(read: ReadWindow) -> FlushedWindow:
    """A window that was read, as it is remembered once it is in the log."""
    return FlushedWindow(
        range=read.window.range,
        last=read.window.last,
        facts=read.facts,
        refused=read.refused,
        read=read.logs,
        links=read.links,
        wallets=read.wallets,
    )
