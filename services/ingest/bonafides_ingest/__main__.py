"""The ingest process of one chain: reads settings, wires adapters, turns until it is asked to stop."""

from uuid import uuid4

import structlog
from bonafides.bus import Admin
from bonafides.clock import SystemClock
from bonafides.json_rpc import JsonRpc
from bonafides.process import start
from bonafides.runtime import open_runtime
from bonafides.topics import MARKET, WALLET_EVENTS
from bonafides.types import ChainId

from bonafides_ingest import metrics
from bonafides_ingest.boundaries import BoundaryPace
from bonafides_ingest.boundary_store import BoundaryStore
from bonafides_ingest.indexer import Indexer, IndexerOptions
from bonafides_ingest.lease import LeaseStore
from bonafides_ingest.registry import load_registry
from bonafides_ingest.settings import IngestSettings
from bonafides_ingest.sources.rpc import RpcSource
from bonafides_ingest.store import Store

MAX_ANSWER_BYTES = 256 << 20  # a batch of a hundred blocks' receipts, of 2 MB each
log = structlog.get_logger(__name__)


def run() -> None:
    """Run until SIGTERM or SIGINT. Raises InvalidSettings when the settings contradict the world."""
    with open_runtime(IngestSettings, "ingest", pool_size=2) as runtime:
        settings, engine = runtime.settings, runtime.engine
        chain_id = ChainId(settings.chain_id)
        registry = load_registry(settings.deployments_file)
        options = IndexerOptions(
            chain_id=chain_id,
            deployments=registry.of_chain(chain_id),
            registry_version=registry.version,
            window_blocks=settings.window_blocks,
            pace=BoundaryPace(settings.boundary_interval_s, settings.scoring_interval_s),
            dead_letter_limit=settings.dead_letter_limit,
        )
        log.info("deployments loaded", chain_id=chain_id, deployments=len(options.deployments))
        rpc = JsonRpc(
            settings.read_rpc_url(),
            settings.rpc_timeout_s,
            batch_size=settings.rpc_batch_size,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )
        runtime.on_exit(rpc.close)
        source = RpcSource(
            rpc, chain_id, window_blocks=settings.window_blocks, bloom_check_blocks=settings.bloom_check_blocks
        )
        leases = LeaseStore(engine, chain_id, settings.lease_s)
        runtime.wait_for("the node", source.check_chain)
        runtime.wait_for("the database", leases.check)
        store = Store(engine, chain_id, settings.lease_s)
        runtime.wait_for("the database", lambda: store.check_starts(options.deployments))
        admin, producer = runtime.open_admin(), runtime.open_producer()
        identity = runtime.wait_for("the topics", lambda: _log_identity(admin))
        runtime.wait_for("the database", lambda: leases.bind_log(identity))
        indexer = Indexer(
            options,
            uuid4(),
            source,
            producer,
            leases,
            store,
            BoundaryStore(engine, chain_id, settings.lease_s),
            SystemClock(),
        )

        def turn() -> bool:
            was_busy = indexer.turn()
            metrics.WINDOW_BLOCKS.set(source.window.blocks)
            return was_busy

        runtime.run(turn, idle_s=settings.poll_interval_s, release=indexer.release)


def _log_identity(admin: Admin) -> str:
    """Names the cluster and the incarnation of both topics; raises Unavailable when one does not exist yet."""
    found = [admin.identity(topic.name) for topic in (WALLET_EVENTS, MARKET)]
    return "/".join((found[0].cluster_id, *(identity.topic_id for identity in found)))


if __name__ == "__main__":
    start("bonafides_ingest", {"": run})
