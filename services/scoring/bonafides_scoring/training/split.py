"""Splits a panel by time and by wallet, so that the test is on a later time and on wallets the model never saw.

    cut-offs   ├──── train ────┤ embargo ├─ calibrate ─┤ embargo ├──── test ────┤
    wallets    learning wallets (80 %)                            held-out wallets (20 %)

The embargo is one horizon: no label of one part looks into the next. The test rows are the last window's; their
wallets are split once more: `test` holds all of them, `test_unseen` those whose wallet is in no training row.
"""

from dataclasses import dataclass

import numpy as np
from bonafides.errors import InvalidInput
from bonafides.hashing import sha256

from bonafides_scoring.training.panel import HORIZON_DAYS, Panel
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

TRAIN_SHARE = 0.55
CALIBRATION_SHARE = 0.2
HELD_OUT_OF_FIVE = 0
"""One in five wallets, by the hash of its address, is in no training and no calibration row."""
FEWEST_POSITIVES = 20
"""Below this, neither a fit nor a measurement means anything."""


@dataclass(frozen=True, slots=True)
class Split:
    """Disjoint parts of a panel."""

    train: Panel
    calibration: Panel
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
    calibration_start = train_end + embargo_s
    calibration_end = calibration_start + int(usable * CALIBRATION_SHARE)
    test_start = calibration_end + embargo_s
    held_out = np.array([is_held_out(wallet) for wallet in panel.wallets])
    is_test = panel.cutoffs >= test_start
    split = Split(
        train=panel.where((panel.cutoffs <= train_end) & ~held_out),
        calibration=panel.where((panel.cutoffs >= calibration_start) & (panel.cutoffs <= calibration_end) & ~held_out),
        test=panel.where(is_test & held_out),
        test_known_wallets=panel.where(is_test & ~held_out),
    )
    for name, part in (("training", split.train), ("calibration", split.calibration), ("test", split.test)):
        check_classes(name, part)
    return split


def is_held_out(wallet: bytes) -> bool:
    """Whether a wallet is kept out of training, by its hash alone: the same in every run."""
    return sha256(b"bonafides/held-out/1", wallet)[0] % 5 == HELD_OUT_OF_FIVE


def check_classes(name: str, part: Panel) -> None:
    """Raises InvalidInput when one class is missing or too small to say anything."""
    positives = int(part.labels.sum())
    for kind, count in (("with the outcome", positives), ("without it", len(part) - positives)):
        if count < FEWEST_POSITIVES:
            raise InvalidInput(
                f"the {name} rows hold {count} {kind}, expected at least {FEWEST_POSITIVES}: "
                "simulate more borrowers or more days"
            )
