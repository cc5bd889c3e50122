"""`bonafides scoring predict`: trains once on windows that are over, and answers for each wallet at its cut-off."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from bonafides_scoring.backtest.blend import Blend, BlendPlan, fit_blend
from bonafides_scoring.backtest.features import feature_rows
from bonafides_scoring.backtest.histories import HORIZON, Histories, pick_task
from bonafides_scoring.backtest.price_book import PriceBook
from bonafides_scoring.backtest.tables import Rows, read_cutoffs, read_events, read_labels, read_prices

Progress = Callable[[str, int, int], None]


class Status(StrEnum):
    """Whether a row got a probability, and why not."""

    OK = "ok"
    NO_TRAINING_DATA = "no_training_data"
    """No window had ended by the earliest cut-off asked for, or those that had hold only one class."""
    OUTSIDE_POPULATION = "outside_population"
    """The wallet was not in the population at its cut-off: the question does not arise."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of the output."""

    status: Status
    p: float | None
    """Strictly between 0 and 1 when `ok`; else none: no number is invented."""


def predict(
    histories: Histories, prices: PriceBook, labels: Rows, asked: Rows, plan: BlendPlan | None = None
) -> tuple[Answer, ...]:
    """Answers in the order of `asked`. Label rows outside the population, or whose window isn't over, teach nothing."""
    inside = histories.members(asked)
    found = [Answer(Status.OUTSIDE_POPULATION, None)] * len(asked)
    model = train(histories, prices, labels, int(asked.cutoffs.min()), plan) if inside.any() else None
    if model is None:
        return tuple(Answer(Status.NO_TRAINING_DATA, None) if member else found[0] for member in inside)
    chances = model.probabilities(feature_rows(histories, prices, asked.where(inside)))
    for place, chance in zip(np.flatnonzero(inside), chances, strict=True):
        found[place] = Answer(Status.OK, float(chance))
    return tuple(found)


def ended(labels: Rows, by: int) -> Rows:
    """The labels whose window of 30 days had ended by then."""
    return labels.where(labels.cutoffs + HORIZON <= by)


def train(
    histories: Histories, prices: PriceBook, labels: Rows, by: int, plan: BlendPlan | None = None
) -> Blend | None:
    """The model as it could have been trained at `by`; None when there was nothing to learn from."""
    rows = ended(labels, by)
    rows = rows.where(histories.members(rows))
    if not len(rows) or rows.labels.min() == rows.labels.max():
        return None
    # In a fixed order: the order of the file's rows must not decide which of them a tree draws.
    order = np.lexsort((np.array(rows.wallets), rows.cutoffs))
    rows = Rows(tuple(rows.wallets[place] for place in order), rows.cutoffs[order], rows.labels[order])
    return fit_blend(feature_rows(histories, prices, rows), rows.labels, rows.cutoffs, plan or BlendPlan())


def predict_files(
    events: Path, prices: Path, labels: Path, cutoffs: Path, out: Path, progress: Progress = lambda *_: None
) -> dict[Status, int]:
    """The whole command; how many rows got which status.

    Raises:
        InvalidInput: a file is refused: its name, the row and the reason.
    """
    progress("reading", 0, 3)
    asked, known = read_cutoffs(cutoffs), read_labels(labels)
    stream, book = read_events(events), PriceBook.of(read_prices(prices))
    progress("reading", 1, 3)
    answers: tuple[Answer, ...] = ()
    if len(asked):
        past = ended(known, int(asked.cutoffs.min()))
        histories = pick_task(stream, past if len(past) else asked)
        answers = predict(histories, book, past, asked)
    progress("training and predicting", 2, 3)
    write_answers(out, asked, answers)
    progress("writing", 3, 3)
    return {status: sum(answer.status is status for answer in answers) for status in Status}


def write_answers(out: Path, asked: Rows, answers: Sequence[Answer]) -> None:
    """Whole or not at all: written beside its place, then moved there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(out.name + ".part")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("wallet", "cutoff_ts", "p", "status"))
        for wallet, cutoff, answer in zip(asked.wallets, asked.cutoffs, answers, strict=True):
            writer.writerow((wallet, int(cutoff), "" if answer.p is None else repr(answer.p), answer.status.value))
    draft.replace(out)
