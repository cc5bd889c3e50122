"""What ingest remembers of price feeds, on a real PostgreSQL and as the role that the service has."""

from collections.abc import Iterator

import pytest
from bonafides import database
from bonafides.errors import InvariantViolation
from bonafides.types import ChainId
from bonafides_ingest.feed_store import FeedStore
from bonafides_ingest.feeds import KnownPhase
from sqlalchemy import Engine

from tests.support.ingest_logs import CHAIN, address
from tests.support.scoring_service import as_role

pytestmark = pytest.mark.integration

FEED, OTHER = address("feed"), address("other")
PHASES = (KnownPhase(0, 99, 1, address("a")), KnownPhase(100, 2**40, 2, address("b")))


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    owner = database.connect(fresh_database)
    database.migrate(owner, schemas=["ingest"])
    owner.dispose()
    with as_role(fresh_database, "bonafides_ingest") as engine:
        yield engine


def test_phases__of_a_feed_nobody_asked_for__are_none(engine: Engine) -> None:
    assert FeedStore(engine, CHAIN).phases(FEED) == ()


def test_remember__read_by_another_process__is_the_same_in_order(engine: Engine) -> None:
    FeedStore(engine, CHAIN).remember(FEED, tuple(reversed(PHASES)))

    assert FeedStore(engine, CHAIN).phases(FEED) == PHASES
    assert FeedStore(engine, CHAIN).phases(OTHER) == ()
    assert FeedStore(engine, ChainId(10)).phases(FEED) == ()


def test_remember__by_two_that_saw_different_blocks__all_of_it_is_known(engine: Engine) -> None:
    store = FeedStore(engine, CHAIN)
    store.remember(FEED, [KnownPhase(0, 80, 1, address("a"))])
    store.remember(OTHER, PHASES[:1])

    store.remember(FEED, [KnownPhase(60, 99, 1, address("a")), PHASES[1]])

    assert (store.phases(FEED), store.phases(OTHER)) == (PHASES, PHASES[:1])


def test_remember__two_say_different_things_of_one_block__stops_and_pages(engine: Engine) -> None:
    store = FeedStore(engine, CHAIN)
    store.remember(FEED, PHASES)

    with pytest.raises(InvariantViolation, match="two aggregators"):
        store.remember(FEED, [KnownPhase(50, 120, 2, address("b"))])
    assert store.phases(FEED) == PHASES


def test_remember__by_one_that_asked_earlier_and_wrote_later__the_newer_word_stands(engine: Engine) -> None:
    store = FeedStore(engine, CHAIN)
    for known_to in (100, 5_000, 200):
        store.remember(FEED, [KnownPhase(0, known_to, 1, address("a"))])

    assert store.phases(FEED) == (KnownPhase(0, 5_000, 1, address("a")),)
