"""Calibrates on rolling origins: what models of earlier days said of the days after them.

A window of a few months is one stretch of the market's weather. Calibrated on a calm one alone, every probability comes
out too low; on a wild one, too high. So several windows share the fit, each predicted by a model that was trained only
on what had ended before it, as it would have been in service. The last of these models is the one that ships.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xgboost

from bonafides_scoring.manifest import CalibrationWindow
from bonafides_scoring.training.fit import Platt, Reals, fit_platt, margins_of
from bonafides_scoring.training.split import Origin


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt's two numbers, and the windows they were fit on."""

    platt: Platt
    windows: tuple[CalibrationWindow, ...]


def calibrate(boosters: Sequence[xgboost.Booster], origins: Sequence[Origin]) -> Calibration:
    """Fit Platt's calibration to all windows together; every row counts the same.

    `boosters` are in the order of `origins`, each trained on its origin's `train` and nothing else.

    Raises:
        InvalidInput: see `fit_platt`.
    """
    margins = [margins_of(booster, origin.window) for booster, origin in zip(boosters, origins, strict=True)]
    platt = fit_platt(np.concatenate(margins), np.concatenate([origin.window.labels for origin in origins]))
    return Calibration(platt, tuple(_record(*pair, platt) for pair in zip(origins, margins, strict=True)))


def _record(origin: Origin, margins: Reals, platt: Platt) -> CalibrationWindow:
    window = origin.window
    return CalibrationWindow(
        trained_until=int(origin.train.cutoffs.max()),
        first_cutoff=int(window.cutoffs.min()),
        last_cutoff=int(window.cutoffs.max()),
        rows=len(window),
        positives=int(window.labels.sum()),
        mean_pd=float((1 / (1 + np.exp(-(platt.slope * margins + platt.intercept)))).mean()),
    )
