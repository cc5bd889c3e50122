"""`bonafides scoring backtest`: the real-data tasks, measured by rolling origin, into one report."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from bonafides.errors import InvalidInput

from bonafides_scoring.backtest.candidates import CANDIDATES, CHOSEN, RECENCY, REFITTED
from bonafides_scoring.backtest.features import feature_rows
from bonafides_scoring.backtest.histories import HORIZON, Histories, pick_task
from bonafides_scoring.backtest.measures import Forecast, Measured, measure, within_auc
from bonafides_scoring.backtest.price_book import PriceBook
from bonafides_scoring.backtest.rolling import Protocol, forecasts, testable
from bonafides_scoring.backtest.tables import Ints, Note, Rows, read_events, read_labels, read_prices

Progress = Callable[[str, int, int], None]
FIRST_TESTED = int(datetime(2021, 7, 19, tzinfo=UTC).timestamp())
"""Of the Aave task; fixed by the description of the data."""
FORMAT = "bonafides/backtest/1"
EVENTS, PRICES = "events.parquet", "prices_daily.parquet"
AAVE_LABELS, CURVE_LABELS = "labels_aave_H30.csv", "labels_curve_H30.csv"


@dataclass(frozen=True, slots=True)
class ByDate:
    """One tested cut-off. AUCs are none where a class is empty."""

    date: str
    rows: int
    positives: int
    mean_probability: float
    mean_refitted: float
    auc: float | None
    auc_recency: float | None


@dataclass(frozen=True, slots=True)
class Tenth:
    """A tenth of the rows, from the safest to the riskiest."""

    rows: int
    mean_probability: float
    outcome_rate: float


@dataclass(frozen=True, slots=True)
class Inner:
    """A candidate on the inner origins."""

    name: str
    why: str
    mean_lift: float
    """Mean over the dates of its AUC minus recency's."""
    pooled_lift: float
    """The same with every pair counted once."""
    brier: float


@dataclass(frozen=True, slots=True)
class TaskReport:
    """One task, measured."""

    title: str
    rows: int
    positives: int
    wallets: int
    first_cutoff: str
    last_cutoff: str
    outside: int
    """Rows left out: the events do not show the wallet in the population."""
    inner_dates: tuple[str, ...]
    inner: tuple[Inner, ...]
    headline: str
    table: tuple[Measured, ...]
    by_date: tuple[ByDate, ...]
    tenths: tuple[Tenth, ...]

    def row(self, name: str) -> Measured:
        """The table's row of a model."""
        return next(row for row in self.table if row.name == name)


@dataclass(frozen=True, slots=True)
class Pack:
    """Both tasks."""

    aave: TaskReport
    curve: TaskReport


def run_backtest(folder: Path, progress: Progress = lambda *_: None, note: Note = lambda _: None) -> Pack:
    """Measure both tasks on the files of `folder`. Both are looked at before the first is measured: that takes minutes.

    Raises:
        InvalidInput: a file is refused, or leaves nothing to test.
    """
    _check_folder(folder)
    events, prices = read_events(folder / EVENTS, note), PriceBook.of(read_prices(folder / PRICES))
    aave = _measurable("Aave V2: liquidated again within 30 days", events, folder / AAVE_LABELS, FIRST_TESTED)
    curve = _measurable("Curve: hard liquidation within 30 days", events, folder / CURVE_LABELS, 0)
    return Pack(task_report(aave, prices, True, progress), task_report(curve, prices, False, progress))


@dataclass(frozen=True, slots=True)
class Measurable:
    """One task whose labels leave something to test."""

    title: str
    histories: Histories
    rows: Rows
    """In the population."""
    outside: int
    first_tested: int
    tested: tuple[int, ...]


def task_report(
    task: Measurable, prices: PriceBook, reference: bool, progress: Progress = lambda *_: None
) -> TaskReport:
    """One task: choose on the inner origins if there are any, then measure everything on the tested ones."""
    rows, tested, first_tested = task.rows, task.tested, task.first_tested
    numbers = np.unique(np.array(rows.wallets), return_inverse=True)[1].astype(np.int64)
    features = feature_rows(task.histories, prices, rows)
    inner = tuple(
        cutoff
        for cutoff in testable(rows.labels, rows.cutoffs, 0)
        if cutoff + HORIZON < max(first_tested, 0) and _tells_apart(rows, cutoff)
    )
    choices = _inner(Protocol(features, rows.labels, rows.cutoffs, numbers, inner), progress) if inner else ()
    headline = max(choices, key=lambda choice: choice.mean_lift).name if choices else CHOSEN
    protocol = Protocol(features, rows.labels, rows.cutoffs, numbers, tested)
    found = forecasts(protocol, reference, progress)
    keep = protocol.rows
    outcomes, dates = rows.labels[keep], rows.cutoffs[keep]
    wallets = np.unique(numbers[keep], return_inverse=True)[1].astype(np.int64)
    named = {forecast.name: forecast for forecast in found}
    return TaskReport(
        task.title,
        int(keep.sum()),
        int(outcomes.sum()),
        int(wallets.max()) + 1,
        _day(tested[0]),
        _day(tested[-1]),
        task.outside,
        tuple(_day(cutoff) for cutoff in inner),
        choices,
        headline,
        measure(found, named[RECENCY], named[REFITTED], outcomes, dates, wallets),
        tuple(_by_date(named, headline, outcomes, dates, cutoff) for cutoff in tested),
        _tenths(named[headline], outcomes),
    )


