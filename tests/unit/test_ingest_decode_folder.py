"""Decoding a folder goes the way of a backfill: feeds, windows and the registry's spans count the same."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from bonafides import event_files
from bonafides.errors import InvalidInput
from bonafides.events import BlockRange, LendingEvent, MarketPoint
from bonafides.types import MarketPointKind, address_text
from bonafides_ingest import file_decoding
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.deployments import Registry
from bonafides_ingest.feed_entries import FeedEntry
from bonafides_ingest.feed_file import FeedFile
from bonafides_ingest.feeds import KnownPhase, ListedFeeds
from bonafides_ingest.file_decoding import decode_folder
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.reading import read_deployments
from bonafides_ingest.sources.parquet import ParquetSource, open_log_folder

from tests.support.ingest_files import write_files
from tests.support.ingest_logs import CHAIN, DEPLOYMENT, ORACLE, RAY, ChainOfLogs, address

pytestmark = pytest.mark.unit

PROXY, OLD, NEW = address("proxy feed"), address("old aggregator"), address("new aggregator")


@pytest.fixture
def chain() -> ChainOfLogs:
    """WETH is priced from 30 on by a proxy; OLD answers for it up to 49, NEW from the end of 50 on."""
    made = ChainOfLogs(head=100)
    weth = made.list_reserve(12, "WETH")
    for block in range(13, 101, 7):
        made.emit(block, 1, weth.a_token, abi.MINT, address("alice"), address("alice"), 100 + block, 0, RAY)
    made.emit(20, 5, OLD, abi.ANSWER_UPDATED, 555, 1, 0)
    made.emit(30, 5, ORACLE, abi.ASSET_SOURCE_UPDATED, weth.asset, PROXY)
    made.emit(45, 5, NEW, abi.ANSWER_UPDATED, 700, 1, 0)
    made.emit(48, 5, OLD, abi.ANSWER_UPDATED, 556, 2, 0)
    made.emit(60, 5, OLD, abi.ANSWER_UPDATED, 1, 3, 0)
    made.emit(70, 5, NEW, abi.ANSWER_UPDATED, 701, 2, 0)
    made.logs.sort(key=lambda log: log.position.order)
    return made


def prices(points: Sequence[MarketPoint], first: int) -> list[tuple[int, int]]:
    return [
        (point.position.block.number, point.values[0])
        for point in points
        if point.kind is MarketPointKind.PRICE and point.position.block.number >= first
    ]


def as_backfill(folder: Path, registry: Registry) -> tuple[list[LendingEvent], list[MarketPoint]]:
    states = {DEPLOYMENT.id: protocol_of(DEPLOYMENT).restore(DEPLOYMENT, {})}
    feeds = ListedFeeds(registry.feeds_of_chain(CHAIN), FeedFile(folder))
    source = ParquetSource(open_log_folder(folder), CHAIN)
    read = read_deployments(source, states, BlockRange(1, 100), None, feeds, 0)
    events = sorted((event for part in read.decoded for event in part.events), key=lambda event: event.order)
    return events, sorted((p for part in read.decoded for p in part.points), key=lambda p: p.canonical_order)


@pytest.mark.parametrize("window_blocks", [1, 7, 1_000])
@pytest.mark.parametrize("is_listed", [False, True])
def test_decode_folder__feed_that_changes_its_phase__prices_are_those_of_a_backfill(
    tmp_path: Path, chain: ChainOfLogs, monkeypatch: pytest.MonkeyPatch, window_blocks: int, is_listed: bool
) -> None:
    monkeypatch.setattr(file_decoding, "WINDOW_BLOCKS", window_blocks)
    write_files(tmp_path, chain, 0, 49)
    write_files(tmp_path, chain, 50, 100)
    registry = Registry(version=1, deployments=(DEPLOYMENT,))
    if is_listed:
        entry = {
            "chain_id": CHAIN,
            "address": address_text(PROXY),
            "decimals": 8,
            "max_age_s": 0,
            "source": "@chainlink/contracts@1.4.0",
            "phases": [
                {"from_block": 0, "aggregator": address_text(OLD)},
                {"from_block": 50, "aggregator": address_text(NEW)},
            ],
        }
        registry = registry.model_copy(update={"feeds": (FeedEntry.model_validate(entry),)})
    else:
        FeedFile(tmp_path).remember(PROXY, (KnownPhase(0, 49, 1, OLD), KnownPhase(50, 100, 2, NEW)))

    counts = decode_folder(open_log_folder(tmp_path), registry, tmp_path / "out")

    points = list(event_files.read_market_points(tmp_path / "out"))
    assert prices(points, 30) == [(30, 555), (48, 556), (50, 700), (70, 701)]
    assert (list(event_files.read_events(tmp_path / "out")), points) == as_backfill(tmp_path, registry)
    assert (counts.logs, counts.events, counts.points) == (len(chain.logs), 13, len(points))


def test_decode_folder__files_that_begin_behind_the_deployment__are_refused(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 40, 100)

    with pytest.raises(InvalidInput, match=r"begin at block 40, and aave-v3-test must be read from block 1 on"):
        decode_folder(open_log_folder(tmp_path), Registry(version=1, deployments=(DEPLOYMENT,)), tmp_path / "out")

    assert not (tmp_path / "out").exists()
