"""Parquet logs to decoded Parquet files, through the decoders that serve the live chain."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bonafides import event_files
from bonafides.accounts import AccountFact
from bonafides.link_files import links_writer
from bonafides.types import Address, BlockRef

from bonafides_ingest.accounts.links import read_links
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.deployments import Registry
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_ingest.sources.parquet import LogFolder

FILE_EPOCH = 0
"""Fork epoch of what comes from files: nothing in them can be void."""


@dataclass(slots=True)
class DecodedCounts:
    """What was made of a folder."""

    logs: int = 0
    events: int = 0
    points: int = 0
    blocks: int = 0
    links: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Logs that could not be read, by reason."""


def decode_folder(
    logs: LogFolder, registry: Registry, out: Path, on_progress: Callable[[int], None] = lambda _: None
) -> DecodedCounts:
    """Decode all logs of the registry's deployments into `out`, as `bonafides.event_files` has it, and those of its
    sources of links as `bonafides.link_files` has it. Memory grows with the accounts found, by half a kilobyte each.

    `on_progress` is told how many logs were read so far.

    Raises:
        InvalidSettings: the registry has nothing on the files' chain.
        InvalidInput: files that do not fit each other.
    """
    counts = DecodedCounts()
    sources, newest = registry.links_of_chain(logs.chain_id), dict[Address, AccountFact]()
    states = [protocol_of(deployment).restore(deployment, {}) for deployment in registry.of_chain(logs.chain_id)]
    with (
        event_files.events_writer(out) as events,
        event_files.market_writer(out) as market,
        event_files.blocks_writer(out) as blocks,
        links_writer(out) as links,
    ):
        for stretch in logs.read_logs():
            parts: list[Decoded] = []
            if sources:
                known = {log.address: newest[log.address] for log in stretch if log.address in newest}
                read = read_links(sources, known, stretch, FILE_EPOCH)
                newest |= {fact.account: fact for fact in read.facts}
                links.write(read.facts)
                counts.links += len(read.facts)
                parts.append(Decoded((), (), read.refused))
            for index, state in enumerate(states):
                states[index], part = protocol_of(state).decode_logs(state, stretch, FILE_EPOCH)
                parts.append(part)
            # A stretch never cuts a block, so that sorting inside it sorts the file.
            found_events = sorted((event for part in parts for event in part.events), key=lambda e: e.order)
            found_points = sorted((point for part in parts for point in part.points), key=lambda p: p.canonical_order)
            events.write(found_events)
            market.write(found_points)
            counts.events += len(found_events)
            counts.points += len(found_points)
            counts.refused.update(refusal.reason for part in parts for refusal in part.refused)
            counts.logs += len(stretch)
            on_progress(counts.logs)
        blocks.write(_counted(logs.read_blocks(), counts))
    return counts


def _counted(blocks: Iterator[BlockRef], counts: DecodedCounts) -> Iterator[BlockRef]:
    for block in blocks:
        counts.blocks += 1
        yield block
