"""The lane, and whoever asks, with clients of their own, so that neither it nor the flow waits for the other's."""

from collections.abc import Callable
from contextlib import ExitStack
from uuid import uuid4

from bonafides.clock import SystemClock
from bonafides.consumer import OffsetConsumer
from bonafides.errors import Unavailable
from bonafides.kafka_bus import KafkaBusAdmin, KafkaBusConsumer, KafkaBusProducer
from bonafides.messages import HistoryProgress
from bonafides.runtime import Runtime, kafka_connection
from bonafides.topics import WALLET_HISTORY_REQUESTED
from bonafides.types import Address, ChainId

from bonafides_ingest import tables
from bonafides_ingest.hydration.asking import ProgressReader, new_request, send_request
from bonafides_ingest.hydration.beside import Beside
from bonafides_ingest.hydration.hydrator import Hydrator
from bonafides_ingest.hydration.lane import Lane, LaneOptions, RequestHandler
from bonafides_ingest.hydration.past import FinalView, PastSource
from bonafides_ingest.hydration.retention import skip_what_is_gone
from bonafides_ingest.lease import LeaseStore
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.settings import IngestSettings


def open_lane(runtime: Runtime[IngestSettings], past: PastSource, options: IndexerOptions) -> Beside:
    """The lane of this process's chain, not turning yet. It ends with the process."""
    settings, engine = runtime.settings, runtime.engine
    chain_id = ChainId(settings.chain_id)
    group = f"bonafides-ingest-{chain_id}"
    admin, producer, consumer = runtime.open_admin(), runtime.open_producer(), runtime.open_consumer(group)
    leases = LeaseStore(engine, chain_id, settings.lease_s, options.registry_digest)
    handler = RequestHandler(
        LaneOptions(chain_id, settings.hydration_expiry_s),
        Hydrator(past, producer, options.deployments, options.links, options.registry_version),
        lambda: final_view_of(leases),
        producer,
        SystemClock(),
    )
    requests = OffsetConsumer(
        consumer,
        admin,
        engine,
        tables.consumer_offset,
        group,
        (WALLET_HISTORY_REQUESTED,),
        handler,
        "hydration",
    )
    lane = Lane(requests, handler, lambda: skip_what_is_gone(engine, admin, group))
    beside = Beside("hydrations", lane.turn, runtime.stop)
    runtime.on_exit(beside.end)
    return beside


def final_view_of(leases: LeaseStore) -> FinalView:
    """What a hydration may read now. Raises Unavailable while the chain is read by another registry."""
    view = FinalView(*leases.final_view())
    if view.number < 0 <= leases.final_number():
        raise Unavailable(
            "the chain is read by another registry: no history is sent until this replica holds the lease; is a "
            "rolling update under way, or do the replicas have two versions?"
        )
    return view


def ask_for_history(
    settings: IngestSettings,
    wallet: Address,
    now: int,
    patience_s: float | None,
    show: Callable[[HistoryProgress], None],
) -> HistoryProgress | None:
    """Ask for the history of a wallet. With a patience follow it to its end and return its last word; None without.

    Raises Unavailable when the broker does not answer, or nobody said a word for so long.
    """
    connection, name = kafka_connection(settings), "bonafides-hydrate"
    asked = new_request(ChainId(settings.chain_id), wallet, now)
    with ExitStack() as on_exit:
        producer = KafkaBusProducer(connection, name)
        on_exit.callback(producer.close)
        if patience_s is None:
            send_request(producer, asked)
            return None
        admin = KafkaBusAdmin(connection, name)
        on_exit.callback(admin.close)
        # A group of its own: everybody who asks reads all partitions.
        consumer = KafkaBusConsumer(connection, name, f"{name}-{uuid4()}", settings.kafka_session_timeout_s)
        on_exit.callback(consumer.close)
        reader = ProgressReader(consumer, admin)
        send_request(producer, asked)
        return reader.wait(asked, show, patience_s)
