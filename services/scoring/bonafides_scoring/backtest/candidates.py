"""Everything that is tried on the tested cut-offs.

Not blind: all plans but for one setting were declared before the first tested run, with the blend (`DECLARED`) as the
headline. The headline was switched after that run was seen, and the setting (`recency`) added after a second look;
`HISTORY_OF_CHOICE` tells it all. The headline is now whichever ranks best on the inner origins (mean lift over recency
within a date, windows that ended before the first tested cut-off): computed by the back-test itself, not typed here.
"""

from dataclasses import dataclass, replace

from bonafides_scoring.backtest.blend import STEADY, BlendPlan, TreePlan
from bonafides_scoring.backtest.features import HISTORY, MARKET, PROXY, SIZES
from bonafides_scoring.backtest.steady import SteadyPlan

RECENCY, REFITTED, PREVALENCE = "recency", "refitted recency", "training prevalence"
LOGISTIC_HISTORY = "logistic regression, history"
CHOSEN = "steady rule"
"""What the inner origins chose, and what `predict` trains; the back-test computes the choice anew."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan with a name, and why it was tried."""

    name: str
    plan: BlendPlan
    why: str


_ECHO = SteadyPlan((("log_days", -1), ("echo", 1)), ridge=60.0)

CANDIDATES = (
    Candidate(
        "blend", BlendPlan(trees=TreePlan()), "the steady rule and trees, past weathers with a half-life of 60 days"
    ),
    Candidate(
        "blend, all windows alike",
        BlendPlan(trees=TreePlan(), half_life_days=None),
        "what the inner origins prefer for the level",
    ),
    Candidate(
        "blend, trees earn half at 3,000",
        BlendPlan(trees=TreePlan(), trees_earn_half=3_000.0),
        "closer to the steady rule",
    ),
    Candidate(
        "steady rule, ridge to zero",
        BlendPlan(steady=replace(STEADY, recency=0.0)),
        "the steady rule as first run: with few outcomes it ranks nobody",
    ),
    Candidate(CHOSEN, BlendPlan(), "nine features, fixed signs, past weathers with a half-life of 60 days"),
    Candidate("echo rule", BlendPlan(steady=_ECHO), "two numbers: days since the last, and fading echo of all"),
    Candidate(
        "trees alone", BlendPlan(trees=TreePlan(), trees_earn_half=0.0), "the blend's trees without the steady rule"
    ),
    Candidate(
        "trees alone, with sizes",
        BlendPlan(trees=replace(TreePlan(), features=HISTORY + SIZES + PROXY + MARKET), trees_earn_half=0.0),
        "sizes turned their sign between the inner windows; expected to fail",
    ),
)

DECLARED = Candidate(
    "blend as declared",
    BlendPlan(steady=replace(STEADY, recency=0.0), trees=TreePlan()),
    "the headline that was declared before the first tested run; shown beside today's, never chosen",
)

REPRODUCED = {
    "XGBoost, history": HISTORY + SIZES,
    "XGBoost, + health-factor proxy": HISTORY + SIZES + PROXY,
    "XGBoost, + market features": HISTORY + SIZES + PROXY + MARKET,
}
"""The reference's models: 150 monotone trees of depth 3, untuned. Its features weren't published; ours stand in."""

HISTORY_OF_CHOICE = (
    "The headline's numbers are not blind. "
    "Features, plans and settings were chosen on seven inner origins, 2021-03-15 to 2021-06-07, whose windows ended "
    "before 2021-07-19. "
    "Before the tested run the blend was declared the headline, against the inner ranking, on the argument that its "
    "trees would earn their weight as outcomes came in. They did not: that blend is in both tables, as declared. "
    "The headline was switched to the best on the inner origins after that run was seen; no plan, "
    "feature or setting was changed then. A second look followed: with few outcomes (Curve) the steady rule's ridge "
    "left no ranking at all, so it was made to pull towards recency; of 0, -.15, -.3 and -.5 the inner origins "
    "prefer -.3. The other blends share that ridge. The fall of the base rate was known from the description of the "
    "data, so the half-life of 60 days isn't blind; the inner windows saw no fall and prefer none by .001 of Brier."
)
TRIED_BEFORE = (
    "Also tried, on the inner origins only: 21 single features beside recency and echo; five sets of signed features "
    "under four ridges; trees on a margin of the signed rule (30, 60, 120 trees, two regularisations); trees with and "
    "without the base rate of each date, sizes, market; half-lives of 15, 30, 60, 120 days and none; the mean of "
    "levels in log-odds in place of the mean of probabilities; a level that follows the share re-liquidated in the "
    "last 7, 14, 30 days or ether's volatility, at three strengths (all worse or within noise). Trees fell up to .16 "
    "below plain recency there: 209 to 1,072 wallets a date, and a crash that none of the training windows had seen."
)
