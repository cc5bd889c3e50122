"""The ingest process of one chain: reads settings, wires adapters, turns until it is asked to stop."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from uuid import uuid4

import structlog
from bonafides.clock import SystemClock
from bonafides.events import BlockRange
from bonafides.observability import configure_logging
from bonafides.process import Stop, retry, start
from bonafides.runtime import Runtime, open_runtime
from bonafides.types import ChainId, address_text

from bonafides_ingest import backfill, metrics
from bonafides_ingest.accounts.link_sources import topics_anywhere, watched_by
from bonafides_ingest.boundaries import BoundaryPace
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import ChainSource
from bonafides_ingest.chain_stores import ChainStores
from bonafides_ingest.export import Contents, ExportAsked, Exporter, ExportProgress, range_to_export
from bonafides_ingest.feed_file import FeedFile
from bonafides_ingest.feed_store import FeedStore
from bonafides_ingest.feeds import ListedFeeds
from bonafides_ingest.garbage import BetweenTurns
from bonafides_ingest.hydration.opening import open_lane
from bonafides_ingest.hydration.providers_past import ProvidersPast
from bonafides_ingest.indexer import Indexer
from bonafides_ingest.log_contents import check_begin, check_folder, content_of
from bonafides_ingest.log_identity import log_identity
from bonafides_ingest.nodes import open_providers
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.pressure import BusPressure, PressureLimits
from bonafides_ingest.registry import load_registry
from bonafides_ingest.settings import IngestSettings
from bonafides_ingest.sources.providers.failover import Providers

LOOK_BACK_REQUESTS = 10  # in one turn, which must end before the lease does
log = structlog.get_logger(__name__)


def run() -> None:
    """Run until SIGTERM or SIGINT. Raises InvalidSettings when the settings contradict the world."""
    with open_runtime(IngestSettings, "ingest", pool_size=2) as runtime:
        settings = runtime.settings
        source = open_providers(settings, LOOK_BACK_REQUESTS)
        runtime.on_exit(source.close)
        indexer = _wire(runtime, source, settings.most_window_blocks)
        past = ProvidersPast(source, ChainId(settings.chain_id), most_blocks=settings.most_window_blocks)
        lane = open_lane(runtime, past, indexer.options)
        lane.start()
        garbage = BetweenTurns()

        def turn() -> bool:
            lane.check()
            was_busy = garbage.run(indexer.turn)
            metrics.WINDOW_BLOCKS.set(source.window_blocks)
            return was_busy

        runtime.run(turn, idle_s=settings.poll_interval_s, needs=[lane.missing], release=indexer.release)


def run_backfill(path: Path, on_progress: Callable[[backfill.Progress], None]) -> None:
    """Read the log files of a folder to their end, then stop; the settings are those of `run`, without a node.

    Raises InvalidSettings and InvalidInput when settings, registry and files contradict each other.
    """
    import pyarrow as pa  # 50 MB that `run` does not need

    from bonafides_ingest.sources.parquet import ParquetSource, open_log_folder

    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps 30 MB that nothing uses
    folder = open_log_folder(path)
    with open_runtime(IngestSettings, "ingest", pool_size=2) as runtime:
        settings = runtime.settings
        chain_id = ChainId(settings.chain_id)
        source = ParquetSource(folder, chain_id, settings.backfill_logs)
        registry = load_registry(settings.deployments_file)
        entries = (*registry.of_chain(chain_id), *registry.links_of_chain(chain_id))
        check_folder(folder, entries)
        indexer = _wire(
            runtime, source, backfill.WINDOW_BLOCKS, check_done=lambda done: check_begin(folder, entries, done)
        )
        feeds = FeedStore(runtime.engine, chain_id)
        runtime.wait_for("the database", lambda: FeedFile(path).hand_to(feeds))
        reading = backfill.Backfill(indexer, folder, on_progress)

        def turn() -> bool:
            was_busy = reading.turn()
            metrics.WINDOW_BLOCKS.set(source.window_blocks)
            if reading.is_done:
                runtime.stop.ask()
            return was_busy

        runtime.run(turn, idle_s=settings.poll_interval_s, release=indexer.release)


def run_export(asked: ExportAsked, show: Callable[[ExportProgress], None]) -> int:
    """Write a range of the chain to log files, or what of it is missing there; returns the logs written.

    Raises InvalidSettings and InvalidInput when what is asked for contradicts the settings, the chain or the folder;
    StopAsked when it was stopped: what is complete stays.
    """
    from bonafides_ingest.sources.parquet import ParquetSource
    from bonafides_ingest.sources.parquet.writing import ChunkFolder

    settings = IngestSettings.load()
    configure_logging(settings.log_level, "ingest")
    stop = Stop()
    stop.install()
    chain_id = ChainId(settings.chain_id)
    registry = load_registry(settings.deployments_file)
    deployments = () if asked.addresses else registry.of_chain(chain_id)
    links = () if asked.addresses else registry.links_of_chain(chain_id)
    entries = (*deployments, *links)
    with closing(open_providers(settings)) as source:
        wait = partial(retry, stop=stop, what="the node", beat=lambda: None)
        wait(source.check_chain)
        wanted = range_to_export(asked, [entry.from_block for entry in entries], wait(source.finalized))
        content = content_of(entries) or " ".join(map(address_text, sorted(asked.addresses)))
        chunks = ChunkFolder(asked.folder, chain_id, content)
        exporter = Exporter(
            source,
            chunks,
            Contents(
                {d.id: protocol_of(d).restore(d, {}) for d in deployments},
                source.feeds(FeedFile(asked.folder), registry.feeds_of_chain(chain_id)),
                asked.addresses | watched_by(links),
                topics_anywhere(links),
            ),
            lambda on_disk: ParquetSource(chunks.open(on_disk), chain_id),
            wait,
        )
        first_read = min([wanted.first, *(deployment.from_block for deployment in deployments)])
        exporter.on_progress = lambda done: show(ExportProgress(first_read, wanted, done))
        exporter.run(first_read, wanted, asked.chunk_blocks)
        return exporter.logs


def _wire(
    runtime: Runtime[IngestSettings],
    source: ChainSource,
    window_blocks: int,
    check_done: Callable[[Mapping[str, Sequence[BlockRange]]], None] = lambda _: None,
) -> Indexer:
    """The flow over this source, once everything that it needs answers. `check_done` may refuse what was read so far,
    before the broker is asked for anything."""
    settings, engine = runtime.settings, runtime.engine
    chain_id = ChainId(settings.chain_id)
    registry = load_registry(settings.deployments_file)
    options = IndexerOptions(
        chain_id=chain_id,
        deployments=registry.of_chain(chain_id),
        registry_version=registry.version,
        window_blocks=window_blocks,
        pace=BoundaryPace(settings.boundary_interval_s, settings.scoring_interval_s),
        dead_letter_limit=settings.dead_letter_limit,
        links=registry.links_of_chain(chain_id),
        registry_digest=registry.digest_of_chain(chain_id),
    )
    log.info("deployments loaded", chain_id=chain_id, deployments=len(options.deployments), links=len(options.links))
    stores = ChainStores.of(engine, chain_id, settings.lease_s, options.registry_digest)
    store = stores.store
    runtime.wait_for("the node", source.check_chain)
    runtime.wait_for("the database", stores.leases.check)
    runtime.wait_for("the database", lambda: store.check_starts(options.entries))
    check_done(runtime.wait_for("the database", store.done_ranges))
    admin, producer = runtime.open_admin(), runtime.open_producer()
    identity = runtime.wait_for("the topics", lambda: log_identity(admin))
    runtime.wait_for("the database", lambda: stores.leases.bind_log(identity))
    memory, listed = FeedStore(engine, chain_id), registry.feeds_of_chain(chain_id)
    feeds = source.feeds(memory, listed) if isinstance(source, Providers) else ListedFeeds(listed, memory)
    codes = source.codes() if isinstance(source, Providers) else None
    head = source if isinstance(source, Providers) and settings.follow_head else None
    limits = PressureLimits(settings.lag_limit_records, settings.flush_limit_s)
    pressure = BusPressure(admin, settings.pressure_group, limits, time.monotonic)
    return Indexer(options, uuid4(), source, producer, stores, SystemClock(), feeds, codes, head, pressure)


if __name__ == "__main__":
    start("bonafides_ingest", {"": run})
