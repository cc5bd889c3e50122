"""Numbers and texts of messages and bundles inside the ranges that digests, database columns and arithmetic take.

Avro checks the form alone: an int may be negative, a string may hold a NUL. What fails here is a `ValueError` and never
repeats a value: it may be a wallet's, and the text ends up in a log.
"""

from collections.abc import Sequence

from bonafides.types import EventType, MarketPointKind

MAX_U8 = 2**8 - 1
MAX_U16 = 2**16 - 1
MAX_U32 = 2**32 - 1
MAX_U128 = 2**128 - 1  # what Aave keeps a stable debt and its rate in
MAX_I63 = 2**63 - 1  # an Avro long and a BIGINT column alike
VALUES_OF_KIND = {
    MarketPointKind.PRICE: (1, 2),
    MarketPointKind.RESERVE_INDEX: (4,),
    MarketPointKind.RESERVE_CONFIG: (4,),
    MarketPointKind.EMODE_CONFIG: (3,),
    MarketPointKind.EMODE_ASSET: (0, 1),
    MarketPointKind.ROUNDING: (1,),
}
"""How many numbers a fact of each kind can have (`MarketPoint`)."""
_HIGHEST_CODES = {MarketPointKind.EMODE_ASSET: 1, MarketPointKind.ROUNDING: 2}


def in_range(name: str, value: int, highest: int = MAX_I63, *, lowest: int = 0) -> int:
    """The value, when `lowest` ≤ value ≤ `highest`. Raises ValueError."""
    if not lowest <= value <= highest:
        side = "below" if value < lowest else "above"
        raise ValueError(f"{name} is {side} its range, expected {lowest}..{highest}")
    return value


def optional_in_range(name: str, value: int | None) -> int | None:
    """None, or a value 0..2**63 - 1. Raises ValueError."""
    return None if value is None else in_range(name, value)


def plain_text(name: str, value: str) -> str:
    """The text, when it can stand in a digest (at most 65,535 bytes) and in a database (no NUL). Raises ValueError."""
    if "\x00" in value:
        raise ValueError(f"{name} holds a NUL")
    if len(value.encode()) > MAX_U16:
        raise ValueError(f"{name} is longer than {MAX_U16} bytes")
    return value


def told_debt(kind: EventType, amount: int, index_ray: int) -> None:
    """Raises ValueError where a ledger entry that tells a debt whole cannot be one."""
    if kind is EventType.DEBT_SET and not index_ray:
        raise ValueError("a debt that is told whole has an index above 0")
    if kind is EventType.STABLE_DEBT_SET:
        in_range("stable debt", amount, MAX_U128)
        in_range("stable rate", index_ray, MAX_U128)
        if index_ray and not amount:
            raise ValueError("a stable debt of nothing has no rate")


def point_values(kind: MarketPointKind, values: Sequence[int]) -> tuple[int, ...]:
    """The numbers of a market fact, when there are as many as its kind has. Raises ValueError."""
    if len(values) not in VALUES_OF_KIND[kind]:
        expected = " or ".join(str(count) for count in VALUES_OF_KIND[kind])
        raise ValueError(f"a {kind} has {expected} values, saw {len(values)}")
    if kind is MarketPointKind.RESERVE_CONFIG:
        in_range("decimals", values[3], MAX_U8)  # a power of ten is taken of it
    if kind in _HIGHEST_CODES:
        for value in values:
            in_range(kind, value, _HIGHEST_CODES[kind])
    return tuple(values)
