"""The committed ABI of the events that we read: `decoders/abi/*.json`, each with its source."""

import json
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, TypeAdapter


class AbiMember(BaseModel):
    """One member of a tuple, or one argument of a function."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: str


class AbiArgument(BaseModel):
    """One argument of an event."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: str
    indexed: bool
    components: tuple[AbiMember, ...] = ()
    """Members of a `tuple`, each a word wide."""

    @property
    def canonical_type(self) -> str:
        """The type as it stands in a signature: a tuple is its members in brackets."""
        return f"({','.join(member.type for member in self.components)})" if self.type == "tuple" else self.type


class AbiEvent(BaseModel):
    """One event of a contract's ABI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    inputs: tuple[AbiArgument, ...]

    @property
    def signature(self) -> str:
        """Such as `Burn(address,uint256)`."""
        return f"{self.name}({','.join(argument.canonical_type for argument in self.inputs)})"


class AbiFragment(BaseModel):
    """Some events of one contract, and where their ABI is from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """package@version."""
    contract: str
    events: tuple[AbiEvent, ...]


def load_fragments(file: str) -> tuple[AbiFragment, ...]:
    """The ABI fragments of a file under `decoders/abi/`."""
    raw = (files("bonafides_ingest.decoders") / "abi" / file).read_text("utf-8")
    return TypeAdapter(tuple[AbiFragment, ...]).validate_python(json.loads(raw))
