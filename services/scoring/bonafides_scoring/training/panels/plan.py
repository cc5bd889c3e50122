"""When a panel asks: cut-offs on a grid, and the moments up to which their labels look.

    first block ├─ warm-up ─┤ T₁ ── step ── T₂ ── step ── T₃ …   the last one leaves a whole horizon behind it

A cut-off T sees the blocks with timestamp < T. Its label looks at those with T ≤ timestamp < T + horizon: an event at T
itself is no feature, and is not lost to the label either.
"""

from dataclasses import dataclass

from bonafides.errors import InvalidInput
from bonafides.types import BlockRef

from bonafides_scoring.reference import ReferencePosition
from bonafides_scoring.training.panels.blocks import BlockTable
from bonafides_scoring.training.panels.panel import HORIZON_DAYS, LONG_HORIZON_DAYS
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

HORIZON_S = HORIZON_DAYS * SECONDS_PER_DAY
LONG_HORIZON_S = LONG_HORIZON_DAYS * SECONDS_PER_DAY
PAUSE_S = 7 * SECONDS_PER_DAY
"""A wallet returns when it owed nothing for so long before it borrows again."""
REFERENCE_POSITION = ReferencePosition(
    "WETH", debt_usd=5_000, liquidation_threshold_bps=8_300, health_factor_bps=16_000
)
"""A middling loan: the median of the synthetic market's open positions, rounded."""


@dataclass(frozen=True, slots=True)
class PanelPlan:
    """How to build a panel."""

    source: str
    """What the data is, in words."""
    step_days: int = 7
    warm_up_days: int = 60
    """History before the first cut-off, so that the first rows are not all of newcomers."""
    reference: ReferencePosition = REFERENCE_POSITION


@dataclass(frozen=True, slots=True)
class Ask:
    """One moment at which a wallet may be asked about."""

    cutoff: int
    """Unix seconds."""
    as_of: BlockRef
    """The last block before the cut-off."""
    end: BlockRef
    """The last block that the label sees."""
    long_end: BlockRef | None
    """The same of the long horizon; None where it is not over."""


def ask_at(cutoff: int, blocks: BlockTable) -> Ask | None:
    """The ask of one cut-off; None where its horizon is not over. Raises InvalidInput before the first block."""
    if cutoff + HORIZON_S > blocks.last_time:
        return None
    has_long_end = cutoff + LONG_HORIZON_S <= blocks.last_time
    return Ask(
        cutoff,
        blocks.before(cutoff),
        blocks.before(cutoff + HORIZON_S),
        blocks.before(cutoff + LONG_HORIZON_S) if has_long_end else None,
    )


def grid(blocks: BlockTable, plan: PanelPlan) -> tuple[Ask, ...]:
    """A midnight (UTC) every `step_days`, the first `warm_up_days` after the first block.

    Raises:
        InvalidInput: too short a time for one cut-off.
    """
    start = (blocks.first_time // SECONDS_PER_DAY + plan.warm_up_days) * SECONDS_PER_DAY
    cutoffs = range(start, blocks.last_time - HORIZON_S + 1, plan.step_days * SECONDS_PER_DAY)
    asks = [ask_at(cutoff, blocks) for cutoff in cutoffs if cutoff > blocks.first_time]
    found = tuple(ask for ask in asks if ask is not None)
    if not found:
        days = (blocks.last_time - blocks.first_time) // SECONDS_PER_DAY
        raise InvalidInput(
            f"{days} days of blocks leave no cut-off after {plan.warm_up_days} days with {HORIZON_DAYS} days behind it"
        )
    return found
