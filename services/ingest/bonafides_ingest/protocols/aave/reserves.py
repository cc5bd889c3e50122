"""A listed asset of Aave V2 and V3 alike: its tokens, and as what they are stored."""

from dataclasses import dataclass

from bonafides.errors import InvariantViolation
from bonafides.types import Address, Json, address_text, parse_address


@dataclass(frozen=True, slots=True)
class ReserveTokens:
    """The tokens of one listed asset."""

    asset: Address
    a_token: Address
    stable_debt_token: Address
    variable_debt_token: Address


_FIELDS = ("a_token", "stable_debt_token", "variable_debt_token")


def token_facts(reserve: ReserveTokens) -> dict[str, Json]:
    """What a restart must find again of the tokens."""
    return {name: address_text(getattr(reserve, name)) for name in _FIELDS}


def tokens_of(fact: Json) -> tuple[dict[str, Json], tuple[Address, Address, Address]]:
    """A stored reserve as a record, and its aToken, stable debt token and variable debt token."""
    if not isinstance(fact, dict):
        raise InvariantViolation("a stored reserve is no record: the table was changed by hand")
    a_token, stable, variable = (parse_address(str(fact[name])) for name in _FIELDS)
    return fact, (a_token, stable, variable)
