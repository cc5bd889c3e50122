"""A small market of made-up borrowers, as decoded files, in seconds and without a chain: to develop training on.

It is no model of anything: careless wallets owe more and never look; the price rises and falls; whoever's health factor
goes below one at the end of a day is liquidated in part.
"""

import random
from collections.abc import Iterator
from pathlib import Path

from bonafides.event_files import blocks_writer, events_writer, market_writer
from bonafides.events import LendingEvent, MarketPoint
from bonafides.hashing import sha256
from bonafides.types import Address, BlockRef, MarketPointKind

from tests.support.scoring_core_story import (
    DAY,
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

BLOCKS_PER_DAY = 10
THRESHOLD = 0.83


def toy_market(seed: int, wallets: int, days: int) -> tuple[list[LendingEvent], list[MarketPoint], list[BlockRef]]:
    """Events by wallet, points and blocks of a market that starts at `START`."""
    rng = random.Random(seed)
    prices = list(_prices(rng, days))
    points = market_points(weth_usd=prices[0], number=1, timestamp=START - DAY)
    blocks = [block_ref(1, START - DAY)]
    for day, price in enumerate(prices):
        number = 100 + day * BLOCKS_PER_DAY
        block = block_ref(number, START + day * DAY)
        blocks.append(block)
        value = (int(price * 10**8),)
        points.append(point(MarketPointKind.PRICE, WETH, value, block=block, log_index=0))
    events: list[LendingEvent] = []
    for index in range(wallets):
        events += _life(random.Random(f"{seed}/{index}"), Address(sha256(b"toy", index.to_bytes(4))[:20]), prices)
    known = {block.number: block for block in blocks}
    known |= {event.position.block.number: event.position.block for event in events}
    return events, points, [known[number] for number in sorted(known)]


def write_market(folder: Path, events: list[LendingEvent], points: list[MarketPoint], blocks: list[BlockRef]) -> Path:
    """The three files that training reads, in canonical order."""
    with events_writer(folder) as writer:
        writer.write(sorted(events, key=lambda event: (event.order, event.wallet)))
    with market_writer(folder) as market:
        market.write(sorted(points, key=lambda known: known.order))
    with blocks_writer(folder) as writer_of_blocks:
        writer_of_blocks.write(blocks)
    return folder


def _prices(rng: random.Random, days: int) -> Iterator[float]:
    """A saw: up for three weeks, then a fall, so that no window is without liquidations."""
    price = 2_000.0
    for day in range(days):
        yield price
        price *= 0.7 if day % 21 == 20 else 1 + rng.gauss(0.017, 0.02)


def _life(rng: random.Random, wallet: Address, prices: list[float]) -> list[LendingEvent]:
    care = rng.random()
    joins = rng.randrange(0, int(len(prices) * 0.9))
    story = Story(wallet=wallet)
    _at(story, joins, 1)
    collateral, debt = ETHER, int(prices[joins] * THRESHOLD * rng.uniform(0.5, 0.99 - 0.3 * care)) * DOLLAR
    story.supply(WETH, collateral, first=True).borrow(USDC, debt)
    for day in range(joins + 1, len(prices)):
        worth = collateral * prices[day] / ETHER
        health = worth * THRESHOLD / (debt / DOLLAR) if debt else 99.0
        if health < 1 and debt > DOLLAR:
            _at(story, day, 1)
            repaid = debt // 2
            seized = min(collateral, int(repaid / DOLLAR * 1.05 / prices[day] * ETHER))
            story.liquidation(USDC, repaid, WETH, seized)
            collateral, debt = collateral - seized, debt - repaid
        elif rng.random() < 0.25 * care and health < 1.5 and debt:
            _at(story, day, 1)
            paid = debt // 3
            story.repay(USDC, paid)
            debt -= paid
        elif health > 1.3 + care and rng.random() < 0.1:
            _at(story, day, 1)
            more = int(worth * THRESHOLD * rng.uniform(0.05, 0.2)) * DOLLAR
            story.borrow(USDC, more)
            debt += more
    return story.events


def _at(story: Story, day: int, block: int) -> None:
    """Set the clock so that the next transaction is in a block of its own of that day."""
    story.number = 100 + day * BLOCKS_PER_DAY + block
    story.now = START + day * DAY + 600
