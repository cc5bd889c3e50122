"""The leaves of a score: fourteen names, their types, their JSON forms and their bytes (EAS private-data format).

    leaf = keccak(keccak(abi.encode(string type, string name, bytes value, bytes32 salt)))    value = abi.encode(type)

All of them are always there, so that their number says nothing about the score. The type of a name is fixed here and
never believed from a document: EAS's own SDK takes the string "false" for true and "0x2c8" for 712.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from bonafides.errors import InvalidInput
from bonafides.types import AdverseReason, Band, Digest, band_of
from bonafides.verify.hexadecimal import parse_hex
from bonafides.verify.merkle import hash_leaf

LeafValue = bool | int | str | bytes
"""As Python holds it: bytes32 is `bytes`."""
JsonValue = bool | int | str
"""As JSON holds it: bytes32 is lower-case 0x."""

SALT_BYTES = 32
SCORE_FLOOR, SCORE_CEILING = 300, 850
PREDICATE_FLOORS = (600, 650, 700, 750, 800)
REASON_COUNT = 4


class LeafType(StrEnum):
    """Solidity types that a leaf may have."""

    UINT16 = "uint16"
    STRING = "string"
    BOOL = "bool"
    BYTES32 = "bytes32"


def predicate_name(floor: int) -> str:
    """Name of the leaf that says whether the score reaches `floor`."""
    return f"scoreGte{floor}"


PREDICATES = {predicate_name(floor): floor for floor in PREDICATE_FLOORS}
REASONS = tuple(f"reason{place}" for place in range(1, REASON_COUNT + 1))

LEAF_TYPES: Mapping[str, LeafType] = {
    "score": LeafType.UINT16,
    "band": LeafType.STRING,
    "pdBps": LeafType.UINT16,
    "receiptDigest": LeafType.BYTES32,
    "coverageDigest": LeafType.BYTES32,
    **dict.fromkeys(REASONS, LeafType.STRING),
    **dict.fromkeys(PREDICATES, LeafType.BOOL),
}
"""Every leaf, in the order of the holder file. In tree and multiproof they stand sorted by hash."""

_BANDS = frozenset(band.value for band in Band)
_REASON_CODES = frozenset({"", *(reason.value for reason in AdverseReason)})


@dataclass(frozen=True, slots=True)
class Leaf:
    """One salted fact."""

    name: str
    value: LeafValue
    salt: Digest

    @property
    def hash(self) -> Digest:
        """Hash of the leaf in the commitment's tree."""
        return leaf_hash(self.name, self.value, self.salt)


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    """What the leaves of one score say, each fact once; band and predicates follow from the score."""

    score: int
    """300..850."""
    pd_bps: int
    """Probability of the outcome in basis points, 1..9999, as calibrated, behaviour layer."""
    receipt_digest: Digest
    coverage_digest: Digest
    reasons: tuple[AdverseReason, ...]
    """At most four, the strongest first."""

    def leaf_values(self) -> dict[str, LeafValue]:
        """Value of every leaf, in the order of the holder file.

        Raises:
            InvalidInput: a value out of its range, or more than four reasons.
        """
        if len(self.reasons) > REASON_COUNT:
            raise InvalidInput(f"at most {REASON_COUNT} reasons, saw {len(self.reasons)}")
        codes = [reason.value for reason in self.reasons] + [""] * (REASON_COUNT - len(self.reasons))
        values: dict[str, LeafValue] = {
            "score": self.score,
            "band": band_of(self.score).value,
            "pdBps": self.pd_bps,
            "receiptDigest": self.receipt_digest,
            "coverageDigest": self.coverage_digest,
            **dict(zip(REASONS, codes, strict=True)),
            **{name: self.score >= floor for name, floor in PREDICATES.items()},
        }
        for name, value in values.items():
            check_value(name, value)
        return values


