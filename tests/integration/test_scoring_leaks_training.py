"""Outcomes that were shuffled cannot be learned: fits on them say .5, and the whole training refuses to ship them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bonafides.errors import InvalidInput
from bonafides.types import ModelClass
from bonafides_scoring.evaluation.ranking import auc
from bonafides_scoring.training.fit import FitPlan, Reals, fit_booster, fit_platt_or_flat, margins_of, require_gain
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


@pytest.mark.parametrize("seed", range(4))
def test_train_on__labels_shuffled__is_refused_as_nothing_to_learn(panel: Panel, tmp_path: Path, seed: int) -> None:
    with pytest.raises(InvalidInput, match=r"nothing to learn here|ranks later rows backwards"):
        train_on(shuffled(panel, seed), tmp_path / "model", PLAN, work=tmp_path / "work", progress=lambda *_: None)

    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("margins", [np.linspace(1, -1, 60), np.zeros(60)], ids=["backwards", "all the same"])
def test_fit_platt_or_flat__nothing_is_ranked__is_the_base_rate_for_all(margins: Reals) -> None:
    """A challenger that ranks nothing loses; it does not stop the training of the model."""
    labels = (np.arange(60) >= 40).astype(np.int64)
    labels[::7] = 1

    found = fit_platt_or_flat(margins, labels)

    assert found.slope == 0
    assert 1 / (1 + np.exp(-found.intercept)) == pytest.approx(labels.mean())


def test_require_gain__rows_repeated__prove_no_more_than_their_wallets() -> None:
    margins = np.linspace(-1, 1, 60)
    labels = (np.arange(60) % 4 == 0).astype(np.int64)
    labels[[41, 45, 49, 53, 57]] = 1  # a little more often above than below
    wallets = [bytes([place]) for place in range(60)]
    platt = fit_platt_or_flat(margins, labels)
    with pytest.raises(InvalidInput, match=r"nothing to learn here.* over 60 wallets"):
        require_gain(margins, labels, wallets, platt)

    with pytest.raises(InvalidInput, match="over 60 wallets"):
        require_gain(np.tile(margins, 50), np.tile(labels, 50), wallets * 50, platt)

    require_gain(np.tile(margins, 50), np.tile(labels, 50), [bytes(2) + n.to_bytes(2) for n in range(3_000)], platt)
