"""How a price gets from one day's to the next: a big move takes steps, and goes too far on its way.

A liquidator sees a position just under water, not one that fell a tenth below it at midnight. So most liquidations take
half of a debt, and come back for more as the price goes on, as they do on chains.
"""

import math
import random
from collections.abc import Sequence

from bonafides_lab.market.reserves import STABLE_RESERVES, WETH

STEP = 0.016
"""Log move of WETH that one step makes at most, unless there would be too many."""
MOST_STEPS = 12
OVERSHOOT = 0.35
"""Spread of the way around the straight line, as a share of the day's move: real crashes go lower than they close."""


def steps_between(before: Sequence[int], after: Sequence[int], rng: random.Random) -> list[tuple[int, ...]]:
    """The prices posted on a day, the last of which are `after`.

    Stablecoins go straight to theirs. All volatile assets take the same detour.
    """
    move = math.log(after[WETH] / before[WETH])
    count = max(1, min(MOST_STEPS, math.ceil(abs(move) / STEP)))
    rows: list[tuple[int, ...]] = []
    wander = 0.0
    for step in range(1, count):
        # A Brownian bridge, drawn forward: from here to 0 at the end.
        left = 1 / (count - step + 1)
        wander = wander * (1 - left) + rng.gauss(0, 1) * math.sqrt((1 - left) / count)
        detour = math.exp(OVERSHOOT * abs(move) * wander)
        share = step / count
        rows.append(
            tuple(
                new if reserve in STABLE_RESERVES else max(1, round(old * (new / old) ** share * detour))
                for reserve, (old, new) in enumerate(zip(before, after, strict=True))
            )
        )
    return [*rows, tuple(after)]
