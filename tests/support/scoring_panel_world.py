"""A market of one price and the blocks of half a year, in which a test places single events to the second."""

from collections.abc import Iterable, Mapping

from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import Address, BlockRef, MarketPointKind
from bonafides_scoring.training.panels.build import build_panel
from bonafides_scoring.training.panels.panel import Panel
from bonafides_scoring.training.panels.plan import REFERENCE_POSITION
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

from tests.support.scoring_core_story import (
    DOLLAR,
    ETHER,
    START,
    USDC,
    WALLET,
    WETH,
    Story,
    block_ref,
    market_points,
    point,
)

MIDNIGHT = (START // SECONDS_PER_DAY + 1) * SECONDS_PER_DAY
"""The first one after the world begins."""
WARM_UP_DAYS = 42
"""The first block is two days before `MIDNIGHT`: the first cut-off is `day(40)`."""
DAYS = 200


def number_at(time: int) -> int:
    """Number of the block of a second: one for every second that is asked for, in their order."""
    return 1_000 + (time - START)


def day(number: int) -> int:
    """Midnight, so many days after the first."""
    return MIDNIGHT + number * SECONDS_PER_DAY


def at(story: Story, time: int) -> Story:
    """Let the story's next transaction be in the block of this second."""
    story.now, story.number = time - 12, number_at(time) - 1
    return story


def borrower(wallet: Address = WALLET, *, debt_usd: int = 1_000, time: int | None = None) -> Story:
    """A wallet that supplies one WETH of $2,000 and borrows, a second apart."""
    begins = day(1) if time is None else time
    story = at(Story(wallet=wallet), begins).supply(WETH, ETHER, first=True)
    return at(story, begins + 1).borrow(USDC, debt_usd * DOLLAR)


def price_points(prices: Mapping[int, float]) -> list[MarketPoint]:
    """What WETH costs from each second on; $2,000 before."""
    points = market_points(weth_usd=2_000, number=1, timestamp=START - SECONDS_PER_DAY)
    for time, usd in prices.items():
        block = block_ref(number_at(time), time)
        points.append(point(MarketPointKind.PRICE, WETH, (int(usd * 10**8),), block=block, log_index=0))
    return points


def blocks_of(events: Iterable[LendingEvent], points: Iterable[MarketPoint], days: int = DAYS) -> list[BlockRef]:
    """A block a second before, at and after each midnight, and those of the events and points."""
    times = [day(number) + second for number in range(days) for second in (-1, 0, 1)]
    known = {number_at(time): block_ref(number_at(time), time) for time in times}
    known |= {1: block_ref(1, START - SECONDS_PER_DAY)}
    known |= {event.position.block.number: event.position.block for event in events}
    known |= {fact.position.block.number: fact.position.block for fact in points}
    return [known[number] for number in sorted(known)]


def panel_of(
    events: list[LendingEvent],
    prices: Mapping[int, float] | None = None,
    *,
    step_days: int = 10,
    warm_up_days: int = WARM_UP_DAYS,
    days: int = DAYS,
) -> Panel:
    """The panel of these events at these prices. The first cut-off is `day(warm_up_days - 2)`."""
    points = price_points(prices or {})
    blocks = blocks_of(events, points, days)
    return build_panel(events, points, blocks, REFERENCE_POSITION, step_days=step_days, warm_up_days=warm_up_days)


def row_at(panel: Panel, cutoff: int, wallet: Address = WALLET) -> int:
    """The place of a wallet's row at a cut-off."""
    for place, (owner, time) in enumerate(zip(panel.wallets, panel.cutoffs, strict=True)):
        if owner == wallet and time == cutoff:
            return place
    raise AssertionError(f"no row at {cutoff}: {panel.cutoffs.tolist()}")
