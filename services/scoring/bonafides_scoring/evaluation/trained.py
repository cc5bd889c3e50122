"""The report that a training makes of its own model, from which its card is written.

It holds nothing that depends on the machine (real data, an attack): the card is part of what the model's id covers.
`bonafides scoring evaluate` adds those.
"""

from collections.abc import Iterable

from bonafides.events import MarketPoint

from bonafides_scoring.evaluation.challengers import aligned
from bonafides_scoring.evaluation.flow import WORDS_OF, Beside, Machine, Rows, evaluate_model
from bonafides_scoring.evaluation.report import NotMeasured, Report
from bonafides_scoring.training.predictions import Predictions, TestPart
from bonafides_scoring.training.split import Split

CARD_DRAWS = 400
"""The ends of an interval then stray by a twentieth of its width or so."""


def training_report(
    machine: Machine, split: Split, predictions: Predictions, market: Iterable[MarketPoint] | None, seed: int
) -> Report:
    """Measure a model that was just trained, beside its challengers."""
    training = split.train
    parts = ((TestPart.UNSEEN_WALLETS, split.test), (TestPart.KNOWN_WALLETS, split.test_known_wallets))
    return evaluate_model(
        machine,
        [Rows(part.value, WORDS_OF[part], rows, aligned(predictions, rows)) for part, rows in parts if len(rows)],
        Beside(
            training=training,
            training_rate=float(training.labels.mean()),
            points=market,
            transfer=NotMeasured(not_measured="in training; `bonafides scoring evaluate` does, where the data is"),
            manipulation=NotMeasured(
                not_measured="in training, since it takes the finished model; `bonafides lab attack` does, and "
                "`bonafides scoring evaluate --attack` tells it"
            ),
        ),
        panel_digest=machine.training_digest,
        seed=seed,
        draws=CARD_DRAWS,
    )
