"""The first part's rows by one question after the other. Rules are fixed here, before any run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from bonafides_scoring.evaluation.probabilities import log_odds_of, recalibration, squared_errors
from bonafides_scoring.evaluation.ranking import Ints, Ranking, Reals
from bonafides_scoring.evaluation.report import FEWEST, NotMeasured, Partition, Slice
from bonafides_scoring.evaluation.resampling import Draws, resample
from bonafides_scoring.evaluation.standing import counts_of
from bonafides_scoring.features.schema import PLACE_OF
from bonafides_scoring.manifest import Interval
from bonafides_scoring.training.panels.panel import Panel, Stratum
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

THIN_FILE_DAYS = 90
"""A file is thin when its first borrowing is less than a quarter of a year old."""
DEBT_BANDS_USD = (1_000, 10_000, 100_000)
"""Powers of ten, so that nobody can say they were fitted."""
DEBT_FEATURE, AGE_FEATURE = "open_debt_usd", "days_since_first_loan"
AGE_BANDS_DAYS = (90, 365)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Groups:
    """Which slice each row is in: codes into `names`; -1 for none."""

    name: str
    rule: str
    names: tuple[str, ...]
    codes: Ints


@dataclass(frozen=True, slots=True)
class Measurable:
    """Rows with what is measured on them."""

    labels: Ints
    probabilities: Reals
    rule_probabilities: Reals | None
    """Of the refitted one-line rule."""
    dates: Ints
    """Codes of the groups inside which the within-date AUC ranks."""


def date_codes(panel: Panel) -> tuple[Ints, tuple[int, ...]]:
    """Codes of (stratum, date), and the date of each code in unix seconds.

    Open debt has its cut-offs on a grid. A returning wallet's cut-off is its own moment, so returning rows are grouped
    by weeks of unix time: closer together and hardly any two could be compared.
    """
    week = 7 * SECONDS_PER_DAY
    returning = panel.strata == Stratum.RETURNING.value
    dates = np.where(returning, panel.cutoffs // week * week, panel.cutoffs)
    keys, codes = np.unique(np.stack([returning.astype(np.int64), dates]), axis=1, return_inverse=True)
    return codes.reshape(-1).astype(np.int64), tuple(int(date) for date in keys[1])


def by_month(panel: Panel) -> Groups:
    """Calendar months of the cut-off, UTC: single dates hold too few outcomes to measure."""
    months = np.array([datetime.fromtimestamp(second, UTC).strftime("%Y-%m") for second in panel.cutoffs.tolist()])
    names, codes = np.unique(months, return_inverse=True)
    return Groups("date", "calendar month of the cut-off, UTC", tuple(names.tolist()), codes.astype(np.int64))


def by_decile(probabilities: Reals) -> Groups:
    """Tenths of the rows by the model's probability, equal counts."""
    codes = np.empty(len(probabilities), dtype=np.int64)
    for place, part in enumerate(np.array_split(np.argsort(probabilities, kind="stable"), 10)):
        codes[part] = place
    names = tuple(
        f"{place + 1}{' (safest)' if not place else ' (riskiest)' if place == 9 else ''}" for place in range(10)
    )
    return Groups("decile", "tenths of the rows by the model's probability, safest first", names, codes)


def by_stratum(panel: Panel) -> Groups:
    """Open debt at a cut-off, or a wallet that borrows again after a pause."""
    names = tuple(stratum.value for stratum in Stratum)
    codes = (panel.strata == Stratum.RETURNING.value).astype(np.int64)
    rule = (
        "open_debt: debt open at a cut-off; returning: right before new debt after a pause, at the reference position"
    )
    return Groups("stratum", rule, names, codes)


def by_file(panel: Panel) -> Groups | NotMeasured:
    """Thin and thick files."""
    names = (f"thin (< {THIN_FILE_DAYS} days)", f"thick (≥ {THIN_FILE_DAYS} days)")
    return _banded(panel, "file", "whole days since the first borrowing", AGE_FEATURE, (THIN_FILE_DAYS,), names)


