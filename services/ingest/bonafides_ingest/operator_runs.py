"""What the operator's commands do, wired from the settings: gaps and dead letters."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bonafides.errors import InvalidInput, InvalidSettings
from bonafides.events import BlockRange
from bonafides.kafka_bus import KafkaBusAdmin, KafkaBusProducer
from bonafides.observability import configure_logging
from bonafides.process import Stop, retry
from bonafides.runtime import connect_database, kafka_connection
from bonafides.topics import TOPICS, dead_letter_topic
from bonafides.types import ChainId
from sqlalchemy import Engine

from bonafides_ingest.chain_stores import ChainStores
from bonafides_ingest.claims import ClaimInProgress
from bonafides_ingest.dead_letters.checkpoint import Checkpoint, CheckpointFile
from bonafides_ingest.dead_letters.replay import Replay, ReplayProgress, ReplayReport
from bonafides_ingest.dead_letters.store import DeadLetterStore, StoredLetter
from bonafides_ingest.deployments import Registry
from bonafides_ingest.feed_store import FeedStore
from bonafides_ingest.log_identity import log_identity
from bonafides_ingest.nodes import open_providers
from bonafides_ingest.registry import load_registry
from bonafides_ingest.registry_entries import RegistryEntry
from bonafides_ingest.settings import IngestSettings
from bonafides_ingest.windows import gaps_in, up_to

CLIENT = "bonafides-ingest-operator"
CHECKPOINT_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class World:
    """The chain of the settings."""

    settings: IngestSettings
    chain_id: ChainId
    registry: Registry
    engine: Engine
    stores: ChainStores
    stop: Stop

    @property
    def entries(self) -> tuple[RegistryEntry, ...]:
        """Everything that is read."""
        return (*self.registry.of_chain(self.chain_id), *self.registry.links_of_chain(self.chain_id))

    def check_name(self, name: str | None, others: Collection[str] = ()) -> None:
        """Raise InvalidInput for a deployment or source of links that is neither in the registry nor among others."""
        known = sorted({entry.id for entry in self.entries}.union(others))
        if name is not None and name not in known:
            there = f"there are {', '.join(known)}" if known else "there are none"
            raise InvalidInput(f"no deployment or source of links {name} on chain {self.chain_id}: {there}")

    def wait[T](self, what: str, action: Callable[[], T]) -> T:
        """Do it until it works. Raises StopAsked."""
        return retry(action, self.stop, what, beat=lambda: None)


@contextmanager
def open_world() -> Iterator[World]:
    """The chain that the settings name, its registry and its rows. Raises InvalidSettings, Unavailable."""
    settings = IngestSettings.load()
    configure_logging(settings.log_level, "ingest")
    stop = Stop()
    stop.install()
    chain_id = ChainId(settings.chain_id)
    engine = connect_database(settings, pool_size=2)
    try:
        registry = load_registry(settings.deployments_file)
        stores = ChainStores.of(engine, chain_id, settings.lease_s, registry.digest_of_chain(chain_id))
        stores.leases.check()
        yield World(settings, chain_id, registry, engine, stores, stop)
    finally:
        engine.dispose()


@dataclass(frozen=True, slots=True)
class EntryGaps:
    """What of one deployment or source of links is missing."""

    id: str
    from_block: int
    missing: tuple[BlockRange, ...]
    being_read: tuple[ClaimInProgress, ...]


@dataclass(frozen=True, slots=True)
class ChainGaps:
    """What of the chain is missing below its final block."""

    final: int
    """-1: nothing was taken as final yet."""
    entries: tuple[EntryGaps, ...]

    @property
    def is_missing(self) -> bool:
        """Whether anything is."""
        return self.final < 0 or any(entry.missing for entry in self.entries)


def find_gaps(world: World) -> ChainGaps:
    """What is missing now, and who reads it."""
    final = world.stores.leases.final_number()
    done, claims = world.stores.store.done_ranges(), world.stores.claims.in_progress()
    return ChainGaps(
        final,
        tuple(
            EntryGaps(
                entry.id,
                entry.from_block,
                gaps_in(done.get(entry.id, ()), up_to(entry.span, final)),
                tuple(claim for claim in claims if claim.deployment == entry.id),
            )
            for entry in world.entries
        ),
    )


def list_letters(
    world: World, deployment: str | None, reason: str | None, *, with_mended: bool
) -> tuple[StoredLetter, ...]:
    """The dead letters of the chain that these words describe. Raises InvalidInput for a deployment of no letter that
    the registry does not name either."""
    store = DeadLetterStore(world.engine, world.chain_id)
    world.check_name(deployment, store.deployments())
    return store.letters(deployment=deployment, reason=reason, with_mended=with_mended)


def count_topic_letters(world: World) -> dict[str, int]:
    """How many records lie in each dead-letter topic, those of other services included. Raises Unavailable."""
    admin = KafkaBusAdmin(kafka_connection(world.settings), CLIENT)
    try:
        names = [dead_letter_topic(topic).name for topic in TOPICS]
        found: dict[str, int] = dict.fromkeys(names, 0)
        # Of a group that never read anything: all there is.
        for at, count in admin.group_lag(f"{CLIENT}-none", names).items():
            found[at.topic] += count
        return found
    finally:
        admin.close()


@dataclass(frozen=True, slots=True)
class ReplayAsked:
    """What the command line says."""

    deployment: str | None
    reason: str | None
    is_dry: bool
    checkpoint: Path | None = None
    """File that keeps where it is."""


def replay_letters(
    world: World, asked: ReplayAsked, show: Callable[[ReplayProgress], None]
) -> tuple[ReplayReport, list[StoredLetter]]:
    """Mend what can be mended; returns also the letters that no deployment of the registry reads.

    Raises StopAsked when it was stopped: what is mended stays; InvalidInput for a deployment that nobody knows;
    InvalidSettings when another registry reads the chain.
    """
    if world.stores.leases.final_view()[1] < 0 <= world.stores.leases.final_number():
        raise InvalidSettings(
            "the chain is read by another registry than this one (BONAFIDES_INGEST_DEPLOYMENTS_FILE): use that of the "
            "running service, or start the service with this one first"
        )
    letters = list_letters(world, asked.deployment, asked.reason, with_mended=False)
    deployments = {deployment.id: deployment for deployment in world.registry.of_chain(world.chain_id)}
    mine = [letter for letter in letters if letter.deployment in deployments]
    others = [letter for letter in letters if letter.deployment not in deployments]
    report = ReplayReport()
    if not mine:
        return report, others
    store, done = DeadLetterStore(world.engine, world.chain_id), world.stores.store.done_ranges()
    with closing(open_providers(world.settings)) as source, _producer(world, asked.is_dry) as producer:
        world.wait("the node", source.check_chain)
        feeds = source.feeds(FeedStore(world.engine, world.chain_id), world.registry.feeds_of_chain(world.chain_id))
        kept = CheckpointFile(asked.checkpoint) if asked.checkpoint else None
        replay = Replay(source, feeds, store, producer, partial(world.wait, "the node"), show)
        if kept is not None:
            replay.on_checkpoint = _now_and_then(kept.save)
        for name in sorted({letter.deployment for letter in mine}):
            of_it = [letter for letter in mine if letter.deployment == name]
            begin = kept.load(deployments[name]) if kept else None
            report += replay.run(deployments[name], of_it, done.get(name, ()), begin)
    return report, others


def _now_and_then(save: Callable[[Checkpoint], None]) -> Callable[[Checkpoint], None]:
    """Save at most every `CHECKPOINT_EVERY_S`: a large deployment's facts are megabytes."""
    saved_at = time.monotonic()

    def saving(checkpoint: Checkpoint) -> None:
        nonlocal saved_at
        if time.monotonic() - saved_at >= CHECKPOINT_EVERY_S:
            save(checkpoint)
            saved_at = time.monotonic()

    return saving


@contextmanager
def _producer(world: World, is_dry: bool) -> Iterator[KafkaBusProducer | None]:
    """To the log that the rows speak of; None on a dry run. Raises InvariantViolation when it is another one."""
    if is_dry:
        yield None
        return
    connection = kafka_connection(world.settings)
    with closing(KafkaBusAdmin(connection, CLIENT)) as admin:
        world.stores.leases.bind_log(log_identity(admin))
    with closing(KafkaBusProducer(connection, CLIENT)) as producer:
        yield producer
