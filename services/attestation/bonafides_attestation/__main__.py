"""`python -m bonafides_attestation issuer|publisher|api`: the only place that reads settings and wires adapters."""

import sys
import time
from collections.abc import Callable
from functools import partial

import structlog
from bonafides import crashpoints, database
from bonafides.clock import SystemClock
from bonafides.consumer import OffsetConsumer
from bonafides.errors import InvalidSettings, Unavailable
from bonafides.json_rpc import JsonRpc
from bonafides.kafka_bus import KafkaBusAdmin, KafkaBusConsumer, KafkaBusProducer, KafkaConnection
from bonafides.observability import ProbeServer, configure_logging
from bonafides.outbox import Outbox
from bonafides.process import Stop, exit_with, retry, run_loop
from bonafides.settings import read_optional_secret
from bonafides.topics import SCORES_ISSUED
from bonafides.verify.typed_data import Domain
from sqlalchemy import Engine

from bonafides_attestation import metrics
from bonafides_attestation.chain import Chain
from bonafides_attestation.issuer import BatchRules, Issuer
from bonafides_attestation.keys import open_keystore
from bonafides_attestation.leases import Lease
from bonafides_attestation.policy import IssuingRules
from bonafides_attestation.publication import Patience
from bonafides_attestation.publisher import FeeRules, Publisher
from bonafides_attestation.registry import Registry
from bonafides_attestation.results import ResultHandler
from bonafides_attestation.settings import GWEI, AttestationSettings
from bonafides_attestation.signer import Attester, KeySigner
from bonafides_attestation.tables import consumer_offset, outbox
from bonafides_attestation.transactions import TransactionSigner

ISSUER_GROUP = "bonafides-attestation-issuer"
log = structlog.get_logger(__name__)


class _Process:
    """What issuer, publisher and API have in common: settings, logs, probes, database, stop."""

    def __init__(self, name: str) -> None:
        self.settings = AttestationSettings.load()
        configure_logging(self.settings.log_level, f"attestation-{name}")
        crashpoints.arm(self.settings.crash_at)
        self.name = f"bonafides-attestation-{name}"
        self.stop = Stop()
        self.stop.install()
        self.engine: Engine = database.connect(
            self.settings.database_url,
            read_optional_secret(self.settings.database_password_file, "BONAFIDES_ATTESTATION_DATABASE_PASSWORD_FILE"),
        )
        self.domain = Domain(self.settings.chain, self.settings.registry_address)
        self.is_started = False
        self.probes = ProbeServer(
            self.settings.listen_host,
            self.settings.health_port,
            [self._started, self._database],
            now=time.monotonic,
        )
        self.probes.start()

    @property
    def kafka(self) -> KafkaConnection:
        s = self.settings
        return KafkaConnection(
            bootstrap=s.kafka_bootstrap,
            security_protocol=s.kafka_security_protocol,
            sasl_mechanism=s.kafka_sasl_mechanism,
            sasl_username=s.kafka_sasl_username,
            sasl_password=read_optional_secret(
                s.kafka_sasl_password_file, "BONAFIDES_ATTESTATION_KAFKA_SASL_PASSWORD_FILE"
            ),
            ssl_cafile=None if s.kafka_ca_file is None else str(s.kafka_ca_file),
        )

    def try_until_it_works[T](self, action: Callable[[], T], what: str) -> T:
        """Start-up of one part; ends the process in good order when asked to stop meanwhile."""

        def beating() -> T:
            self.probes.beat()
            return action()

        found = retry(beating, self.stop, what)
        if self.stop.is_asked():
            self.probes.stop()
            sys.exit(0)
        return found  # type: ignore[return-value]  # None is a T where the action returns None

    def registry(self) -> Registry:
        """The registry, after its chain and code were checked. Raises InvalidSettings for another chain."""
        rpc = JsonRpc(self.settings.read_rpc_url(), self.settings.rpc_timeout_s)
        registry = Registry(Chain(rpc), self.domain)
        self.try_until_it_works(registry.check_deployment, "node")
        return registry

    def outbox(self) -> Outbox:
        """The outbox of this schema with its producer."""
        producer = self.try_until_it_works(partial(KafkaBusProducer, self.kafka, self.name), "broker")
        return Outbox(self.engine, outbox, producer)

    def lease(self, name: str) -> Lease:
        """The lease of this kind of process; issuer and publisher of one registry are one each."""
        registry = self.domain.registry.hex()
        return Lease(self.engine, f"{name}/{self.domain.chain_id}/{registry}", self.settings.lease_s)

    def run(self, turn: Callable[[], bool]) -> None:
        """Turn until asked to stop."""
        self.is_started = True
        log.info("started", health_port=self.probes.port)
        run_loop(turn, self.stop, idle_s=self.settings.turn_s, beat=self.probes.beat)

    def finish(self, *closers: Callable[[], None]) -> None:
        """Close what was opened. What does not answer any more is left to time out."""
        self.probes.drain()
        for close in closers:
            try:
                close()
            except Unavailable as exc:
                log.warning("not closed in good order", reason=str(exc))
        self.engine.dispose()
        self.probes.stop()
        log.info("stopped")

    def _started(self) -> str | None:
        return None if self.is_started else "starting"

    def _database(self) -> str | None:
        try:
            database.check(self.engine)
        except Unavailable as exc:
            return str(exc)
        return None


