"""Reading a window with what it names for the first time."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from bonafides.events import BlockRange, MarketPoint
from bonafides.types import ZERO_ADDRESS, Address, MarketPointKind
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.aave_v3.state import AaveV3State
from bonafides_ingest.scanning import scan
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ingest_logs import DEPLOYMENT, ORACLE, PROVIDER, RAY, ChainOfLogs, address, encode_event

pytestmark = pytest.mark.unit

START = {DEPLOYMENT.id: AaveV3State(DEPLOYMENT)}


def _followed(chain: ChainOfLogs, ends: Iterable[int], restarts: frozenset[int] = frozenset()) -> list[MarketPoint]:
    """Market points of blocks 1 to the last end, read in windows that end there.

    Before the windows that begin behind a block of `restarts` only what Postgres holds is known.
    """
    state, found, first = AaveV3State(DEPLOYMENT), list[MarketPoint](), 1
    for last in ends:
        if first - 1 in restarts:
            state = state.with_prices(replace(state.prices, answers={}))
        scanned = scan(chain, {DEPLOYMENT.id: state}, BlockRange(first, last), None)
        state, decoded = AaveV3().decode_logs(scanned.states[DEPLOYMENT.id], scanned.window.logs, 1)
        found += decoded.points
        first = last + 1
    return found


def _prices(points: Iterable[MarketPoint]) -> list[tuple[int, int]]:
    return [(p.position.block.number, p.values[0]) for p in points if p.kind is MarketPointKind.PRICE]


def test_scan__reserve_listed_in_the_window__brings_the_tokens_logs_of_the_whole_window() -> None:
    chain = ChainOfLogs()
    weth = chain.list_reserve(3, "WETH")
    minted = chain.emit(4, 0, weth.a_token, abi.MINT, address("a"), address("a"), 5, 0, RAY)

    scanned = scan(chain, START, BlockRange(1, 10), None)

    assert minted in scanned.window.logs
    assert {log.address for log in scanned.window.logs} == {weth.feed, ORACLE, weth.a_token, DEPLOYMENT.configurator}


def test_scan__nothing_new__reads_once() -> None:
    chain = ChainOfLogs()

    scan(chain, START, BlockRange(1, 10), None)

    assert chain.fetches == [BlockRange(1, 10)]


def test_scan__feed_answered_long_before_the_window__prices_the_asset_from_the_oracles_log_on() -> None:
    chain = ChainOfLogs()
    feed, asset = address("feed"), address("asset")
    chain.emit(2, 0, feed, abi.ANSWER_UPDATED, 11, 1, 0)
    chain.emit(5, 0, feed, abi.ANSWER_UPDATED, 12, 2, 0)
    chain.emit(50, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, asset, feed)
    chain.emit(55, 0, feed, abi.ANSWER_UPDATED, 13, 3, 0)

    scanned = scan(chain, START, BlockRange(40, 60), None)

    _, decoded = AaveV3().decode_logs(scanned.states[DEPLOYMENT.id], scanned.window.logs, 1)
    prices = [(p.position.block.number, p.values) for p in decoded.points if p.kind is MarketPointKind.PRICE]
    assert prices == [(50, (12,)), (55, (13,))]


def test_scan__feed_that_never_answered__leaves_the_price_unknown() -> None:
    chain = ChainOfLogs()
    chain.emit(50, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, address("asset"), address("feed"))

    assert _prices(_followed(chain, (60,))) == [(50, 0)]


@pytest.mark.parametrize("ends", [(10, 20, 30, 40), (40,), (15, 34, 40)])
@pytest.mark.parametrize("restarts", [frozenset[int](), frozenset({10, 15}), frozenset({20, 34}), frozenset({30})])
def test_scan__feed_comes_back_after_it_answered_unwatched__its_newest_answer_counts(
    ends: tuple[int, ...], restarts: frozenset[int]
) -> None:
    chain = ChainOfLogs()
    feed, other, asset = address("feed"), address("other feed"), address("asset")
    chain.emit(2, 0, feed, abi.ANSWER_UPDATED, 100, 1, 0)
    chain.emit(3, 0, other, abi.ANSWER_UPDATED, 200, 1, 0)
    chain.emit(5, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, asset, feed)
    chain.emit(15, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, asset, other)
    chain.emit(25, 0, feed, abi.ANSWER_UPDATED, 50, 2, 0)
    chain.emit(35, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, asset, feed)

    assert _prices(_followed(chain, ends, restarts)) == [(5, 100), (15, 200), (35, 50)]


FEEDS, ASSETS = tuple(address(f"feed {number}") for number in range(3)), (address("asset 0"), address("asset 1"))
HAPPENINGS = st.one_of(
    st.tuples(st.just("answer"), st.sampled_from(FEEDS), st.integers(-1, 9)),
    st.tuples(st.just("unreadable answer"), st.sampled_from(FEEDS), st.integers(1, 4)),
    st.tuples(st.just("source"), st.sampled_from(ASSETS), st.sampled_from((*FEEDS, ZERO_ADDRESS))),
    st.tuples(st.just("oracle"), st.sampled_from((ORACLE, address("new oracle"))), st.just(0)),
)


def _chain_of(story: Sequence[tuple[str, Address, Any]]) -> ChainOfLogs:
    """One happening a block, from block 1 on."""
    chain = ChainOfLogs(head=len(story))
    for block, (kind, where, what) in enumerate(story, start=1):
        match kind:
            case "answer":
                chain.emit(block, 0, where, abi.ANSWER_UPDATED, what, block, 0)
            case "unreadable answer":
                topics, payload = encode_event(abi.ANSWER_UPDATED, (5, block, 0))
                chain.emit_raw(block, 0, where, (*topics, *topics)[:what], payload + b"\x01")
            case "source":
                chain.emit(block, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, where, what)
            case _:
                chain.emit(block, 0, PROVIDER, abi.PRICE_ORACLE_UPDATED, ORACLE, where)
    return chain


@given(st.lists(HAPPENINGS, min_size=1, max_size=25), st.sets(st.integers(1, 24)), st.sets(st.integers(1, 24)))
def test_scan__any_story_in_any_windows_with_any_restarts__says_what_the_whole_chain_says(
    story: list[tuple[str, Address, Any]], ends: set[int], restarts: set[int]
) -> None:
    chain = _chain_of(story)
    windows = (*sorted(end for end in ends if end < len(story)), len(story))

    followed = _followed(chain, windows, frozenset(restarts))

    _, at_once = AaveV3().decode_logs(AaveV3State(DEPLOYMENT), chain.logs, 1)
    assert followed == list(at_once.points)
