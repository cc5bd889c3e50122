"""Several replicas of one chain: other registries, sick nodes, nodes that lag; each as a step-by-step story."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from bonafides import database
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.types import Address, BlockRef, Digest
from bonafides_ingest.accounts.link_sources import LinkSource
from bonafides_ingest.chain import Window
from bonafides_ingest.claims import ClaimLost
from bonafides_ingest.hydration.opening import final_view_of
from bonafides_ingest.hydration.past import FinalView
from bonafides_ingest.indexer import Indexer
from bonafides_ingest.options import IndexerOptions
from bonafides_ingest.protocols.aave_v3.state import AaveV3Deployment
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.integration.test_ingest_flow import FlakyProducer, World, world_of_supplies
from tests.support.ingest_accounts import PROXIES, SAFES
from tests.support.ingest_links_world import ROBOT, world_of_links
from tests.support.ingest_links_world import World as WorldOfLinks
from tests.support.ingest_links_world import run_to_the_end as run_links_to_the_end
from tests.support.ingest_logs import DEPLOYMENT, ChainOfLogs

pytestmark = pytest.mark.integration

RENAMED = DEPLOYMENT.model_copy(update={"id": "aave-v3-renamed"})
LEASE_S = 60.0


class SickNode(ChainOfLogs):
    """Says what is final, and fails at one question."""

    fails_at: str = "fetch"

    def finalized(self) -> int:
        self._perhaps_fail("finalized")
        return super().finalized()

    def block(self, number: int) -> BlockRef:
        self._perhaps_fail("block")
        return super().block(number)

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        self._perhaps_fail("fetch")
        return super().fetch(wanted, addresses, parent, topics_anywhere)

    def _perhaps_fail(self, question: str) -> None:
        if question == self.fails_at:
            raise Unavailable("quota used up until the end of the month")


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with world_of_supplies(fresh_database) as made:
        yield made


@pytest.fixture
def links(fresh_database: str) -> Iterator[WorldOfLinks]:
    with world_of_links(fresh_database) as made:
        yield made


def _other_registry(options: IndexerOptions, deployment: AaveV3Deployment, *links: LinkSource) -> IndexerOptions:
    """Its next version, with these entries."""
    return replace(options, deployments=(deployment,), links=links, registry_version=2, registry_digest=b"another")


def _sick(world: World, fails_at: str) -> SickNode:
    node = SickNode(head=35, logs=world.chain.logs)
    node.fails_at = fails_at
    return node


def _turns(*replicas: Indexer, each: int = 12) -> None:
    for _ in range(each):
        for one in replicas:
            with suppress(Unavailable):
                one.turn()


def _old_and_new(world: World) -> tuple[Indexer, Indexer]:
    """Two replicas of a rolling update, in which a deployment is entered under another id; each with its own node."""
    old = world.replica(lease_s=LEASE_S)
    world.options = _other_registry(world.options, RENAMED)
    new = world.replica(lease_s=LEASE_S)
    new.source = ChainOfLogs(head=35, logs=world.chain.logs)
    return old, new


def _check_copies_agree(world: World) -> None:
    """Of one event under one epoch, all copies in the log say the same."""
    told = {(event.id, event.fork_epoch): event for event in world.events()}
    assert all(told[event.id, event.fork_epoch] == event for event in world.events())


def _done(replica: Indexer) -> dict[str, tuple[BlockRange, ...]]:
    return dict(replica.stores.store.done_ranges())


def test_turn__another_registry_holds_the_lease__reads_nothing(world: World) -> None:
    old, new = _old_and_new(world)
    old.turn()

    with capture_logs() as lines:
        has_more = [new.turn() for _ in range(3)]

    assert not any(has_more)
    assert isinstance(new.source, ChainOfLogs)
    assert new.source.fetches == []
    waits = [line for line in lines if "another registry" in line["event"]]
    assert [line["log_level"] for line in waits] == ["warning"]  # once, when it begins


def test_has_others__the_other_one_has_another_registry__counts_for_nothing(world: World) -> None:
    old, new = _old_and_new(world)
    old.turn()
    new.turn()

    assert not old.stores.claims.has_others(old.token)
    assert not new.stores.claims.has_others(new.token)

    world.options = old.options
    world.replica(lease_s=LEASE_S).turn()
    assert old.stores.claims.has_others(old.token)


def test_turn__registry_goes_over_in_a_rolling_update__tells_everything_anew_under_another_epoch(world: World) -> None:
    old, new = _old_and_new(world)
    _turns(old, new)
    old.release()
    _turns(new)

    _check_copies_agree(world)
    told = {(event.deployment, event.fork_epoch) for event in world.events()}
    assert told == {(DEPLOYMENT.id, 1), (RENAMED.id, 2)}
    assert _done(new)[RENAMED.id] == (BlockRange(1, 35),)


def test_turn__lease_goes_to_another_registry_in_the_middle__commits_nothing_of_what_it_sent(world: World) -> None:
    old, new = _old_and_new(world)

    producer = old.producer = FlakyProducer(world.broker)

    def take_over() -> None:
        producer.before_flush = None
        old.stores.leases.release(old.token)
        new.turn()

    producer.before_flush = take_over
    with pytest.raises(ClaimLost, match="another registry"):
        old.turn()
    asked = len(world.chain.fetches)
    _turns(old, new)

    assert len(world.chain.fetches) == asked  # the old one reads no more
    assert _done(new) == {RENAMED.id: (BlockRange(1, 35),)}
    assert {event.deployment for event in world.events()} == {DEPLOYMENT.id, RENAMED.id}
    _check_copies_agree(world)


def test_final_view__chain_is_read_by_another_registry__is_of_no_block(world: World) -> None:
    old, new = _old_and_new(world)
    _turns(old)
    assert [one.stores.leases.final_view() for one in (old, new)] == [(1, 35), (0, -1)]
    assert final_view_of(old.stores.leases) == FinalView(1, 35)
    with pytest.raises(Unavailable, match="read by another registry"):
        final_view_of(new.stores.leases)

    old.release()
    _turns(new)

    assert [one.stores.leases.final_view() for one in (old, new)] == [(0, -1), (2, 35)]


def test_turn__source_of_links_renamed_in_a_rolling_update__tells_no_fact_in_two_ways(links: WorldOfLinks) -> None:
    old = links.replica()
    renamed = PROXIES.model_copy(update={"id": "ds-proxies-renamed"})
    links.options = _other_registry(links.options, DEPLOYMENT, renamed, SAFES)
    new = links.replica()
    _turns(old, new)
    old.release()
    _turns(new)

    told = {(fact.id, fact.fork_epoch): fact for fact in links.facts_told()}
    assert all(told[fact.id, fact.fork_epoch] == fact for fact in links.facts_told())
    assert {fact.source for fact in told.values()} == {"", PROXIES.id, renamed.id, SAFES.id}


def test_turn__gateway_listed_in_a_rolling_update__is_known_as_one_whatever_the_old_one_asked(
    links: WorldOfLinks,
) -> None:
    old = links.replica()
    run_links_to_the_end(old)
    listed = DEPLOYMENT.model_copy(update={"gateways": (ROBOT,)})
    links.options = _other_registry(links.options, listed, PROXIES, SAFES)
    new = links.replica()
    links.chain.head += 1
    links.clock.time += 400
    _turns(old, each=3)
    old.release()

    links.chain.head += 1
    links.clock.time += 400
    _turns(new)

    assert links.kinds()[ROBOT] == "gateway"


def test_turn__own_node_has_finalized_less_than_was_taken_as_final__reads_up_to_there_alone(world: World) -> None:
    first = world.replica()
    first.stores.leases.take(first.token, 1)
    first.stores.claims.take(first.token, world.options.deployment_spans, {}, 35, 10)  # and dies
    world.end_lease()
    second = world.replica()
    second.source = ChainOfLogs(head=20, logs=world.chain.logs)

    _turns(second)

    assert _done(second) == {DEPLOYMENT.id: (BlockRange(1, 20),)}


@pytest.mark.parametrize("is_leader", [True, False])
def test_turn__own_node_answers_for_no_logs__leaves_them_to_another_replica(world: World, *, is_leader: bool) -> None:
    sick, well = world.replica(), world.replica()
    sick.source = _sick(world, "fetch")
    order = (sick, well) if is_leader else (well, sick)
    for one in order:
        one.stores.leases.take(one.token, 1)
    with pytest.raises(Unavailable):
        sick.turn()

    _turns(*order)

    assert _done(well) == {DEPLOYMENT.id: (BlockRange(1, 35),)}


@pytest.mark.parametrize("fails_at", ["finalized", "block"])
def test_turn__fails_for_as_long_as_a_lease__another_replica_leads(world: World, fails_at: str) -> None:
    first, second = world.replica(lease_s=LEASE_S), world.replica(lease_s=LEASE_S)
    node = first.source = _sick(world, "nothing yet")
    _turns(first)
    told = len(world.boundaries())
    node.fails_at, node.head = fails_at, 50
    for _ in range(2):
        world.chain.head += 1
        _turns(first, second, each=1)
        world.clock.time += LEASE_S
    _turns(first, second, each=3)

    assert second.tip is not None
    assert len(world.boundaries()) > told


def test_boundary__clock_was_ahead_for_a_while__comes_again(world: World) -> None:
    world.clock.time += 86_400
    first = world.replica()
    _turns(first)
    first.release()
    world.clock.time -= 86_400
    told = len(world.boundaries())

    world.chain.head += 1
    _turns(world.replica())

    assert [boundary.is_scoring for boundary in world.boundaries()[told:]] == [True]


def test_set_kinds__another_replica_committed_meanwhile__its_partitions_are_told_too(world: World) -> None:
    replica = world.replica()
    lease = replica.stores.leases.take(replica.token, 1)
    assert lease is not None
    with database.transaction(world.engine) as connection:
        connection.execute(text("UPDATE ingest.chain SET pending_partitions = '{7}'"))

    lease = replica.stores.store.accounts.set_kinds(lease, [], frozenset({3}))

    with database.transaction(world.engine) as connection:
        stored = connection.scalar(text("SELECT pending_partitions FROM ingest.chain"))
    assert stored == [3, 7]
    assert lease.pending_partitions == {3, 7}
