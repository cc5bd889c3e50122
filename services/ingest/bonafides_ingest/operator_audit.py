"""What `bonafides ingest audit` does, wired from the settings."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from bonafides.database import transaction
from bonafides.errors import InvalidInput
from bonafides.events import BlockRange, ForkEpoch
from bonafides.kafka_bus import KafkaBusAdmin, KafkaBusConsumer
from bonafides.runtime import kafka_connection
from bonafides.types import Digest
from sqlalchemy import select

from bonafides_ingest import tables
from bonafides_ingest.auditing.audit import AuditProgress, AuditReport, run_audit, without_digest
from bonafides_ingest.auditing.events import (
    EventDifference,
    FactDecoder,
    FactPlace,
    LoggedFacts,
    ReceiptSource,
    compare_facts,
)
from bonafides_ingest.auditing.receipts import NodeReceipts
from bonafides_ingest.feed_store import FeedStore
from bonafides_ingest.log_identity import log_identity
from bonafides_ingest.nodes import open_providers
from bonafides_ingest.operator_runs import CLIENT, World
from bonafides_ingest.read_windows import windows_in
from bonafides_ingest.sources.node_reader import NodeReader


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit found."""

    report: AuditReport
    blocks: BlockRange
    without_digest: dict[str, tuple[BlockRange, ...]]
    events: EventDifference | None = None
    """Of the log, where it was asked for."""

    @property
    def is_clean(self) -> bool:
        """Whether everything was compared and nothing was wrong."""
        is_log_right = self.events is None or not (self.events.missing or self.events.invented)
        return not self.report.mismatches and not self.without_digest and is_log_right


def audit_blocks(
    world: World,
    wanted: BlockRange,
    deployment: str | None,
    show: Callable[[AuditProgress], None],
    show_events: Callable[[str, int], None] | None = None,
) -> Audited:
    """Compare what was read of these blocks with their receipts; with `show_events` the log, too.

    Raises InvalidInput, StopAsked.
    """
    final = world.stores.leases.final_number()
    if wanted.first > wanted.last or wanted.first > final:
        raise InvalidInput(
            f"nothing to audit in blocks {wanted.first} to {wanted.last}: final blocks were read up to {final}"
        )
    wanted = BlockRange(wanted.first, min(wanted.last, final))
    world.check_name(deployment)
    spans = {entry.id: entry.span for entry in world.entries if deployment in (None, entry.id)}
    windows = [window for window in windows_in(world.engine, world.chain_id, wanted) if window.deployment in spans]
    with closing(open_providers(world.settings)) as source:
        node = NodeReader(source.rpc, world.chain_id)
        world.wait("the node", source.check_chain)
        receipts = NodeReceipts(node)
        report = run_audit(receipts, windows, partial(world.wait, "the node"), show)
        events = None
        if show_events is not None:
            feeds = source.feeds(FeedStore(world.engine, world.chain_id), world.registry.feeds_of_chain(world.chain_id))
            retry_scan = partial(world.wait, "the node")
            decoder = FactDecoder(ReceiptSource(source, receipts, wanted.first), feeds, retry_scan, show_events)
            events = _audit_log(world, decoder, wanted, deployment, show_events)
    return Audited(report, wanted, without_digest(wanted, spans, windows), events)


def _audit_log(
    world: World, decoder: FactDecoder, wanted: BlockRange, deployment: str | None, show: Callable[[str, int], None]
) -> EventDifference:
    """Compare what the topics hold of these blocks with what decoding their receipts gives."""
    asked = [one for one in world.registry.of_chain(world.chain_id) if deployment in (None, one.id)]
    decoded: dict[Digest, FactPlace] = {}
    for one in asked:
        decoded |= decoder.facts_of(one, wanted)
    connection, group = kafka_connection(world.settings), f"{CLIENT}-{uuid4().hex[:8]}"
    with closing(KafkaBusAdmin(connection, CLIENT)) as admin:
        world.stores.leases.bind_log(log_identity(admin))
        timeout_s = world.settings.kafka_session_timeout_s
        with closing(KafkaBusConsumer(connection, CLIENT, group, timeout_s)) as consumer:
            names, epochs = frozenset(one.id for one in asked), _epochs(world)
            logged = LoggedFacts(consumer, admin, world.chain_id, wanted, names, epochs, world.stop)
            return compare_facts(decoded, logged.read(lambda done, _: show("records of the log", done)))


def _epochs(world: World) -> tuple[ForkEpoch, ...]:
    """All that the chain ever opened."""
    table = tables.fork_epoch
    query = select(table.c.epoch, table.c.fork_block).where(table.c.chain_id == world.chain_id)
    with transaction(world.engine) as connection:
        return tuple(ForkEpoch(row.epoch, row.fork_block) for row in connection.execute(query))
