"""The law of reorgs, at the level of messages: whatever the chain did, what counts in the end is the canonical chain.

Random fork trees (equal length, nested, blocks that come back, lost cursors, zombies of void epochs, restarts of the
reader) against a clean reading of the chain that came out of it: the same events, states, market, scores, receipts and
provisional answers. The handler is fed by hand, inside one transaction of a real PostgreSQL that is rolled back.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
from bonafides.bus import Record, TopicPartition
from bonafides.digests import encode_event, encode_market_point
from bonafides.messages import encode
from bonafides.topics import MARKET
from bonafides.types import Finality
from bonafides_scoring.boundaries import BoundaryScorer
from bonafides_scoring.fold import decode_state, settle
from bonafides_scoring.handler import ScoringHandler
from bonafides_scoring.knowledge import histories_at, states_by_wallet
from bonafides_scoring.store import market
from bonafides_scoring.store.tables import (
    latest_result,
    outbox,
    provisional_result,
    score,
    unscorable,
    wallet_snapshot,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, Table, select

from tests.support.scoring_core_story import CHAIN
from tests.support.scoring_forks import RESTART, WALLETS, ForkingChain, Step
from tests.support.scoring_logs import Sent
from tests.support.scoring_service import migrated, shipped_bundle, throwaway_database

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

EXAMPLES = 30
ALL_OFFSETS = 2**62
Rows = list[tuple[object, ...]]

CHILDREN = st.lists(st.integers(0, 1), min_size=1, max_size=3).map(tuple)
STEPS = st.one_of(
    st.builds(Step, st.just("blocks"), st.just(0), CHILDREN, st.booleans(), st.booleans()),
    st.builds(
        Step,
        st.just("reorg"),
        st.integers(1, 6),
        st.lists(st.integers(0, 1), max_size=6).map(tuple),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(Step, st.just("final"), st.integers(0, 4), st.just(()), st.booleans()),
    st.builds(Step, st.just("takeover")),
    st.builds(Step, st.just("lost"), st.just(0), st.tuples(st.integers(0, 1), st.integers(0, 1)), st.booleans()),
    st.builds(Step, st.just("zombie"), st.integers(0, 40)),
    st.builds(Step, st.just("restart")),
)


@pytest.fixture(scope="module")
def engine(local_postgres: str) -> Iterator[Engine]:
    with throwaway_database(local_postgres) as url, migrated(url) as made:
        yield made


@dataclass
class Reader:
    """A worker's handler, fed by hand; a restart gives it a new memory."""

    connection: Connection
    offsets: dict[TopicPartition, int]
    handler: ScoringHandler

    @classmethod
    def new(cls, connection: Connection) -> "Reader":
        return cls(connection, {}, cls._new_handler())

    @staticmethod
    def _new_handler() -> ScoringHandler:
        return ScoringHandler(BoundaryScorer(shipped_bundle(), (CHAIN,)), frozenset({CHAIN}), dead_letter_limit=0)

    def read(self, log: Iterable[Sent | None]) -> None:
        """Read records in this order, each in a poll of its own."""
        for sent in log:
            if sent is RESTART:
                self.handler = self._new_handler()
                continue
            at = TopicPartition(sent.topic.name, sent.partition)
            offset = self.offsets.get(at, 0)
            outcome = self.handler.handle(self.connection, at, [Record(at, offset, encode(sent.message))])
            self.handler.before_commit(self.connection)
            self.handler.after_commit()
            assert outcome.following == offset + 1
            self.offsets[at] = offset + 1


def _ordered(log: list[Sent | None], order: str) -> list[Sent | None]:
    """As it came, or the market far ahead, or partition by partition behind it."""
    if order == "as it came":
        return log
    ahead: list[Sent | None] = [one for one in log if one and one.topic is MARKET]
    rest = [one for one in log if not one or one.topic is not MARKET]
    if order == "partitions apart":
        return [*ahead, *sorted((one for one in rest if one), key=lambda one: one.partition)]
    return ahead + rest


def _rows(connection: Connection, table: Table, *names: str) -> Rows:
    rows = connection.execute(select(*(table.c[name] for name in names)))
    return sorted((tuple(bytes(v) if isinstance(v, memoryview) else repr(v) for v in row) for row in rows), key=repr)


