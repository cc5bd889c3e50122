"""`python -m bonafides_attestation issuer|publisher|api`: the only place that reads settings and wires adapters."""

import structlog
from bonafides.clock import SystemClock
from bonafides.consent import ConsentMode
from bonafides.consumer import OffsetConsumer
from bonafides.json_rpc import JsonRpc
from bonafides.outbox import Outbox
from bonafides.process import start
from bonafides.runtime import Runtime, open_runtime
from bonafides.topics import SCORES_ISSUED
from bonafides.verify.typed_data import Domain

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
from bonafides_attestation.tables import consumer_offset, issuer_outbox, publisher_outbox
from bonafides_attestation.transactions import TransactionSigner

ISSUER_GROUP = "bonafides-attestation-issuer"
log = structlog.get_logger(__name__)


def run_issuer() -> None:
    """The issuer, until asked to stop."""
    with open_runtime(AttestationSettings, "attestation-issuer") as runtime:
        settings = runtime.settings
        domain = _domain(settings)
        signer = KeySigner(
            open_keystore(
                settings.attester_keystore_file, settings.attester_password_file, "BONAFIDES_ATTESTATION_ATTESTER"
            )
        )
        if settings.issue_for == "all":
            log.warning("every finalized score is attested, whether its wallet asked or not (issue_for=all)")
        if not settings.allowed_models:
            log.warning("no model is allowed, so nothing will be attested (allowed_models)")
        registry = _open_registry(runtime, domain)
        runtime.wait_for_database()
        admin, producer, consumer = (
            runtime.open_admin(),
            runtime.open_producer(),
            runtime.open_consumer(ISSUER_GROUP),
        )
        offset_consumer = OffsetConsumer(
            consumer=consumer,
            admin=admin,
            engine=runtime.engine,
            offsets=consumer_offset,
            group=ISSUER_GROUP,
            topics=(SCORES_ISSUED,),
            handler=ResultHandler(metrics.dead_letters_total.inc),
            crash_prefix="issuer",
        )
        runtime.wait_for("the topics", offset_consumer.start)
        issuer = Issuer(
            consumer=offset_consumer,
            engine=runtime.engine,
            lease=_lease(runtime, domain, "issuer"),
            registry=registry,
            attester=Attester(signer, IssuingRules(domain, settings.allowed_models, settings.validity_s)),
            batch_rules=BatchRules(
                max_size=settings.batch_max_size,
                max_age_s=settings.batch_max_age_s,
                max_in_flight=settings.max_batches_in_flight,
                for_all=settings.issue_for == "all",
            ),
            outbox=Outbox(runtime.engine, issuer_outbox, producer),
        )
        runtime.run(issuer.turn, idle_s=settings.turn_s, release=issuer.lease.release)


def run_publisher() -> None:
    """The publisher, until asked to stop."""
    with open_runtime(AttestationSettings, "attestation-publisher") as runtime:
        settings = runtime.settings
        domain = _domain(settings)
        secret = open_keystore(
            settings.publisher_keystore_file, settings.publisher_password_file, "BONAFIDES_ATTESTATION_PUBLISHER"
        )
        registry = _open_registry(runtime, domain)
        runtime.wait_for_database()
        publisher = Publisher(
            engine=runtime.engine,
            lease=_lease(runtime, domain, "publisher"),
            registry=registry,
            signer=TransactionSigner(secret, domain),
            patience=Patience(settings.fee_bump_after_blocks, settings.rebroadcast_after_s),
            fee_rules=FeeRules(settings.fee_ceiling_gwei * GWEI, settings.low_balance_gwei * GWEI),
            finality_depth=settings.finality_depth,
            outbox=Outbox(runtime.engine, publisher_outbox, runtime.open_producer()),
            clock=SystemClock(),
        )
        runtime.run(publisher.turn, idle_s=settings.turn_s, release=publisher.lease.release)


def run_api() -> None:
    """attestation-api, until asked to stop."""
    from bonafides.http_api.app import WORKER_THREADS
    from bonafides.http_api.serving import bind_api_port, serve

    from bonafides_attestation.api import create_app

    with open_runtime(AttestationSettings, "attestation-api", pool_size=WORKER_THREADS) as runtime:
        settings = runtime.settings
        if settings.consent_mode is ConsentMode.OPEN:
            log.warning("documents are given to anybody (consent_mode=open): for public data and development only")
        bound = bind_api_port(settings, settings.listen_host, settings.api_port)
        runtime.wait_for_database()
        serve(runtime, create_app(runtime.engine, settings.consent_mode), bound)


def _domain(settings: AttestationSettings) -> Domain:
    return Domain(settings.chain, settings.registry_address)


def _open_registry(runtime: Runtime[AttestationSettings], domain: Domain) -> Registry:
    """The registry, after its chain and code were checked. Raises InvalidSettings for another chain."""
    rpc = JsonRpc(runtime.settings.read_rpc_url(), runtime.settings.rpc_timeout_s)
    runtime.on_exit(rpc.close)
    registry = Registry(Chain(rpc), domain)
    runtime.wait_for("the node", registry.check_deployment)
    return registry


def _lease(runtime: Runtime[AttestationSettings], domain: Domain, name: str) -> Lease:
    """The lease of this kind of process; issuer and publisher of one registry are one each."""
    return Lease(runtime.engine, f"{name}/{domain.chain_id}/{domain.registry.hex()}", runtime.settings.lease_s)


PROCESSES = {"issuer": run_issuer, "publisher": run_publisher, "api": run_api}

if __name__ == "__main__":
    start("bonafides_attestation", PROCESSES)
