"""Splits a panel by time and by wallet, so that the test is on a later time and on wallets the model never saw.

    time       ├─ learn ─┤ gap ├ windows of tuning ┤ gap ├ windows of calibration ┤ gap ├──── test ────┤
    origin 1   ├─ train ─┤ gap ├ window ┤
    origin 2   ├─── train ────┤ gap ├ window ┤                each window ends where the next one opens
    …
    last one   ├───────────────────── train ───────────┤ gap ├ window ┤
    wallets    learning wallets (80 %)                                              held-out wallets (20 %)

The gap is one horizon, and is both purge and embargo. Purge: a row is learned from only if its label's window ended by
the first cut-off of what is predicted; a row whose window crosses is dropped. Embargo: what is left is a stretch of one
horizon before each window in which no row that is learned from has its cut-off.

Hyper-parameters are chosen on the first windows alone, Platt's calibration is fit on the later ones (see `calibrate`),
and the rows after the last gap are the test. Their wallets are split once more: `test` holds those whose wallet is in
no other row, `test_known_wallets` the others. The model that ships is the one of the last origin.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from bonafides.errors import InvalidInput
from bonafides.hashing import sha256

from bonafides_scoring.training.panels.panel import HORIZON_DAYS, LONG_HORIZON_DAYS, UNKNOWN, Ints, Panel
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

TUNING_FROM, CALIBRATION_FROM, TEST_FROM = 0.15, 0.40, 0.78
"""Shares of the time between the first and the last cut-off. Fixed before any market was trained on."""
TUNING_WINDOWS = 3
ORIGINS = 4
"""Windows of calibration. One is one stretch of the market's weather, and too few wallets' worth of it."""
HELD_OUT_OF_FIVE = 0
"""One in five wallets, by the hash of its address, is in no row that anything is learned or chosen from."""
FEWEST_POSITIVES = 20
"""Below this, neither a fit nor a measurement means anything."""
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Moments of a split, unix seconds. A window holds the cut-offs from its opening up to, not at, the next one's."""

    tuning: tuple[int, ...]
    """Openings of the tuning windows, then the end of the last one."""
    calibration: tuple[int, ...]
    """Openings of the calibration windows, then the end of the last one."""
    test: int


@dataclass(frozen=True, slots=True)
class Origin:
    """A moment of the past at which a model could have been trained, and the window after it.

    Rows are picked when asked for: a million of them would otherwise be held many times over.
    """

    panel: Panel
    train_rows: _Mask
    window_rows: _Mask

    @property
    def train(self) -> Panel:
        """What was known when the window opened."""
        return self.panel.where(self.train_rows)

    @property
    def window(self) -> Panel:
        """What came after."""
        return self.panel.where(self.window_rows)


@dataclass(frozen=True, slots=True)
class Split:
    """Parts of a panel. No window shares a row with another one, with its own origin's training, or with the test."""

    horizon_days: int
    tuning: tuple[Origin, ...]
    """Folds to choose hyper-parameters on, in order of time: earlier than every window of calibration."""
    origins: tuple[Origin, ...]
    """In order of time; the last one's `train` is what the shipped model learns from."""
    test: Panel
    """The latest time, wallets that are in no other part."""
    test_known_wallets: Panel
    """The latest time, wallets that other parts may hold at earlier times."""

    @property
    def train(self) -> Panel:
        """What the shipped model learns from."""
        return self.origins[-1].train


def at_horizon(panel: Panel, horizon_days: int) -> Panel:
    """The panel with the labels of this horizon as `labels`; rows whose label is not known yet are left out.

    Raises:
        InvalidInput: another horizon than a panel holds, or no row with a known label.
    """
    if horizon_days == HORIZON_DAYS:
        return panel
    if horizon_days != LONG_HORIZON_DAYS:
        raise InvalidInput(f"horizon of {horizon_days} days: a panel holds {HORIZON_DAYS} and {LONG_HORIZON_DAYS}")
    known = panel.where(panel.labels_90d != UNKNOWN)
    if not len(known):
        raise InvalidInput(f"no row has {horizon_days} days behind it: build the panel over more days")
    return replace(known, labels=known.labels_90d)


