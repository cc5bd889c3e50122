"""Providers of one chain, without sockets and without a clock that moves by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bonafides.events import BlockRange
from bonafides.json_rpc import Call
from bonafides.types import BlockRef, Json
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.sources.providers.failover import Providers
from bonafides_ingest.sources.providers.provider import Meter, Provider
from bonafides_ingest.sources.rpc import RpcSource

from tests.support.ingest_logs import CHAIN, POOL, ChainOfLogs, address
from tests.support.ingest_node import FakeNode


class HandClock:
    """Stands still until somebody sleeps, or moves it."""

    def __init__(self) -> None:
        self._now = 1_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now += seconds

    def move(self, seconds: float) -> None:
        """Let time go by."""
        self._now += seconds


class FailingNode(FakeNode):
    """A node that can be made to fail at all."""

    def __init__(self, chain: ChainOfLogs) -> None:
        super().__init__(chain)
        self.failure: Exception | None = None
        self.batches = 0

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        self.batches += 1
        if self.failure is not None:
            raise self.failure
        return super().batch(calls)

    def close(self) -> None:
        self.is_closed = True


@dataclass
class World:
    """Several nodes that tell the same chain, and what is read through them."""

    chain: ChainOfLogs
    clock: HandClock
    nodes: dict[str, FailingNode]
    providers: Providers

    def read(self, first: int, last: int, parent: BlockRef | None = None) -> list[int]:
        """The blocks of the logs that are found in a range, window by window."""
        found: list[int] = []
        while first <= last:
            window = self.providers.fetch(BlockRange(first, last), WATCHED, parent)
            found += [log.position.block.number for log in window.logs]
            first = window.range.last + 1
        return found

    def asked(self) -> dict[str, int]:
        """How often each node was asked since the last time."""
        counts = {name: node.batches for name, node in self.nodes.items()}
        for node in self.nodes.values():
            node.batches = 0
        return counts


WATCHED = frozenset({POOL})
STUCK_AFTER_S = 60.0


def world(*names: str, meters: Mapping[str, Meter] | None = None) -> World:
    """Nodes of these names, of which each serves logs in blocks 5, 20 and 21 of 50 final ones and two live ones."""
    clock = HandClock()
    chain = ChainOfLogs(head=50)
    for block in (5, 20, 21):
        chain.emit(block, 0, POOL, abi.USER_EMODE_SET, address("alice"), 1)
    nodes = {name: FailingNode(ChainOfLogs(head=50, logs=chain.logs)) for name in names}
    providers = [
        Provider(
            name,
            RpcSource(node, CHAIN, window_blocks=1000, bloom_check_blocks=1000, timer=clock.now),
            node,
            (meters or {}).get(name),
        )
        for name, node in nodes.items()
    ]
    return World(chain, clock, nodes, Providers(providers, clock, stuck_after_s=STUCK_AFTER_S))
