"""`bonafides scoring predict`: trains once on windows that are over, and answers for each wallet at its cut-off."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

import numpy as np
import polars as pl
from bonafides.errors import InvalidInput

from bonafides_scoring.backtest.blend import Blend, BlendPlan, fit_blend
from bonafides_scoring.backtest.features import feature_rows
from bonafides_scoring.backtest.histories import DAY, HORIZON, Histories, pick_task, populations
from bonafides_scoring.backtest.outputs import check_out_file
from bonafides_scoring.backtest.price_book import PriceBook
from bonafides_scoring.backtest.tables import Note, Rows, read_cutoffs, read_events, read_labels, read_prices

_EPOCH = date(1970, 1, 1).toordinal()


class Status(StrEnum):
    """Whether a row got a probability, and why not."""

    OK = "ok"
    NO_TRAINING_DATA = "no_training_data"
    """No window had ended by the earliest cut-off asked for, or those that had hold only one class, or no wallet in its
    population. The wallet asked for was in the population of its task; of some task, when no label tells which."""
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
    events: Path, prices: Path, labels: Path, cutoffs: Path, out: Path, note: Note = lambda _: None
) -> dict[Status, int]:
    """The whole command; how many rows got which status. `note` is told why rows got no answer.

    Raises:
        InvalidInput: a file is refused: its name, the row and the reason; or the place to write.
    """
    check_out_file(out, (events, prices, labels, cutoffs))
    asked, known = read_cutoffs(cutoffs), read_labels(labels)
    stream, book = read_events(events, note), PriceBook.of(read_prices(prices))
    note_unpriced(prices, book, asked, note)
    past = ended(known, int(asked.cutoffs.min()))
    answers = _untaught(stream, past, asked)
    if answers is None:
        histories = pick_task(stream, past, labels)
        answers = predict(histories, book, past, asked)
        past_inside = past.where(histories.members(past))
    else:
        past_inside = past.where(np.zeros(len(past), dtype=bool))
    _note_untaught(labels, known, past, past_inside, int(asked.cutoffs.min()), note)
    write_answers(out, asked, answers)
    return {status: sum(answer.status is status for answer in answers) for status in Status}


def note_unpriced(path: Path, book: PriceBook, asked: Rows, note: Note) -> None:
    """Tell which cut-offs have no price at all before their day: such rows are answered without any."""
    days = asked.cutoffs // DAY - 1
    unpriced = int(((days < book.first_day) | (days >= book.first_day + book.length)).sum())
    if unpriced:
        first, last = (date.fromordinal(_EPOCH + day) for day in (book.first_day, book.last_day))
        reach = f"prices of {first} to {last} say nothing about {unpriced:,} of {len(asked):,} cut-offs"
        note(f"{path}: {reach}: answered without any")


def _untaught(stream: pl.DataFrame, past: Rows, asked: Rows) -> tuple[Answer, ...] | None:
    """The answers when no label tells which task is asked, row by row; None when one does.

    A row must not get its status from what became of others later: so the task isn't guessed from the rows asked for.
    """
    both = populations(stream)
    if any(histories.members(past).any() for histories in both):
        return None
    inside = np.any([histories.members(asked) for histories in both], axis=0)
    return tuple(Answer(Status.NO_TRAINING_DATA if member else Status.OUTSIDE_POPULATION, None) for member in inside)


def _note_untaught(path: Path, known: Rows, past: Rows, inside: Rows, by: int, note: Note) -> None:
    """Tell which labels teach nothing, and why there is no model."""
    if not len(past):
        first = f"; the first ends at {int(known.cutoffs.min()) + HORIZON}" if len(known) else ""
        note(f"{path}: of {len(known):,} labels no window had ended by the earliest cut-off, {by}{first}")
        return
    if len(inside) < len(past):
        outside = len(past) - len(inside)
        note(f"{path}: {outside:,} of {len(past):,} labels teach nothing: the events do not show the wallet before")
    if len(inside) and inside.labels.min() == inside.labels.max():
        note(f"{path}: all {len(inside):,} labels to learn from are {inside.labels[0]}: nothing can be told apart")


def write_answers(out: Path, asked: Rows, answers: Sequence[Answer]) -> None:
    """Whole or not at all: written beside its place, then moved there."""
    draft = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("wallet", "cutoff_ts", "p", "status"))
            for wallet, cutoff, answer in zip(asked.wallets, asked.cutoffs, answers, strict=True):
                writer.writerow((wallet, int(cutoff), "" if answer.p is None else repr(answer.p), answer.status.value))
        draft.replace(out)
    except OSError as exc:
        raise InvalidInput(f"{out}: cannot be written: {exc.strerror}") from exc
