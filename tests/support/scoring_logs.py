"""A small lending market as the messages that ingest would send, in order, with their partitions.

Told with the stories of `scoring_core_story`; one chain, one block per transaction, all wallets on the same clock.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from bonafides.bus import Producer
from bonafides.events import Boundary, BoundaryMark, DeploymentCoverage, ForkEpoch, LendingEvent, MarketPoint
from bonafides.hashing import sha256
from bonafides.messages import MAX_EVENTS_PER_RECORD, EventBatch, MarketBatch, Message, encode
from bonafides.topics import MARKET, WALLET_EVENTS, Topic, partition_of
from bonafides.types import Address, BlockRef, ChainId, Finality, MarketPointKind

from tests.support.scoring_core_story import (
    CHAIN,
    DAY,
    DEPLOYMENT,
    DOLLAR,
    ETHER,
    START,
    USDC,
    WETH,
    Story,
    block_ref,
    market_points,
    point,
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One record of the log."""

    topic: Topic
    partition: int
    message: Message


@dataclass
class LoggedMarket:
    """What happens on the chain, and the log it leaves behind."""

    now: int = START
    number: int = 100
    epoch: int = 1
    log: list[Sent] = field(default_factory=list)
    wallets: list[Address] = field(default_factory=list)
    opened: list[ForkEpoch] = field(default_factory=list)
    boundaries: list[Boundary] = field(default_factory=list)
    _stories: dict[Address, Story] = field(default_factory=dict)
    _pending: list[LendingEvent] = field(default_factory=list)
    _points: list[MarketPoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._points += market_points()

    @property
    def block(self) -> BlockRef:
        """The newest block."""
        return block_ref(self.number, self.now)

    def act(self, wallet: Address, do: Callable[[Story], Story]) -> list[LendingEvent]:
        """Let a wallet do something in a block of its own; returns the events of it."""
        story = self._stories.get(wallet)
        if story is None:
            story = self._stories[wallet] = Story(wallet)
            self.wallets.append(wallet)
        story.number, story.now = self.number, self.now
        before = len(story.events)
        do(story)
        self.number, self.now = story.number, story.now
        done = [replace(event, fork_epoch=self.epoch) for event in story.events[before:]]
        self._pending += done
        return done

    def wait(self, days: float) -> None:
        """Let days pass; blocks go on."""
        self.now += int(days * DAY)
        self.number += max(1, int(days * 10))

    def price(self, weth_usd: float) -> None:
        """A new price of WETH in a block of its own."""
        self.number += 1
        self.now += 12
        value = (int(weth_usd * 10**8),)
        self._points.append(point(MarketPointKind.PRICE, WETH, value, block=self.block, log_index=0))

    def send_events(self, events: Iterable[LendingEvent] | None = None) -> None:
        """Send events, packed per partition; by default all that were not sent yet."""
        if events is None:
            events, self._pending = self._pending, []
        packed: dict[int, list[LendingEvent]] = {}
        for event in events:
            packed.setdefault(partition_of(event.wallet, WALLET_EVENTS), []).append(event)
        for partition, batch in packed.items():
            for start in range(0, len(batch), MAX_EVENTS_PER_RECORD):
                part = tuple(batch[start : start + MAX_EVENTS_PER_RECORD])
                self.log.append(Sent(WALLET_EVENTS, partition, EventBatch(part)))

    def forget_pending(self) -> list[LendingEvent]:
        """Events that were not sent, which then never are by themselves."""
        forgotten, self._pending = self._pending, []
        return forgotten

    def boundary(
        self,
        *,
        is_scoring: bool = False,
        finality: Finality = Finality.FINALIZED,
        coverage: DeploymentCoverage | None = None,
        partitions: Iterable[int] | None = None,
    ) -> Boundary:
        """Send everything, then a boundary at the newest block and its marks."""
        self.send_events()
        points, self._points = self._points, []
        if points:
            self.log.append(Sent(MARKET, 0, MarketBatch(tuple(points))))
        whole = DeploymentCoverage(DEPLOYMENT, CHAIN, 1, 1, self.number, (), 0)
        opened, self.opened = self.opened, []
        boundary = Boundary(
            len(self.boundaries) + 1, self.block, finality, is_scoring, tuple(opened), (coverage or whole,)
        )
        self.boundaries.append(boundary)
        self.log.append(Sent(MARKET, 0, boundary))
        for partition in range(WALLET_EVENTS.partitions) if partitions is None else partitions:
            self.log.append(Sent(WALLET_EVENTS, partition, BoundaryMark(CHAIN, boundary.number)))
        self.number += 1
        self.now += 12
        return boundary

    def open_epoch(self, fork_block: int) -> None:
        """A reorg, or a new holder of the lease: everything from this block on is sent again under a new epoch."""
        self.epoch += 1
        self.opened.append(ForkEpoch(self.epoch, fork_block))


def boundary_of_chain(chain_id: ChainId, number: int) -> Boundary:
    """A finalized boundary of a chain on which nothing happened."""
    block = block_ref(number, START + number, chain_id)
    return Boundary(number, block, Finality.FINALIZED, False, (), ())


def produce(sent: Iterable[Sent], producer: Producer) -> None:
    """Put records into a log."""
    for one in sent:
        producer.send(one.topic.name, one.partition, encode(one.message))
    producer.flush()


def wallet(name: str) -> Address:
    """A wallet of this name."""
    return Address(sha256(b"wallet", name.encode())[:20])


def careful_borrower(market: LoggedMarket, who: Address) -> None:
    """Supplies 10 ETH, borrows 5,000 dollars, repays in part after a month."""
    market.act(who, lambda story: story.supply(WETH, 10 * ETHER, first=True))
    market.act(who, lambda story: story.borrow(USDC, 5_000 * DOLLAR))
    market.wait(30)
    market.act(who, lambda story: story.repay(USDC, 1_000 * DOLLAR))


def liquidated_borrower(market: LoggedMarket, who: Address) -> None:
    """Borrows close to the limit and is liquidated."""
    market.act(who, lambda story: story.supply(WETH, 2 * ETHER, first=True))
    market.act(who, lambda story: story.borrow(USDC, 3_100 * DOLLAR))
    market.wait(12)
    market.act(who, lambda story: story.liquidation(USDC, 1_500 * DOLLAR, WETH, 8 * ETHER // 10))


def saver(market: LoggedMarket, who: Address) -> None:
    """Supplies and never borrows."""
    market.act(who, lambda story: story.supply(WETH, 3 * ETHER, first=True))


def repaid_borrower(market: LoggedMarket, who: Address) -> None:
    """Borrows and repays everything a month later."""
    market.act(who, lambda story: story.supply(WETH, 5 * ETHER, first=True))
    market.act(who, lambda story: story.borrow(USDC, 2_000 * DOLLAR))
    market.wait(35)
    market.act(who, lambda story: story.repay(USDC, 2_000 * DOLLAR))


KINDS = (careful_borrower, liquidated_borrower, saver, repaid_borrower)


def lively_market(wallets: int = 24, seed: int = 7) -> LoggedMarket:
    """A year with borrowers of every kind, changing prices, backfill and scoring boundaries, a restart of ingest."""
    chance = random.Random(seed)
    market = LoggedMarket()
    everybody = [wallet(f"{seed}/{number}") for number in range(wallets)]
    for place, who in enumerate(everybody):
        KINDS[place % len(KINDS)](market, who)
        market.price(2_000 + chance.randrange(-250, 250))
        if place % 5 == 4:
            market.boundary()
    market.boundary(is_scoring=True)
    for turn in range(12):
        market.wait(chance.uniform(0.2, 3))
        who = chance.choice(everybody)
        if turn == 5:  # ingest dies after it produced and before it moved its cursor
            fork = market.number + 1
            lost = market.act(who, lambda story: story.supply(WETH, ETHER))
            market.send_events()
            market.open_epoch(fork)
            market.send_events([replace(event, fork_epoch=market.epoch) for event in lost])
        else:
            market.act(who, lambda story: story.supply(WETH, chance.randrange(1, 3) * ETHER // 10))
        market.price(2_000 + chance.randrange(-400, 400))
        market.boundary(is_scoring=turn % 2 == 1)
    market.boundary(is_scoring=True)
    return market
