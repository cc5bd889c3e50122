"""Which rows of a panel that is not the model's own may be measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bonafides.errors import InvalidInput
from bonafides_scoring.evaluation.run import _later_parts, read_report
from bonafides_scoring.training.split import held_out_rows

from tests.support.scoring_train_panel import made_up_panel

pytestmark = pytest.mark.unit

SHIPPED = Path(__file__).parents[2] / "services/scoring/bonafides_scoring/models/synthetic-2/report.json"
MAKING = read_report(SHIPPED).making
FAR_LATER = 4_000_000_000


def test_later_parts__no_wallet_was_held_out__says_so() -> None:
    panel = made_up_panel(seed=3, wallets=60, days=200, step_days=50)
    later = replace(panel, cutoffs=np.full(len(panel), FAR_LATER))
    seen = later.where(~held_out_rows(later))

    with pytest.raises(InvalidInput, match="is of a wallet held out of every training"):
        _later_parts(seen, MAKING)

    assert [len(rows) for _, _, rows in _later_parts(later, MAKING)] == [len(later) - len(seen), len(seen)]


def test_later_parts__all_rows_early__says_from_when_on() -> None:
    panel = made_up_panel(seed=3, wallets=60, days=200, step_days=50)
    early = replace(panel, cutoffs=np.full(len(panel), MAKING.training.last_cutoff))

    with pytest.raises(InvalidInput, match="may have learned from all its rows"):
        _later_parts(early, MAKING)
