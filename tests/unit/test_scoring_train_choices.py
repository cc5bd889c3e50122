"""When windows open, and which setting is chosen: worked by hand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from bonafides.errors import InvalidInput
from bonafides_scoring.training.fit import Reals
from bonafides_scoring.training.panels.panel import Panel
from bonafides_scoring.training.split import timeline_of
from bonafides_scoring.training.tune import Fold, calibrated_log_loss, choose, default_grid
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

from tests.support.scoring_train_panel import made_up_panel

pytestmark = pytest.mark.unit

DAY = SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class Constant:
    """Learns nothing."""

    def margins(self, panel: Panel) -> Reals:
        return np.zeros(len(panel))


@dataclass(frozen=True, slots=True)
class NamedLearner:
    """Stands for a learner whose margins are known."""

    name: str
    knobs: tuple[float, ...]

    def fit(self, train: Panel, knobs: Sequence[float]) -> Sequence[Constant]:
        return [Constant() for _ in knobs]

    def setting(self, knob: float) -> str:
        return f"{self.name} {knob}"


def test_timeline_of__a_thousand_days__windows_open_where_the_shares_say() -> None:
    found = timeline_of(0, 1_000 * DAY, 30)

    # Tuning from day 150 to 400 - 30; calibration from 400 to 780 - 30; the test from 780.
    assert [moment / DAY for moment in found.tuning] == pytest.approx([150, 150 + 220 / 3, 150 + 440 / 3, 370])
    assert [moment / DAY for moment in found.calibration] == [400, 487.5, 575, 662.5, 750]
    assert found.test == 780 * DAY


@pytest.mark.parametrize(("days", "horizon"), [(0, 30), (199, 30), (599, 90)])
def test_timeline_of__too_short_for_the_gaps__is_refused(days: int, horizon: int) -> None:
    with pytest.raises(InvalidInput, match="too short a time"):
        timeline_of(0, days * DAY, horizon)


def test_default_grid__stays_within_what_explanations_may_cost() -> None:
    grid = default_grid()

    assert max(grid.trees) <= 300
    assert {plan.depth for plan in grid.plans} == {1, 2, 3, 4}
    assert [plan.depth for plan in grid.plans] == sorted(plan.depth for plan in grid.plans)


def test_calibrated_log_loss__two_groups__is_the_entropy_of_their_rates() -> None:
    labels = np.array([1, 0, 0, 0, 1, 1, 1, 0] * 20)
    every = np.array(([5.0] * 4 + [6.0] * 4) * 20)

    # A quarter of the lower group and three quarters of the upper have the outcome, wherever the margins lie.
    expected = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert calibrated_log_loss(every, labels) == pytest.approx(expected, abs=1e-9)
    assert calibrated_log_loss(-every, labels) is None  # ranks backwards


def test_choose__several_settings__takes_the_lowest_loss_and_the_first_of_equals() -> None:
    panel = made_up_panel(seed=1, wallets=30, days=100)
    fold = Fold(panel, panel)
    good = -panel.column("health_factor_bps").astype(np.float64) / 10_000
    poor = good + np.random.default_rng(1).normal(0, 1, len(panel))
    learners = [NamedLearner("poor", (1,)), NamedLearner("good", (1, 2)), NamedLearner("backwards", (1,))]
    margins = {
        "poor": (poor[:, None],),
        "good": (np.column_stack([good, good]),),
        "backwards": (-good[:, None],),
    }

    found = choose(learners, margins, [fold])

    assert (found.setting, found.candidates) == ("good 1", 4)
    with pytest.raises(InvalidInput, match="none of 1 settings"):
        choose(learners[2:], margins, [fold])


@pytest.mark.parametrize(("noise", "expected"), [(0.01, "simple 1"), (1.0, "best 1")])
def test_choose__simpler_setting__wins_unless_it_is_worse_by_more_than_a_standard_error(
    noise: float, expected: str
) -> None:
    panel = made_up_panel(seed=1, wallets=200, days=100)
    fold = Fold(panel, panel)
    best = -panel.column("health_factor_bps").astype(np.float64) / 10_000
    simple = best + np.random.default_rng(2).normal(0, noise, len(panel))
    margins = {"simple": (simple[:, None],), "best": (best[:, None],)}

    found = choose([NamedLearner("simple", (1,)), NamedLearner("best", (1,))], margins, [fold])

    assert found.setting == expected


def test_fold__digest__follows_the_labels() -> None:
    panel = made_up_panel(seed=1, wallets=5, days=50)

    assert Fold(panel, panel).digest == Fold(panel, panel).digest
    assert Fold(panel, panel).digest != Fold(panel, replace(panel, labels=1 - panel.labels)).digest
