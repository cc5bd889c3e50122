"""Measures of a model and its challengers on the same rows and the same draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bonafides_scoring.evaluation.challengers import Challenger
from bonafides_scoring.evaluation.probabilities import (
    BINS,
    calibration_error,
    log_errors,
    log_odds_of,
    recalibration,
    squared_errors,
)
from bonafides_scoring.evaluation.ranking import Ints, Ranking, Reals, average_precision, ks
from bonafides_scoring.evaluation.report import Bin, Counts, Lift, Standing
from bonafides_scoring.evaluation.resampling import Draws, Sample, Statistics, resample

MEASURES = ("auc", "within_date_auc", "pr_auc", "ks", "brier", "log_loss", "level", "slope")
"""In the order of `statistics_of`'s numbers."""
_LOSSES = ("brier", "log_loss")


@dataclass(frozen=True, slots=True)
class Measured:
    """All contenders on one set of rows."""

    standings: tuple[Standing, ...]
    lifts: tuple[Lift, ...]


def measure(
    contenders: Sequence[Challenger],
    labels: Ints,
    dates: Ints,
    draws: Draws,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Measure contenders, the model first. `dates` are the codes of groups for the within-date AUC."""
    every = [statistics_of(one.probabilities, labels, dates) for one in contenders]
    sample = resample(lambda weights: np.concatenate([one(weights) for one in every]), draws, progress)
    standings = tuple(_standing(one, place, sample, labels) for place, one in enumerate(contenders))
    lifts = tuple(_lift(one, place, sample) for place, one in enumerate(contenders) if place)
    return Measured(standings, lifts)


def statistics_of(probabilities: Reals, labels: Ints, dates: Ints) -> Statistics:
    """The numbers of `MEASURES` for any weights of the rows."""
    overall, within = Ranking.of(probabilities, labels), Ranking.of(probabilities, labels, dates)
    squared, log_loss, log_odds = (
        squared_errors(probabilities, labels),
        log_errors(probabilities, labels),
        log_odds_of(probabilities),
    )
    near = recalibration(log_odds, labels)

    def numbers(weights: Reals) -> Reals:
        tally, total, said = overall.tally(weights), weights.sum(), weights @ probabilities
        line = recalibration(log_odds, labels, weights, near) if near else None
        return np.array(
            [
                overall.auc(tally),
                within.auc(within.tally(weights)),
                average_precision(tally),
                ks(tally),
                weights @ squared / total,
                weights @ log_loss / total,
                weights @ labels / said if said > 0 else np.nan,
                line.slope if line else np.nan,
            ]
        )

    return numbers


def counts_of(labels: Ints, wallets: Ints) -> Counts:
    """`wallets` are codes."""
    return Counts(
        rows=len(labels),
        wallets=len(np.unique(wallets)),
        positives=int(labels.sum()),
        outcome_rate=float(labels.mean()) if len(labels) else 0.0,
    )


def curve_of(probabilities: Reals, labels: Ints, draws: Draws) -> tuple[Bin, ...]:
    """Bins of equal count with intervals over wallets: a bin's rows stay its rows in every draw."""
    parts = [part for part in np.array_split(np.argsort(probabilities, kind="stable"), BINS) if len(part)]
    bin_of = np.empty(len(labels), dtype=np.int64)
    for place, part in enumerate(parts):
        bin_of[part] = place

    def rates(weights: Reals) -> Reals:
        drawn, bad = (np.bincount(bin_of, found, len(parts)) for found in (weights, weights * labels))
        return np.asarray(np.divide(bad, drawn, out=np.full(len(parts), np.nan), where=drawn > 0))

    sample = resample(rates, draws)
    return tuple(
        Bin(
            rows=len(part),
            positives=int(labels[part].sum()),
            mean_probability=float(probabilities[part].mean()),
            outcome_rate=sample.interval(place),
        )
        for place, part in enumerate(parts)
    )


def _standing(one: Challenger, place: int, sample: Sample, labels: Ints) -> Standing:
    found = {name: sample.interval(place * len(MEASURES) + at) for at, name in enumerate(MEASURES)}
    return Standing(
        name=one.name,
        words=one.words,
        mean_probability=float(one.probabilities.mean()),
        calibration_error=calibration_error(one.probabilities, labels),
        **found,
    )


def _lift(one: Challenger, place: int, sample: Sample) -> Lift:
    found = {}
    for at, name in enumerate(MEASURES[:6]):
        ours, theirs = at, place * len(MEASURES) + at
        found[name] = sample.difference(theirs, ours) if name in _LOSSES else sample.difference(ours, theirs)
    return Lift(challenger=one.name, words=one.words, **found)
