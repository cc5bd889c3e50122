"""Reading a chain over JSON-RPC from its registry's first block to a given one, as the flow does; nothing is sent."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bonafides.events import BlockRange, LendingEvent, MarketPoint
from bonafides.types import BlockRef
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import ChainSource
from bonafides_ingest.feeds import DirectFeeds
from bonafides_ingest.garbage import BetweenTurns
from bonafides_ingest.reading import read_deployments
from bonafides_ingest.registry import load_registry
from bonafides_ingest.sources.providers.provider import FIRST_REST_S
from bonafides_ingest.sources.providers.refusals import RateLimited

from benchmarks.simulator import CHAIN

EPOCH = 0


@dataclass(frozen=True, slots=True)
class ReadChain:
    """What a chain says."""

    events: tuple[LendingEvent, ...]
    points: tuple[MarketPoint, ...]
    logs: int
    windows: int


def read_chain(source: ChainSource, deployments_file: Path, last: int, window_blocks: int) -> ReadChain:
    """Scan and decode every window, with the contracts that it names. The market's feeds are their own aggregators, so
    nobody is asked who answers for them."""
    deployments = load_registry(deployments_file).of_chain(CHAIN)
    states = {deployment.id: protocol_of(deployment).restore(deployment, {}) for deployment in deployments}
    events, points, feeds = list[LendingEvent](), list[MarketPoint](), DirectFeeds()
    following, logs, windows = min(deployment.from_block for deployment in deployments), 0, 0
    parent: BlockRef | None = None
    garbage = BetweenTurns()  # as the process does, whoever reads
    while following <= last:
        wanted = BlockRange(following, min(following + window_blocks - 1, last))
        try:
            read = garbage.run(partial(read_deployments, source, states, wanted, parent, feeds, EPOCH))
        except RateLimited as exc:  # a turn that jitter brought over the second's limit: waited out, as the flow does
            time.sleep(exc.retry_after_s or FIRST_REST_S)
            continue
        states = {**states, **read.states}
        parent = read.window.last
        following, logs, windows = read.window.range.last + 1, logs + len(read.window.logs), windows + 1
        for part in read.decoded:
            events += part.events
            points += part.points
    return ReadChain(tuple(events), tuple(points), logs, windows)
