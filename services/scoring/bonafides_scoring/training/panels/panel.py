"""The panel in memory: rows of (wallet, cut-off) with features, and what happened in the time after."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from bonafides.hashing import sha256
from bonafides.types import Address, Digest

from bonafides_scoring.features.schema import FEATURE_NAMES, PLACE_OF, SCHEMA_HASH

HORIZON_DAYS = 30
LONG_HORIZON_DAYS = 90
UNKNOWN = -1
"""A label whose window is not over."""
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.str_]


class Stratum(StrEnum):
    """Which question a row asks."""

    OPEN_DEBT = "open_debt"
    """At a cut-off of the grid: what becomes of the debt that is open."""
    RETURNING = "returning"
    """Right before a wallet that owed nothing for a week or longer borrows again: what becomes of the new debt. The
    features are those of the reference position; the cut-off is the time of that borrowing, on no grid."""


STRATUM_CODE = {Stratum.OPEN_DEBT: 0, Stratum.RETURNING: 1}
"""In the digest of rows. Never renumbered."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows in ascending order of (wallet, chain, cut-off, stratum)."""

    features: Floats
    """One column per feature, in the order of the schema."""
    labels: Ints
    """1: liquidated or bad debt within `HORIZON_DAYS`."""
    labels_90d: Ints
    """The same within `LONG_HORIZON_DAYS`; `UNKNOWN` where that time is not over."""
    cutoffs: Ints
    """Unix seconds."""
    wallets: tuple[Address, ...]
    chains: Ints
    strata: Words
    """Words of `Stratum`."""

    def __len__(self) -> int:
        return len(self.wallets)

    def where(self, mask: npt.NDArray[np.bool_]) -> "Panel":
        """The rows of a mask."""
        return Panel(
            self.features[mask],
            self.labels[mask],
            self.labels_90d[mask],
            self.cutoffs[mask],
            tuple(self.wallets[place] for place in np.flatnonzero(mask)),
            self.chains[mask],
            self.strata[mask],
        )

    def of(self, stratum: Stratum) -> "Panel":
        """The rows of one stratum."""
        return self.where(self.strata == stratum.value)

    def column(self, name: str) -> Floats:
        """One feature of all rows."""
        found: Floats = self.features[:, PLACE_OF[name]]
        return found

    @property
    def digest(self) -> Digest:
        """SHA-256 over the schema and `row_bytes`, in the order of the rows."""
        return sha256(*digest_head(), self.row_bytes())

    def row_bytes(self) -> bytes:
        """The fixed-width form of all rows: wallet, chain, cut-off, stratum, labels, features; big-endian."""
        rows = np.empty(len(self), dtype=_ROW)
        rows["wallet"] = np.frombuffer(b"".join(self.wallets), dtype="V20")
        rows["chain"], rows["cutoff"] = self.chains, self.cutoffs
        rows["stratum"] = self.strata == Stratum.RETURNING.value
        rows["label"], rows["label_90d"] = self.labels, self.labels_90d
        rows["features"] = self.features
        return rows.tobytes()


def digest_head() -> tuple[bytes, bytes]:
    """What the digest of rows begins with."""
    return b"bonafides/panel/2", SCHEMA_HASH


_ROW = np.dtype(
    [
        ("wallet", "V20"),
        ("chain", ">u8"),
        ("cutoff", ">i8"),
        ("stratum", "u1"),
        ("label", "i1"),
        ("label_90d", "i1"),
        ("features", ">f4", (len(FEATURE_NAMES),)),
    ]
)
