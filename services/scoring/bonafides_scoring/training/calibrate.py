"""Calibrates on rolling origins: what models of earlier days said of the days after them.

A window of a few months is one stretch of the market's weather. Calibrated on a calm one alone, every probability comes
out too low; on a wild one, too high. So several windows share the fit, each predicted by a model that was trained only
on what had ended before it, as it would have been in service. The last of these models is the one that ships.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bonafides_scoring.manifest import CalibrationWindow
from bonafides_scoring.training.fit import Platt, PlattFit, Reals, fit_platt
from bonafides_scoring.training.split import Origin


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt's two numbers, and the windows they were fit on."""

    platt: Platt
    windows: tuple[CalibrationWindow, ...]

    def log_odds(self, margins: Reals) -> Reals:
        """Calibrated."""
        return self.platt.slope * margins + self.platt.intercept


def calibrate(margins: Sequence[Reals], origins: Sequence[Origin], fit: PlattFit = fit_platt) -> Calibration:
    """Fit Platt's calibration to all windows together; every row counts the same.

    `margins` are of the origins' windows, each by what was trained on its origin's `train` and nothing else.

    Raises:
        InvalidInput: see `fit`.
    """
    labels = [origin.panel.labels[origin.window_rows] for origin in origins]
    platt = fit(np.concatenate(margins), np.concatenate(labels))
    return Calibration(platt, tuple(_record(*pair, platt) for pair in zip(origins, margins, strict=True)))


def _record(origin: Origin, margins: Reals, platt: Platt) -> CalibrationWindow:
    cutoffs, labels = origin.panel.cutoffs[origin.window_rows], origin.panel.labels[origin.window_rows]
    return CalibrationWindow(
        trained_until=int(origin.panel.cutoffs[origin.train_rows].max()),
        first_cutoff=int(cutoffs.min()),
        last_cutoff=int(cutoffs.max()),
        rows=len(labels),
        positives=int(labels.sum()),
        mean_pd=float((1 / (1 + np.exp(-(platt.slope * margins + platt.intercept)))).mean()),
    )
