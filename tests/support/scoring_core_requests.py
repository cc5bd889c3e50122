"""Score requests made of told stories, and the model that comes with the package."""

from functools import cache

from bonafides.digests import event_set_digest
from bonafides.events import BlockRange, DeploymentCoverage
from bonafides.types import AsOf
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import market_view
from bonafides_scoring.model import ModelBundle, load_bundle, shipped_model
from bonafides_scoring.scorer import ScoreRequest

from tests.support.scoring_core_story import (
    CHAIN,
    DEPLOYMENT,
    DOLLAR,
    ETHER,
    USDC,
    WETH,
    Story,
    market_points,
)


@cache
def shipped_bundle() -> ModelBundle:
    """The default model, loaded once."""
    return load_bundle(shipped_model())


def borrower_story(*, ether: int = 2, debt_usd: int = 1_500, days: int = 90) -> Story:
    """Supplies, borrows, repays a tenth half-way, and still owes."""
    story = Story().supply(WETH, ether * ETHER, first=True).borrow(USDC, debt_usd * DOLLAR)
    return story.wait(days / 2).repay(USDC, debt_usd * DOLLAR // 10).wait(days / 2)


def coverage_of(as_of: AsOf, *gaps: BlockRange) -> tuple[DeploymentCoverage, ...]:
    """Everything read up to the as-of block, but for these gaps."""
    return (
        DeploymentCoverage(
            deployment=DEPLOYMENT,
            chain_id=CHAIN,
            registry_version=1,
            scanned_from=1,
            complete_to=as_of.blocks[0].number,
            gaps=gaps,
            dead_letters=0,
        ),
    )


def request_of(story: Story, *, weth_usd: float = 2_000.0) -> ScoreRequest:
    """What a worker would ask for this wallet now."""
    as_of = story.as_of()
    return ScoreRequest(
        wallets=(story.wallet,),
        states=(fold(empty_state(story.wallet, CHAIN), story.events),),
        views=(market_view(market_points(weth_usd=weth_usd), as_of.blocks[0]),),
        as_of=as_of,
        coverage=coverage_of(as_of),
        event_set_digest=event_set_digest(story.events),
    )
