"""Building blocks of the JSON files: strict pydantic types with one JSON form each."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from bonafides.errors import InvalidInput
from bonafides.types import Address, Digest
from bonafides.verify.hexadecimal import format_hex, parse_hex
from bonafides.verify.strict_json import MAX_INTEGER


class JsonModel(BaseModel):
    """Base of every object in a file: closed, strict, frozen; camelCase in JSON, as EIP-712 and EAS write it."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )


def _reader(length: int | None) -> BeforeValidator:
    def read(value: object) -> bytes:
        if isinstance(value, bytes) and length in (None, len(value)):
            return value
        if not isinstance(value, str):
            raise ValueError("expected 0x and lower-case hexadecimal digits")  # noqa: TRY004 pydantic wants ValueError
        try:
            return parse_hex(value, length)
        except InvalidInput as exc:
            raise ValueError(str(exc)) from exc

    return BeforeValidator(read)


def _schema(length: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^0x[0-9a-f]{{{2 * length}}}$"})


_AS_HEX = PlainSerializer(format_hex, return_type=str)

JsonDigest = Annotated[Digest, _reader(32), _AS_HEX, _schema(32)]
"""32 bytes."""
JsonAddress = Annotated[Address, _reader(20), _AS_HEX, _schema(20)]
"""20 bytes, lower case: a checksum is for humans, one form is for machines."""
JsonSignature = Annotated[bytes, _reader(65), _AS_HEX, _schema(65)]
"""65 bytes r ‖ s ‖ v."""
JsonBytes = Annotated[
    bytes,
    _reader(None),
    _AS_HEX,
    WithJsonSchema({"type": "string", "pattern": "^0x([0-9a-f]{2})*$", "maxLength": 2 * 4096 + 2}),
    Field(max_length=4096),
]
"""Any bytes, at most 4,096."""
JsonInteger = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
"""Canonical, non-negative, exact in JavaScript."""
