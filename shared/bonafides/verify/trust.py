"""The trust file: whom a lender believes, and about what. Trust is given here, never found in a document."""

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from bonafides.errors import InvalidInput
from bonafides.types import ATTESTABLE_FLAGS, ChainId, ModelClass, ScoreFlag, flag_names
from bonafides.verify.documents import explain_validation_error
from bonafides.verify.json_types import JsonAddress, JsonDigest, JsonInteger, JsonModel
from bonafides.verify.strict_json import read_strict_json
from bonafides.verify.typed_data import Domain

TRUST_FORMAT: Literal["bonafides-trust/1"] = "bonafides-trust/1"
FlagName = Literal["reference_position", "thin_file", "disputed"]
_FLAGS = {name: flag for flag in ATTESTABLE_FLAGS for name in flag_names(flag)}


class TrustedModel(JsonModel):
    """One model that the lender accepts, and what its number means."""

    model_class: Annotated[ModelClass, Field(alias="class", strict=False)]
    """What it was trained on. `synthetic` counts on development chains only."""
    outcome: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    """What the probability is a probability of, such as `liquidation_or_bad_debt`."""
    horizon_days: Annotated[JsonInteger, Field(ge=1, le=3_660)]
    accepted_flags: Annotated[tuple[FlagName, ...], Field(strict=False)] = ()
    """Flags that a score may carry and still count. None by default."""

    @property
    def flags(self) -> ScoreFlag:
        """The accepted flags, as bits."""
        accepted = ScoreFlag.NONE
        for name in self.accepted_flags:
            accepted |= _FLAGS[name]
        return accepted


class TrustFile(JsonModel):
    """One issuer: its registry, its keys if the lender pins them, and the models that the lender accepts from it."""

    format: Literal["bonafides-trust/1"] = TRUST_FORMAT
    issuer: Annotated[str, Field(min_length=1, max_length=200)]
    """A name for humans."""
    chain_id: Annotated[JsonInteger, Field(ge=1)]
    registry: JsonAddress
    attesters: Annotated[tuple[JsonAddress, ...], Field(strict=False)] = ()
    """Pinned keys: if any are named, the registry's key record *and* this list must know the signer."""
    models: Annotated[
        dict[JsonDigest, TrustedModel], Field(min_length=1, json_schema_extra={"additionalProperties": False})
    ]
    """Accepted models by id; another model is refused."""

    @property
    def domain(self) -> Domain:
        """Where the issuer's signatures count."""
        return Domain(ChainId(self.chain_id), self.registry)

    def to_json(self) -> str:
        """The file."""
        return self.model_dump_json(indent=2) + "\n"


def read_trust_file(raw: bytes | str) -> TrustFile:
    """Read a trust file.

    Raises:
        InvalidInput: anything but the one form; says where.
    """
    try:
        return TrustFile.model_validate(read_strict_json(raw))
    except ValidationError as exc:
        raise InvalidInput(f"the trust file is wrong: {explain_validation_error(exc)}") from exc
