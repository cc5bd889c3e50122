"""When accounts are asked about, and what a failure throws away, on a real PostgreSQL."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from bonafides.errors import Unavailable
from bonafides.events import BlockRange, BoundaryMark
from bonafides.messages import AccountBatch
from bonafides.topics import WALLET_EVENTS
from bonafides.types import Address, BlockRef, Digest
from bonafides_ingest import indexer as indexer_module
from bonafides_ingest.accounts import asking
from bonafides_ingest.chain import Window
from bonafides_ingest.protocols.aave_v3 import events as abi

from tests.support.ingest_links_world import (
    ALICE,
    BOB,
    PACE,
    ROBOT,
    WITH_GATEWAY,
    World,
    run_to_the_end,
    world_of_links,
)
from tests.support.ingest_logs import RAY, ListedReserve

pytestmark = pytest.mark.integration


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with world_of_links(fresh_database) as world:
        yield world


@pytest.fixture
def one_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (indexer_module, asking):
        monkeypatch.setattr(module, "MOST_AT_ONCE", 1)


def _late_facts(world: World) -> list[tuple[int, int]]:
    """(block of a fact, block of a boundary before it in its partition) where the boundary claims the fact."""
    blocks = {boundary.number: boundary.block.number for boundary in world.boundaries()}
    seen: dict[int, int] = {}
    late = []
    for partition, message in world.messages(WALLET_EVENTS.name):
        if isinstance(message, BoundaryMark):
            seen[partition] = blocks[message.number]
        elif isinstance(message, AccountBatch):
            claimed = seen.get(partition, -1)
            late += [(fact.block.number, claimed) for fact in message.facts if fact.block.number <= claimed]
    return late


@pytest.mark.usefixtures("one_a_turn")
def test_turn__accounts_left_to_ask_about__the_boundary_waits_for_them(world: World) -> None:
    run_to_the_end(world.replica())

    assert _late_facts(world) == []
    assert {world.kinds()[account] for account in (ROBOT, ALICE)} == {"contract", "externally_owned"}
    assert [b.block.number for b in world.boundaries() if b.is_scoring] == [35]


@pytest.mark.usefixtures("one_a_turn")
def test_turn__more_accounts_than_a_scoring_interval_can_ask__boundary_comes_and_the_rest_later(world: World) -> None:
    world.chain.emit(30, 0, ListedReserve.of("WETH").a_token, abi.MINT, BOB, BOB, 100, 0, RAY)
    indexer = world.replica()
    while not world.codes.asked:
        indexer.turn()
    assert not world.boundaries() or not world.boundaries()[-1].is_scoring
    world.clock.time += PACE.scoring_interval_s

    run_to_the_end(indexer)

    assert world.boundaries()[-1].is_scoring
    assert None in world.kinds().values()
    world.chain.head = 36
    run_to_the_end(indexer)
    assert None not in world.kinds().values()
    assert _late_facts(world) == []


def test_turn__another_process_at_a_block_that_has_its_boundary__asks_at_the_next(world: World) -> None:
    world.codes.is_silent = True
    run_to_the_end(world.replica())
    world.end_lease()
    world.codes.is_silent = False
    world.options = replace(world.options, deployments=(WITH_GATEWAY,))
    indexer = world.replica()

    run_to_the_end(indexer)
    assert world.codes.asked == []
    world.chain.head = 36
    run_to_the_end(indexer)

    assert {block for _, block in world.codes.asked} == {36}
    assert _late_facts(world) == []


def test_turn__fetch_fails_under_the_same_lease__links_read_ahead_are_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, failures, fetched_links = world.chain.fetch, [3], list[BlockRange]()

    def failing_fetch(
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        if topics_anywhere:
            fetched_links.append(wanted)
        elif failures[0]:
            failures[0] -= 1
            raise Unavailable("the node does not answer")
        return fetch(wanted, addresses, parent, topics_anywhere)

    monkeypatch.setattr(world.chain, "fetch", failing_fetch)
    indexer = world.replica()

    for _ in range(6):
        with suppress(Unavailable):
            indexer.turn()

    assert failures == [0]
    assert len(fetched_links) == len(set(fetched_links))