def run_issuer() -> None:
    """The issuer, until asked to stop."""
    process = _Process("issuer")
    settings = process.settings
    signer = KeySigner(
        open_keystore(
            settings.attester_keystore_file, settings.attester_password_file, "BONAFIDES_ATTESTATION_ATTESTER"
        )
    )
    rules = IssuingRules(process.domain, settings.allowed_models, settings.validity_s)
    if settings.issue_for == "all":
        log.warning("every finalized score is attested, whether its wallet asked or not (issue_for=all)")
    if not settings.allowed_models:
        log.warning("no model is allowed, so nothing will be attested (allowed_models)")
    registry = process.registry()
    process.try_until_it_works(partial(database.check, process.engine), "database")
    box = process.outbox()
    admin = process.try_until_it_works(partial(KafkaBusAdmin, process.kafka, process.name), "broker")
    bus_consumer = process.try_until_it_works(
        partial(KafkaBusConsumer, process.kafka, process.name, ISSUER_GROUP, settings.kafka_session_timeout_s), "broker"
    )
    consumer = OffsetConsumer(
        consumer=bus_consumer,
        admin=admin,
        engine=process.engine,
        offsets=consumer_offset,
        group=ISSUER_GROUP,
        topics=(SCORES_ISSUED,),
        handler=ResultHandler(metrics.dead_letters_total.inc),
        crash_prefix="issuer",
    )
    process.try_until_it_works(consumer.start, "broker")
    issuer = Issuer(
        consumer=consumer,
        engine=process.engine,
        lease=process.lease("issuer"),
        registry=registry,
        attester=Attester(signer, rules),
        batch_rules=BatchRules(
            max_size=settings.batch_max_size,
            max_age_s=settings.batch_max_age_s,
            max_in_flight=settings.max_batches_in_flight,
            for_all=settings.issue_for == "all",
        ),
        outbox=box,
    )
    process.run(issuer.turn)
    process.finish(issuer.lease.release, bus_consumer.close, box.producer.close, admin.close)


def run_publisher() -> None:
    """The publisher, until asked to stop."""
    process = _Process("publisher")
    settings = process.settings
    secret = open_keystore(
        settings.publisher_keystore_file, settings.publisher_password_file, "BONAFIDES_ATTESTATION_PUBLISHER"
    )
    registry = process.registry()
    process.try_until_it_works(partial(database.check, process.engine), "database")
    publisher = Publisher(
        engine=process.engine,
        lease=process.lease("publisher"),
        registry=registry,
        signer=TransactionSigner(secret, process.domain),
        patience=Patience(settings.fee_bump_after_blocks, settings.rebroadcast_after_s),
        fee_rules=FeeRules(settings.fee_ceiling_gwei * GWEI, settings.low_balance_gwei * GWEI),
        finality_depth=settings.finality_depth,
        outbox=process.outbox(),
        clock=SystemClock(),
    )
    process.run(publisher.turn)
    process.finish(publisher.lease.release, publisher.outbox.producer.close)


def run_api() -> None:
    """attestation-api, until asked to stop."""
    from bonafides_attestation.api import create_app
    from bonafides_attestation.serving import serve

    process = _Process("api")
    settings = process.settings
    if settings.consent_mode == "open":
        log.warning("documents are given to anybody (consent_mode=open): for public data and development only")
    process.try_until_it_works(partial(database.check, process.engine), "database")
    process.is_started = True
    app = create_app(process.engine, settings.consent_mode)
    serve(app, settings.listen_host, settings.api_port, process.stop, process.probes.beat)
    process.finish()


PROCESSES: dict[str, Callable[[], None]] = {"issuer": run_issuer, "publisher": run_publisher, "api": run_api}


def run(name: str) -> None:
    """Run one process. Raises InvalidSettings for a name that there is not."""
    if name not in PROCESSES:
        raise InvalidSettings(f"no process {name!r}: expected one of {', '.join(PROCESSES)}")
    PROCESSES[name]()


if __name__ == "__main__":
    exit_with(partial(run, sys.argv[1] if len(sys.argv) == 2 else ""))
