"""Prices through feeds whose aggregators change without a log: any story, in any windows, against a model of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import pytest
from bonafides.events import BlockRange, MarketPoint
from bonafides.types import ZERO_ADDRESS, ZERO_DIGEST, Address, BlockRef, MarketPointKind
from bonafides_ingest.feeds import Phase, Timeline
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.aave_v3.state import AaveV3State
from bonafides_ingest.scanning import scan
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ingest_logs import DEPLOYMENT, ORACLE, PROVIDER, ChainOfLogs, address

pytestmark = pytest.mark.unit

PROXIES, DIRECT = (address("proxy 0"), address("proxy 1")), address("direct feed")
AGGREGATORS = (address("aggregator 0"), address("aggregator 1"), DIRECT)
ASSETS = (address("asset 0"), address("asset 1"))
LENGTH = 20
STORY = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.sampled_from(AGGREGATORS), st.integers(-1, 9)),
        st.tuples(st.just("source"), st.sampled_from(ASSETS), st.sampled_from((*PROXIES, DIRECT, ZERO_ADDRESS))),
        st.tuples(st.just("oracle"), st.sampled_from((ORACLE, ORACLE, address("new oracle"))), st.just(0)),
        st.tuples(st.just("nothing"), st.just(ZERO_ADDRESS), st.just(0)),
    ),
    min_size=1,
    max_size=LENGTH,
)
PHASES = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from((*AGGREGATORS, ZERO_ADDRESS))), max_size=4
)  # how many blocks after the one before, and who answers from there on: the zero address where nobody knows


@dataclass(frozen=True)
class Told:
    """`FeedTimelines` of a story."""

    timelines: Mapping[Address, Timeline]

    def read(self, feeds: Iterable[Address], last: int) -> Mapping[Address, Timeline]:
        return {feed: self.timelines[feed] for feed in feeds if feed in self.timelines}

    def read_live(self, feeds: Iterable[Address], blocks: Sequence[BlockRef]) -> Mapping[Address, Timeline]:
        return self.read(feeds, blocks[-1].number)


def _timeline(phases: Sequence[tuple[int, Address]]) -> Timeline:
    starts = accumulate(gap for gap, _ in phases)
    return Timeline(tuple(Phase(start, whom) for start, (_, whom) in zip(starts, phases, strict=True)))


def _chain_of(story: Sequence[tuple[str, Address, Any]]) -> ChainOfLogs:
    chain = ChainOfLogs(head=len(story))
    for block, (kind, where, what) in enumerate(story, start=1):
        if kind == "answer":
            chain.emit(block, 0, where, abi.ANSWER_UPDATED, what, block, 0)
        elif kind == "source":
            chain.emit(block, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, where, what)
        elif kind == "oracle":
            chain.emit(block, 0, PROVIDER, abi.PRICE_ORACLE_UPDATED, ORACLE, where)
    return chain


def _points(chain: ChainOfLogs, told: Told, ends: Iterable[int], restarts: frozenset[int]) -> list[MarketPoint]:
    state, found, first = AaveV3State(DEPLOYMENT), list[MarketPoint](), 1
    for last in ends:
        if first - 1 in restarts:
            state = state.with_prices(replace(state.prices, answers={}))
        scanned = scan(chain, {DEPLOYMENT.id: state}, BlockRange(first, last), None, told)
        state, decoded = AaveV3().decode_logs(scanned.states[DEPLOYMENT.id], scanned.window.logs, 1, scanned.ends)
        found += decoded.points
        first = last + 1
    return found


def _modelled(story: Sequence[tuple[str, Address, Any]], told: Told) -> list[dict[Address, int]]:
    """The assets' prices at the end of each block; 0: unknown."""
    answers: dict[Address, int] = {}
    sources: dict[Address, Address] = {}
    asked, prices = ORACLE, []
    for block, (kind, where, what) in enumerate(story, start=1):
        if kind == "answer":
            answers[where] = max(what, 0)
        elif kind == "source":
            sources[where] = what
        elif kind == "oracle":
            asked = where
        answering = {
            asset: told.timelines[feed].at_end_of(block) if feed in told.timelines else feed
            for asset, feed in sources.items()
        }
        prices.append({a: answers.get(answering.get(a, ZERO_ADDRESS), 0) if asked == ORACLE else 0 for a in ASSETS})
    return prices


def _as_of_each_block(points: Iterable[MarketPoint], blocks: int) -> list[dict[Address, int]]:
    known, prices = sorted(points, key=lambda point: point.order), []
    for block in range(1, blocks + 1):
        latest = {p.asset: p.values[0] for p in known if p.position.block.number <= block}
        prices.append({asset: latest.get(asset, 0) for asset in ASSETS})
    return prices


@given(STORY, PHASES, PHASES, st.sets(st.integers(1, LENGTH)), st.sets(st.integers(1, LENGTH)))
def test_prices__any_story_with_phases_in_any_windows_with_any_restarts__are_the_models_at_every_block(
    story: list[tuple[str, Address, Any]],
    first: list[tuple[int, Address]],
    second: list[tuple[int, Address]],
    ends: set[int],
    restarts: set[int],
) -> None:
    told = Told(dict(zip(PROXIES, (_timeline(first), _timeline(second)), strict=True)))
    chain = _chain_of(story)
    windows = (*sorted(end for end in ends if end < len(story)), len(story))

    points = _points(chain, told, windows, frozenset(restarts))

    assert _as_of_each_block(points, len(story)) == _modelled(story, told)
    assert points == _points(chain, told, (len(story),), frozenset())


def test_point_of_a_phase__in_a_block_with_logs__stands_behind_them() -> None:
    chain = ChainOfLogs(head=9)
    chain.emit(2, 0, AGGREGATORS[0], abi.ANSWER_UPDATED, 100, 1, 0)
    chain.emit(3, 0, AGGREGATORS[1], abi.ANSWER_UPDATED, 200, 1, 0)
    chain.emit(4, 0, ORACLE, abi.ASSET_SOURCE_UPDATED, ASSETS[0], PROXIES[0])
    chain.emit(6, 7, AGGREGATORS[0], abi.ANSWER_UPDATED, 101, 2, 0)
    told = Told({PROXIES[0]: _timeline([(1, AGGREGATORS[0]), (5, AGGREGATORS[1])])})

    points = [p for p in _points(chain, told, (9,), frozenset()) if p.kind is MarketPointKind.PRICE]

    # The old one's answer of block 6 counted for a moment at most: what a block ends with is what it says.
    assert [(p.position.block.number, p.values) for p in points][-1] == (6, (200,))
    assert points[-1].position.tx_hash == ZERO_DIGEST
    assert points[-1].order > max(log.position.order for log in chain.logs if log.position.block.number == 6)
