"""Parquet logs to decoded Parquet files, the way a backfill goes: the same windows, contracts found, feeds and owners.

```
links        ├──────── done ────────┤▒ next ▒┤        links.parquet
deployments  ├── done ──┤▒▒▒ next ▒▒▒┤                events.parquet, market.parquet
```
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bonafides import event_files
from bonafides.accounts import AccountFact
from bonafides.events import BlockRange, LendingEvent, MarketPoint
from bonafides.link_files import links_writer
from bonafides.types import Address, BlockRef

from bonafides_ingest.accounts.scanning import scan_links
from bonafides_ingest.backfill import WINDOW_BLOCKS
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.deployments import Registry
from bonafides_ingest.feed_file import FeedFile
from bonafides_ingest.feeds import ListedFeeds
from bonafides_ingest.log_contents import check_begin
from bonafides_ingest.protocols.decoded import Decoded, RefusedLog
from bonafides_ingest.protocols.state import DeploymentState
from bonafides_ingest.reading import read_deployments
from bonafides_ingest.sources.parquet import LogFolder, ParquetSource
from bonafides_ingest.windows import merge_ranges, plan_work

FILE_EPOCH = 0
"""Fork epoch of what comes from files: nothing in them can be void."""


@dataclass(slots=True)
class DecodedCounts:
    """What was made of a folder."""

    logs: int = 0
    """Of the files, whosever they are."""
    events: int = 0
    points: int = 0
    blocks: int = 0
    links: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Logs that could not be read, by reason."""

    def refuse(self, refused: Iterable[RefusedLog]) -> None:
        self.refused.update(refusal.reason for refusal in refused)


@dataclass(slots=True)
class _Newest:
    """`LinkMemory` of one pass. Grows with the accounts found, by half a kilobyte each."""

    facts: dict[Address, AccountFact] = field(default_factory=dict)

    def newest_links(self, accounts: Iterable[Address], before: int) -> Mapping[Address, AccountFact]:
        return {account: self.facts[account] for account in accounts if account in self.facts}

    def void_places(self, accounts: Iterable[Address], blocks: BlockRange) -> tuple[()]:
        return ()  # nothing was sent


def decode_folder(
    logs: LogFolder, registry: Registry, out: Path, on_progress: Callable[[int], None] = lambda _: None
) -> DecodedCounts:
    """Decode all logs of the registry's deployments into `out`, as `bonafides.event_files` has it, and those of its
    sources of links as `bonafides.link_files` has it. The folder's `feeds.json` says who answered for price feeds, else
    the registry does.

    `on_progress` is told about how many logs were passed so far.

    Raises:
        InvalidSettings: the registry has nothing on the files' chain.
        InvalidInput: files that do not fit each other, or begin behind what they are to tell.
    """
    counts = DecodedCounts()
    deployments, sources = registry.of_chain(logs.chain_id), registry.links_of_chain(logs.chain_id)
    check_begin(logs, (*deployments, *sources), {})
    feeds = ListedFeeds(registry.feeds_of_chain(logs.chain_id), FeedFile(logs.path))
    states: dict[str, DeploymentState] = {d.id: protocol_of(d).restore(d, {}) for d in deployments}
    newest = _Newest()
    # Each its own reader, which goes forward alone.
    lending, linking = ParquetSource(logs, logs.chain_id), ParquetSource(logs, logs.chain_id)
    spans, link_spans = {d.id: d.span for d in deployments}, {link.id: link.span for link in sources}
    done: dict[str, Sequence[BlockRange]] = {}
    with (
        event_files.events_writer(out) as events,
        event_files.market_writer(out) as market,
        event_files.blocks_writer(out) as blocks,
        links_writer(out) as links,
        _without_collections(),
    ):
        while work := plan_work(spans, done, logs.range.last, WINDOW_BLOCKS, link_spans):
            ids = set(work.deployments)
            if ids <= link_spans.keys():
                mine = [source for source in sources if source.id in ids]
                window, read = scan_links(linking, newest, mine, work.range, None, FILE_EPOCH)
                newest.facts |= {fact.account: fact for fact in read.facts}
                links.write(read.facts)
                counts.links += len(read.facts)
                counts.refuse(read.refused)
            else:
                known = {name: states[name] for name in work.deployments}
                found = read_deployments(lending, known, work.range, None, feeds, FILE_EPOCH)
                window = found.window
                states |= found.states
                _write(found.decoded, events, market, counts)
                on_progress(logs.logs_up_to(window.range.last))
            for name in ids:
                done[name] = merge_ranges([*done.get(name, ()), window.range])
            gc.collect(1)
        blocks.write(_counted(logs.read_blocks(), counts))
    counts.logs = logs.log_count
    return counts


def _write(
    parts: Sequence[Decoded],
    events: event_files.RowWriter[LendingEvent],
    market: event_files.RowWriter[MarketPoint],
    counts: DecodedCounts,
) -> None:
    """A window never cuts a block, so that sorting inside it sorts the file."""
    found_events = sorted((event for part in parts for event in part.events), key=lambda e: e.order)
    found_points = sorted((point for part in parts for point in part.points), key=lambda p: p.canonical_order)
    events.write(found_events)
    market.write(found_points)
    counts.events += len(found_events)
    counts.points += len(found_points)
    for part in parts:
        counts.refuse(part.refused)


@contextmanager
def _without_collections() -> Iterator[None]:
    """See `backfill.Backfill`: what a window makes is freed by counting."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _counted(blocks: Iterator[BlockRef], counts: DecodedCounts) -> Iterator[BlockRef]:
    for block in blocks:
        counts.blocks += 1
        yield block
