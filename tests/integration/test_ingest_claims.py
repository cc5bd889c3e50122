"""Claims on a real PostgreSQL: several replicas share a chain, and nothing is read by two at once or by none."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from bonafides import database
from bonafides.events import BlockRange
from bonafides.types import BlockRef, Digest
from bonafides_ingest.chain import Header
from bonafides_ingest.chain_stores import ChainStores
from bonafides_ingest.claims import Claim, ClaimLost
from bonafides_ingest.lease import LeaseLost
from bonafides_ingest.store import FlushedWindow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from tests.support.ingest_logs import CHAIN

pytestmark = pytest.mark.integration

SPANS = {name: BlockRange(first, 2**63 - 1) for name, first in (("a", 1), ("b", 1), ("c", 20), ("d", 55))}
LINKS = {"safes": BlockRange(0, 2**63 - 1)}
FINALIZED, WINDOW = 100, 15
NO_LIMIT = 10**9


def _block(number: int) -> BlockRef:
    return BlockRef(CHAIN, number, Digest(number.to_bytes(32)), 1_000 + number)


@dataclass
class Chain:
    """The rows of one chain, and a few replicas that read it."""

    engine: Engine
    stores: ChainStores
    committed: dict[str, list[BlockRange]] = field(default_factory=dict)

    def take(self, token: UUID, finalized: int = FINALIZED) -> Claim | None:
        return self.stores.claims.take(token, SPANS, LINKS, finalized, WINDOW)

    def commit(self, claim: Claim, last: int | None = None) -> None:
        """The whole claim, or its first part, was flushed."""
        read = BlockRange(claim.work.range.first, last or claim.work.range.last)
        flushed = FlushedWindow(read, _block(read.last), {}, (), {})
        self.stores.store.commit_claim(claim, flushed, frozenset({3}), {**SPANS, **LINKS}, NO_LIMIT)
        for name in claim.work.deployments:
            self.committed.setdefault(name, []).append(read)

    def end_claims(self) -> None:
        with database.transaction(self.engine) as connection:
            connection.execute(text("UPDATE ingest.claim SET until = now() - interval '1 second'"))

    def clear(self) -> None:
        self.committed.clear()
        with database.transaction(self.engine) as connection:
            connection.execute(text("TRUNCATE ingest.chain CASCADE"))
        self.begin()

    def begin(self) -> None:
        self.stores.leases.take(uuid4(), 0)


@pytest.fixture
def chain(fresh_database: str) -> Iterator[Chain]:
    engine = database.connect(fresh_database)
    database.migrate(engine, schemas=["ingest"])
    found = Chain(engine, ChainStores.of(engine, CHAIN, 60.0))
    found.begin()
    yield found
    engine.dispose()


def test_take__two_replicas__each_reads_half_of_what_stands_at_one_block(chain: Chain) -> None:
    spans = {name: BlockRange(1, 2**63 - 1) for name in "abcd"}
    first, second = uuid4(), uuid4()

    def take(token: UUID) -> tuple[str, ...]:
        claim = chain.stores.claims.take(token, spans, {}, FINALIZED, WINDOW)
        return claim.work.deployments if claim else ()

    assert take(first) == ("a", "b", "c", "d")  # nobody else is there
    assert take(second) == ()  # and is there now
    assert (take(first), take(second)) == (("a", "b"), ("c", "d"))


def test_take__links_are_read_by_another__gives_no_deployment_above_them(chain: Chain) -> None:
    first, second = uuid4(), uuid4()
    links = chain.take(first)
    assert links is not None
    assert links.work.deployments == ("safes",)

    assert chain.take(second) is None


def test_commit__claim_was_given_to_another_meanwhile__changes_nothing(chain: Chain) -> None:
    zombie, other = uuid4(), uuid4()
    late = chain.take(zombie)
    chain.end_claims()
    same = chain.take(other)
    assert late is not None
    assert same is not None
    assert same.work.range == late.work.range
    chain.commit(same)

    with pytest.raises(ClaimLost):
        chain.commit(late)

    assert chain.stores.store.done_ranges() == {"safes": (same.work.range,)}


def test_commit__first_part_of_a_claim__the_rest_is_free_again(chain: Chain) -> None:
    token = uuid4()
    links = chain.take(token)
    assert links is not None

    chain.commit(links, last=0)

    again = chain.take(uuid4())
    assert again is not None
    assert again.work.range.first == 1


def test_take__head_is_followed__nothing_above_the_final_blocks_of_its_follower(chain: Chain) -> None:
    holder, other = uuid4(), uuid4()
    with database.transaction(chain.engine) as connection:
        connection.execute(text("UPDATE ingest.chain SET lease_until = now() - interval '1 second'"))
    chain.take(other, finalized=40)
    chain.stores.claims.release(other)
    lease = chain.stores.leases.take(holder, 0)
    assert lease is not None
    chain.stores.ring.begin(lease, Header(_block(40), Digest(bytes(32))), opens_epoch=False)

    while (claim := chain.take(other, finalized=90)) is not None:
        chain.commit(claim)

    assert {ranges[-1].last for ranges in chain.stores.store.done_ranges().values()} == {40}


def test_begin__more_was_taken_as_final_meanwhile__is_refused(chain: Chain) -> None:
    with database.transaction(chain.engine) as connection:
        connection.execute(text("UPDATE ingest.chain SET lease_until = now() - interval '1 second'"))
    lease = chain.stores.leases.take(uuid4(), 0)
    assert lease is not None
    chain.take(uuid4(), finalized=40)

    with pytest.raises(LeaseLost):
        chain.stores.ring.begin(lease, Header(_block(0), Digest(bytes(32))), opens_epoch=False)


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["take", "commit", "part", "die", "expire"])), max_size=60
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_claims__replicas_that_take_commit_die_and_sleep__every_block_is_committed_once(
    chain: Chain, steps: list[tuple[int, str]]
) -> None:
    chain.clear()
    tokens, held = [uuid4() for _ in range(3)], dict[int, Claim]()
    for replica, step in steps:
        if step == "take":
            held.pop(replica, None)
            if claim := chain.take(tokens[replica]):
                held[replica] = claim
        elif step == "die":
            held.pop(replica, None)
            tokens[replica] = uuid4()
        elif step == "expire":
            chain.end_claims()
        elif claim := held.pop(replica, None):
            try:
                chain.commit(claim, claim.work.range.first if step == "part" else None)
            except ClaimLost:
                continue
    chain.end_claims()
    last = uuid4()
    while (claim := chain.take(last)) is not None:
        chain.commit(claim)

    for name, span in {**SPANS, **LINKS}.items():
        blocks = [number for one in chain.committed[name] for number in range(one.first, one.last + 1)]
        assert sorted(blocks) == list(range(span.first, FINALIZED + 1))
    tip = chain.stores.leases.tip()
    assert tip is not None
    assert tip.number == FINALIZED