def leaf_hash(name: str, value: LeafValue, salt: Digest) -> Digest:
    """Hash of one leaf; the value has passed `check_value`."""
    kind = LEAF_TYPES[name]
    encoded_name, encoded_value = _encode_bytes(name.encode()), _encode_value(value)
    encoded_type = _encode_bytes(kind.value.encode())
    name_at = 128 + len(encoded_type)
    value_at = name_at + len(encoded_name)
    return hash_leaf(
        b"".join(
            (
                (128).to_bytes(32),
                name_at.to_bytes(32),
                value_at.to_bytes(32),
                salt,
                encoded_type,
                encoded_name,
                _encode_bytes(encoded_value),
            )
        )
    )


def check_value(name: str, value: LeafValue) -> None:
    """Refuse a value that this leaf can never have.

    Raises:
        InvalidInput: unknown name, another type, out of range or outside a closed list.
    """
    kind = LEAF_TYPES.get(name)
    match kind:
        case None:
            raise InvalidInput("unknown leaf name")
        case LeafType.UINT16:
            low, high = (SCORE_FLOOR, SCORE_CEILING) if name == "score" else (1, 9_999)
            if type(value) is not int or not low <= value <= high:
                raise InvalidInput(f"leaf {name}: expected an integer in {low}..{high}")
        case LeafType.BOOL:
            if type(value) is not bool:
                raise InvalidInput(f"leaf {name}: expected true or false")
        case LeafType.BYTES32:
            if type(value) is not bytes or len(value) != 32:
                raise InvalidInput(f"leaf {name}: expected 32 bytes")
        case LeafType.STRING:
            if type(value) is not str or value not in (_BANDS if name == "band" else _REASON_CODES):
                raise InvalidInput(f"leaf {name}: expected a {'band' if name == 'band' else 'reason code or nothing'}")
        case _:
            assert_never(kind)


def value_from_json(name: str, value: JsonValue) -> LeafValue:
    """Read a leaf's value from its one JSON form.

    Raises:
        InvalidInput: another form, out of range, or an unknown name.
    """
    found: LeafValue = value
    if LEAF_TYPES.get(name) is LeafType.BYTES32:
        if not isinstance(value, str):
            raise InvalidInput(f"leaf {name}: expected 0x and 64 lower-case hexadecimal digits")
        found = parse_hex(value, 32)
    check_value(name, found)
    return found


def value_to_json(value: LeafValue) -> JsonValue:
    """The one JSON form of a leaf's value."""
    return "0x" + value.hex() if isinstance(value, bytes) else value


def check_consistency(values: Mapping[str, LeafValue]) -> None:
    """Refuse disclosed values that contradict each other: band and predicates follow from the score.

    Raises:
        InvalidInput: two values that no honest issuer commits to together.
    """
    score = values.get("score")
    floors = [floor for name, floor in PREDICATES.items() if values.get(name) is True]
    ceilings = [floor for name, floor in PREDICATES.items() if values.get(name) is False]
    low, high = max(floors, default=SCORE_FLOOR), min(ceilings, default=SCORE_CEILING + 1)
    if low >= high or (isinstance(score, int) and not low <= score < high):
        raise InvalidInput("the score and its predicates contradict each other")
    band = values.get("band")
    if band is not None and isinstance(score, int) and band_of(score).value != band:
        raise InvalidInput("the score and its band contradict each other")
    possible = {
        band_of(low).value,
        band_of(high - 1).value,
        *(band_of(f).value for f in (600, 650, 700, 750) if low <= f < high),
    }
    if band is not None and band not in possible:
        raise InvalidInput("the band and the predicates contradict each other")


def _encode_value(value: LeafValue) -> bytes:
    """`abi.encode` of one value."""
    if isinstance(value, str):
        return (32).to_bytes(32) + _encode_bytes(value.encode())
    if isinstance(value, bytes):
        return value
    return int(value).to_bytes(32)


def _encode_bytes(raw: bytes) -> bytes:
    """Length, then the bytes, padded to full words."""
    return len(raw).to_bytes(32) + raw + bytes(-len(raw) % 32)
