"""A scoring worker on any bus and a migrated database, driven turn by turn; and what it came to."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from uuid import uuid4

import psycopg
from bonafides import database
from bonafides.bus import Admin, Consumer, Producer
from bonafides.consumer import OffsetConsumer
from bonafides.outbox import Outbox
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from bonafides.topics import TOPICS as ALL_TOPICS
from bonafides.topics import dead_letter_topic
from bonafides.types import ChainId
from bonafides_lab.stack.postgres import create_database, drop_database
from bonafides_scoring.boundaries import BoundaryScorer
from bonafides_scoring.folding import WALLETS_AT_ONCE
from bonafides_scoring.handler import TOPICS, ScoringHandler
from bonafides_scoring.model import ModelBundle, load_bundle, shipped_model
from bonafides_scoring.store.tables import (
    consumer_offset,
    latest_result,
    outbox,
    score,
    unscorable,
    wallet_snapshot,
)
from bonafides_scoring.worker import GROUP, ScoringWorker
from psycopg import sql
from sqlalchemy import Engine, RowMapping, Table, event, select

from tests.support.scoring_core_story import CHAIN

WITH_DEAD_LETTERS = (*ALL_TOPICS, *(dead_letter_topic(topic) for topic in ALL_TOPICS))


@cache
def shipped_bundle() -> ModelBundle:
    """The model that ships, loaded once."""
    return load_bundle(shipped_model())


@contextmanager
def migrated(url: str, role: str = "bonafides_scoring_worker") -> Iterator[Engine]:
    """An engine on a database with the schema `scoring` at head, with the rights of one role alone."""
    owner = database.connect(url)
    database.migrate(owner, schemas=["scoring"])
    owner.dispose()
    with as_role(url, role) as engine:
        yield engine


@contextmanager
def as_role(url: str, role: str) -> Iterator[Engine]:
    """An engine whose connections have the rights of this role."""
    engine = database.connect(url, pool_size=8)

    @event.listens_for(engine, "connect")
    def take_role(connection: psycopg.Connection, _: object) -> None:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        connection.commit()

    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def throwaway_database(admin_url: str) -> Iterator[str]:
    """An empty database for a whole module."""
    name = f"scoring_{uuid4().hex[:8]}"
    url = create_database(admin_url, name)
    try:
        yield url
    finally:
        drop_database(admin_url, name)


def make_worker(
    engine: Engine,
    consumer: Consumer,
    admin: Admin,
    producer: Producer,
    *,
    chains: Iterable[ChainId] = (CHAIN,),
    dead_letter_limit: int = 10,
    max_records: int = 500,
    beat: Callable[[], None] = lambda: None,
    wallets_at_once: int = WALLETS_AT_ONCE,
    now: Callable[[], float] = time.monotonic,
) -> ScoringWorker:
    """A worker as `__main__` wires it."""
    chain_ids = tuple(sorted(chains))
    scorer = BoundaryScorer(shipped_bundle(), chain_ids, beat, wallets_at_once)
    handler = ScoringHandler(scorer, frozenset(chain_ids), dead_letter_limit)
    return ScoringWorker(
        OffsetConsumer(
            consumer, admin, engine, consumer_offset, GROUP, TOPICS, handler, "worker", max_records=max_records, now=now
        ),
        Outbox(engine, outbox, producer),
        handler.take_has_messages,
        now,
    )


def memory_worker(
    broker: MemoryBroker, engine: Engine, *, max_records: int = 500, dead_letter_limit: int = 10
) -> ScoringWorker:
    """A worker on the bus in memory, already in its group."""
    worker = make_worker(
        engine,
        MemoryConsumer(broker, GROUP),
        MemoryAdmin(broker),
        MemoryProducer(broker),
        max_records=max_records,
        dead_letter_limit=dead_letter_limit,
        now=itertools.count().__next__,  # the bus in memory waits for nothing, so each look at the clock is a second
    )
    worker.start()
    return worker


def memory_broker() -> MemoryBroker:
    """A broker with all topics."""
    broker = MemoryBroker()
    MemoryAdmin(broker).ensure_topics(WITH_DEAD_LETTERS, 1)
    return broker


def run_until_idle(*workers: ScoringWorker, most_turns: int = 400) -> None:
    """Turn by turn until no worker has anything to do."""
    for _ in range(most_turns):
        busy = [worker.turn() for worker in workers]
        if not any(busy):
            return
    raise AssertionError(f"still busy after {most_turns} turns")


def outcome(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """What must not depend on how it came about: scores, receipts, explanations, reasons, states. Row by row."""
    columns: dict[Table, tuple[str, ...]] = {
        score: (
            "score_id",
            "wallets",
            "as_of",
            "model_id",
            "score",
            "band",
            "pd_bps",
            "flags",
            "reasons",
            "receipt",
            "explanation",
            "coverage",
            "event_offset",
            "market_offset",
        ),
        unscorable: ("result_id", "wallets", "as_of", "model_id", "reason", "coverage"),
        latest_result: ("wallet", "score_id", "result_id", "basis", "health_factor_bps"),
        wallet_snapshot: ("wallet", "chain_id", "block_number", "state"),
    }
    found: dict[str, list[tuple[object, ...]]] = {}
    with database.transaction(engine) as connection:
        for table, names in columns.items():
            rows = connection.execute(select(*(table.c[name] for name in names))).all()
            found[table.name] = sorted(
                (tuple(_plain(value) for value in row) for row in rows), key=lambda row: repr(row)
            )
    return found


def table_rows(engine: Engine, table: Table) -> list[RowMapping]:
    """All rows of a table."""
    with database.transaction(engine) as connection:
        return list(connection.execute(select(table)).mappings())


def _plain(value: object) -> object:
    if isinstance(value, memoryview | bytes):
        return bytes(value)
    if isinstance(value, list):
        return tuple(_plain(one) for one in value)
    return value
