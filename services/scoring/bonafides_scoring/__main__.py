"""`python -m bonafides_scoring worker|api`: reads settings, wires adapters, runs one process."""

import gc

import structlog
from bonafides.consumer import OffsetConsumer
from bonafides.outbox import Outbox
from bonafides.process import start
from bonafides.runtime import open_runtime
from bonafides.types import ChainId

from bonafides_scoring.settings import ScoringSettings
from bonafides_scoring.store.tables import consumer_offset, outbox
from bonafides_scoring.worker import GROUP, ScoringWorker

OBJECTS_PER_COLLECTION = 100_000
"""A poll makes hundreds of thousands of objects, and counting references frees them. Python's default, to look for
cycles every 700 of them and often through all, took a third of the worker's time in a backfill."""
IDLE_S = 0.002
"""Wait after a poll that brought nothing. It has waited for records itself, and what comes meanwhile is late."""

log = structlog.get_logger(__name__)


def run_worker() -> None:
    """Run the scoring worker until asked to stop."""
    from bonafides_scoring.boundaries import BoundaryScorer
    from bonafides_scoring.handler import TOPICS, ScoringHandler
    from bonafides_scoring.model import load_bundle, shipped_model

    with open_runtime(ScoringSettings, "scoring-worker") as runtime:
        settings = runtime.settings
        bundle = load_bundle(settings.model_directory or shipped_model())
        log.info("model loaded", model=bundle.manifest.name, model_id=bundle.id.hex())
        chain_ids = tuple(ChainId(chain_id) for chain_id in settings.chain_ids)
        runtime.wait_for_database()
        admin, producer, consumer = runtime.open_admin(), runtime.open_producer(), runtime.open_consumer(GROUP)
        handler = ScoringHandler(
            BoundaryScorer(bundle, chain_ids, runtime.probes.beat), frozenset(chain_ids), settings.dead_letter_limit
        )
        worker = ScoringWorker(
            OffsetConsumer(
                consumer,
                admin,
                runtime.engine,
                consumer_offset,
                GROUP,
                TOPICS,
                handler,
                "worker",
                max_records=settings.poll_max_records,
            ),
            Outbox(runtime.engine, outbox, producer),
            handler.take_has_messages,
        )
        runtime.wait_for("topics and database", worker.start)
        gc.collect()
        gc.freeze()
        gc.set_threshold(OBJECTS_PER_COLLECTION, 50, 100)
        runtime.run(worker.turn, idle_s=IDLE_S, needs=(worker.missing,))


def run_api() -> None:
    """Run the scoring API until asked to stop."""
    from bonafides.http_api.app import WORKER_THREADS
    from bonafides.http_api.serving import bind_api_port, serve

    from bonafides_scoring.api.app import create_app

    with open_runtime(ScoringSettings, "scoring-api", pool_size=WORKER_THREADS) as runtime:
        settings = runtime.settings
        bound = bind_api_port(settings, settings.api_host, settings.api_port)
        runtime.wait_for_database()
        serve(runtime, create_app(runtime.engine, settings.consent_mode, with_docs=settings.api_docs), bound)


PROCESSES = {"worker": run_worker, "api": run_api}

if __name__ == "__main__":
    start("bonafides_scoring", PROCESSES)
