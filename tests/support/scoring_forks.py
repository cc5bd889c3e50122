"""A chain that forks, as the messages that ingest would send of it; and the same chain read cleanly.

```
blocks [0, 1]      the tip goes on: each number picks a child of the block below it, so that a block can come back
reorg 2 [1]        the two newest blocks go, others come: an epoch, all of it sent again under it
lost 0 1           a block was sent and its cursor was not moved; the next holder finds another one
zombie 7           what was sent long ago, perhaps of a void epoch, comes once more
```
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from bonafides.events import Boundary, BoundaryMark, DeploymentCoverage, ForkEpoch, LendingEvent, MarketPoint
from bonafides.hashing import sha256
from bonafides.messages import EventBatch, MarketBatch
from bonafides.topics import MARKET, WALLET_EVENTS, partition_of
from bonafides.types import Address, BlockRef, Digest, Finality, MarketPointKind

from tests.support.scoring_core_story import (
    CHAIN,
    DEPLOYMENT,
    DOLLAR,
    ETHER,
    START,
    USDC,
    WETH,
    Story,
    market_points,
    point,
)
from tests.support.scoring_logs import Sent, wallet

WALLETS = tuple(wallet(f"fork/{number}") for number in range(4))
PARTITIONS = tuple(sorted({partition_of(one, WALLET_EVENTS) for one in WALLETS}))
BLOCK_S = 40_000
"""Between two blocks: half a day, so that age and days of history play their part."""


@dataclass(frozen=True, slots=True)
class ForkBlock:
    """A block with what happens in it, which follows from its hash."""

    ref: BlockRef
    events: tuple[LendingEvent, ...]
    points: tuple[MarketPoint, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens to the chain or to its readers."""

    kind: str
    """blocks, reorg, final, takeover, lost, zombie or restart."""
    number: int = 0
    """Depth of a reorg, blocks of a finality, index of a zombie."""
    children: tuple[int, ...] = ()
    is_scoring: bool = False
    is_to_all: bool = True


RESTART = None
"""In a log: here the reader is started again."""


