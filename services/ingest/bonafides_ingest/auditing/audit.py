"""Comparing what was read of a range of blocks with the receipts of all of them.

```
windows   ├──── a ────┤├──── a ────┤       whole windows are compared: the range grows to their ends
          ├── b ──┤├──── b ───┤
blocks    ▲ receipts of every block, once, for all windows that hold it
```
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bonafides.events import BlockRange

from bonafides_ingest.auditing.comparing import Mismatch, WindowAudit
from bonafides_ingest.auditing.receipts import BlockLogs
from bonafides_ingest.chain import Log
from bonafides_ingest.read_windows import StoredWindow
from bonafides_ingest.windows import gaps_in, merge_ranges

STEP_BLOCKS = 64
"""Asked for at once: headers of some dozen kB, and receipts a few blocks at a time."""


@dataclass(frozen=True, slots=True)
class AuditProgress:
    """How far it is, in blocks."""

    done: int
    total: int
    at: int


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was compared."""

    windows: int
    logs: int
    mismatches: tuple[Mismatch, ...]


type _Blocks = list[tuple[int, tuple[Log, ...]]]
"""Numbers and logs."""


def run_audit(
    chain: BlockLogs,
    windows: Sequence[StoredWindow],
    retry: Callable[[Callable[[], _Blocks]], _Blocks],
    on_progress: Callable[[AuditProgress], None] = lambda _: None,
) -> AuditReport:
    """Compare these windows with the receipts of their blocks. `retry` does a step again until the node answers."""
    waiting = sorted(windows, key=lambda window: window.blocks.first, reverse=True)
    blocks = merge_ranges(window.blocks for window in windows)
    total = sum(part.last - part.first + 1 for part in blocks)
    running: list[WindowAudit] = []
    mismatches: list[Mismatch] = []
    done = 0
    for step in _steps(blocks):
        for number, logs in retry(partial(_read, chain, step)):
            while waiting and waiting[-1].blocks.first <= number:
                running.append(WindowAudit(waiting.pop()))
            for audit in running:
                audit.add(logs)
            ended = [audit for audit in running if audit.window.blocks.last <= number]
            running = [audit for audit in running if audit.window.blocks.last > number]
            mismatches += [found for audit in ended if (found := audit.verdict())]
            done += 1
        on_progress(AuditProgress(done, total, step.last))
    return AuditReport(len(windows), sum(window.read.logs.count for window in windows), tuple(mismatches))


def without_digest(
    wanted: BlockRange, spans: Mapping[str, BlockRange], windows: Sequence[StoredWindow]
) -> dict[str, tuple[BlockRange, ...]]:
    """By deployment or source of links, the blocks of a range of which nobody can say what was read: they were not
    read, or were before digests were kept."""
    found = {}
    for name, span in spans.items():
        part = BlockRange(max(wanted.first, span.first), min(wanted.last, span.last))
        if gaps := gaps_in((window.blocks for window in windows if window.deployment == name), part):
            found[name] = gaps
    return found


def _read(chain: BlockLogs, blocks: BlockRange) -> _Blocks:
    return [(ref.number, logs) for ref, logs in chain.blocks(blocks)]


def _steps(blocks: Sequence[BlockRange]) -> Iterator[BlockRange]:
    for part in blocks:
        for first in range(part.first, part.last + 1, STEP_BLOCKS):
            yield BlockRange(first, min(first + STEP_BLOCKS - 1, part.last))
