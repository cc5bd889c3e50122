"""When a boundary is due, whom it tells, and what it says. Pure.

A boundary k promises that everything of a chain up to a block is in the log (DESIGN 5). Three things make the promise
hold whatever crashes when:

```
window:    produce events ─► flush ─► commit {cursor, ranges, partitions that got something}
boundary:                               └─► commit {k, its bytes, its partitions} ─► produce ─► flush ─► mark sent
```

- Its row is written only after the cursor moved, and the cursor moves only after the flush: so in every partition the
  events it claims stand before it.
- Its bytes are made once and kept. A crash between its commit and `mark sent` sends the same bytes again, before
  anything newer; consumers know a boundary by (chain, k) and drop the second one. A zombie that lost its lease cannot
  write a row, and what it still sends is either such a copy or events of a void epoch.
- k is the last one plus one, in the transaction that compares the lease: no hole, no two of one number.

A crash between produce and commit of a *window* leaves events in the log that no cursor knows. The next start opens a
fork epoch at cursor + 1, which voids them, and sends them again under it; the next boundary lists that epoch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bonafides.events import BlockRange, Boundary, DeploymentCoverage, ForkEpoch
from bonafides.topics import WALLET_EVENTS
from bonafides.types import BlockRef, Finality

from bonafides_ingest.registry_entries import RegistryEntry
from bonafides_ingest.windows import gaps_in, up_to

ALL_PARTITIONS = tuple(range(WALLET_EVENTS.partitions))


@dataclass(frozen=True, slots=True)
class BoundaryPace:
    """How often. Seconds of the wall clock: they decide when a boundary is made, never what a score is."""

    boundary_interval_s: float
    scoring_interval_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """What must be remembered of boundaries of one kind, at final blocks or at the head, to make the next."""

    block_number: int = -1
    to_all_at: float | None = None
    """When all partitions were told last, Unix seconds."""
    scored_at: float | None = None
    scored_block: int = -1


@dataclass(frozen=True, slots=True)
class SentBoundaries:
    """What of a chain's boundaries must be remembered to make the next."""

    number: int = 0
    """k of the last one; 0 before the first."""
    epoch: int = 0
    """The newest fork epoch that was listed."""
    final: Told = Told()
    head: Told = Told()


@dataclass(frozen=True, slots=True)
class BoundaryPlan:
    """A boundary that is due."""

    is_scoring: bool
    is_to_all: bool
    partitions: tuple[int, ...]


def plan_boundary(
    told: Told,
    pace: BoundaryPace,
    *,
    tip: int,
    is_complete: bool,
    pending_partitions: Iterable[int],
    now: float,
) -> BoundaryPlan | None:
    """Whether a boundary at the final block `tip` is due now.

    `is_complete` says that nothing below finalized is left to read. A backfill tells everybody once an interval and
    scores nothing. The first complete boundary scores; later ones at the scoring interval, while new blocks come. In
    between, partitions that got events are told at once.
    """
    pending = tuple(sorted(set(pending_partitions)))
    is_scoring = is_complete and (
        told.scored_at is None or (tip > told.scored_block and _is_due(told.scored_at, pace.scoring_interval_s, now))
    )
    is_news = tip > told.block_number or bool(pending)
    if is_scoring or (is_news and _is_due(told.to_all_at, pace.boundary_interval_s, now)):
        return BoundaryPlan(is_scoring, True, ALL_PARTITIONS)
    if is_complete and pending:
        return BoundaryPlan(False, False, pending)
    return None


def plan_head_boundary(
    told: Told,
    pace: BoundaryPace,
    *,
    top: int,
    is_complete: bool,
    pending_partitions: Iterable[int],
    now: float,
) -> BoundaryPlan | None:
    """Whether a boundary at the live block `top` is due now: at once where there were events, or where a reorg took
    some back; to everybody once an interval. What is scored there is provisional."""
    pending = tuple(sorted(set(pending_partitions)))
    is_news = top != told.block_number or bool(pending)
    is_scoring = is_complete and is_news and _is_due(told.scored_at, pace.scoring_interval_s, now)
    if is_scoring or (is_news and _is_due(told.to_all_at, pace.boundary_interval_s, now)):
        return BoundaryPlan(is_scoring, True, ALL_PARTITIONS)
    return BoundaryPlan(False, False, pending) if pending else None


def _is_due(last: float | None, interval_s: float, now: float) -> bool:
    return last is None or not 0 <= now - last < interval_s  # a clock may have been ahead


def after_boundary(sent: SentBoundaries, boundary: Boundary, plan: BoundaryPlan, now: float) -> SentBoundaries:
    """What to remember once this one is written."""
    is_final = boundary.finality is Finality.FINALIZED
    before = sent.final if is_final else sent.head
    told = Told(
        block_number=boundary.block.number,
        to_all_at=now if plan.is_to_all else before.to_all_at,
        scored_at=now if plan.is_scoring else before.scored_at,
        scored_block=boundary.block.number if plan.is_scoring else before.scored_block,
    )
    epoch = max((epoch.epoch for epoch in boundary.fork_epochs), default=sent.epoch)
    return SentBoundaries(
        boundary.number, max(epoch, sent.epoch), told if is_final else sent.final, sent.head if is_final else told
    )


def coverage_of(
    entries: Sequence[RegistryEntry],
    registry_version: int,
    done: Mapping[str, Sequence[BlockRange]],
    dead_letters: Mapping[str, int],
    tip: int,
) -> tuple[DeploymentCoverage, ...]:
    """What was read of each deployment and source of links up to block `tip`, by id.

    `complete_to` is the tip with its gaps listed; below its first block a deployment has nothing to miss.
    `dead_letters` are those of unknown wallets.
    """
    return tuple(
        DeploymentCoverage(
            deployment=entry.id,
            chain_id=entry.chain_id,
            registry_version=registry_version,
            scanned_from=entry.from_block,
            complete_to=tip,
            gaps=gaps_in(done.get(entry.id, ()), up_to(entry.span, tip)),
            dead_letters=dead_letters.get(entry.id, 0),
        )
        for entry in sorted(entries, key=lambda entry: entry.id)
    )


def build_boundary(
    sent: SentBoundaries,
    plan: BoundaryPlan,
    block: BlockRef,
    finality: Finality,
    epochs: Iterable[ForkEpoch],
    coverage: tuple[DeploymentCoverage, ...],
) -> Boundary:
    """The boundary itself. It lists every epoch opened above the last finalized one, and what no boundary has listed: a
    consumer that read all boundaries so far knows all others."""
    listed = [e for e in epochs if e.fork_block > sent.final.block_number or e.epoch > sent.epoch]
    return Boundary(
        number=sent.number + 1,
        block=block,
        finality=finality,
        is_scoring=plan.is_scoring,
        fork_epochs=tuple(sorted(listed, key=lambda e: e.epoch)),
        coverage=coverage,
    )