def _what_counts(connection: Connection, finality: Finality) -> dict[str, object]:
    """Events, states and market as of the newest boundary of this finality; and the newest features of each wallet."""
    newest = max(
        (
            logged
            for number in range(1, 400)
            if (logged := market.boundary_of(connection, CHAIN, number)) and logged.boundary.finality is finality
        ),
        key=lambda logged: logged.boundary.number,
    )
    boundary = newest.boundary
    epochs = market.epochs_until(connection, CHAIN, boundary.number)
    histories = histories_at(connection, list(WALLETS), (newest,), ALL_OFFSETS)
    points = market.latest_points(connection, boundary.block, below_offset=ALL_OFFSETS, epochs=epochs)
    features = {}
    table = wallet_snapshot
    for row in connection.execute(select(table).order_by(table.c.block_number)):
        state = decode_state(bytes(row.state))
        if state.last_order is not None:
            features[bytes(row.wallet)] = settle(state)
        else:
            features.pop(bytes(row.wallet), None)  # all that it did was void
    return {
        "block": boundary.block,
        "events": {who: [encode_event(event) for event in own] for who, own in histories.items()},
        "states": states_by_wallet(connection, WALLETS, (newest,), ALL_OFFSETS),
        "features": features,
        "market": sorted(encode_market_point(one) for one in points),
        "provisional": _rows(
            connection, provisional_result, *("wallet", "as_of", "event_set_digest", "score", "pd_bps", "reason")
        ),
        "latest": _rows(connection, latest_result, "wallet", "score_id", "result_id", "basis", "health_factor_bps"),
        "scores": _rows(connection, score, "score_id", "receipt", "explanation", "coverage", "event_set_digest"),
        "unscorables": _rows(connection, unscorable, "result_id", "reason", "coverage"),
        "issued": _rows(connection, outbox, "topic", "partition", "payload"),
    }


def _read_all(engine: Engine, logs: Iterable[list[Sent | None]]) -> list[dict[str, object]]:
    """What counts after each of these logs, read one behind the other: at the head, then when that is final."""
    found = []
    with engine.connect() as connection, connection.begin() as undone:
        reader = Reader.new(connection)
        for log, finality in zip(logs, (Finality.HEAD, Finality.FINALIZED), strict=True):
            reader.read(log)
            found.append(_what_counts(connection, finality))
        undone.rollback()
    return found


def _tail(chain: ForkingChain) -> list[Sent | None]:
    """Everything becomes final, and is scored."""
    start = len(chain.log)
    chain.final = chain.tip
    chain.boundary(Finality.FINALIZED, is_scoring=True)
    return chain.log[start:]


COMES_BACK = [
    Step("blocks", 0, (0, 0, 0), True),
    Step("reorg", 2, (1, 0, 1), True),
    Step("reorg", 3, (0, 0), True),
    Step("final", 2, (), True),
    Step("zombie", 5),
    Step("blocks", 0, (0,), True, False),
]
SHORTER = [
    Step("blocks", 0, (0, 1, 0), True),
    Step("blocks", 0, (1, 1, 1), False, False),
    Step("reorg", 5, (), True),
    Step("restart"),
    Step("final", 1, (), True),
]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(STEPS, min_size=3, max_size=18),
    order=st.sampled_from(("as it came", "market far ahead", "partitions apart")),
)
@example(steps=COMES_BACK, order="as it came")
@example(steps=COMES_BACK, order="market far ahead")
@example(steps=SHORTER, order="partitions apart")
def test_forks__any_tree_and_any_order__come_to_a_clean_reading_of_the_canonical_chain(
    engine: Engine, steps: list[Step], order: str
) -> None:
    chain = ForkingChain()
    for step in steps:
        chain.take(step)
    chain.boundary(Finality.HEAD, is_scoring=True)
    clean = chain.read_cleanly()

    forked = _read_all(engine, [_ordered(list(chain.log), order), _tail(chain)])
    expected = _read_all(engine, [list(clean.log), _tail(clean)])

    assert forked == expected
    assert expected[1]["provisional"] == []
