"""The work folder of a training: what took long is kept under the digest of everything that decided it.

A run that was stopped and started again finds it; a run with other rows, another plan or another version does not.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import xgboost
from bonafides.hashing import sha256

Margins = npt.NDArray[np.float64]


class WorkFolder:
    """Results of fits, one file each. A file stands under its name only when it is whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fits = folder / "fits"
        self._fits.mkdir(parents=True, exist_ok=True)

    def margins(self, key: bytes, shape: tuple[int, int]) -> Margins | None:
        """What was kept under this key; None when nothing of this shape was."""
        try:
            found: Margins = np.load(self._path(key, "npy"), allow_pickle=False)
        except (OSError, ValueError, EOFError):  # not there, or not what we wrote: made again
            return None
        return found if found.shape == shape and found.dtype == np.float64 else None

    def keep_margins(self, key: bytes, margins: Margins) -> None:
        """Keep them."""
        partial = self._path(key, "partial.npy")
        np.save(partial, margins, allow_pickle=False)
        partial.replace(self._path(key, "npy"))

    def booster(self, key: bytes) -> xgboost.Booster | None:
        """The booster kept under this key, if it is."""
        booster = xgboost.Booster({"nthread": 1})
        try:
            booster.load_model(bytearray(self._path(key, "ubj").read_bytes()))
        except (OSError, xgboost.core.XGBoostError):
            return None
        return booster

    def keep_booster(self, key: bytes, booster: xgboost.Booster) -> None:
        """Keep it."""
        partial = self._path(key, "partial")
        partial.write_bytes(bytes(booster.save_raw("ubj")))
        partial.replace(self._path(key, "ubj"))

    def _path(self, key: bytes, kind: str) -> Path:
        return self._fits / f"{sha256(b'bonafides/fit/1', key).hex()}.{kind}"