def by_wallet_size(panel: Panel) -> Groups | NotMeasured:
    """Bands of open debt."""
    names = ("< 1k USD", "1k to 10k USD", "10k to 100k USD", "≥ 100k USD")
    rule = "open debt at the cut-off (of the reference position for returning wallets)"
    return _banded(panel, "wallet size", rule, DEBT_FEATURE, DEBT_BANDS_USD, names)


def by_age(panel: Panel) -> Groups | NotMeasured:
    """Bands of age as a borrower."""
    names = ("< 90 days", "90 days to a year", "≥ a year")
    return _banded(panel, "age", "whole days since the first borrowing", AGE_FEATURE, AGE_BANDS_DAYS, names)


def by_chain(panel: Panel) -> Groups:
    """Chains by their EIP-155 id."""
    chains, codes = np.unique(panel.chains, return_inverse=True)
    names = tuple(f"chain {chain}" for chain in chains.tolist())
    return Groups("chain", "EIP-155 chain id", names, codes.astype(np.int64))


def partition(
    groups: Groups | NotMeasured,
    rows: Measurable,
    draws: Draws,
    progress: Callable[[int, int], None] | None = None,
) -> Partition | NotMeasured:
    """Measure every slice that has rows; all slices share the draws."""
    if isinstance(groups, NotMeasured):
        return groups
    places = [place for place in range(len(groups.names)) if (groups.codes == place).any()]
    masks = [groups.codes == place for place in places]
    enough = [bool(min(rows.labels[mask].sum(), (1 - rows.labels[mask]).sum()) >= FEWEST) for mask in masks]
    numbers = [_numbers(rows, mask) for mask, measured in zip(masks, enough, strict=True) if measured]
    sample = None
    if numbers:
        sample = resample(lambda weights: np.concatenate([one(weights) for one in numbers]), draws, progress)
    slices, at = [], 0
    for place, mask, measured in zip(places, masks, enough, strict=True):
        intervals = [sample.interval(at + one) for one in range(4)] if sample and measured else [None] * 4
        at += 4 if measured else 0
        slices.append(_slice(groups.names[place], rows, mask, draws, intervals_of=intervals, is_enough=measured))
    return Partition(name=groups.name, rule=groups.rule, slices=tuple(slices))


def _slice(
    name: str,
    rows: Measurable,
    mask: Mask,
    draws: Draws,
    *,
    intervals_of: Sequence[Interval | None],
    is_enough: bool,
) -> Slice:
    labels, probabilities = rows.labels[mask], rows.probabilities[mask]
    line = recalibration(log_odds_of(probabilities), labels) if is_enough else None
    rule = rows.rule_probabilities
    return Slice(
        name=name,
        counts=counts_of(labels, draws.wallet_of_row[mask]),
        auc=intervals_of[0],
        within_date_auc=intervals_of[1],
        brier=intervals_of[2],
        level=intervals_of[3],
        brier_rule=None if rule is None else float(squared_errors(rule[mask], labels).mean()),
        mean_probability=float(probabilities.mean()),
        slope=line.slope if line else None,
    )


def _numbers(rows: Measurable, mask: Mask) -> Callable[[Reals], Reals]:
    labels, probabilities = rows.labels[mask], rows.probabilities[mask]
    _, dates = np.unique(rows.dates[mask], return_inverse=True)
    overall = Ranking.of(probabilities, labels)
    within = Ranking.of(probabilities, labels, dates.astype(np.int64))
    squared = squared_errors(probabilities, labels)

    def numbers(weights: Reals) -> Reals:
        own = weights[mask]
        total, said = own.sum(), own @ probabilities
        return np.array(
            [
                overall.auc(overall.tally(own)),
                within.auc(within.tally(own)),
                own @ squared / total if total > 0 else np.nan,
                own @ labels / said if said > 0 else np.nan,
            ]
        )

    return numbers


def _banded(
    panel: Panel, name: str, rule: str, feature: str, bounds: Sequence[int], names: tuple[str, ...]
) -> Groups | NotMeasured:
    if feature not in PLACE_OF:
        return NotMeasured(not_measured=f"by {name}: this feature schema has no {feature}")
    codes = np.searchsorted(np.array(bounds), panel.column(feature), side="right").astype(np.int64)
    return Groups(name, rule, names, codes)
