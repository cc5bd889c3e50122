"""Splits a panel by time and by wallet, so that the test is on a later time and on wallets the model never saw.

    cut-offs   ├────────── train ──────────┤ embargo ├─ calibrate ─┤ embargo ├──── test ────┤
    origin 1   ├─ train ─┤ embargo ├ window ┤
    origin 2   ├─── train ───┤ embargo ├ window ┤                  each window ends where the next begins
    last one   ├────────── train ──────────┤ embargo ├── window ───┤
    wallets    learning wallets (80 %)                                        held-out wallets (20 %)

The embargo is one horizon: no label of one part looks into the next. Calibration is fit on the windows of all origins,
see `calibrate`. The test rows are the last window's; their wallets are split once more: `test` holds those whose wallet
is in no other row, `test_known_wallets` the others.
"""

from dataclasses import dataclass

import numpy as np
from bonafides.errors import InvalidInput
from bonafides.hashing import sha256

from bonafides_scoring.training.panels.panel import HORIZON_DAYS, Ints, Panel
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

TRAIN_SHARE = 0.55
CALIBRATION_SHARE = 0.2
HELD_OUT_OF_FIVE = 0
"""One in five wallets, by the hash of its address, is in no training and no calibration row."""
FEWEST_POSITIVES = 20
"""Below this, neither a fit nor a measurement means anything."""
ORIGINS = 5
"""Models that calibration asks, the final one among them. Their training ends at 2/6, 3/6 … 6/6 of the training time: a
model of fewer days is too unlike the final one to speak for it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A moment of the past at which a model could have been trained, and the time after its embargo."""

    train: Panel
    window: Panel


@dataclass(frozen=True, slots=True)
class Split:
    """Parts of a panel. No window shares a row with another one, with its own origin's training, or with the test."""

    train: Panel
    origins: tuple[Origin, ...]
    """In order of time; the last one's `train` is all of `train`."""
    test: Panel
    """The latest window, wallets that the model never saw in any row."""
    test_known_wallets: Panel
    """The latest window, wallets that it saw at earlier times."""


def split_panel(panel: Panel) -> Split:
    """Split; see the module.

    Raises:
        InvalidInput: too few cut-offs, or a part with too few of one class.
    """
    cutoffs = np.unique(panel.cutoffs)
    embargo_s = HORIZON_DAYS * SECONDS_PER_DAY
    first, last = int(cutoffs[0]), int(cutoffs[-1])
    usable = last - first - 2 * embargo_s
    if usable <= 0:
        raise InvalidInput(f"{len(cutoffs)} cut-offs span too short a time for two embargos of {HORIZON_DAYS} days")
    train_end = first + int(usable * TRAIN_SHARE)
    calibration_end = train_end + embargo_s + int(usable * CALIBRATION_SHARE)
    test_start = calibration_end + embargo_s
    held_out = np.array([is_held_out(wallet) for wallet in panel.wallets])
    learning, is_test = panel.where(~held_out), panel.cutoffs >= test_start
    split = Split(
        train=learning.where(learning.cutoffs <= train_end),
        origins=_origins(learning, first, train_end, calibration_end),
        test=panel.where(is_test & held_out),
        test_known_wallets=panel.where(is_test & ~held_out),
    )
    check_classes("training", split.train.labels)
    for place, origin in enumerate(split.origins, 1):
        check_classes(f"training (origin {place} of {ORIGINS})", origin.train.labels)
    check_classes("calibration", np.concatenate([origin.window.labels for origin in split.origins]))
    check_classes("test", split.test.labels)
    return split


def _origins(learning: Panel, first: int, train_end: int, calibration_end: int) -> tuple[Origin, ...]:
    parts = ORIGINS + 1
    ends = [first + (train_end - first) * part // parts for part in range(2, parts + 1)]
    starts = [end + HORIZON_DAYS * SECONDS_PER_DAY for end in ends]
    found = []
    for end, start, stop in zip(ends, starts, [*starts[1:], calibration_end + 1], strict=True):
        window = learning.where((learning.cutoffs >= start) & (learning.cutoffs < stop))
        if not len(window):  # a calm window says much, an empty one nothing
            raise InvalidInput(
                f"{ORIGINS} calibration windows, and one has no row: simulate more days or take smaller steps"
            )
        found.append(Origin(learning.where(learning.cutoffs <= end), window))
    return tuple(found)


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