def split_panel(panel: Panel, horizon_days: int = HORIZON_DAYS) -> Split:
    """Split; see the module. `panel.labels` must be those of the horizon.

    Raises:
        InvalidInput: too short a time, a window without rows, or a part with too few of one class.
    """
    horizon_s = horizon_days * SECONDS_PER_DAY
    timeline = timeline_of(int(panel.cutoffs.min()), int(panel.cutoffs.max()), horizon_days)
    held_out = held_out_rows(panel)
    is_test = panel.cutoffs >= timeline.test
    split = Split(
        horizon_days=horizon_days,
        tuning=_origins(panel, ~held_out, timeline.tuning, horizon_s, "tuning"),
        origins=_origins(panel, ~held_out, timeline.calibration, horizon_s, "calibration"),
        test=panel.where(is_test & held_out),
        test_known_wallets=panel.where(is_test & ~held_out),
    )
    for name, origins in (("tuning", split.tuning), ("calibration", split.origins)):
        for place, origin in enumerate(origins, 1):
            check_classes(f"training ({name} window {place})", panel.labels[origin.train_rows])
        check_classes(name, np.concatenate([panel.labels[origin.window_rows] for origin in origins]))
    check_classes("test", split.test.labels)
    return split


def timeline_of(first: int, last: int, horizon_days: int) -> Timeline:
    """When the windows open, for cut-offs from `first` to `last`, both inclusive.

    Raises:
        InvalidInput: too short a time for the gaps.
    """
    horizon_s, span = horizon_days * SECONDS_PER_DAY, last - first
    tuning, calibration, test = (first + int(span * share) for share in (TUNING_FROM, CALIBRATION_FROM, TEST_FROM))
    found = Timeline(
        tuning=_openings(tuning, calibration - horizon_s, TUNING_WINDOWS),
        calibration=_openings(calibration, test - horizon_s, ORIGINS),
        test=test,
    )
    ends = zip((found.tuning, found.calibration), (TUNING_WINDOWS, ORIGINS), strict=True)
    if tuning < first + horizon_s or any(times[-1] - times[0] < SECONDS_PER_DAY * count for times, count in ends):
        raise InvalidInput(
            f"cut-offs span {span // SECONDS_PER_DAY} days: too short a time for windows with gaps of {horizon_days} "
            "days between them; simulate or read more days"
        )
    return found


def held_out_rows(panel: Panel) -> _Mask:
    """Which rows are of held-out wallets."""
    known = {wallet: is_held_out(wallet) for wallet in set(panel.wallets)}
    return np.fromiter((known[wallet] for wallet in panel.wallets), dtype=np.bool_, count=len(panel))


def is_held_out(wallet: bytes) -> bool:
    """Whether a wallet is kept out of training, by its hash alone: the same in every run."""
    return sha256(b"bonafides/held-out/1", wallet)[0] % 5 == HELD_OUT_OF_FIVE


def check_classes(name: str, labels: Ints) -> None:
    """Raises InvalidInput when one class is missing or too small to say anything."""
    positives = int(labels.sum())
    for kind, count in (("with the outcome", positives), ("without it", len(labels) - positives)):
        if count < FEWEST_POSITIVES:
            raise InvalidInput(
                f"the {name} rows hold {count} {kind}, expected at least {FEWEST_POSITIVES}: "
                "simulate more borrowers or more days"
            )


def _openings(start: int, end: int, count: int) -> tuple[int, ...]:
    return tuple(start + (end - start) * part // count for part in range(count + 1))


def _origins(panel: Panel, learning: _Mask, openings: tuple[int, ...], horizon_s: int, name: str) -> tuple[Origin, ...]:
    found = []
    for start, stop in pairwise(openings):
        window = learning & (panel.cutoffs >= start) & (panel.cutoffs < stop)
        if not window.any():  # a calm window says much, an empty one nothing
            raise InvalidInput(f"{len(openings) - 1} windows of {name}, and one has no row: simulate more days")
        found.append(Origin(panel, learning & (panel.cutoffs + horizon_s <= start), window))
    return tuple(found)
