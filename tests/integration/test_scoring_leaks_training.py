"""Outcomes that were shuffled cannot be learned: fits on them say .5, and the whole training refuses to ship them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bonafides.errors import InvalidInput
from bonafides.types import ModelClass
from bonafides_scoring.evaluation.ranking import auc
from bonafides_scoring.training.fit import FitPlan, fit_booster, margins_of
from bonafides_scoring.training.panels.panel import Panel
from bonafides_scoring.training.split import split_panel
from bonafides_scoring.training.train import TrainingPlan, train_on
from bonafides_scoring.training.tune import Grid

from tests.support.scoring_train_panel import made_up_panel

pytestmark = pytest.mark.integration

SETTINGS = FitPlan(depth=2, trees=60)
PLAN = TrainingPlan("toy", ModelClass.SYNTHETIC, "Shuffled outcomes", grid=Grid((SETTINGS,), (60.0,)))
ROUNDS = 12


@pytest.fixture(scope="module")
def panel() -> Panel:
    return made_up_panel(seed=3, wallets=250, days=900, step_days=14)


def shuffled(panel: Panel, seed: int) -> Panel:
    return replace(panel, labels=np.random.default_rng(seed).permutation(panel.labels))


def auc_of_fit(panel: Panel) -> float:
    """Of the shipped model's fit, on the later time and the wallets that it never saw."""
    split = split_panel(panel)
    margins = margins_of(fit_booster(split.train, SETTINGS), split.test)
    return auc(margins, split.test.labels)


def test_fit__labels_shuffled__ranks_the_test_no_better_than_a_coin(panel: Panel) -> None:
    learned = auc_of_fit(panel)

    found = [auc_of_fit(shuffled(panel, seed)) for seed in range(ROUNDS)]

    assert learned > 0.7
    # A round strays by .03, as the test holds 144 outcomes; twelve by .01. A leak would give .8 and more.
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)
    assert max(found) < 0.68


def test_train_on__labels_shuffled__is_refused_as_nothing_to_learn(panel: Panel, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nothing to learn here"):
        train_on(shuffled(panel, 1), tmp_path / "model", PLAN, work=tmp_path / "work", progress=lambda *_: None)

    assert not (tmp_path / "model").exists()
