"""One feature as the catalogue tells it, and the digest of a catalogue. The features are in `catalogue`.

No feature is ever missing. Where something never happened the feature holds the value that `absent` names, so that a
wallet can't gain by hiding: "never repaid" reads like the worst record, not like an unknown one. Only bad things that
never happened (liquidations, withdrawals, borrowing often, odd patterns) read like the best, and that is honest,
because an unread history is refused before it comes here.
"""

import struct
from dataclasses import dataclass

from bonafides.digests import encode_text
from bonafides.hashing import sha256
from bonafides.types import AdverseReason, Digest

from bonafides_scoring.features.families import REASON_OF_FAMILY, Direction, Family


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature."""

    name: str
    family: Family
    unit: str
    direction: Direction
    lowest: int
    highest: int
    """Inclusive bounds: values are clamped to them before they become float32."""
    is_actionable: bool
    """Whether the borrower can move it by what he does within 90 days."""
    absent: int
    """Its value where the thing never happened."""
    definition: str

    @property
    def best(self) -> int:
        """The value with the least risk."""
        return self.highest if self.direction is Direction.RISK_FALLS else self.lowest

    @property
    def worst(self) -> int:
        """The value with the most risk."""
        return self.lowest if self.direction is Direction.RISK_FALLS else self.highest

    @property
    def reason(self) -> AdverseReason:
        """The code that names it when it held the score back: that of its family."""
        return REASON_OF_FAMILY[self.family]


def schema_hash(features: tuple[FeatureSpec, ...]) -> Digest:
    """Digest of the catalogue: order, names, families, units, directions, bounds, what absence means, definitions."""
    rows = [
        b"".join(
            (
                encode_text(spec.name),
                encode_text(spec.family.value),
                encode_text(spec.unit),
                encode_text(spec.direction.value),
                struct.pack(">qqq?", spec.lowest, spec.highest, spec.absent, spec.is_actionable),
                encode_text(spec.definition),
            )
        )
        for spec in features
    ]
    return sha256(b"bonafides/feature-schema/1", struct.pack(">I", len(rows)), *rows)
