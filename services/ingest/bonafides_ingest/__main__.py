"""The ingest process of one chain: reads settings, wires adapters, turns until it is asked to stop."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import structlog
from bonafides import crashpoints, database
from bonafides.clock import SystemClock
from bonafides.errors import Unavailable
from bonafides.json_rpc import JsonRpc
from bonafides.kafka_bus import KafkaBusAdmin, KafkaBusProducer, KafkaConnection
from bonafides.observability import ProbeServer, configure_logging
from bonafides.process import Stop, exit_with, retry, run_loop
from bonafides.settings import read_optional_secret
from bonafides.topics import MARKET, WALLET_EVENTS
from bonafides.types import ChainId

from bonafides_ingest import metrics
from bonafides_ingest.boundaries import BoundaryPace
from bonafides_ingest.boundary_store import BoundaryStore
from bonafides_ingest.deployments import load_registry
from bonafides_ingest.indexer import Indexer, IndexerOptions
from bonafides_ingest.lease import LeaseStore
from bonafides_ingest.settings import IngestSettings
from bonafides_ingest.sources.rpc import RpcSource
from bonafides_ingest.store import Store

CLIENT_ID = "bonafides-ingest"
MAX_ANSWER_BYTES = 256 << 20  # a batch of a hundred blocks' receipts, of 2 MB each
log = structlog.get_logger(__name__)


@dataclass
class _Readiness:
    """What /readyz answers: what is being waited for, if anything."""

    missing: str | None = field(default="the start")

    def __call__(self) -> str | None:
        return self.missing


def run() -> None:
    """Run until SIGTERM or SIGINT. Raises InvalidSettings when the settings contradict the world."""
    settings = IngestSettings.load()
    configure_logging(settings.log_level, "ingest")
    crashpoints.arm(settings.crash_at)
    stop = Stop()
    stop.install()
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
    kafka = _kafka_connection(settings)
    clock, readiness = SystemClock(), _Readiness()
    with ExitStack() as on_exit:
        on_exit.callback(log.info, "stopped")
        rpc = JsonRpc(
            settings.read_rpc_url(),
            settings.rpc_timeout_s,
            batch_size=settings.rpc_batch_size,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )
        on_exit.callback(rpc.close)
        password = read_optional_secret(settings.database_password_file, "BONAFIDES_INGEST_DATABASE_PASSWORD_FILE")
        engine = database.connect(settings.database_url, password, pool_size=2)
        on_exit.callback(engine.dispose)
        probe = ProbeServer(settings.listen_host, settings.health_port, [readiness], now=clock.now)
        probe.start()
        on_exit.callback(probe.stop)
        log.info("started", chain_id=chain_id, deployments=len(options.deployments), probe_port=probe.port)

        def wait_for[T](what: str, action: Callable[[], T]) -> T | None:
            readiness.missing = what

            def attempt() -> T:
                probe.beat()
                return action()

            return retry(attempt, stop, what)

        source = RpcSource(
            rpc, chain_id, window_blocks=settings.window_blocks, bloom_check_blocks=settings.bloom_check_blocks
        )
        leases = LeaseStore(engine, chain_id, settings.lease_s)
        wait_for("the node", source.check_chain)
        wait_for("the database", leases.check)
        identity = wait_for("the broker", lambda: _log_identity(kafka))
        producer = wait_for("the broker", lambda: KafkaBusProducer(kafka, CLIENT_ID))
        if identity is None or producer is None:
            return  # asked to stop meanwhile
        on_exit.callback(producer.close)
        wait_for("the database", lambda: leases.bind_log(identity))
        indexer = Indexer(
            options,
            uuid4(),
            source,
            producer,
            leases,
            Store(engine, chain_id, settings.lease_s),
            BoundaryStore(engine, chain_id, settings.lease_s),
            clock,
        )

        def turn() -> bool:
            readiness.missing = "a turn that succeeds" if readiness.missing else None
            try:
                was_busy = indexer.turn()
            except Unavailable as exc:
                readiness.missing = str(exc)
                raise
            readiness.missing = None
            metrics.WINDOW_BLOCKS.set(source.window.blocks)
            return was_busy

        run_loop(turn, stop, idle_s=settings.poll_interval_s, beat=probe.beat)
        probe.drain()
        with suppress(Unavailable):  # then the lease ends by itself
            indexer.release()


def _kafka_connection(settings: IngestSettings) -> KafkaConnection:
    return KafkaConnection(
        bootstrap=settings.kafka_bootstrap,
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_username=settings.kafka_sasl_username,
        sasl_password=read_optional_secret(
            settings.kafka_sasl_password_file, "BONAFIDES_INGEST_KAFKA_SASL_PASSWORD_FILE"
        ),
        ssl_cafile=str(settings.kafka_ca_file) if settings.kafka_ca_file else None,
    )


def _log_identity(kafka: KafkaConnection) -> str:
    """Names the cluster and the incarnation of both topics; raises Unavailable when one does not exist yet."""
    admin = KafkaBusAdmin(kafka, CLIENT_ID)
    try:
        found = [admin.identity(topic.name) for topic in (WALLET_EVENTS, MARKET)]
    finally:
        admin.close()
    return "/".join((found[0].cluster_id, *(identity.topic_id for identity in found)))


if __name__ == "__main__":
    exit_with(run)
