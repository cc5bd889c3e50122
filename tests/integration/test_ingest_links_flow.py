"""Links and accounts through the flow, on a real PostgreSQL: before the deployments, and the same after any failure."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from bonafides.errors import InvalidSettings, Unavailable
from bonafides.events import BlockRange
from bonafides.messages import LogDeadLetter
from bonafides.topics import WALLET_EVENTS
from bonafides.types import AccountKind
from bonafides_ingest.accounts import link_events as links_abi
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.store import Store

from tests.support.ingest_accounts import PROXIES, SAFE_FACTORY, SAFES, SINGLETON
from tests.support.ingest_links_world import (
    ALICE,
    BOB,
    GATEWAY,
    LINKS,
    PROXY,
    ROBOT,
    SAFE,
    WITH_GATEWAY,
    World,
    run_to_the_end,
    world_of_links,
)
from tests.support.ingest_logs import (
    CHAIN,
    DEPLOYMENT,
    RAY,
    ListedReserve,
    address,
    block_at,
    encode_event,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with world_of_links(fresh_database) as world:
        yield world


def test_turn__whole_chain__reads_links_before_each_range_and_sends_them(world: World) -> None:
    run_to_the_end(world.replica())

    assert world.links() == LINKS
    reads = [BlockRange(1, 10), BlockRange(11, 20), BlockRange(21, 30), BlockRange(31, 35)]
    assert list(dict.fromkeys(world.chain.fetches)) == reads
    assert world.rows("SELECT count(*) FROM ingest.link") == [(3,)]
    last = world.boundaries()[-1]
    assert (last.block.number, last.is_scoring) == (35, True)
    assert [(row.deployment, row.gaps) for row in last.coverage] == [
        (DEPLOYMENT.id, ()),
        (PROXIES.id, ()),
        (SAFES.id, ()),
    ]


def test_turn__window_of_links__does_not_move_the_cursor(world: World) -> None:
    indexer = world.replica()

    indexer.turn()

    assert world.links() == LINKS[:1]
    assert world.rows("SELECT tip_number FROM ingest.chain") == [(None,)]
    assert world.boundaries() == []
    indexer.turn()
    assert world.rows("SELECT tip_number FROM ingest.chain") == [(10,)]


def test_turn__links_begin_long_before_the_deployments__move_the_cursor_up_to_there(world: World) -> None:
    late = DEPLOYMENT.model_copy(update={"from_block": 25})
    world.options = replace(world.options, deployments=(late,))
    indexer = world.replica()

    tips = [world.rows("SELECT tip_number FROM ingest.chain")[0][0] for _ in range(5) if indexer.turn() or True]

    assert tips == [10, 20, 24, 24, 34]


@pytest.mark.parametrize("flush", range(1, 12))
def test_turn__process_dies_after_any_flush_and_another_takes_over__same_links(world: World, flush: int) -> None:
    first = world.replica()
    first.producer.dies_after = flush  # type: ignore[attr-defined]
    with suppress(Unavailable):
        while first.turn():
            pass
    world.end_lease()

    run_to_the_end(world.replica())

    assert world.links() == LINKS
    assert world.rows("SELECT block_number FROM ingest.link ORDER BY 1") == [(3,), (14,), (22,)]
    assert set(world.kinds().values()) == {"ds_proxy", "safe", "contract", "externally_owned"}


def test_turn__new_source_of_links_in_the_registry__is_a_gap_until_it_was_read(world: World) -> None:
    world.options = replace(world.options, links=(PROXIES,))
    run_to_the_end(world.replica())
    world.end_lease()
    world.clock.time += 1_000
    world.options = replace(world.options, links=(PROXIES, SAFES), registry_version=2)
    indexer = world.replica()
    world.chain.head = 36

    indexer.turn()  # blocks 1 to 10
    indexer.turn()  # and 11 to 20, with news

    (gap,) = [row for row in world.boundaries()[-1].coverage if row.deployment == SAFES.id]
    assert (gap.gaps, gap.registry_version, world.boundaries()[-1].is_scoring) == ((BlockRange(21, 35),), 2, False)
    run_to_the_end(indexer)
    assert world.links() == LINKS
    assert not any(row.gaps for row in world.boundaries()[-1].coverage)


def test_turn__log_of_a_factory_that_cannot_be_read__is_a_dead_letter_in_its_coverage(world: World) -> None:
    topics, payload = encode_event(links_abi.PROXY_CREATION, (address("another"), SINGLETON))
    world.chain.emit_raw(30, 0, SAFE_FACTORY, topics, payload + b"\x01")

    run_to_the_end(world.replica())

    letters = [m for _, m in world.messages(f"{WALLET_EVENTS.name}.dlq") if isinstance(m, LogDeadLetter)]
    assert [(letter.deployment, letter.address) for letter in letters] == [(SAFES.id, SAFE_FACTORY)]
    assert [row.dead_letters for row in world.boundaries()[-1].coverage if row.deployment == SAFES.id] == [1]


def test_check_starts__source_of_links_with_another_singleton__is_refused(world: World) -> None:
    run_to_the_end(world.replica())
    changed = SAFES.model_copy(update={"singletons": (SINGLETON, address("newer singleton"))})
    world.options = replace(world.options, links=(PROXIES, changed))

    with pytest.raises(InvalidSettings, match="other contracts"):
        world.replica()


# Accounts


def test_turn__end_of_the_chain__asks_what_new_wallets_are_and_says_so(world: World) -> None:
    world.options = replace(world.options, deployments=(WITH_GATEWAY,))
    run_to_the_end(world.replica())

    assert world.kinds() == {
        PROXY: "ds_proxy",
        SAFE: "safe",
        ROBOT: "contract",
        ALICE: "externally_owned",
        GATEWAY: "gateway",
    }
    told = {fact.account: (fact.kind, fact.block.number) for fact in world.facts() if not fact.source}
    assert told == {
        ROBOT: (AccountKind.CONTRACT, 35),
        ALICE: (AccountKind.EXTERNALLY_OWNED, 35),
        GATEWAY: (AccountKind.GATEWAY, 35),
    }
    assert sorted(world.codes.asked) == sorted([(ROBOT, 35), (ALICE, 35)])


def test_turn__wallet_seen_again__is_not_asked_about_again(world: World) -> None:
    indexer = world.replica()
    run_to_the_end(indexer)
    asked = list(world.codes.asked)
    world.chain.head = 36
    world.chain.emit(36, 0, ListedReserve.of("WETH").a_token, abi.MINT, ALICE, ALICE, 100, 0, RAY)

    run_to_the_end(indexer)

    assert world.codes.asked == asked


def test_turn__node_does_not_tell__the_chain_goes_on_and_it_is_asked_later(world: World) -> None:
    world.codes.is_silent = True
    indexer = world.replica()
    run_to_the_end(indexer)
    assert world.boundaries()[-1].is_scoring
    assert world.kinds()[ROBOT] is None
    indexer.turn()
    assert world.codes.refusals == 1  # nothing is gained by asking again about the same block

    world.codes.is_silent = False
    world.chain.head = 36
    run_to_the_end(indexer)

    assert world.kinds()[ROBOT] == "contract"


def test_turn__without_a_node__leaves_unknown_what_only_a_node_knows(world: World) -> None:
    indexer = world.replica()
    indexer.codes = None

    run_to_the_end(indexer)

    assert world.kinds() == {PROXY: "ds_proxy", SAFE: "safe", ROBOT: None, ALICE: None}
    world.end_lease()
    world.chain.head = 36  # block 35 has its boundary
    run_to_the_end(world.replica())
    assert world.kinds() == {PROXY: "ds_proxy", SAFE: "safe", ROBOT: "contract", ALICE: "externally_owned"}


def test_turn__wallet_becomes_a_safe_later__is_one_from_there_on(world: World) -> None:
    indexer = world.replica()
    counterfactual = address("safe that will be")
    weth = ListedReserve.of("WETH")
    world.chain.emit(33, 0, weth.a_token, abi.MINT, counterfactual, counterfactual, 100, 0, RAY)
    run_to_the_end(indexer)
    assert world.kinds()[counterfactual] == "externally_owned"
    world.chain.head = 37
    world.chain.emit(36, 0, counterfactual, links_abi.SAFE_SETUP, ALICE, (ALICE,), 1, bytes(20), bytes(20))
    world.chain.emit(36, 0, SAFE_FACTORY, links_abi.PROXY_CREATION, counterfactual, SINGLETON)

    run_to_the_end(indexer)

    assert world.kinds()[counterfactual] == "safe"


def test_ask_again__gateway_taken_from_the_registry__is_asked_about_again(world: World) -> None:
    world.options = replace(world.options, deployments=(WITH_GATEWAY,))
    run_to_the_end(world.replica())
    world.end_lease()
    world.options = replace(world.options, deployments=(DEPLOYMENT,))
    world.chain.head = 36

    run_to_the_end(world.replica())

    assert world.kinds()[GATEWAY] == "externally_owned"


def test_newest_links__between_two_changes__is_the_earlier(world: World) -> None:
    run_to_the_end(world.replica())
    memory = Store(world.engine, CHAIN, 60.0).accounts.memory_of([PROXIES])

    found = {before: memory.newest_links([PROXY, ALICE], before) for before in (3, 4, 22, 23)}

    owners = {before: facts[PROXY].owners for before, facts in found.items() if facts}
    assert owners == {4: (ALICE,), 22: (ALICE,), 23: (BOB,)}
    assert found[4][PROXY].block == block_at(3)