@dataclass
class ForkingChain:
    """The chain, its reader, and the log that this leaves behind."""

    log: list[Sent | None] = field(default_factory=list)
    chain: list[ForkBlock] = field(default_factory=list)
    """Canonical blocks; the number of each is its index."""
    final: int = 0
    epoch: int = 1
    finals: list[tuple[int, bool]] = field(default_factory=list)
    """Finalized boundaries: block and whether it scored."""
    _children: dict[Digest, list[ForkBlock]] = field(default_factory=dict)
    _opened: list[ForkEpoch] = field(default_factory=list)
    _number: int = 0

    def __post_init__(self) -> None:
        self.chain.append(_block(0, Digest(bytes(32)), 0))
        self._send([self.chain[0]])

    @property
    def tip(self) -> int:
        """Number of the newest canonical block."""
        return len(self.chain) - 1

    def take(self, step: Step) -> None:
        """Let it happen."""
        match step.kind:
            case "blocks":
                self._extend(step)
            case "reorg":
                self._reorg(step)
            case "final":
                self.final = min(self.tip, self.final + step.number)
                self.boundary(Finality.FINALIZED, is_scoring=step.is_scoring)
            case "takeover":
                self._open(self.tip + 1)
            case "lost":
                self._send([self._child(step.children[0])])
                self._open(self.tip + 1)
                self._extend(replace(step, children=step.children[1:]))
            case "zombie":
                sent = [one for one in self.log if one and isinstance(one.message, EventBatch | MarketBatch)]
                self.log.append(sent[step.number % len(sent)])
            case _:
                self.log.append(RESTART)

    def boundary(self, finality: Finality, *, is_scoring: bool, partitions: Iterable[int] = PARTITIONS) -> None:
        """A boundary at the tip, or at the newest final block."""
        self._number += 1
        number = self.final if finality is Finality.FINALIZED else self.tip
        if finality is Finality.FINALIZED:
            self.finals.append((number, is_scoring))
        coverage = DeploymentCoverage(DEPLOYMENT, CHAIN, 1, 0, number, (), 0)
        epochs = tuple(self._opened)
        if finality is Finality.FINALIZED:
            self._opened.clear()
        told = Boundary(self._number, self.chain[number].ref, finality, is_scoring, epochs, (coverage,))
        self.log.append(Sent(MARKET, 0, told))
        self.log += [Sent(WALLET_EVENTS, one, BoundaryMark(CHAIN, self._number)) for one in partitions]

    def read_cleanly(self) -> "ForkingChain":
        """Somebody who read the canonical chain alone, with the same finalized boundaries."""
        clean = ForkingChain()
        for number, is_scoring in self.finals:
            clean._go_on(self.chain[len(clean.chain) : number + 1])
            clean.final = number
            clean.boundary(Finality.FINALIZED, is_scoring=is_scoring)
        clean._go_on(self.chain[len(clean.chain) :])
        clean.boundary(Finality.HEAD, is_scoring=True)
        return clean

    def _go_on(self, blocks: Sequence[ForkBlock]) -> None:
        self.chain += blocks
        self._send(blocks)

    def _extend(self, step: Step) -> None:
        news: list[ForkBlock] = []
        for child in step.children:
            news.append(self._child(child))
            self.chain.append(news[-1])
        self._send(news)
        told = {partition_of(event.wallet, WALLET_EVENTS) for block in news for event in block.events}
        partitions = PARTITIONS if step.is_to_all or step.is_scoring else tuple(sorted(told))
        self.boundary(Finality.HEAD, is_scoring=step.is_scoring, partitions=partitions)

    def _reorg(self, step: Step) -> None:
        depth = min(step.number, self.tip - self.final)
        if not depth:
            return
        del self.chain[-depth:]
        self._open(self.tip + 1)
        self._extend(step)

    def _open(self, fork_block: int) -> None:
        self.epoch += 1
        self._opened.append(ForkEpoch(self.epoch, fork_block))

    def _child(self, index: int) -> ForkBlock:
        parent = self.chain[-1].ref
        known = self._children.setdefault(parent.hash, [])
        while len(known) <= index:
            known.append(_block(parent.number + 1, parent.hash, len(known)))
        return known[index]

    def _send(self, blocks: Sequence[ForkBlock]) -> None:
        for partition in PARTITIONS:
            own = tuple(
                replace(event, fork_epoch=self.epoch)
                for block in blocks
                for event in block.events
                if partition_of(event.wallet, WALLET_EVENTS) == partition
            )
            if own:
                self.log.append(Sent(WALLET_EVENTS, partition, EventBatch(own)))
        points = tuple(replace(one, fork_epoch=self.epoch) for block in blocks for one in block.points)
        if points:
            self.log.append(Sent(MARKET, 0, MarketBatch(points)))


def _block(number: int, parent: Digest, child: int) -> ForkBlock:
    block_hash = sha256(b"fork", parent, number.to_bytes(8), child.to_bytes(1))
    ref = BlockRef(CHAIN, number, block_hash, START + number * BLOCK_S)
    if number == 0:
        genesis = tuple(_moved(one, ref) for one in market_points())
        supplied = tuple(event for place, who in enumerate(WALLETS[:2]) for event in _acts(who, ref, place, 0, 9))
        return ForkBlock(ref, supplied, genesis)
    chance = random.Random(block_hash)
    acting = [place for place in range(len(WALLETS)) if chance.random() < 0.4]
    events = tuple(
        event
        for place in acting
        for event in _acts(WALLETS[place], ref, place, chance.randrange(4), chance.randrange(1, 9))
    )
    price = (int(chance.uniform(1_200, 2_600) * 10**8),)
    points = (point(MarketPointKind.PRICE, WETH, price, block=ref, log_index=90),) if chance.random() < 0.4 else ()
    return ForkBlock(ref, events, points)


def _acts(who: Address, ref: BlockRef, place: int, what: int, size: int) -> list[LendingEvent]:
    """What a wallet does in a block: its own transaction, with log indices of its own."""
    story = Story(who, now=ref.timestamp - 12, number=ref.number - 1)
    match what:
        case 0:
            story.supply(WETH, size * ETHER, first=True)
        case 1:
            story.borrow(USDC, size * 100 * DOLLAR)
        case 2:
            story.repay(USDC, size * 100 * DOLLAR)
        case _:
            story.withdraw(WETH, size * ETHER // 10)
    return [
        replace(
            event,
            position=replace(
                event.position, block=ref, tx_index=place, log_index=place * 10 + event.position.log_index
            ),
        )
        for event in story.events
    ]


def _moved(fact: MarketPoint, ref: BlockRef) -> MarketPoint:
    return replace(fact, position=replace(fact.position, block=ref))
