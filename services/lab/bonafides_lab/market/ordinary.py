"""The borrower of no special temper, whom each kind changes in its own way."""

import random
from dataclasses import dataclass

from bonafides_lab.market.habits import NEVER, Habits
from bonafides_lab.market.reserves import STABLE_RESERVES, VOLATILE_RESERVES, WBTC, WETH


def wealth(rng: random.Random, median_usd: float, spread: float = 0.9) -> float:
    """Log-normal, as balances on real markets roughly are."""
    return median_usd * rng.lognormvariate(0, spread)


def volatile_mix(rng: random.Random) -> tuple[tuple[int, float], ...]:
    """Collateral of ether, bitcoin, or both."""
    if rng.random() < 0.6:
        return ((rng.choices(VOLATILE_RESERVES, (0.7, 0.3))[0], 1.0),)
    share = rng.uniform(0.3, 0.8)
    return ((WETH, share), (WBTC, 1 - share))


def part_stable_mix(rng: random.Random) -> tuple[tuple[int, float], ...]:
    """Collateral of one volatile asset and one stablecoin."""
    share = rng.uniform(0.2, 0.6)
    return ((rng.choice(VOLATILE_RESERVES), 1 - share), (rng.choice(STABLE_RESERVES), share))


def stable_debt(rng: random.Random) -> int:
    """The stablecoin to owe."""
    return rng.choices(STABLE_RESERVES, (0.7, 0.3))[0]


@dataclass(frozen=True, slots=True)
class Care:
    """How much a borrower cares, 0..1, and what follows from it. The same trait shows in small repayments long before
    it decides a bad week, which is why a history says more than a health factor."""

    level: float

    @property
    def attention(self) -> float:
        """Chance per day of looking."""
        return 0.015 + 0.9 * self.level

    @property
    def discipline(self) -> float:
        """Chance of acting on a worry."""
        return 0.05 + 0.94 * self.level

    def repays_every_days(self, rng: random.Random) -> int:
        """Days between small repayments."""
        return max(7, round((10 + 110 * (1 - self.level)) * rng.uniform(0.7, 1.3)))

    def spare_cash_usd(self, wealth_usd: float) -> float:
        """What is kept outside the market for a bad week."""
        return wealth_usd * (0.02 + 0.4 * self.level)


def care_of(rng: random.Random, mean: float, weight: float = 4.0) -> Care:
    """A beta-distributed level; the smaller the weight, the more people of one kind differ."""
    return Care(rng.betavariate(weight * mean, weight * (1 - mean)))


def split_care(rng: random.Random, diligent_share: float) -> Care:
    """People of one kind who look alike from outside and are of two sorts."""
    return Care(rng.uniform(0.85, 1.0) if rng.random() < diligent_share else rng.uniform(0.03, 0.35))


def ordinary(rng: random.Random, days: int, care: Care, wealth_usd: float) -> Habits:
    """A borrower of no special temper, whom each kind changes in its own way."""
    rescue_below = rng.uniform(1.15, 1.4)
    return Habits(
        joins_on_day=int(rng.uniform(0, 0.7 * days)),
        episode_day=NEVER,
        wealth_usd=wealth_usd,
        collateral=volatile_mix(rng) if rng.random() < 0.6 else part_stable_mix(rng),
        debt_reserve=stable_debt(rng),
        target_use=rng.uniform(0.4, 0.8),
        attention=care.attention,
        rescue_below=rescue_below,
        rescue_to=rescue_below + rng.uniform(0.15, 0.5),
        discipline=care.discipline,
        doubles_down=0.0,
        binges=0.0,
        rescues_by_repaying=rng.uniform(0.3, 0.9),
        spare_cash_usd=care.spare_cash_usd(wealth_usd),
        income_usd_per_day=rng.uniform(5, 60),
        spends=rng.uniform(0.3, 0.9),
        repays_every_days=care.repays_every_days(rng),
        repay_share=rng.uniform(0.05, 0.2),
        appetite=0.05,
        withdraws=0.01,
        closes=0.004,
        returns_after_days=rng.randint(10, 90),
        loops=False,
    )
