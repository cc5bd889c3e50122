"""`python -m bonafides_scoring worker|api`: reads settings, wires adapters, runs one process."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from bonafides import crashpoints, database
from bonafides.consumer import OffsetConsumer
from bonafides.errors import InvalidSettings, Unavailable
from bonafides.kafka_bus import KafkaBusAdmin, KafkaBusConsumer, KafkaBusProducer, KafkaConnection
from bonafides.observability import Check, ProbeServer, configure_logging
from bonafides.outbox import Outbox
from bonafides.process import Stop, exit_with, retry, run_loop
from bonafides.settings import read_optional_secret
from bonafides.types import ChainId
from sqlalchemy import Engine

from bonafides_scoring.consent import ConsentMode
from bonafides_scoring.settings import ScoringSettings
from bonafides_scoring.store.tables import consumer_offset, outbox
from bonafides_scoring.worker import GROUP, ScoringWorker

IDLE_S = 0.05
"""Wait after a poll that brought nothing; the poll itself waits too."""
BEAT_S = 1.0

log = structlog.get_logger("bonafides_scoring")


def run_worker() -> None:
    """Run the scoring worker until asked to stop."""
    from bonafides_scoring.boundaries import BoundaryScorer
    from bonafides_scoring.handler import TOPICS, ScoringHandler
    from bonafides_scoring.model import load_bundle, shipped_model

    settings = ScoringSettings.load()
    configure_logging(settings.log_level, "scoring-worker")
    crashpoints.arm(settings.crash_at)
    stop = Stop()
    stop.install()
    bundle = load_bundle(settings.model_directory or shipped_model())
    chain_ids = tuple(ChainId(chain_id) for chain_id in settings.chain_ids)
    handler = ScoringHandler(BoundaryScorer(bundle, chain_ids), frozenset(chain_ids), settings.dead_letter_limit)
    with _engine(settings, pool_size=4) as engine, _probes(settings) as probes:
        retry(lambda: database.check(engine), stop, "database")
        kafka = _kafka(settings)
        admin = retry(lambda: KafkaBusAdmin(kafka, "scoring-worker"), stop, "broker")
        producer = retry(lambda: KafkaBusProducer(kafka, "scoring-worker"), stop, "broker")
        consumer = retry(
            lambda: KafkaBusConsumer(kafka, "scoring-worker", GROUP, settings.kafka_session_timeout_s), stop, "broker"
        )
        if admin is None or producer is None or consumer is None:
            return
        try:
            worker = ScoringWorker(
                OffsetConsumer(
                    consumer,
                    admin,
                    engine,
                    consumer_offset,
                    GROUP,
                    TOPICS,
                    handler,
                    "worker",
                    max_records=settings.poll_max_records,
                ),
                Outbox(engine, outbox, producer),
            )
            probes.need(worker.missing, lambda: _database_missing(engine))
            retry(worker.start, stop, "topics and database")
            log.info("scoring worker started", model=bundle.manifest.name, model_id=bundle.id.hex())
            run_loop(worker.turn, stop, idle_s=IDLE_S, beat=probes.beat)
        finally:
            probes.drain()
            consumer.close()
            producer.close()
            admin.close()
    log.info("scoring worker stopped")


def run_api() -> None:
    """Run the scoring API until asked to stop."""
    from bonafides_scoring.api.app import WORKER_THREADS, create_app

    settings = ScoringSettings.load()
    configure_logging(settings.log_level, "scoring-api")
    crashpoints.arm(settings.crash_at)
    stop = Stop()
    stop.install()
    with _engine(settings, pool_size=WORKER_THREADS) as engine, _probes(settings) as probes:
        retry(lambda: database.check(engine), stop, "database")
        if stop.is_asked():
            return
        mode = ConsentMode(settings.consent_mode)
        app = create_app(engine, mode, with_docs=settings.api_docs)
        server = _Server(
            uvicorn.Config(
                app,
                host=settings.api_host,
                port=settings.api_port,
                log_config=None,
                log_level="warning",
                access_log=False,  # it writes raw paths, and a path holds a wallet
                server_header=False,
                timeout_graceful_shutdown=10,
            )
        )
        probes.need(lambda: None if server.started else "not listening yet", lambda: _database_missing(engine))
        thread = threading.Thread(target=server.run, name="http")
        thread.start()
        log.info("scoring API started", consent_mode=mode.value, host=settings.api_host, port=settings.api_port)
        while thread.is_alive() and not stop.wait(BEAT_S):
            probes.beat()
        probes.drain()
        server.should_exit = True
        thread.join()
        if not stop.is_asked():
            raise Unavailable(f"the API ended by itself: is {settings.api_host}:{settings.api_port} taken?")
    log.info("scoring API stopped")


class _Server(uvicorn.Server):
    """uvicorn in a thread: signals are ours, since its own handling ends a process with 143 instead of 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Probes(ProbeServer):
    """Probes that answer from the start; what readiness needs is told once it exists."""

    def __init__(self, host: str, port: int) -> None:
        self._needs: tuple[Check, ...] = ()
        super().__init__(host, port, (self._starting,), now=time.monotonic)

    def need(self, *checks: Check) -> None:
        """Ready only when all of these answer None."""
        self._needs = checks

    def _starting(self) -> str | None:
        if not self._needs:
            return "starting"
        return next((why for check in self._needs if (why := check())), None)


def _database_missing(engine: Engine) -> str | None:
    try:
        database.check(engine)
    except Unavailable as exc:
        return str(exc)
    return None


@contextmanager
def _engine(settings: ScoringSettings, pool_size: int) -> Iterator[Engine]:
    password = read_optional_secret(settings.database_password_file, "BONAFIDES_SCORING_DATABASE_PASSWORD_FILE")
    engine = database.connect(settings.database_url, password, pool_size=pool_size)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _probes(settings: ScoringSettings) -> Iterator[_Probes]:
    where = f"{settings.listen_host}:{settings.health_port}"
    try:
        probes = _Probes(settings.listen_host, settings.health_port)
    except OSError as exc:
        raise InvalidSettings(f"BONAFIDES_SCORING_HEALTH_PORT: {where} cannot be listened on: {exc.strerror}") from exc
    probes.start()
    try:
        yield probes
    finally:
        probes.stop()


def _kafka(settings: ScoringSettings) -> KafkaConnection:
    return KafkaConnection(
        bootstrap=settings.kafka_bootstrap,
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_username=settings.kafka_sasl_username,
        sasl_password=read_optional_secret(
            settings.kafka_sasl_password_file, "BONAFIDES_SCORING_KAFKA_SASL_PASSWORD_FILE"
        ),
        ssl_cafile=str(settings.kafka_ca_file) if settings.kafka_ca_file else None,
    )


PROCESSES = {"worker": run_worker, "api": run_api}


def main(arguments: list[str]) -> None:
    """Run the process that the first argument names."""
    if len(arguments) != 1 or arguments[0] not in PROCESSES:
        sys.stderr.write(f"usage: python -m bonafides_scoring {'|'.join(PROCESSES)}\n")
        sys.exit(2)
    PROCESSES[arguments[0]]()


if __name__ == "__main__":
    exit_with(lambda: main(sys.argv[1:]))
