"""A provider refuses in the middle of what was planned: the cursor stands behind what came, whatever fails next."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from bonafides import database
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import NodeRefused
from bonafides.testing.memory_bus import MemoryProducer
from bonafides_ingest.chain_stores import ChainStores
from bonafides_ingest.indexer import Indexer
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.sources.rpc import RpcSource

from tests.integration.test_ingest_flow import ALICE, World
from tests.support.ingest_logs import CHAIN, DEPLOYMENT, RAY, ChainOfLogs
from tests.support.ingest_node import FakeNode

pytestmark = pytest.mark.integration

LAST = 60
SUPPLIES = [20, 21, 22, 23, 40, 41, 60]


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    """60 blocks: a listing, and supplies of Alice's, most of them close to each other."""
    engine = database.connect(fresh_database)
    database.migrate(engine, schemas=["ingest"])
    chain = ChainOfLogs(head=LAST)
    weth = chain.list_reserve(1, "WETH")
    for block in SUPPLIES:
        chain.emit(block, 0, weth.a_token, abi.MINT, ALICE, ALICE, 100, 0, RAY)
    made = World(engine, chain)
    made.options = replace(made.options, window_blocks=1_000)
    yield made
    engine.dispose()


def _indexer(world: World, node: FakeNode) -> Indexer:
    return Indexer(
        world.options,
        uuid4(),
        RpcSource(node, CHAIN, window_blocks=1_000, bloom_check_blocks=1_000),
        MemoryProducer(world.broker),
        ChainStores.of(world.engine, CHAIN, 60.0),
        world.clock,
    )


@pytest.mark.parametrize(
    "words",
    [
        "query returned more than 10000 results",
        "query returned more than 10000 results. Try with this block range [{0}, {1}].",
        "query exceeds max results 2, retry with the range 1-7",
    ],
)
def test_turn__provider_refuses_by_results_and_then_fails__the_cursor_never_passes_what_is_not_in(
    world: World, words: str
) -> None:
    node = FakeNode(world.chain)
    asked = 0

    def limited(truth: Any, params: list[Any]) -> Any:
        nonlocal asked
        asked += 1
        if asked % 5 == 0:
            raise Unavailable("the provider went away")
        # What one transaction of a listing logs cannot be split.
        if len(truth) > 2 and params[0]["fromBlock"] != params[0]["toBlock"]:
            raise NodeRefused("eth_getLogs", -32005, words.format(params[0]["fromBlock"], params[0]["toBlock"]))
        return truth

    node.lies["eth_getLogs"] = limited
    indexer, store = _indexer(world, node), ChainStores.of(world.engine, CHAIN, 60.0).store
    cursors = []
    for _ in range(100):
        is_ended = False
        with suppress(Unavailable):
            is_ended = not indexer.turn()
        ranges = store.done_ranges().get(DEPLOYMENT.id, ())
        cursors.append(ranges[-1].last if ranges else 0)
        sent = [event.position.block.number for event in world.events()]
        assert ranges in ((), (BlockRange(1, cursors[-1]),))
        assert sorted(sent) == [block for block in SUPPLIES if block <= cursors[-1]]
        if is_ended:
            break

    assert cursors[-1] == LAST
    assert len(set(cursors)) > 4
    assert cursors == sorted(cursors)
