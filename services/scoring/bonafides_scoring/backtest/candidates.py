"""Everything that is tried on the tested cut-offs, declared before they were looked at, and run together, once.

What was chosen, and on what: only windows that ended before 2021-07-19 (seven inner origins, 2021-03-15 to 2021-06-07).
They hold few outcomes, and there the rule without trees ranks best, all candidates within .01 of each other. The blend
is the headline all the same, decided before the tested run: its trees earn weight only as outcomes come in.
The fall of the base rate was known from the description of the data, so the choice of a half-life isn't blind; the
inner windows saw no fall and prefer none by .001 of Brier.
"""

from dataclasses import dataclass, replace

from bonafides_scoring.backtest.blend import BlendPlan, TreePlan
from bonafides_scoring.backtest.features import HISTORY, MARKET, PROXY, SIZES
from bonafides_scoring.backtest.steady import SteadyPlan

RECENCY, REFITTED, PREVALENCE = "recency", "refitted recency", "training prevalence"
LOGISTIC_HISTORY = "logistic regression, history"
HEADLINE = "blend"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan with a name, and why it was tried."""

    name: str
    plan: BlendPlan
    why: str


_ECHO = SteadyPlan((("log_days", -1), ("echo", 1)), ridge=60.0)

CANDIDATES = (
    Candidate(HEADLINE, BlendPlan(), "the steady rule and trees, past weathers with a half-life of 60 days"),
    Candidate(
        "blend, all windows alike", BlendPlan(half_life_days=None), "what the inner origins prefer for the level"
    ),
    Candidate("blend, trees earn half at 3,000", BlendPlan(trees_earn_half=3_000.0), "closer to the steady rule"),
    Candidate("steady rule", BlendPlan(trees=None), "best ranking on the inner origins: nine features, fixed signs"),
    Candidate(
        "echo rule", BlendPlan(steady=_ECHO, trees=None), "two numbers: days since the last, and fading echo of all"
    ),
    Candidate("trees alone", BlendPlan(trees_earn_half=0.0), "the blend's trees without the steady rule"),
    Candidate(
        "trees alone, with sizes",
        BlendPlan(trees=replace(TreePlan(), features=HISTORY + SIZES + PROXY + MARKET), trees_earn_half=0.0),
        "sizes turned their sign between the inner windows; expected to fail",
    ),
)

REPRODUCED = {
    "XGBoost, history": HISTORY + SIZES,
    "XGBoost, + health-factor proxy": HISTORY + SIZES + PROXY,
    "XGBoost, + market features": HISTORY + SIZES + PROXY + MARKET,
}
"""The reference's models: 150 monotone trees of depth 3, untuned. Its exact features were not published; ours stand in."""
