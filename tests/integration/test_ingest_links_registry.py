"""Sources of links that leave the registry, come back, or are entered under another id, on a real PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from bonafides_ingest.accounts import link_events as links_abi
from bonafides_ingest.accounts.link_sources import LinkKind

from tests.support.ingest_accounts import PROXIES, SAFE_FACTORY, SAFES, SINGLETON, link_source
from tests.support.ingest_links_world import ALICE, BOB, LINKS, SAFE, World, run_to_the_end, world_of_links
from tests.support.ingest_logs import address

pytestmark = pytest.mark.integration

CAROL, NEWER = address("carol"), address("newer singleton")
RENAMED = link_source(LinkKind.SAFE_FACTORY, SAFE_FACTORY, singletons=[SINGLETON, NEWER]).model_copy(
    update={"id": "safe-factory-b"}
)


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with world_of_links(fresh_database) as world:
        yield world


def _go_over_to_newer_code(world: World) -> None:
    world.chain.emit(18, 0, SAFE, links_abi.CHANGED_MASTER_COPY, NEWER)
    world.chain.emit(24, 0, SAFE, links_abi.ADDED_OWNER, CAROL)


def _safe_as_told(world: World) -> list[tuple[int, str, int]]:
    told = [fact for fact in world.facts() if fact.source and fact.account == SAFE]
    assert {fact.source for fact in told} == {RENAMED.id}
    return [(fact.block.number, fact.kind.value, len(fact.owners)) for fact in told]


def test_turn__source_under_another_id_from_the_start__follows_the_safe(world: World) -> None:
    _go_over_to_newer_code(world)
    world.options = replace(world.options, links=(PROXIES, RENAMED))

    run_to_the_end(world.replica())

    assert _safe_as_told(world) == [(14, "safe", 2), (24, "safe", 3)]


def test_turn__source_entered_under_another_id__says_anew_what_the_old_one_said(world: World) -> None:
    _go_over_to_newer_code(world)
    run_to_the_end(world.replica())
    assert [(block, kind.value) for block, kind, _ in world.links()][-2:] == [(18, "contract"), (22, "ds_proxy")]
    world.end_lease()
    world.options = replace(world.options, links=(PROXIES, RENAMED), registry_version=2)

    run_to_the_end(world.replica())

    assert _safe_as_told(world) == [(14, "safe", 2), (18, "safe", 2), (24, "safe", 3)]
    assert world.kinds()[SAFE] == "safe"
    assert world.rows("SELECT DISTINCT source FROM ingest.link ORDER BY 1") == [(PROXIES.id,), (RENAMED.id,)]


def test_turn__old_id_comes_back__is_read_from_its_first_block(world: World) -> None:
    _go_over_to_newer_code(world)
    for links in ((PROXIES, SAFES), (PROXIES, RENAMED), (PROXIES, SAFES)):
        world.options = replace(world.options, links=links)
        run_to_the_end(world.replica())
        world.end_lease()
    world.chain.head = 37
    world.chain.emit(36, 0, SAFE, links_abi.ADDED_OWNER, address("dave"))

    run_to_the_end(world.replica())

    safe = [(fact.block.number, fact.kind.value) for fact in world.facts() if fact.source == SAFES.id]
    assert safe == [(14, "safe"), (18, "contract")]


def test_turn__source_taken_out_while_it_was_read_ahead__loses_nothing_when_it_is_back(world: World) -> None:
    first = world.replica()
    for _ in range(3):
        first.turn()
    assert world.rows("SELECT tip_number FROM ingest.chain") == [(10,)]
    assert (14, LINKS[1][1], (ALICE, BOB)) in world.links()  # read ahead
    world.end_lease()
    world.options = replace(world.options, links=(PROXIES,))
    run_to_the_end(world.replica())
    world.end_lease()
    world.options = replace(world.options, links=(PROXIES, SAFES))
    world.chain.head = 36

    run_to_the_end(world.replica())

    assert world.links() == LINKS
    assert not any(row.gaps for row in world.boundaries()[-1].coverage)
