"""What a model is measured against, row by row: taken from training's `predictions.parquet` (see its module)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bonafides.errors import InvalidInput

from bonafides_scoring.evaluation.ranking import Reals
from bonafides_scoring.training.panels.panel import Panel
from bonafides_scoring.training.predictions import CHALLENGERS, Contender, Predictions, read_predictions

WORDS = {
    Contender.MODEL: "model",
    Contender.SCORECARD: "scorecard (optbinning)",
    Contender.LOGISTIC_REGRESSION: "logistic regression",
    Contender.HEALTH_FACTOR: "health factor alone, refitted",
    Contender.ONE_LINE_RULE: "best one-line rule, refitted",
}


@dataclass(frozen=True, slots=True)
class Challenger:
    """Probabilities of one challenger for all rows of a panel, in its order."""

    name: str
    words: str
    probabilities: Reals


def challengers_of(path: Path, rows: Panel, model_name: str, training_digest: str) -> tuple[Challenger, ...]:
    """The challengers' probabilities for these rows.

    Raises:
        InvalidInput: what `read_predictions` refuses; predictions of another model or of a training on another panel; a
            row of the panel that the file does not hold, holds twice, or with another label.
    """
    predictions = read_predictions(path)
    if predictions.header.model != model_name:
        raise InvalidInput(f"{path.name} stands beside model {predictions.header.model}, not {model_name}")
    if predictions.header.panel_digest != training_digest:
        raise InvalidInput(
            f"{path.name} is of a training on panel {predictions.header.panel_digest}, model {model_name} is of "
            f"{training_digest}: take the predictions of its own training"
        )
    return aligned(predictions, rows, path.name)


def aligned(predictions: Predictions, rows: Panel, name: str = "the predictions") -> tuple[Challenger, ...]:
    """See `challengers_of`."""
    place_of: dict[tuple[bytes, int, int, str], int] = {}
    keys = zip(
        predictions.wallets,
        predictions.chains.tolist(),
        predictions.cutoffs.tolist(),
        predictions.strata.tolist(),
        strict=True,
    )
    for place, key in enumerate(keys):
        if key in place_of:
            raise InvalidInput(f"{name}, row {place}: the same wallet, cut-off and stratum as row {place_of[key]}")
        place_of[key] = place
    places = np.empty(len(rows), dtype=np.int64)
    asked = zip(rows.wallets, rows.chains.tolist(), rows.cutoffs.tolist(), rows.strata.tolist(), strict=True)
    for row, wanted in enumerate(asked):
        found = place_of.get(wanted)
        if found is None:
            raise InvalidInput(f"{name}: nothing for row {row} of those measured; expected all test rows of this panel")
        places[row] = found
    wrong = np.flatnonzero(predictions.labels[places] != rows.labels)
    if len(wrong):
        raise InvalidInput(f"{name}, row {places[wrong[0]]}: another label than the panel has: predict again")
    return tuple(Challenger(one.value, WORDS[one], predictions.pds[one][places]) for one in CHALLENGERS)