def _check_folder(folder: Path) -> None:
    names = (EVENTS, PRICES, AAVE_LABELS, CURVE_LABELS)
    if not folder.is_dir():
        seen = "a file" if folder.exists() else "not there"
        raise InvalidInput(f"{folder}: is {seen}, expected a folder with {', '.join(names)}")
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise InvalidInput(f"{folder}: holds no {' and no '.join(missing)}; expected {', '.join(names)}")


def _measurable(title: str, events: pl.DataFrame, path: Path, first_tested: int) -> Measurable:
    labels = read_labels(path)
    if not len(labels):
        raise InvalidInput(f"{path}: holds no row below the header, expected wallets, cut-offs and outcomes")
    histories = pick_task(events, labels, path)
    members = histories.members(labels)
    rows = labels.where(members)
    if not len(rows):
        raise InvalidInput(f"{path}: none of its {len(labels):,} wallets and cut-offs is in a population of the events")
    tested = testable(rows.labels, rows.cutoffs, first_tested)
    seen = f"{len(rows):,} rows, {int(rows.labels.sum()):,} of them outcomes, {_day(min(rows.cutoffs))} to " + _day(
        max(rows.cutoffs)
    )
    if not tested:
        since = f" from {_day(first_tested)} on" if first_tested else ""
        raise InvalidInput(
            f"{path}: {seen}: expected a cut-off{since} that comes after the end of windows with and without an outcome"
        )
    if not any(_tells_apart(rows, cutoff) for cutoff in tested):
        raise InvalidInput(f"{path}: {seen}: expected a tested cut-off with outcomes and without, found none")
    return Measurable(title, histories, rows, int((~members).sum()), first_tested, tested)


def _tells_apart(rows: Rows, cutoff: int) -> bool:
    """Does the cut-off hold rows of both classes?"""
    here = rows.labels[rows.cutoffs == cutoff]
    return bool(here.min() != here.max())


def render_json(pack: Pack) -> str:
    """The report's numbers; no wallet among them."""
    return json.dumps({"format": FORMAT, **asdict(pack)}, indent=2) + "\n"


def _inner(protocol: Protocol, progress: Progress) -> tuple[Inner, ...]:
    found = {forecast.name: forecast for forecast in forecasts(protocol, False, progress)}
    keep = protocol.rows
    labels, dates = protocol.labels[keep], protocol.cutoffs[keep]
    recency = found[RECENCY].ranking
    choices = []
    for candidate in CANDIDATES:
        said = found[candidate.name].ranking
        lifts = [
            within_auc(said[here], labels[here], dates[here]) - within_auc(recency[here], labels[here], dates[here])
            for here in (dates == cutoff for cutoff in protocol.tested)
        ]
        pooled = within_auc(said, labels, dates) - within_auc(recency, labels, dates)
        brier = float(((said - labels) ** 2).mean())
        choices.append(Inner(candidate.name, candidate.why, float(np.nanmean(lifts)), pooled, brier))
    return tuple(choices)


def _by_date(named: dict[str, Forecast], headline: str, labels: Ints, dates: Ints, cutoff: int) -> ByDate:
    here = dates == cutoff
    ours, recency = named[headline].ranking[here], named[RECENCY].ranking[here]
    both = 0 < labels[here].sum() < here.sum()
    return ByDate(
        _day(cutoff),
        int(here.sum()),
        int(labels[here].sum()),
        float(ours.mean()),
        float(named[REFITTED].ranking[here].mean()),
        within_auc(ours, labels[here], dates[here]) if both else None,
        within_auc(recency, labels[here], dates[here]) if both else None,
    )


def _tenths(forecast: Forecast, labels: Ints) -> tuple[Tenth, ...]:
    parts = np.array_split(np.argsort(forecast.ranking, kind="stable"), 10)
    return tuple(
        Tenth(len(part), float(forecast.ranking[part].mean()), float(labels[part].mean()))
        for part in parts
        if len(part)
    )


def _day(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).date().isoformat()
